//! Plays recorded exchanges to a runtime again, and says what differs.

use std::collections::BTreeMap;

use crate::exchange::{Body, Exchange, is_secret};
use crate::message::{Message, find};
use crate::outcome::Verdict;
use crate::runtime::{Settings, Stage};
use crate::show::short;

/// Headers that may be another every time.
const VARYING: [&str; 6] = ["host", "user-agent", "date", "content-length", "transfer-encoding", "trailer"];

/// What a runtime did otherwise than when it was recorded.
#[derive(Debug)]
pub struct Difference {
    /// The exchange, from 1 on.
    pub exchange: usize,
    /// What was recorded.
    pub request: String,
    /// What is different.
    pub what: String,
}

/// Plays the exchanges, each when the runtime sends the request that stands in it.
///
/// # Errors
///
/// The program cannot be started, or the recording is damaged.
pub fn replay(settings: &Settings, exchanges: &[Exchange]) -> Result<Vec<Difference>, String> {
    let mut stage = Stage::start(settings, &BTreeMap::new(), &[])?;
    let mut differences = Vec::new();
    for (at, exchange) in exchanges.iter().enumerate() {
        let difference = |what: String| Difference { exchange: at + 1, request: exchange.request.clone(), what };
        let (connection, message) = match stage.next_request() {
            Ok(arrived) => arrived,
            Err(verdict @ (Verdict::Hung(_) | Verdict::Ended(_) | Verdict::Missed(_))) => {
                differences.push(difference(format!("{}: {}", verdict.word(), verdict.what())));
                return Ok(differences);
            }
            Err(_) => return Ok(differences),
        };
        let came = format!("{} {}", message.head.method, message.head.path);
        if came != exchange.request {
            differences.push(difference(format!("{came} came")));
            return Ok(differences);
        }
        differences.extend(changes(exchange, &message)?.into_iter().map(difference));
        stage.send(connection, &reply(exchange)?);
    }
    Ok(differences)
}

fn changes(exchange: &Exchange, message: &Message) -> Result<Vec<String>, String> {
    let mut changes = fields("header", &exchange.request_headers, &message.head.headers);
    changes.extend(fields("trailer", &exchange.request_trailers, &message.trailers));
    let recorded = exchange.request_body.bytes()?;
    let same = match &exchange.request_body {
        // What was masked is not known.
        Body::Masked(_) => true,
        Body::Text(_) | Body::Base64(_) => recorded == message.body,
    };
    if !same {
        changes.push(format!("the body is {:?}, and was {:?}", short(&message.body), short(&recorded)));
    }
    Ok(changes)
}

fn fields(what: &str, recorded: &[(String, String)], came: &[(String, String)]) -> Vec<String> {
    let counts = |name: &str| !is_secret(name) && !VARYING.iter().any(|varying| name.eq_ignore_ascii_case(varying));
    let mut changes = Vec::new();
    for (name, value) in recorded.iter().filter(|(name, _)| counts(name)) {
        match find(came, name) {
            None => changes.push(format!("{what} {name} is missing, and was {value:?}")),
            Some(is) if is != value => changes.push(format!("{what} {name} is {is:?}, and was {value:?}")),
            Some(_) => {}
        }
    }
    for (name, value) in came.iter().filter(|(name, _)| counts(name)) {
        if find(recorded, name).is_none() {
            changes.push(format!("{what} {name} is {value:?}, and was not there"));
        }
    }
    changes
}

/// The reply as it was, with a length in place of chunks.
fn reply(exchange: &Exchange) -> Result<Vec<u8>, String> {
    let body = exchange.reply_body.bytes()?;
    let mut out = format!("HTTP/1.1 {} Recorded\r\n", exchange.status).into_bytes();
    for (name, value) in &exchange.reply_headers {
        if !["content-length", "transfer-encoding", "connection"]
            .iter()
            .any(|framing| name.eq_ignore_ascii_case(framing))
        {
            out.extend(format!("{name}: {value}\r\n").bytes());
        }
    }
    if exchange.status != 204 {
        out.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    out.extend(b"\r\n");
    out.extend(body);
    Ok(out)
}
