//! Outcomes as JSON, and what went over the wire as lines of JSON.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json as value};

use crate::outcome::Outcome;

/// One object: the subject, and each requirement with its verdict.
#[must_use]
pub fn json(subject: &str, outcomes: &[Outcome]) -> Value {
    let requirements: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            value!({
                "number": outcome.number,
                "title": outcome.title,
                "suite": outcome.suite.0,
                "suiteTitle": outcome.suite.1,
                "severity": outcome.severity.to_string(),
                "verdict": outcome.verdict.word(),
                "what": outcome.verdict.what(),
                "millis": outcome.millis,
            })
        })
        .collect();
    value!({ "subject": subject, "kit": env!("CARGO_PKG_VERSION"), "requirements": requirements })
}

/// A line for each message: the requirement, the connection, who wrote it, and the bytes, as text or else in base64.
#[must_use]
pub fn record(outcomes: &[Outcome]) -> String {
    let mut out = String::new();
    for outcome in outcomes {
        for entry in &outcome.transcript {
            let mut line = value!({
                "requirement": outcome.number,
                "connection": entry.connection,
                "from": entry.from,
            });
            if let Some(line) = line.as_object_mut() {
                match str::from_utf8(&entry.bytes) {
                    Ok(text) => line.insert("text".into(), text.into()),
                    Err(_) => line.insert("base64".into(), BASE64_STANDARD.encode(&entry.bytes).into()),
                };
                if !entry.note.is_empty() {
                    line.insert("note".into(), entry.note.clone().into());
                }
            }
            out.push_str(&line.to_string());
            out.push('\n');
        }
    }
    out
}
