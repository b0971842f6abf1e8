//! Languages that a file makes known: their worker, with a line in it that says what the bootstrap is to know, such as
//! `# lambwire-worker: extension=tcl interpreter=tclsh`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::diagnosis;
use crate::failure::Failure;
use crate::file;
use crate::language::{Language, Quirks, Worker};
use crate::text;

/// What the line begins with, but for the sign of a comment.
const MARK: &str = "lambwire-worker:";

/// How far into the file the line may reach, in bytes.
const HEAD_BYTES: u64 = 1024;

/// Where such files are looked for, beside the handler and in the task root.
const FOLDER: &str = "workers";

/// The languages of the files `named`, which are looked for in `root`, and of those beside the handler. They live as long
/// as this program.
pub(crate) fn languages(named: &[PathBuf], root: &Path, handler: &Path) -> Result<Vec<&'static Language>, Failure> {
    let mut languages = Vec::new();
    for path in named {
        let path = root.join(path);
        if let Some(failure) = diagnosis::of_kind(&path) {
            return Err(failure);
        }
        let head = file::read(&path, HEAD_BYTES)
            .map_err(|error| bad(&path, &format!("cannot be read as the worker of a language: {error}")))?;
        let line = marked_line(&head).ok_or_else(|| {
            bad(&path, &format!("has no line in its first {HEAD_BYTES} bytes that begins with {MARK}"))
        })?;
        languages.push(read(&path, &line)?);
    }
    let beside = handler.parent().unwrap_or(root);
    let is_root = beside.as_os_str() == root.as_os_str();
    for folder in [beside, root].iter().take(if is_root { 1 } else { 2 }) {
        for path in files(&folder.join(FOLDER)) {
            // There may be a folder of this name with other things in it.
            if let Some(line) = file::read(&path, HEAD_BYTES).ok().as_deref().and_then(marked_line) {
                languages.push(read(&path, &line)?);
            }
        }
    }
    Ok(languages)
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_file() {
            files.insert(files.partition_point(|other| other.as_os_str() < path.as_os_str()), path);
        }
    }
    files
}

/// What stands behind the mark, in a line that is whole.
fn marked_line(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head);
    let rest = head.get(text::find(&head, MARK)? + MARK.len()..)?;
    rest.split_once('\n').map(|(line, _)| line.to_owned())
}

fn read(path: &Path, line: &str) -> Result<&'static Language, Failure> {
    let (mut extensions, mut interpreters, mut options) = (Vec::new(), Vec::new(), Vec::new());
    let mut opens_pipes = false;
    for word in line.split_ascii_whitespace() {
        let words = match word.split_once('=') {
            Some(("extension", value)) if value.starts_with('.') => {
                return Err(bad(path, &format!("has {word}: write it without the dot")));
            }
            Some(("extension", _)) => &mut extensions,
            Some(("interpreter", _)) => &mut interpreters,
            Some(("option", _)) => &mut options,
            Some(("pipes", "path")) => {
                opens_pipes = true;
                continue;
            }
            // The end of a comment.
            None if !word.contains(|char: char| char.is_ascii_alphanumeric()) => continue,
            _ => {
                return Err(bad(
                    path,
                    &format!("has {word} behind '{MARK}': write extension=, interpreter=, option=, pipes=path"),
                ));
            }
        };
        words.extend(word.split_once('=').map(|(_, value)| leaked(value)));
    }
    for (words, example) in [(&extensions, "extension=tcl"), (&interpreters, "interpreter=tclsh")] {
        if words.is_empty() || words.contains(&"") {
            return Err(bad(path, &format!("needs {example} or such behind '{MARK}'")));
        }
    }
    let name = leaked(&path.file_stem().unwrap_or_default().to_string_lossy());
    let worker = Worker::File { options: options.leak(), path: Box::leak(path.into()) };
    let quirks = Quirks { opens_pipes, ..Quirks::NONE };
    let language = Language { name, extensions: extensions.leak(), interpreters: interpreters.leak(), worker, quirks };
    Ok(Box::leak(Box::new(language)))
}

fn leaked(text: &str) -> &'static str {
    text.to_owned().leak()
}

fn bad(path: &Path, what: &str) -> Failure {
    Failure::new("Runtime.BadWorker", format!("{} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_there_is_to_know() {
        let line = marked_line(b"/* lambwire-worker: extension=ts interpreter=deno option=run option=-A */\n").unwrap();
        let language = read(Path::new("/x/deno.js"), &line).unwrap();
        assert_eq!((language.name, language.extensions, language.interpreters), ("deno", &["ts"][..], &["deno"][..]));
        assert_eq!(language.arguments(Path::new("bootstrap")), ["run", "-A", "/x/deno.js"]);
        assert!(!language.quirks.opens_pipes);
        assert!(read(Path::new("/x/r"), "extension=R pipes=path interpreter=R").unwrap().quirks.opens_pipes);
    }

    #[test]
    fn what_a_line_lacks_or_has_too_much_is_named() {
        for (line, part) in [
            ("", "needs extension=tcl or"),
            (" extension=r", "needs interpreter=tclsh or"),
            (" extension=r interpreter=", "needs interpreter=tclsh or"),
            (" extension=r interpreter=R options=-q", "has options=-q behind"),
            (" extension=r interpreter=R pipes=3", "has pipes=3 behind"),
            (" extension=r interpreter=R fast", "has fast behind 'lambwire-worker:': write"),
            (" extension=.r interpreter=R", "has extension=.r: write it without the dot"),
        ] {
            let failure = read(Path::new("/w/r"), line).unwrap_err();
            assert_eq!(failure.error_type, "Runtime.BadWorker");
            assert!(failure.message.contains(part) && failure.message.contains("/w/r"), "{}", failure.message);
        }
    }

    #[test]
    fn a_line_at_the_limit_is_read_and_one_byte_more_is_not() {
        let limit = usize::try_from(HEAD_BYTES).unwrap();
        let path = std::env::temp_dir().join(format!("bootstrap-declared-{}", std::process::id()));
        for len in [limit - 1, limit, limit + 1] {
            let line = "# lambwire-worker: extension=r interpreter=R\n";
            fs::write(&path, "#".repeat(len - line.len() - 1) + "\n" + line).unwrap();
            let read = languages(std::slice::from_ref(&path), Path::new("/nowhere"), Path::new("/nowhere/app.f"));
            assert_eq!(read.is_ok(), len <= limit, "{len}");
        }
        fs::remove_file(path).unwrap();
    }
}
