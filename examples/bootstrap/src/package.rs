//! Handlers in installed packages, such as those that wrap another handler: no file in the task root is called as they are,
//! and AWS's clients import them by their name.

use std::env;
use std::path::{Path, PathBuf};

use crate::handler::find_module;
use crate::language::{EMBEDDED, Language};
use crate::text;

/// A language whose packages have handlers.
struct Packages {
    language: &'static str,
    /// Where it is said which places have packages.
    variable: &'static str,
    /// The name of a module may have dots in it, so that the last one is before the function.
    has_dots: bool,
    /// They are looked for beside the handler, and as Node looks for them besides.
    is_beside: bool,
    is_in: fn(&str, &Path) -> bool,
}

const ALL: [Packages; 3] = [
    Packages {
        language: "Python",
        variable: "PYTHONPATH",
        has_dots: true,
        is_beside: false,
        is_in: |name, place| find_module(name, place).is_some(),
    },
    Packages {
        language: "JavaScript",
        variable: "NODE_PATH",
        has_dots: false,
        is_beside: true,
        is_in: |name, place| {
            let base = name.rsplit('/').next().unwrap_or(name);
            let ends = ["/package.json", "/index.js", ".js"];
            [name, base].iter().any(|name| ends.iter().any(|end| place.join(format!("{name}{end}")).is_file()))
        },
    },
    Packages {
        language: "Ruby",
        variable: "RUBYLIB",
        has_dots: false,
        is_beside: false,
        is_in: |name, place| place.join(format!("{name}.rb")).is_file(),
    },
];

/// Finds the language of a handler that is in a package, the name by which its worker imports that, and the function. Where
/// an interpreter of the language is named, it is the one to say that there is no such package: it knows of more places.
pub(crate) fn find<'a>(
    handler: &'a str,
    root: &Path,
    interpreter: Option<&Path>,
) -> Option<(&'static Language, PathBuf, &'a str)> {
    if handler.starts_with('/') || text::contains(handler, "..") {
        return None;
    }
    ALL.iter().find_map(|packages| {
        let language = EMBEDDED.iter().find(|language| language.name == packages.language)?;
        let (name, function) = packages.split(handler)?;
        let is_there = match interpreter {
            Some(path) => language.is_run_by(path),
            None => packages.places(root).iter().any(|place| (packages.is_in)(name, place)),
        };
        is_there.then(|| (language, name.into(), function))
    })
}

impl Packages {
    fn split<'a>(&self, handler: &'a str) -> Option<(&'a str, &'a str)> {
        let start = handler.rfind('/').map_or(0, |slash| slash + 1);
        let base = handler.get(start..)?;
        let dot = start + if self.has_dots { base.rfind('.') } else { base.find('.') }?;
        let (name, function) = (handler.get(..dot)?, handler.get(dot + 1..)?);
        (dot > start && !function.is_empty()).then_some((name, function))
    }

    fn places(&self, root: &Path) -> Vec<PathBuf> {
        let said = env::var_os(self.variable);
        let mut places: Vec<PathBuf> = said.iter().flat_map(env::split_paths).map(|place| root.join(place)).collect();
        if self.is_beside {
            // As the worker for Node has it.
            if said.is_none() {
                places.push("/opt/nodejs/node_modules".into());
            }
            places.push(root.to_owned());
            places.extend(root.ancestors().map(|above| above.join("node_modules")));
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_handler_in_a_package_is_found_and_its_language_told() {
        let root = env::temp_dir().join(format!("bootstrap-package-{}", std::process::id()));
        for name in ["node_modules/a", "node_modules/b", "lib/src", "empty"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        for name in ["node_modules/a/package.json", "node_modules/b/index.js", "node_modules/c.js", "lib/src/index.js"]
        {
            fs::write(root.join(name), "").unwrap();
        }
        let check = |handler: &str, interpreter: Option<&str>, expected: Option<(&str, &str, &str)>| {
            let found = find(handler, &root, interpreter.map(Path::new));
            let found = found.map(|(language, name, function)| (language.name, name, function));
            let expected = expected.map(|(language, name, function)| (language, PathBuf::from(name), function));
            assert_eq!(found, expected, "{handler}");
        };
        check("a.handler", None, Some(("JavaScript", "a", "handler")));
        check("b.some.handler", None, Some(("JavaScript", "b", "some.handler")));
        check("lib/c.handler", None, Some(("JavaScript", "lib/c", "handler")));
        check("lib/src.handler", None, Some(("JavaScript", "lib/src", "handler")));
        check("d.handler", None, None);
        check("empty.handler", None, None);
        check("../a.handler", None, None);
        check("a.", None, None);
        check("a", None, None);
        check("d.handler", Some("/usr/bin/node"), Some(("JavaScript", "d", "handler")));
        check("d.e.handler", Some("python3.13"), Some(("Python", "d.e", "handler")));
        check("d.E.handler", Some("ruby"), Some(("Ruby", "d", "E.handler")));
        check("a.handler", Some("php"), None);
        fs::remove_dir_all(root).unwrap();
    }
}
