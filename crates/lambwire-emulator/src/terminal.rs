//! What is written to a terminal: control characters are shown, which it would otherwise obey, and the platform's own
//! lines have colours.

use std::env;
use std::fmt::Write;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::LazyLock;

use crate::files::identity;

const DIM: &str = "\x1b[2m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const RESET: &str = "\x1b[0m";

/// What a function or a caller has written, for a terminal: control characters become text, but for line feeds and
/// tabs; so do bytes that are no UTF-8.
///
/// ```
/// assert_eq!(lambwire_emulator::shown(b"\x1b[2J\xff\n"), "^[[2J\\xff\n");
/// ```
pub fn shown(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '\n' | '\t' => shown.push(char),
                '\x7f' => shown.push_str("^?"),
                '\0'..' ' => shown.extend(['^', char::from_u32(u32::from(char) + u32::from('@')).unwrap_or(char)]),
                // Writing to a string does not fail.
                char if char.is_control() => drop(write!(shown, "{}", char.escape_unicode())),
                char => shown.push(char),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// Whether standard output and standard error lead to the same place, as to one terminal.
#[doc(hidden)]
pub fn are_outputs_one() -> bool {
    static ARE_ONE: LazyLock<bool> = LazyLock::new(|| {
        let place = |fd: BorrowedFd<'_>| Some(identity(&File::from(fd.try_clone_to_owned().ok()?).metadata().ok()?));
        let (stdout, stderr) = (place(io::stdout().as_fd()), place(io::stderr().as_fd()));
        stdout.is_some() && stdout == stderr
    });
    *ARE_ONE
}

/// Whether a terminal may be given colours: not if `NO_COLOR` has a value (no-color.org), and not if it can do nothing.
pub(crate) fn has_colours() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// Lines with colours: what the platform says of an invocation steps back, unless that failed.
pub(crate) fn coloured(lines: &str) -> String {
    let mut coloured = String::with_capacity(lines.len());
    for line in lines.split_inclusive('\n') {
        match colour(line) {
            Some(colour) => {
                let text = line.strip_suffix('\n').unwrap_or(line);
                coloured.extend([colour, text, RESET, line.get(text.len()..).unwrap_or_default()]);
            }
            None => coloured.push_str(line),
        }
    }
    coloured
}

fn colour(line: &str) -> Option<&'static str> {
    let line = line.strip_prefix('[').and_then(|named| named.split_once("] ")).map_or(line, |(_, line)| line);
    if line.starts_with("lambwire-emulator: ") {
        return Some(YELLOW);
    }
    let is_report = line.starts_with("REPORT RequestId: ") || line.starts_with("INIT_REPORT ");
    let is_mark = line.starts_with("START RequestId: ") || line.starts_with("END RequestId: ");
    match is_report {
        true if line.contains("\tStatus: ") => Some(RED),
        true => Some(DIM),
        false => is_mark.then_some(DIM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_lines_stay_lines() {
        assert_eq!(shown(b"a\x1b[31m\tb\r\n\x7f\xc3\xa9"), "a^[[31m\tb^M\n^?\u{e9}");
        // A terminal may take U+009B, and the byte alone, for the beginning of a command.
        assert_eq!(shown(b"\xc2\x9b2J\x9b2J\0"), "\\u{9b}2J\\x9b2J^@");
    }

    #[test]
    fn lines_of_the_platform_have_colours_and_those_of_functions_do_not() {
        for (line, colour) in [
            ("START RequestId: i Version: $LATEST\n", Some(DIM)),
            ("END RequestId: i\n", Some(DIM)),
            ("REPORT RequestId: i\tDuration: 1.00 ms\n", Some(DIM)),
            ("REPORT RequestId: i\tDuration: 1.00 ms\tStatus: timeout\n", Some(RED)),
            ("lambwire-emulator: a caller cannot connect\n", Some(YELLOW)),
            ("starting\n", None),
        ] {
            let text = line.trim_end();
            let expected = colour.map_or(line.to_owned(), |colour| format!("{colour}{text}{RESET}\n"));
            assert_eq!(coloured(line), expected);
        }
    }
}
