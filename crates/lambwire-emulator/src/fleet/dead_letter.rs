//! Events that have failed for good, for which nobody waits.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::event::Invocation;
use crate::files::open_at_once;

/// Appends an event to the file, as AWS tells destinations of it, or says that it is lost.
pub(super) fn keep(file: Option<&Path>, invocation: &Invocation, tries: usize, answer: &Answer) {
    let id = invocation.id();
    let Some(file) = file else {
        return log::error!("event {id} has failed {tries} times, and is dropped");
    };
    if let Err(error) = append(file, &letter(invocation, tries, answer)) {
        log::error!("event {id} has failed {tries} times, and cannot be kept in {}: {error}", file.display());
    }
}

/// Opens the file, without waiting: nothing else goes on meanwhile.
pub(crate) fn open(file: &Path) -> io::Result<File> {
    open_at_once(OpenOptions::new().create(true).append(true), file)
}

fn append(file: &Path, letter: &Value) -> io::Result<()> {
    // One write, so that lines of several programs stay whole.
    open(file)?.write_all(format!("{letter}\n").as_bytes())
}

fn letter(invocation: &Invocation, tries: usize, answer: &Answer) -> Value {
    json!({
        "version": "1.0",
        "requestContext": {
            "requestId": &**invocation.id(),
            "functionArn": invocation.event().function_arn,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": tries,
        },
        "requestPayload": payload(invocation.payload()),
        "responseContext": { "statusCode": 200, "executedVersion": answer.version, "functionError": "Unhandled" },
        "responsePayload": payload(&answer.body),
    })
}

/// JSON as it is, and all else as text.
fn payload(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}
