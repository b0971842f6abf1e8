//! Why a program does not start, when all that the kernel says is "no such file or directory".

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, ffi::OsStr};

use crate::elf::{self, Elf};
use crate::failure::Failure;
use crate::file;
use crate::language::find_program;
use crate::program::Program;

/// Longest first line of a script that is looked at, in bytes: the kernel's own limit (`BINPRM_BUF_SIZE`).
const FIRST_LINE_BYTES: u64 = 256;

/// What kept a program from being started.
pub(crate) fn of_start(program: &Program, error: &io::Error) -> Failure {
    of_program(&program.path).unwrap_or_else(|| {
        Failure::new("Runtime.CannotStart", format!("cannot run {}: {error}", program.path.display()))
    })
}

/// What would keep a program from being started, if anything is found.
pub(crate) fn of_program(path: &Path) -> Option<Failure> {
    if !path.exists() {
        return Some(Failure::new("Runtime.NoSuchFile", format!("there is no {}", path.display())));
    }
    of_mode(path).or_else(|| of_script(path)).or_else(|| of_elf(path))
}

/// What is there, but no file.
pub(crate) fn of_kind(path: &Path) -> Option<Failure> {
    let metadata = path.metadata().ok().filter(|metadata| !metadata.is_file())?;
    let (error_type, kind) = if metadata.is_dir() {
        ("Runtime.IsDirectory", "a directory (packages: __init__.py, index.js)")
    } else {
        ("Runtime.NoSuchFile", "a FIFO, a socket or a device")
    };
    Some(Failure::new(error_type, format!("{} is {kind}, not a file", path.display())))
}

/// No file, or one that nobody may execute.
pub(crate) fn of_mode(path: &Path) -> Option<Failure> {
    if let Some(failure) = of_kind(path) {
        return Some(failure);
    }
    let mode = path.metadata().ok()?.permissions().mode() & 0o7777;
    let message = || format!("{} is not executable: its mode is {mode:04o}, chmod +x it", path.display());
    (mode & 0o111 == 0).then(|| Failure::new("Runtime.NotExecutable", message()))
}

/// Lines that end as those of Windows do, which shells take for part of a name.
pub(crate) fn of_line_ends(path: &Path) -> Option<Failure> {
    let message = format!("{} has lines that end in CR LF, as those of Windows do", path.display());
    first_line(path)?.ends_with(b"\r").then(|| Failure::new("Runtime.CarriageReturn", message))
}

/// A script whose interpreter is not there.
fn of_script(path: &Path) -> Option<Failure> {
    let line = first_line(path)?;
    let line = line.strip_prefix(b"#!")?;
    if line.ends_with(b"\r") {
        return of_line_ends(path);
    }
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(OsStr::from_bytes);
    let interpreter = Path::new(words.next()?);
    let missing = |what: &Path| {
        let message = format!("{} wants {} to run it, which is not there", path.display(), what.display());
        Some(Failure::new("Runtime.NoInterpreter", message))
    };
    if !interpreter.exists() {
        return missing(interpreter);
    }
    if interpreter.file_name() == Some(OsStr::new("env")) {
        let name = words.find(|word| !word.as_bytes().starts_with(b"-"))?;
        return if find_program(name.to_str()?).is_none() { missing(Path::new(name)) } else { None };
    }
    of_mode(interpreter).or_else(|| of_elf(interpreter))
}

fn of_elf(path: &Path) -> Option<Failure> {
    let failure = |error_type, message: String| Some(Failure::new(error_type, format!("{} {message}", path.display())));
    match elf::read(path).ok()? {
        Elf::Other if first_line(path)?.starts_with(b"#!") => None,
        Elf::Other => failure("Runtime.BadExecutable", "is neither an ELF executable nor a script with #!".to_owned()),
        Elf::Foreign { machine } => {
            failure("Runtime.WrongArchitecture", format!("is built for {machine}, and this is {}", elf::OURS))
        }
        Elf::Ours { loader: Some(loader), .. } if !loader.exists() => {
            let message = format!("wants {} to load it, which is not there: another libc's", loader.display());
            failure("Runtime.NoLoader", message)
        }
        Elf::Ours { .. } => of_libraries(path),
    }
}

/// The libraries that a program wants, and those that these want, as far as they are not there.
pub(crate) fn of_libraries(program: &Path) -> Option<Failure> {
    let usual = usual_places();
    let mut seen = vec![program.to_owned()];
    let mut missing = String::new();
    let mut at = 0;
    while let Some(path) = seen.get(at).cloned() {
        at += 1;
        let Ok(Elf::Ours { needed, search, .. }) = elf::read(&path) else { continue };
        for library in needed {
            let places = search.iter().chain(&usual);
            let found = places.map(|place| place.join(&library)).find(|path| path.is_file());
            match found {
                Some(found) if seen.iter().all(|path| path.as_os_str() != found.as_os_str()) => seen.push(found),
                Some(_) => {}
                None => {
                    let comma = if missing.is_empty() { "" } else { ", " };
                    missing += &format!("{comma}{library} (needed by {})", path.display());
                }
            }
        }
    }
    let message = format!("{} lacks shared libraries: {missing}", program.display());
    (!missing.is_empty()).then(|| Failure::new("Runtime.MissingLibrary", message))
}

/// Where loaders look for libraries: what the environment says, what their configuration says, and the rest.
fn usual_places() -> Vec<PathBuf> {
    let named = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = env::split_paths(&named).collect();
    let mut files = vec![PathBuf::from("/etc/ld.so.conf"), format!("/etc/ld-musl-{}.path", env::consts::ARCH).into()];
    files.extend(fs::read_dir("/etc/ld.so.conf.d").into_iter().flatten().flatten().map(|entry| entry.path()));
    for file in files {
        let text = file::read_text(file);
        places.extend(text.split(['\n', ':']).map(str::trim).filter(|line| line.starts_with('/')).map(PathBuf::from));
    }
    let triplet = format!("{}-linux-gnu", env::consts::ARCH);
    for directory in ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"] {
        places.push(directory.into());
        places.push(Path::new(directory).join(&triplet));
    }
    places
}

pub(crate) fn first_line(path: &Path) -> Option<Vec<u8>> {
    let mut line = file::read(path, FIRST_LINE_BYTES).ok()?;
    let len = line.iter().position(|&byte| byte == b'\n').unwrap_or(line.len());
    line.truncate(len);
    Some(line)
}
