//! Why a program does not start, where more can be seen than the kernel says; and what runs a handler.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{self, Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;

/// An error of starting a program with what more can be seen of its file; unless it is an extension, also with what may
/// have been meant.
pub(crate) fn of_start(command: &Command, is_extension: bool, error: io::Error) -> io::Error {
    let file = file(command);
    let program = command.get_program();
    let seen = file.as_deref().and_then(|file| of_file(file, &error));
    let is_handler = !is_extension && (is_source(program) || file.is_none());
    let advice = if is_handler { of_handler(program) } else { None };
    let advice = advice.or_else(|| if file.is_none() { of_missing(command) } else { None });
    let hints: Vec<_> = seen.into_iter().chain(advice).collect();
    if hints.is_empty() {
        return error;
    }
    io::Error::new(error.kind(), format!("{error}: {}", hints.join("; ")))
}

/// What may have been meant with a program that has ended as if all were done, and has not asked for an event.
pub(crate) fn of_end(command: &Command) -> Option<String> {
    [command.get_program()].into_iter().chain(command.get_args()).find(|word| is_source(word)).and_then(of_handler)
}

/// The file of a program, as the kernel looks for it.
pub(crate) fn file(command: &Command) -> Option<PathBuf> {
    let name = Path::new(command.get_program());
    if name.as_os_str().as_bytes().contains(&b'/') {
        let path = command.get_current_dir().unwrap_or(Path::new("")).join(name);
        return path.exists().then_some(path);
    }
    let own = command.get_envs().find(|(name, _)| *name == "PATH").map(|(_, value)| value.map(OsStr::to_owned));
    env::split_paths(&own.unwrap_or_else(|| env::var_os("PATH"))?)
        .map(|place| place.join(name))
        .find(|path| path.is_file())
}

/// Where a program was looked for that is not there.
fn of_missing(command: &Command) -> Option<String> {
    let name = Path::new(command.get_program());
    let place = path::absolute(command.get_current_dir().unwrap_or(Path::new("."))).ok()?;
    let is_path = name.as_os_str().as_bytes().contains(&b'/');
    match (is_path, place.join(name).is_file()) {
        (true, _) if name.is_absolute() => None,
        (true, _) => Some(format!("it is looked for in {}", place.display())),
        (false, true) => Some(format!("it is in {}, and not in PATH: write ./{}", place.display(), name.display())),
        (false, false) => Some(format!("it is neither in PATH nor in {}", place.display())),
    }
}

fn of_file(path: &Path, error: &io::Error) -> Option<String> {
    let metadata = path.metadata().ok()?;
    if metadata.is_dir() {
        return Some("it is a directory".to_owned());
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o111 == 0 {
        return Some(format!("it is not executable (its mode is {mode:04o}): chmod +x it"));
    }
    if !metadata.is_file() {
        return Some("it is no file".to_owned());
    }
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(FIRST_LINE_BYTES).read_to_end(&mut start)).ok()?;
    let line = start.split(|byte| *byte == b'\n').next()?;
    let is_unknown = error.raw_os_error() == Some(Errno::NOEXEC.raw_os_error());
    if let Some(line) = line.strip_prefix(b"#!") {
        return of_script(line);
    }
    match (start.starts_with(b"\x7fELF"), is_unknown) {
        (true, true) => Some("it is built for another machine".to_owned()),
        (true, false) if error.kind() == io::ErrorKind::NotFound => {
            Some("it is there, and its loader is not: it is built for another libc".to_owned())
        }
        (false, true) => Some("it is neither an ELF executable nor a script with #!".to_owned()),
        _ => None,
    }
}

/// What is wrong with the first line of a script, without `#!`.
fn of_script(line: &[u8]) -> Option<String> {
    if line.ends_with(b"\r") {
        return Some("its lines end in CR LF, as those of Windows do".to_owned());
    }
    let interpreter = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty()).map(OsStr::from_bytes)?;
    let is_there = fs::exists(interpreter).unwrap_or(true);
    (!is_there).then(|| format!("it is there, and {} of its first line is not", interpreter.display()))
}

fn is_source(word: &OsStr) -> bool {
    Path::new(word).extension().and_then(OsStr::to_str).is_some_and(|extension| SOURCES.contains(&extension))
}

/// What runs a handler, if a word looks like one, or like its file.
fn of_handler(word: &OsStr) -> Option<String> {
    let (module, function) = parts(word)?;
    let function = if is_source(word) { "handler" } else { function };
    Some(format!("a handler is run by bootstrap: `-- bootstrap {module}.{function}`"))
}

/// Whether a word has the form of a handler.
pub(crate) fn is_handler(word: &OsStr) -> bool {
    parts(word).is_some()
}

/// The module and the function of a handler, or a file and its ending.
fn parts(word: &OsStr) -> Option<(&str, &str)> {
    let (module, function) = word.to_str()?.rsplit_once('.')?;
    let module = module.strip_prefix("./").unwrap_or(module);
    let is_name = function.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && function.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    (is_name && !module.is_empty()).then_some((module, function))
}

/// Longest first line of a script that is looked at, in bytes: the kernel's own limit (`BINPRM_BUF_SIZE`).
const FIRST_LINE_BYTES: u64 = 256;

/// How files end that the bootstrap has handlers in.
const SOURCES: [&str; 10] = ["cjs", "js", "lua", "mjs", "php", "pl", "py", "rb", "sh", "ts"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_handler_is_told_what_runs_it() {
        let of = |word: &str| of_handler(OsStr::new(word));
        for (word, handler) in [
            ("app.py", "app.handler"),
            ("./src/app.mjs", "src/app.handler"),
            ("app.handler", "app.handler"),
            ("a.b.run_it", "a.b.run_it"),
        ] {
            assert!(of(word).unwrap().ends_with(&format!("`-- bootstrap {handler}`")), "{word}");
        }
        for word in ["bootstrap", "./bootstrap", "../x/bootstrap", "python3.12", ".py", "", "a.", "a.b-c"] {
            assert_eq!(of(word), None, "{word}");
        }
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let path = env::temp_dir().join(format!("lambwire-diagnosis-{}", std::process::id()));
        assert!(Command::new("mkfifo").args(["-m", "755"]).arg(&path).status().unwrap().success());
        let seen = of_file(&path, &io::ErrorKind::PermissionDenied.into());
        fs::remove_file(path).unwrap();
        assert_eq!(seen.as_deref(), Some("it is no file"));
    }

    #[test]
    fn a_first_line_that_no_kernel_can_follow_is_named() {
        for (line, part) in [
            (&b"/bin/sh\r"[..], "CR LF"),
            (b" /nonexistent/sh -e", "and /nonexistent/sh of"),
            (b"/nonexistent/sh", "is not"),
        ] {
            assert!(of_script(line).unwrap().contains(part), "{part}");
        }
        for line in [&b"/bin/sh"[..], b" /bin/sh -e", b""] {
            assert_eq!(of_script(line), None);
        }
    }
}
