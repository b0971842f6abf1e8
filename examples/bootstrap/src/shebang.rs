//! The first line of a shell script: `#!/bin/bash -eu` says which shell runs it, and how.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::diagnosis::first_line;
use crate::failure::Failure;
use crate::language::{find_program, is_executable};

/// Shells that the worker for shells runs in: those of its tests, and their other names and descendants.
const SHELLS: [&str; 14] =
    ["sh", "ash", "bash", "busybox", "dash", "ksh", "ksh93", "lksh", "loksh", "mksh", "oksh", "rbash", "yash", "zsh"];

/// A shell, and the options that it is started with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shell {
    pub(crate) path: PathBuf,
    pub(crate) options: Vec<OsString>,
}

/// The shell that a script names; `None` if it names none.
pub(crate) fn shell_of(file: &Path) -> Option<Result<Shell, Failure>> {
    let line = first_line(file)?;
    let line = line.strip_prefix(b"#!")?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(OsStr::from_bytes);
    let mut named = Path::new(words.next()?);
    if named.file_name() == Some(OsStr::new("env")) {
        named = Path::new(words.find(|word| !is_option(word) && !word.as_bytes().contains(&b'='))?);
    }
    // These say that there are no more options, and there are.
    let options = words.filter(|word| *word != "-" && *word != "--").map(OsStr::to_owned).collect();
    Some(find(named, file).map(|path| Shell { path, options }))
}

fn is_option(word: &OsStr) -> bool {
    word.as_bytes().starts_with(b"-")
}

/// Whether it is called as a shell is.
pub(crate) fn is_shell(program: &Path) -> bool {
    program.file_name().and_then(OsStr::to_str).is_some_and(|name| SHELLS.contains(&name))
}

/// Where the shell is: in another image it may be at another place than in that of the script's author.
fn find(named: &Path, file: &Path) -> Result<PathBuf, Failure> {
    let failure = |why: String| {
        let message = format!("{} begins with #! and {}, {why}", file.display(), named.display());
        Failure::new("Runtime.NoInterpreter", message)
    };
    let name = named.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if !is_shell(named) {
        return Err(failure(format!("which is none of {}: --interpreter names one", SHELLS.join(" "))));
    }
    if named.is_absolute() && is_executable(named) {
        return Ok(named.to_owned());
    }
    find_program(name).ok_or_else(|| failure(format!("and there is no {name} in PATH")))
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    #[test]
    fn a_shell_is_found_by_the_line() {
        let file = env::temp_dir().join(format!("bootstrap-shebang-{}", process::id()));
        let shell = |line: &str| {
            fs::write(&file, format!("{line}\nhandler() {{ :; }}\n")).unwrap();
            shell_of(&file)
        };
        let sh = |options: &[&str]| Shell { path: "/bin/sh".into(), options: options.iter().map(Into::into).collect() };
        assert_eq!(shell("# a comment"), None);
        assert_eq!(shell("#!"), None);
        assert_eq!(shell("#!/usr/bin/env"), None);
        assert_eq!(shell("#!/bin/sh").unwrap().unwrap(), sh(&[]));
        assert_eq!(shell("#! /bin/sh -eu -").unwrap().unwrap(), sh(&["-eu"]));
        assert_eq!(shell("#!/bin/sh -o nounset").unwrap().unwrap(), sh(&["-o", "nounset"]));
        let found = find_program("sh").unwrap();
        for line in ["#!/usr/bin/env sh", "#!/usr/bin/env -S A=1 sh", "#!/nowhere/sh"] {
            assert_eq!(shell(line).unwrap().unwrap().path, found, "{line}");
        }
        for line in ["#!/usr/bin/python3", "#!/bin/csh", "#!/usr/bin/env node"] {
            let failure = shell(line).unwrap().unwrap_err();
            assert!(failure.message.contains("--interpreter"), "{}", failure.message);
        }
        fs::remove_file(&file).unwrap();
    }
}
