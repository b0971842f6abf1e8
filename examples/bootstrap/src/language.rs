//! Languages that a handler in a file may be in, and the worker of each: what speaks the worker protocol for it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::inflate::inflate;
use crate::shebang::is_shell;

/// A language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Language {
    pub(crate) name: &'static str,
    pub(crate) extensions: &'static [&'static str],
    /// What its interpreter is called. A version may stand behind it: `php8.2`, `lua5.4`.
    pub(crate) interpreters: &'static [&'static str],
    pub(crate) worker: Worker,
    pub(crate) quirks: Quirks,
}

/// What sets a language apart from most.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Quirks {
    /// Its files are read by a shell: they begin with the name of one, and a carriage return is part of a name.
    pub(crate) is_shell: bool,
    /// Its worker has the records of a logger be frames itself: they may have several lines, and have a level.
    pub(crate) writes_records: bool,
    /// Its worker opens the pipes by their paths in `/proc`: what it inherits itself, it could not keep from programs that a
    /// handler starts.
    pub(crate) opens_pipes: bool,
}

impl Quirks {
    pub(crate) const NONE: Self = Self { is_shell: false, writes_records: false, opens_pipes: false };
}

/// What its interpreter runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Worker {
    /// A deflated text, and the options the last of which has the interpreter run the text of the next argument. It may
    /// have the argument behind that for the path of the program: `$0`, `process.argv[1]`.
    Packed { options: &'static [&'static str], text: &'static [u8], has_path: bool },
    /// A file, and what is said to the interpreter before it.
    File { options: &'static [&'static str], path: &'static Path },
}

/// The worker that the build has packed under a name.
macro_rules! packed {
    ($options:expr, $name:literal) => {
        packed!($options, $name, has_path: false)
    };
    ($options:expr, $name:literal, has_path: $has_path:literal) => {
        Worker::Packed {
            options: &$options,
            text: include_bytes!(concat!(env!("OUT_DIR"), "/", $name)),
            has_path: $has_path,
        }
    };
}

/// Those that need nothing but an interpreter, in the order in which they are looked for.
pub(crate) static EMBEDDED: [Language; 7] = [
    Language {
        name: "PHP",
        extensions: &["php"],
        interpreters: &["php"],
        // With `open_basedir`, PHP opens no pipe. The worker sets it when it has.
        worker: packed!(["-d", "lambwire.open_basedir=${open_basedir}", "-d", "open_basedir=", "-r"], "php"),
        quirks: Quirks { opens_pipes: true, ..Quirks::NONE },
    },
    Language {
        name: "Perl",
        extensions: &["pl"],
        interpreters: &["perl"],
        worker: packed!(["-e"], "perl"),
        quirks: Quirks::NONE,
    },
    Language {
        name: "Python",
        extensions: &["py"],
        interpreters: &["python3", "python"],
        worker: packed!(["-c"], "python"),
        quirks: Quirks { writes_records: true, ..Quirks::NONE },
    },
    Language {
        name: "JavaScript",
        extensions: &["mjs", "cjs", "js"],
        interpreters: &["node", "nodejs"],
        worker: packed!(["-e"], "node", has_path: true),
        quirks: Quirks { writes_records: true, ..Quirks::NONE },
    },
    Language {
        name: "Ruby",
        extensions: &["rb"],
        interpreters: &["ruby"],
        worker: packed!(["-e"], "ruby"),
        quirks: Quirks::NONE,
    },
    Language {
        name: "Lua",
        extensions: &["lua"],
        interpreters: &["lua", "luajit"],
        worker: packed!(["-e"], "lua"),
        quirks: Quirks::NONE,
    },
    Language {
        name: "a shell",
        extensions: &["sh"],
        interpreters: &["sh"],
        worker: packed!(["-c"], "sh", has_path: true),
        quirks: Quirks { is_shell: true, ..Quirks::NONE },
    },
];

/// Where programs are, beside `PATH`: there are images without one.
const USUAL_PLACES: [&str; 5] = ["/usr/local/bin", "/usr/bin", "/bin", "/opt/bin", "/var/lang/bin"];

impl Language {
    /// Arguments that have the interpreter run the worker. `this` is this program, which is what is run: a file that runs
    /// by itself as well looks for its own name there.
    pub(crate) fn arguments(&self, this: &Path) -> Vec<OsString> {
        match &self.worker {
            Worker::Packed { options, text, has_path } => {
                // The build has packed it. What `php -r` runs has no opening tag, and Lua takes a comment at the very
                // front for an option.
                let text = String::from_utf8(inflate(text).unwrap_or_default()).unwrap_or_default();
                let text = format!("\n{}", text.strip_prefix("<?php").unwrap_or(&text));
                let path = has_path.then(|| this.into());
                options.iter().map(OsString::from).chain([text.into()]).chain(path).collect()
            }
            Worker::File { options, path } => options.iter().map(OsString::from).chain([path.into()]).collect(),
        }
    }

    /// Finds an interpreter.
    pub(crate) fn interpreter(&self) -> Option<PathBuf> {
        let places = places();
        let plain = self.interpreters.iter().find_map(|name| find(name, &places));
        plain.or_else(|| self.interpreters.iter().find_map(|name| find_versioned(name, &places)))
    }

    /// Whether its interpreter is called as this one is, with whatever version behind that.
    pub(crate) fn is_run_by(&self, interpreter: &Path) -> bool {
        let plain = |name: &'_ str| name.trim_end_matches(|char: char| char.is_ascii_digit() || char == '.').to_owned();
        let name = interpreter.file_name().and_then(OsStr::to_str).map(plain);
        self.interpreters.iter().any(|own| Some(plain(own)) == name) || self.quirks.is_shell && is_shell(interpreter)
    }

    /// What was looked for, to be named when it was not found.
    pub(crate) fn interpreter_names(&self) -> String {
        self.interpreters.join(" or ")
    }
}

/// The language of a file, by its name.
pub(crate) fn of(file: &Path, languages: &[&'static Language]) -> Option<&'static Language> {
    let extension = file.extension().and_then(OsStr::to_str)?;
    languages.iter().copied().find(|language| language.extensions.contains(&extension))
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
        let executable = fitting.map(|entry| entry.path()).filter(|path| is_executable(path));
        executable.max_by(|one, other| one.as_os_str().cmp(other.as_os_str()))
    })
}

pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_is_carried_with_the_lines_of_its_files() {
        let mut folders = 0;
        for folder in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/workers")).unwrap().flatten() {
            let files = fs::read_dir(folder.path()).unwrap().flatten();
            let texts: Vec<String> = files.map(|file| fs::read_to_string(file.path()).unwrap()).collect();
            let is_it = |language: &Language| {
                let mut arguments = language.arguments(Path::new("bootstrap")).into_iter();
                let text =
                    arguments.find_map(|argument| argument.into_string().ok().filter(|text| text.contains('\n')));
                let text = text.unwrap();
                text.lines().count() == 1 + texts.iter().map(|text| text.lines().count()).sum::<usize>()
                    && texts.iter().all(|file| text.contains(file.lines().last().unwrap()))
            };
            assert!(EMBEDDED.iter().any(is_it), "{}", folder.path().display());
            folders += 1;
        }
        assert_eq!(folders, EMBEDDED.len());
    }

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
