//! From the name of a handler to what is to be run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::console::{self, Level};
use crate::declared;
use crate::diagnosis;
use crate::failure::Failure;
use crate::json;
use crate::language::{self, EMBEDDED, Language, find_program};
use crate::package;
use crate::program::{Function, Program};
use crate::shebang;

pub(crate) const NO_HANDLER: &str = "no handler: name one as an argument or in _HANDLER, such as app.handler";

/// Finds what `handler` names below `root`: a program, or a function in a file as `path/to/file.function`. `workers` are
/// files that make languages known. Nobody has meant another file by one that is to be executed.
pub(crate) fn resolve(
    handler: &str,
    root: &Path,
    interpreter: Option<&Path>,
    workers: &[PathBuf],
    is_exec: bool,
) -> Result<Program, Failure> {
    if handler.is_empty() {
        return Err(malformed(NO_HANDLER));
    }
    let path = root.join(handler);
    let mut languages = declared::languages(workers, root, &path)?;
    languages.extend(&EMBEDDED);
    if path.is_file() {
        return match (diagnosis::of_mode(&path), meant_by(handler, &path, &languages)) {
            (Some(mut failure), Some(meant)) => {
                failure.message = format!("{meant}; {}", failure.message);
                Err(failure)
            }
            _ => Ok(Program::new(path)),
        };
    }
    let found = find_file(handler, root, &languages);
    if let Some(failure) = found.as_ref().and_then(|(_, file, _)| diagnosis::of_kind(file)) {
        return Err(failure);
    }
    let Some((language, file, name)) = found.or_else(|| package::find(handler, root, interpreter)) else {
        return Err(match is_exec && !path.exists() {
            true => no_such_file(format!("there is no program {}", path.display())),
            false => not_found(handler, root, &path, &languages),
        });
    };
    if name.is_empty() {
        return Err(malformed(format!("handler '{handler}' names no function: write {handler}handler")));
    }
    if language.quirks.is_shell
        && let Some(failure) = diagnosis::of_line_ends(&file)
    {
        return Err(failure);
    }
    let named = if language.quirks.is_shell { shebang::shell_of(&file) } else { None };
    let (path, options) = match (named, interpreter) {
        (Some(shell), None) => shell.map(|shell| (shell.path, shell.options))?,
        (named, _) => {
            let path = find_interpreter(language, interpreter, &file)?;
            if let Some(Ok(shell)) = named {
                warn_of_another(&shell.path, &path, &file);
            }
            (path, Vec::new())
        }
    };
    let function = Function { language, file, name: name.to_owned() };
    Ok(Program { options, function: Some(function), ..Program::new(path) })
}

/// Whether somebody who is not Lambda names a handler, and no event: with one in the environment, the event is no first
/// argument either.
pub(crate) fn check(handler: &str) -> Result<(), String> {
    if handler.is_empty() {
        return Err(NO_HANDLER.to_owned());
    }
    if handler.starts_with(['{', '[', '"']) && json::is_json(handler) {
        return Err(format!("'{handler}' is an event where a handler goes: invoke HANDLER [EVENT]"));
    }
    Ok(())
}

/// What may have been meant by a file that is no program.
fn meant_by(handler: &str, path: &Path, languages: &[&'static Language]) -> Option<String> {
    if language::of(path, languages).is_some() {
        let function = Path::new(handler).with_extension("handler");
        return Some(format!("to call a function in {handler}, name that: {}", function.display()));
    }
    let is_event = path.extension() == Some(OsStr::new("json"));
    is_event.then(|| format!("an event goes behind a handler: invoke app.handler - <{handler}"))
}

/// Splits at a dot so that there is a file for what is before it, or a module of a package in Python: at the last if
/// possible.
fn find_file<'a>(
    handler: &'a str,
    root: &Path,
    languages: &[&'static Language],
) -> Option<(&'static Language, PathBuf, &'a str)> {
    let name_start = handler.rfind('/').map_or(0, |slash| slash + 1);
    let dots = handler.char_indices().rev().filter(|&(at, char)| char == '.' && at > name_start);
    let mut splits = dots.filter_map(|(at, _)| Some((handler.get(..at)?, handler.get(at + 1..)?)));
    splits.find_map(|(stem, function)| {
        let mut files =
            extensions(languages).map(|(language, extension)| (language, root.join(format!("{stem}.{extension}"))));
        let file = files.find(|(_, file)| file.exists()).or_else(|| {
            let file = find_module(stem, root)?;
            Some((language::of(&file, languages)?, file))
        });
        file.map(|(language, file)| (language, file, function))
    })
}

/// The file of a module in Python. As AWS's client reads it, `package.module` is one, as is `package/module`.
pub(crate) fn find_module(name: &str, root: &Path) -> Option<PathBuf> {
    let parts: Vec<&str> = name.split(['.', '/']).collect();
    if parts.contains(&"") {
        return None;
    }
    let path = root.join(parts.join("/"));
    [path.with_extension("py"), path.join("__init__.py")].into_iter().find(|file| file.is_file())
}

/// What files may end in, in the order in which they are looked for.
fn extensions(languages: &[&'static Language]) -> impl Iterator<Item = (&'static Language, &'static str)> {
    languages.iter().flat_map(|&language| language.extensions.iter().map(move |&extension| (language, extension)))
}

fn find_interpreter(language: &Language, named: Option<&Path>, file: &Path) -> Result<PathBuf, Failure> {
    // It would be given the worker of the language, and may print all of that, or run it as its own.
    if let Some(named) = named.filter(|named| !language.is_run_by(named))
        && let Some(other) = EMBEDDED.iter().find(|other| other.is_run_by(named))
    {
        let (file, named) = (file.display(), named.display());
        let message = format!("{file} is in {}, which {named} does not run: that is for {}", language.name, other.name);
        return Err(Failure::new("Runtime.NoInterpreter", message));
    }
    let found = match named {
        Some(path) if path.components().count() > 1 => return Ok(path.to_owned()),
        Some(name) => name.to_str().and_then(find_program),
        None => language.interpreter(),
    };
    found.ok_or_else(|| {
        let names = named.map_or_else(|| language.interpreter_names(), |name| name.display().to_string());
        let message = format!("{} is in {}, but there is no {names} in PATH", file.display(), language.name);
        Failure::new("Runtime.NoInterpreter", message)
    })
}

/// A script for another shell than the one that was asked for may answer, too, but with nothing.
fn warn_of_another(named: &Path, path: &Path, file: &Path) {
    // A script for `sh` is for all of them.
    if ![path.file_name(), Some(OsStr::new("sh"))].contains(&named.file_name()) {
        let (file, named, path) = (file.display(), named.display(), path.display());
        let what = format_args!("{file} begins with #! and {named}, but --interpreter has {path} run it");
        console::say(Level::Warn, None, what);
    }
}

fn not_found(handler: &str, root: &Path, path: &Path, languages: &[&'static Language]) -> Failure {
    if let Some(failure) = diagnosis::of_kind(path).or_else(|| diagnosis::of_kind(&path.with_extension(""))) {
        return failure;
    }
    let with_function = format!("{handler}.handler");
    if let Some((_, file, _)) = find_file(&with_function, root, languages) {
        return malformed(format!("handler '{handler}' names no function in {}: {with_function}?", file.display()));
    }
    let name = handler.rsplit('/').next().unwrap_or(handler);
    let Some((stem, _)) = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else {
        return no_such_file(format!("handler '{handler}' names no file in {}", root.display()));
    };
    if language::of(path, languages).is_some() {
        return no_such_file(format!("there is no {}", path.display()));
    }
    let extensions: Vec<&str> = extensions(languages).map(|(_, extension)| extension).collect();
    let extensions = extensions.join(" .");
    let directory = path.parent().unwrap_or(root).display().to_string();
    no_such_file(format!(
        "handler '{handler}': no file {stem} in {directory} with one of .{extensions}, nor a program of that name, nor such a package in PYTHONPATH, \
         NODE_PATH, node_modules or RUBYLIB; elsewhere: --interpreter; other languages: --worker, workers/"
    ))
}

pub(crate) fn no_such_file(message: impl Into<String>) -> Failure {
    Failure::new("Runtime.NoSuchFile", message)
}

fn malformed(message: impl Into<String>) -> Failure {
    Failure::new("Runtime.MalformedHandlerName", message)
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    #[test]
    fn a_module_of_a_package_in_python_is_found() {
        let root = env::temp_dir().join(format!("bootstrap-handler-{}", std::process::id()));
        fs::create_dir_all(root.join("pkg/sub")).unwrap();
        for name in ["app.py", "pkg/__init__.py", "pkg/mod.py", "pkg/sub/mod.py"] {
            fs::write(root.join(name), "").unwrap();
        }
        let check = |handler: &str, expected: Option<(&str, &str)>| {
            let languages: Vec<_> = EMBEDDED.iter().collect();
            let found = find_file(handler, &root, &languages).map(|(_, file, function)| (file, function.to_owned()));
            assert_eq!(found, expected.map(|(file, function)| (root.join(file), function.to_owned())), "{handler}");
        };
        check("pkg.mod.handler", Some(("pkg/mod.py", "handler")));
        check("pkg/mod.handler", Some(("pkg/mod.py", "handler")));
        check("pkg.sub.mod.handler", Some(("pkg/sub/mod.py", "handler")));
        check("pkg/sub.mod.handler", Some(("pkg/sub/mod.py", "handler")));
        check("pkg.handler", Some(("pkg/__init__.py", "handler")));
        check("app.object.method", Some(("app.py", "object.method")));
        check("pkg.mod.object.method", Some(("pkg/mod.py", "object.method")));
        check("pkg.none.handler", Some(("pkg/__init__.py", "none.handler")));
        check("..pkg.mod.handler", None);
        check("sub.handler", None);
        fs::remove_dir_all(root).unwrap();
    }
}
