//! The bytes of what the kit replies to a runtime.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::pattern::{Variables, expand};
use crate::play::{Framing, Reply};

/// Between two segments, so that they arrive as two. No verdict depends on it.
const SEGMENT_PAUSE: Duration = Duration::from_millis(1);
/// Most segments with a pause between them; what is longer goes on without.
const PAUSES: usize = 400;

/// An invocation that the kit has handed out.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) body: Vec<u8>,
}

/// A JSON string of so many bytes.
pub(crate) fn string_of(size: usize) -> Vec<u8> {
    let mut body = vec![b'x'; size];
    if let Some(first) = body.first_mut() {
        *first = b'"';
    }
    if let Some(last) = body.last_mut() {
        *last = b'"';
    }
    body
}

/// The bytes of a reply; of an invocation, where there is one.
pub(crate) fn reply(
    reply: &Reply,
    event: Option<&Event>,
    post: bool,
    variables: &Variables,
) -> Result<Vec<u8>, String> {
    let mut out = expand(&reply.before, variables)?;
    if let Some(raw) = &reply.raw {
        out.extend(expand(raw, variables)?);
        return Ok(out);
    }
    let status = reply.status.unwrap_or(if post { 202 } else { 200 });
    let body = match (event, &reply.body) {
        (Some(event), _) => event.body.clone(),
        (None, Some(body)) => expand(body, variables)?,
        (None, None) if status == 202 => b"{\"status\":\"OK\"}\n".to_vec(),
        (None, None) => Vec::new(),
    };
    let reason = reply.reason.clone().unwrap_or_else(|| phrase(status).to_owned());
    let version = if reply.http_1_0 { "1.0" } else { "1.1" };
    out.extend(format!("HTTP/{version} {status} {reason}\r\n").bytes());
    for (name, value) in headers(reply, event, body.len()) {
        let name = if reply.lower_case { name.to_ascii_lowercase() } else { name };
        out.extend(name.bytes());
        out.extend(b": ");
        out.extend(expand(&value, variables)?);
        out.extend(b"\r\n");
    }
    out.extend(b"\r\n");
    match reply.framing {
        Framing::Chunked => chunked(&mut out, &body, reply),
        Framing::None => {}
        Framing::Length | Framing::Close => out.extend(body),
    }
    out.extend(expand(&reply.after, variables)?);
    Ok(out)
}

/// Writes the bytes in segments of the reply's size.
pub(crate) fn write(mut stream: &TcpStream, bytes: &[u8], segment: Option<usize>) -> io::Result<()> {
    let Some(size) = segment else { return stream.write_all(bytes) };
    let mut pieces = bytes.chunks(size.max(1));
    for piece in pieces.by_ref().take(PAUSES) {
        stream.write_all(piece)?;
        thread::sleep(SEGMENT_PAUSE);
    }
    pieces.try_for_each(|piece| stream.write_all(piece))
}

fn headers(reply: &Reply, event: Option<&Event>, len: usize) -> Vec<(String, String)> {
    let mut headers = BTreeMap::from([("Content-Type", "application/json".to_owned())]);
    if let Some(event) = event {
        headers.insert("Lambda-Runtime-Aws-Request-Id", event.id.clone());
        headers.insert("Lambda-Runtime-Deadline-Ms", "${deadline}".to_owned());
        headers.insert("Lambda-Runtime-Invoked-Function-Arn", "${arn}".to_owned());
        headers.insert("Lambda-Runtime-Trace-Id", "${trace}".to_owned());
    }
    let overridden = |name: &str| reply.omit.iter().chain(reply.headers.keys()).any(|n| n.eq_ignore_ascii_case(name));
    let mut lines: Vec<_> = headers
        .into_iter()
        .filter(|(name, _)| !overridden(name))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    lines.extend(reply.headers.clone());
    lines.push(("Date".to_owned(), "Sat, 28 Nov 2026 12:00:00 GMT".to_owned()));
    match reply.framing {
        Framing::Length => lines.push(("Content-Length".to_owned(), len.to_string())),
        Framing::Chunked => lines.push(("Transfer-Encoding".to_owned(), "chunked".to_owned())),
        Framing::Close | Framing::None => {}
    }
    lines
}

fn chunked(out: &mut Vec<u8>, body: &[u8], reply: &Reply) {
    for piece in body.chunks(reply.chunk.unwrap_or(body.len()).max(1)) {
        out.extend(format!("{:x}{}\r\n", piece.len(), reply.chunk_extension).bytes());
        out.extend(piece);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n");
    out.extend(reply.trailer.bytes());
    out.extend(b"\r\n");
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
