//! The event of a command line.

use std::fs::File;
use std::io::{self, Read, stdin};
use std::path::Path;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::Event;
use serde::de::IgnoredAny;

use crate::args::Args;

/// The event to be sent, if there is only one.
///
/// # Errors
///
/// It cannot be read, or is none that Lambda takes.
pub(crate) fn of(args: &Args) -> Result<Option<Event>, String> {
    let (source, payload) = match (&args.event_json, &args.event) {
        (Some(json), _) => ("--event-json".to_owned(), json.clone().into_bytes()),
        (None, Some(file)) => {
            let source = if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
            let advice = if looks_like_json(file) { ": JSON itself is sent with --event-json" } else { "" };
            let payload =
                read(file).map_err(|error| format!("cannot read the event from {source}: {error}{advice}"))?;
            (source, payload)
        }
        (None, None) => return Ok(None),
    };
    check(&payload).map_err(|error| {
        let advice = args.event_json.as_deref().and_then(advice).unwrap_or_default();
        format!("the event of {source} {error}{advice}")
    })?;
    Ok(Some(Event::new(payload)))
}

/// Whether this is an event in place of a file that has one.
fn looks_like_json(file: &Path) -> bool {
    file.to_str().is_some_and(|text| text.trim_start().starts_with(['{', '[', '"']))
}

/// What may have been meant with text that is no JSON.
fn advice(text: &str) -> Option<&'static str> {
    match text {
        file if Path::new(file).is_file() => Some(": a file is sent with --event"),
        text if looks_like_json(Path::new(text)) && !text.contains('"') => {
            Some(": a shell takes double quotes away that are in no single ones, as in '{\"a\":1}'")
        }
        _ => None,
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    let source: Box<dyn Read> = if file.as_os_str() == "-" { Box::new(stdin()) } else { Box::new(File::open(file)?) };
    let mut payload = Vec::new();
    // More than is taken, so that it is seen to be too large.
    source.take(PAYLOAD_BYTES + 1).read_to_end(&mut payload)?;
    Ok(payload)
}

/// Whether Lambda takes this for an event, as Invoke does: JSON, of a size.
fn check(payload: &[u8]) -> Result<(), String> {
    if u64::try_from(payload.len()).map_or(true, |len| len > PAYLOAD_BYTES) {
        return Err(format!("is larger than {PAYLOAD_BYTES} bytes, the most that Lambda takes"));
    }
    let text = str::from_utf8(payload).map_err(|error| {
        let (line, column) = place(payload, error.valid_up_to());
        format!("is no UTF-8 at line {line} column {column}")
    })?;
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| format!("is no JSON: {error}"))
}

/// The line and the column, in bytes and from 1, of a byte.
fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_event_is_named_with_its_place() {
        for (payload, expected) in [
            (&b"{\n  \"a\": 1,\n}"[..], "is no JSON: key must be a string at line 3 column 1"),
            (b"", "is no JSON: EOF while parsing a value at line 1 column 0"),
            (b"hello", "is no JSON: expected value at line 1 column 1"),
            (b"{}{}", "is no JSON: trailing characters at line 1 column 3"),
            (b"{\n\"a\":\"\xe9\"}", "is no UTF-8 at line 2 column 6"),
            (b"\xff", "is no UTF-8 at line 1 column 1"),
        ] {
            assert_eq!(check(payload), Err(expected.to_owned()));
        }
        assert_eq!(check(b" [1] \n"), Ok(()));
    }

    #[test]
    fn an_option_that_was_meant_is_named() {
        for (text, is_json) in [(r#"{"a":1}"#, true), (" [1]", true), ("event.json", false), ("-", false)] {
            assert_eq!(looks_like_json(Path::new(text)), is_json, "{text}");
        }
        assert!(advice("{a:1}").unwrap().contains("quotes"));
        assert!(advice("Cargo.toml").unwrap().ends_with("with --event"));
        for text in [r#"{"a":1,}"#, "hello", ""] {
            assert_eq!(advice(text), None, "{text}");
        }
    }

    #[test]
    fn an_event_at_the_limit_is_taken_and_one_byte_more_is_not() {
        let limit = usize::try_from(PAYLOAD_BYTES).unwrap();
        for len in [limit - 1, limit, limit + 1] {
            assert_eq!(check(&vec![b'1'; len]).is_ok(), len <= limit, "{len}");
        }
    }
}
