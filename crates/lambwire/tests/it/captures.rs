//! Real exchanges, and what they say. `tests/captures/README.md` tells where they come from.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use lambwire::{Body, ErrorHeaders, Mode, Rejection, Reply, Request, RequestKind, Server, StreamError};

use crate::cuts::{Accepting, Asking, Heard, Transcript, hear_cut};

/// The values that the files hold, written by a parser that is not this crate's: see `README.md`.
const EXPECTED: &str = include_str!("../captures/expected.txt");

/// A captured file, and who it is to be fed to.
pub(crate) enum Capture {
    /// What a client sent.
    Requests(Accepting, Vec<u8>),
    /// What a server sent to one who had asked for these.
    Replies(Asking, Vec<RequestKind>, Vec<u8>),
}

/// All captures with their names.
pub(crate) fn all() -> Vec<(String, Capture)> {
    sections()
        .map(|(name, kinds, _)| {
            let bytes = fs::read(folder().join(name)).unwrap();
            let capture = if let Some(kinds) = kinds {
                let kinds: Vec<RequestKind> = kinds.split(", ").map(kind).collect();
                Capture::Replies(Asking::new(&kinds), kinds, bytes)
            } else {
                let prefix = if name.starts_with("cargolambda-") { "/.rt" } else { "" };
                let server = Server::at(&format!("http://127.0.0.1:9000{prefix}")).unwrap();
                Capture::Requests(Accepting { server }, bytes)
            };
            (name.to_owned(), capture)
        })
        .collect()
}

/// Name, kinds asked for, and text of every section.
fn sections() -> impl Iterator<Item = (&'static str, Option<&'static str>, &'static str)> {
    EXPECTED.split("== ").filter(|section| !section.is_empty()).map(|section| {
        let (title, text) = section.split_once('\n').unwrap();
        match title.split_once(" to ") {
            Some((name, kinds)) => (name, Some(kinds), text.trim_end()),
            None => (title, None, text.trim_end()),
        }
    })
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

fn kind(text: &str) -> RequestKind {
    let kinds = [
        RequestKind::Next,
        RequestKind::Response,
        RequestKind::Error,
        RequestKind::InitError,
        RequestKind::RestoreNext,
        RequestKind::RestoreError,
    ];
    let mut kinds = kinds.into_iter().chain([RequestKind::Register, RequestKind::ExtensionNext]);
    kinds.find(|kind| kind.to_string() == text).unwrap()
}

#[test]
fn every_file_has_an_expectation_and_every_expectation_a_file() {
    let mut count = BTreeMap::new();
    for (name, _, _) in sections() {
        *count.entry(name.to_owned()).or_insert(0) += 1;
    }
    assert!(count.values().all(|&sections| sections == 1), "one section a file");
    let files: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md" && name != "expected.txt")
        .collect();
    for name in &files {
        assert!(count.remove(name).is_some(), "{name} has no expectation");
    }
    assert!(count.is_empty(), "no file for {count:?}");
}

#[test]
fn every_capture_says_what_it_should_however_it_is_cut() {
    for ((name, capture), (_, _, expected)) in all().into_iter().zip(sections()) {
        let got = match &capture {
            Capture::Requests(server, bytes) => text(&hear_cut(server, bytes), request_text),
            Capture::Replies(client, kinds, bytes) => {
                let mut kinds = kinds.iter();
                let heard = hear_cut(client, bytes);
                text(&heard, |heard| reply_text(*kinds.next().unwrap(), heard))
            }
        };
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn every_request_that_was_captured_is_asked_for_the_reply_that_was_captured() {
    let all: BTreeMap<_, _> = all().into_iter().collect();
    for (name, capture) in &all {
        let Capture::Replies(_, asked, _) = capture else {
            continue;
        };
        let requests = [".req.bin", ".req.head.bin", ".c2s.bin"]
            .iter()
            .find_map(|end| all.get(&name.replace(".rep.bin", end).replace(".s2c.bin", end)));
        if let Some(Capture::Requests(server, bytes)) = requests {
            let heard = crate::cuts::hear(server, bytes, [bytes.len()]);
            let kinds: Vec<_> = heard.messages.iter().map(|heard| heard.head.kind()).collect();
            // What this crate cannot ask for is asked for as `next`.
            assert!(kinds == *asked || matches!(kinds[..], [] | [RequestKind::Other]), "{name}: {kinds:?}");
        }
    }
}

/// The transcript in the form of `expected.txt`.
fn text<'i, H>(heard: &Transcript<'i, H>, mut show: impl FnMut(&Heard<'i, H>) -> String) -> String {
    let mut text = "interim\n".repeat(heard.interims);
    for message in &heard.messages {
        text += &show(message);
        text += "  body ";
        text += &match message.framing {
            Body::Exact(length) => format!("exact {length}"),
            Body::Chunked => "chunked".to_owned(),
            Body::UntilClose => "until close".to_owned(),
        };
        if message.trailers.is_none() {
            text += ", cut short";
        }
        if !message.body.is_empty() {
            text = text + ": " + &escaped(&message.body);
        }
        text += "\n";
        if let Some(error) = message.trailers.and_then(StreamError::find) {
            let mut out = [0; 1024];
            let report = error.report(&mut out).unwrap();
            text += &format!("  stream error {}: {}\n", escaped(error.error_type), escaped(report));
        }
    }
    if let Err(error) = heard.stop {
        let is_at_end = format!("{error:?}") == "CutShort" || format!("{error:?}") == "NoReply";
        text += &format!("{} {error:?}\n", if is_at_end { "ends" } else { "fails" });
    }
    text.trim_end().to_owned()
}

fn request_text(heard: &Heard<'_, Request<'_>>) -> String {
    let kind = heard.head.kind();
    let headers = heard.headers.iter().count();
    let mut text = match heard.head {
        Request::Response { id, .. } | Request::Error { id, .. } => format!("{kind} {id}"),
        Request::Other { method, target } => format!("{kind} {method} {target}"),
        _ => kind.to_string(),
    };
    text += &format!(" ({headers} headers)\n");
    match heard.head {
        Request::Response { invocation_id, content_type, mode, .. } => {
            text += &field("invocation-id", invocation_id.map(|id| id.as_bytes()));
            text += &field("content-type", content_type.map(str::as_bytes));
            if mode != Mode::Buffered {
                text += &format!("  mode {mode:?}\n");
            }
        }
        Request::Error { invocation_id, headers, .. } => {
            text += &field("invocation-id", invocation_id.map(|id| id.as_bytes()));
            text += &fault_text(headers);
        }
        Request::InitError(headers) | Request::RestoreError(headers) => text += &fault_text(headers),
        Request::Register { name } => text += &field("extension-name", Some(name.as_bytes())),
        Request::ExtensionNext { id } => text += &field("extension-id", Some(id.as_bytes())),
        _ => {}
    }
    text
}

fn fault_text(headers: ErrorHeaders<'_>) -> String {
    field("error-type", headers.error_type.map(str::as_bytes))
        + &field("xray-cause", headers.xray_cause.map(str::as_bytes))
}

fn reply_text(kind: RequestKind, heard: &Heard<'_, Reply<'_>>) -> String {
    let headers = heard.headers.iter().count();
    match heard.head {
        Reply::Invocation(context) => {
            let deadline = context.deadline_ms.map(|deadline| deadline.to_string());
            [
                format!("invocation {} ({headers} headers)\n", context.request_id),
                field("deadline-ms", deadline.as_deref().map(str::as_bytes)),
                field("function-arn", context.invoked_function_arn.map(str::as_bytes)),
                field("trace-id", context.trace_id.map(str::as_bytes)),
                field("client-context", context.client_context_json.map(str::as_bytes)),
                field("cognito-identity", context.cognito_identity_json.map(str::as_bytes)),
                field("tenant-id", context.tenant_id.map(str::as_bytes)),
                field("invocation-id", context.invocation_id.map(|id| id.as_bytes())),
            ]
            .concat()
        }
        Reply::NothingYet => format!("nothing yet ({headers} headers)\n"),
        Reply::Restored => format!("restored ({headers} headers)\n"),
        Reply::Accepted => format!("accepted ({headers} headers)\n"),
        Reply::Registered { id } => {
            format!("registered ({headers} headers)\n") + &field("extension-id", Some(id.as_bytes()))
        }
        Reply::ExtensionEvent { id } => format!("extension event ({headers} headers)\n") + &field("event-id", id),
        Reply::Rejected { status } => {
            let mut text = format!("refused {status} ({headers} headers)\n");
            let rejection = Rejection::new(kind, status, &heard.body);
            if let Some(error_type) = rejection.error_type() {
                let message = rejection.message().map_or(String::new(), |message| message.to_string());
                text += &format!("  says {error_type}: {message}\n");
            }
            text
        }
        Reply::MethodNotAllowed { allow } => format!("refused 405 ({headers} headers)\n  allow {allow}\n"),
        _ => unreachable!(),
    }
}

fn field(name: &str, value: Option<&[u8]>) -> String {
    value.map_or(String::new(), |value| format!("  {name} {}\n", escaped(value)))
}

fn escaped(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|&byte| match byte {
            b'\n' => "\\n".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect()
}
