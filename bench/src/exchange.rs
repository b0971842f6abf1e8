//! What goes over the wire: replies that are written once, requests that are looked at no longer than they have to be.

use std::error::Error;

use memchr::{memchr, memmem};

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r";
const INVOCATION: &[u8] = b"POST /2018-06-01/runtime/invocation/";
const RESPONSE: &[u8] = b"/response HTTP/1.1\r";
/// All of a request id but its last two digits, which number the events that are out.
const ID: &str = "8476a536-e9f4-11e8-9739-2dfe598c3f";

/// The reply to an answer, as AWS's emulator has it.
pub const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n\
    Date: Sun, 22 Nov 2026 00:46:16 GMT\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";

/// How an event is framed.
#[derive(Clone, Copy)]
pub enum Framing {
    /// By `Content-Length`.
    Exact,
    /// In chunks of [`CHUNK_BYTES`].
    Chunked,
}

/// Bytes of a chunk, of which the last may have less.
const CHUNK_BYTES: usize = 4096;

/// An invocation as a reply, which is sent as often as needed.
pub fn invocation(number: usize, event: &[u8], framing: Framing) -> Vec<u8> {
    let framed = match framing {
        Framing::Exact => format!("Content-Length: {}", event.len()),
        Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
    };
    let mut reply = format!(
        "HTTP/1.1 200 OK\r\n\
         Content-Type: application/json\r\n\
         Lambda-Runtime-Aws-Request-Id: {ID}{number:02}\r\n\
         Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
         Lambda-Runtime-Invocation-Id: 02876d80-77eb-449f-9f13-6b6b8d4a1378\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:echo\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\
         Date: Sun, 22 Nov 2026 00:46:16 GMT\r\n\
         {framed}\r\n\r\n"
    )
    .into_bytes();
    match framing {
        Framing::Exact => reply.extend_from_slice(event),
        Framing::Chunked => {
            for chunk in event.chunks(CHUNK_BYTES) {
                reply.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                reply.extend_from_slice(chunk);
                reply.extend_from_slice(b"\r\n");
            }
            reply.extend_from_slice(b"0\r\n\r\n");
        }
    }
    reply
}

/// JSON of `len` bytes: what an HTTP integration makes of a request with a body. Its keys are in order, so that whoever
/// takes it apart and puts it together again gets the same.
pub fn event(len: usize) -> Vec<u8> {
    const BEFORE: &[u8] = br#"{"body":""#;
    const AFTER: &[u8] = br#"","isBase64Encoded":true}"#;
    [BEFORE, &vec![b'Q'; len - BEFORE.len() - AFTER.len()], AFTER].concat()
}

/// A request that is whole.
pub enum Request<'a> {
    Next,
    Response { number: usize, body: &'a [u8] },
}

/// Reads the first request in `input`, and tells its length; `None` if it is not whole.
pub fn read(input: &[u8]) -> Result<Option<(Request<'_>, usize)>, Box<dyn Error>> {
    let Some(end) = memmem::find(input, b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = input.split_at(end + 4);
    let body = match content_length(head)? {
        len if len > rest.len() => return Ok(None),
        len => &rest[..len],
    };
    let request =
        if head.starts_with(NEXT) { Request::Next } else { Request::Response { number: number(head)?, body } };
    Ok(Some((request, head.len() + body.len())))
}

fn content_length(mut head: &[u8]) -> Result<usize, Box<dyn Error>> {
    const NAME: &[u8] = b"content-length:";
    while let Some(end) = memchr(b'\n', head) {
        let (line, rest) = head.split_at(end);
        if line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME) {
            return Ok(str::from_utf8(&line[NAME.len()..])?.trim().parse()?);
        }
        head = &rest[1..];
    }
    Ok(0)
}

/// Which event an answer is to.
fn number(head: &[u8]) -> Result<usize, Box<dyn Error>> {
    let digits = || {
        let (number, rest) = head.strip_prefix(INVOCATION)?.strip_prefix(ID.as_bytes())?.split_at_checked(2)?;
        rest.starts_with(RESPONSE).then_some(str::from_utf8(number).ok()?.parse().ok()?)
    };
    digits().ok_or_else(|| format!("unexpected request: {}", head.escape_ascii()).into())
}
