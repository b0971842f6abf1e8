//! The languages that have a shim: what speaks the worker protocol for a handler in them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Language {
    pub(crate) name: &'static str,
    pub(crate) extension: &'static str,
    /// What its interpreter is called. A version may stand behind it: `php8.2`, `lua5.4`.
    interpreters: &'static [&'static str],
    /// What has the interpreter run the text of the next argument.
    option: &'static str,
    shim: &'static str,
}

/// In the order in which they are looked for.
pub(crate) const LANGUAGES: [Language; 9] = [
    Language {
        name: "PHP",
        extension: "php",
        interpreters: &["php"],
        option: "-r",
        shim: include_str!("../workers/php/worker.php"),
    },
    Language {
        name: "Perl",
        extension: "pl",
        interpreters: &["perl"],
        option: "-e",
        shim: include_str!("../workers/perl/worker.pl"),
    },
    Language {
        name: "Python",
        extension: "py",
        interpreters: &["python3", "python"],
        option: "-c",
        shim: include_str!("../workers/python/worker.py"),
    },
    node("mjs"),
    node("cjs"),
    node("js"),
    Language {
        name: "Ruby",
        extension: "rb",
        interpreters: &["ruby"],
        option: "-e",
        shim: include_str!("../workers/ruby/worker.rb"),
    },
    Language {
        name: "Lua",
        extension: "lua",
        interpreters: &["lua", "luajit"],
        option: "-e",
        shim: concat!(include_str!("../workers/lua/json.lua"), include_str!("../workers/lua/worker.lua")),
    },
    Language {
        name: "a shell",
        extension: "sh",
        interpreters: &["sh"],
        option: "-c",
        shim: include_str!("../workers/sh/worker.sh"),
    },
];

const fn node(extension: &'static str) -> Language {
    let shim = include_str!("../workers/node/worker.cjs");
    Language { name: "JavaScript", extension, interpreters: &["node", "nodejs"], option: "-e", shim }
}

/// Where programs are, beside `PATH`: there are images without one.
const USUAL_PLACES: [&str; 5] = ["/usr/local/bin", "/usr/bin", "/bin", "/opt/bin", "/var/lang/bin"];

impl Language {
    /// The language of a file, by its name.
    pub(crate) fn of(file: &Path) -> Option<&'static Self> {
        let extension = file.extension()?;
        LANGUAGES.iter().find(|language| extension == language.extension)
    }

    /// Arguments that have the interpreter run the shim.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        // What `php -r` runs has no opening tag, and Lua takes a comment at the very front for an option.
        let shim = self.shim.strip_prefix("<?php").unwrap_or(self.shim);
        vec![self.option.into(), format!("\n{shim}").into()]
    }

    /// Finds an interpreter.
    pub(crate) fn interpreter(&self) -> Option<PathBuf> {
        let places = places();
        let plain = self.interpreters.iter().find_map(|name| find(name, &places));
        plain.or_else(|| self.interpreters.iter().find_map(|name| find_versioned(name, &places)))
    }

    /// What was looked for, to be told when it was not found.
    pub(crate) fn interpreter_names(&self) -> String {
        self.interpreters.join(" or ")
    }
}

/// Finds a program by its name.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    find(name, &places())
}

fn places() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).filter(|place| place.is_absolute()).chain(USUAL_PLACES.map(PathBuf::from)).collect()
}

fn find(name: &str, places: &[PathBuf]) -> Option<PathBuf> {
    places.iter().map(|place| place.join(name)).find(|path| is_executable(path))
}

/// Finds a program whose name has a version behind it; if there are several, one with the greatest name.
fn find_versioned(name: &str, places: &[PathBuf]) -> Option<PathBuf> {
    let is_version = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    places.iter().find_map(|place| {
        let entries = fs::read_dir(place).ok()?.flatten();
        let fitting = entries.filter(|entry| {
            let file_name = entry.file_name();
            let rest = file_name.to_str().and_then(|file_name| file_name.strip_prefix(name));
            rest.is_some_and(is_version)
        });
        fitting.map(|entry| entry.path()).filter(|path| is_executable(path)).max()
    })
}

pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_with_a_version_in_its_name_is_found() {
        let place = env::temp_dir().join(format!("bootstrap-language-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        for (name, mode) in [("lua5.1", 0o755), ("lua5.4", 0o755), ("lua5.9", 0o644), ("luac5.4", 0o755)] {
            fs::write(place.join(name), "").unwrap();
            fs::set_permissions(place.join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let places = [place.clone()];
        assert_eq!(find("lua", &places), None);
        assert_eq!(find_versioned("lua", &places), Some(place.join("lua5.4")));
        fs::remove_dir_all(place).unwrap();
    }
}
