//! Whether a request of a runtime is the one that a play expects.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::wire::Event;
use crate::message::{self, Message, find};
use crate::pattern::{self, Variables};
use crate::play::{Expected, Framing, Turn};
use crate::show::short;

const BASE: &str = "/2018-06-01/runtime/";
const EXTENSION: &str = "/2020-01-01/extension/";

/// Which request of the Runtime API it is, and of which invocation.
pub(crate) fn kind(method: &str, path: &str) -> Option<(Expected, Option<String>)> {
    match (method, path.strip_prefix(EXTENSION)) {
        ("POST", Some("register")) => return Some((Expected::Register, None)),
        ("GET", Some("event/next")) => return Some((Expected::ExtensionNext, None)),
        _ => {}
    }
    let rest = path.strip_prefix(BASE)?;
    let plain = match (method, rest) {
        ("GET", "invocation/next") => Some(Expected::Next),
        ("GET", "restore/next") => Some(Expected::RestoreNext),
        ("POST", "init/error") => Some(Expected::InitError),
        ("POST", "restore/error") => Some(Expected::RestoreError),
        _ => None,
    };
    if let Some(plain) = plain {
        return Some((plain, None));
    }
    let (id, verb) = rest.strip_prefix("invocation/")?.rsplit_once('/')?;
    match (method, verb) {
        ("POST", "response") => Some((Expected::Response, Some(id.to_owned()))),
        ("POST", "error") => Some((Expected::Error, Some(id.to_owned()))),
        _ => None,
    }
}

/// In words, for a report.
pub(crate) fn name(expected: Expected) -> &'static str {
    match expected {
        Expected::Next => "GET /2018-06-01/runtime/invocation/next",
        Expected::Response => "POST /2018-06-01/runtime/invocation/ID/response",
        Expected::Error => "POST /2018-06-01/runtime/invocation/ID/error",
        Expected::Answer => "a response or an error",
        Expected::InitError => "POST /2018-06-01/runtime/init/error",
        Expected::RestoreNext => "GET /2018-06-01/runtime/restore/next",
        Expected::RestoreError => "POST /2018-06-01/runtime/restore/error",
        Expected::Register => "POST /2020-01-01/extension/register",
        Expected::ExtensionNext => "GET /2020-01-01/extension/event/next",
        Expected::Exit => "the end of the process",
        Expected::Recovers => "an answer to another event, or the end of the process",
        Expected::NextOrExit => "the next event to be asked for, or the end of the process",
    }
}

/// What of the request is not as the turn says, but for its kind.
pub(crate) fn differences(
    turn: &Turn,
    message: &Message,
    event: Option<&Event>,
    echo: bool,
    variables: &Variables,
) -> Result<Vec<String>, String> {
    let mut misses = Vec::new();
    if message.head.header("host").is_none() {
        misses.push("it has no Host header".to_owned());
    }
    fields("header", &message.head.headers, turn.headers.iter(), &turn.absent, variables, &mut misses)?;
    fields("trailer", &message.trailers, turn.trailers.iter(), &turn.absent_trailers, variables, &mut misses)?;
    if let Some(expected) = turn.framing {
        let actual = match message.framing {
            message::Framing::None => Framing::None,
            message::Framing::Length => Framing::Length,
            message::Framing::Chunked => Framing::Chunked,
            message::Framing::Close => Framing::Close,
        };
        // A POST without a body may say so, or not.
        let both_empty = [expected, actual].contains(&Framing::None) && message.body.is_empty();
        if expected != actual && !both_empty {
            misses.push(format!("the end of its body is marked by {actual:?}, not by {expected:?}").to_lowercase());
        }
    }
    if let Some(expected) = &turn.error_trailer {
        let body = find(&message.trailers, "Lambda-Runtime-Function-Error-Body").unwrap_or_default();
        let decoded = BASE64_STANDARD.decode(body).unwrap_or_default();
        json(expected, &decoded, "the decoded error trailer", variables, &mut misses)?;
    }
    // A function of another kind than the kit's own answers as it likes.
    let event = event.filter(|_| echo);
    body(turn, message, event, variables, &mut misses)?;
    Ok(misses)
}

fn fields<'t>(
    what: &str,
    actual: &[(String, String)],
    expected: impl Iterator<Item = (&'t String, &'t String)>,
    absent: &[String],
    variables: &Variables,
    misses: &mut Vec<String>,
) -> Result<(), String> {
    for (name, value) in expected {
        match find(actual, name) {
            None => misses.push(format!("{what} {name} is missing")),
            Some(is) if !pattern::matches(value, is, variables)? => {
                misses.push(format!("{what} {name} is {:?}, not {value:?}", short(is.as_bytes())));
            }
            Some(_) => {}
        }
    }
    for name in absent {
        if let Some(value) = find(actual, name) {
            misses.push(format!("{what} {name} is there, as {:?}", short(value.as_bytes())));
        }
    }
    Ok(())
}

fn body(
    turn: &Turn,
    message: &Message,
    event: Option<&Event>,
    variables: &Variables,
    misses: &mut Vec<String>,
) -> Result<(), String> {
    let actual = &message.body;
    if let Some(expected) = &turn.json {
        json(expected, actual, "the body", variables, misses)?;
    } else if let Some(expected) = &turn.body {
        let text = String::from_utf8_lossy(actual);
        if !pattern::matches(expected, &text, variables)? {
            misses.push(format!("the body is {:?}, not {expected:?}", short(actual)));
        }
    } else if let Some(size) = turn.size {
        if actual.len() != size {
            misses.push(format!("the body has {} bytes, not {size}", actual.len()));
        }
    } else if let (Some(Expected::Response), Some(event)) = (turn.expect, event)
        && !is_echo(actual, &event.body)
    {
        misses.push(format!("the body is {:?}, not the event {:?}", short(actual), short(&event.body)));
    }
    Ok(())
}

/// Whether these are the same JSON, or the same bytes.
fn is_echo(actual: &[u8], event: &[u8]) -> bool {
    let parsed = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    actual == event || parsed(event).is_some_and(|event| parsed(actual) == Some(event))
}

fn json(
    expected: &Value,
    actual: &[u8],
    place: &str,
    variables: &Variables,
    misses: &mut Vec<String>,
) -> Result<(), String> {
    match serde_json::from_slice(actual) {
        Ok(actual) => misses.extend(pattern::json_differs(expected, &actual, variables, place)?),
        Err(_) => misses.push(format!("{place} is no JSON: {:?}", short(actual))),
    }
    Ok(())
}
