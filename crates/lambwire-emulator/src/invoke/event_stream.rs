//! The body of InvokeWithResponseStream: messages of `application/vnd.amazon.eventstream`.
//!
//! Every failure of the function stands in the last message, `InvokeComplete`, and that always comes: AWS's clients make
//! nothing of an exception in the stream, and the one for Python knows by it that nothing is missing.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::body::{Body, Bytes, Frame};
use serde_json::{Map, Value};

use super::reply::STOPPED;
use crate::answer::{Answer, Outcome};
use crate::limits;
use crate::queue::ResponseStream;

/// Media type of the whole.
pub(super) const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// The body, as it comes from the function.
pub(super) struct EventStream {
    response: ResponseStream,
    /// What of a large piece has not been sent.
    rest: Bytes,
    is_complete: bool,
}

impl EventStream {
    pub(super) fn new(response: ResponseStream) -> Self {
        Self { response, rest: Bytes::new(), is_complete: false }
    }

    /// The next message.
    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        if self.is_complete {
            return Poll::Ready(None);
        }
        if self.rest.is_empty() {
            match ready!(self.response.poll_piece(context)) {
                Some(piece) => self.rest = piece,
                None => return Poll::Ready(Some(self.complete())),
            }
        }
        let payload = self.rest.split_to(self.rest.len().min(limits::STREAM_EVENT_BYTES));
        Poll::Ready(Some(message("PayloadChunk", "application/octet-stream", &payload)))
    }

    fn complete(&mut self) -> Vec<u8> {
        self.is_complete = true;
        let payload = Value::Object(complete(self.response.take_answer())).to_string();
        message("InvokeComplete", "application/json", payload.as_bytes())
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let message = ready!(self.poll_message(context));
        Poll::Ready(message.map(|message| Ok(Frame::data(message.into()))))
    }
}

/// What came of the invocation, but for its body; `None` if the emulator has ended.
fn complete(answer: Option<Answer>) -> Map<String, Value> {
    let mut members = Map::new();
    let Some(answer) = answer else {
        members.insert("ErrorCode".into(), "ServiceException".into());
        members.insert("ErrorDetails".into(), STOPPED.into());
        return members;
    };
    if answer.outcome == Outcome::Failure {
        let report: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let error_type = report.get("errorType").and_then(Value::as_str);
        members.insert("ErrorCode".into(), error_type.unwrap_or("Unhandled").into());
        members.insert("ErrorDetails".into(), String::from_utf8_lossy(&answer.body).into());
    }
    if let Some(tail) = answer.log_tail {
        members.insert("LogResult".into(), BASE64_STANDARD.encode(tail).into());
    }
    members
}

/// One message: lengths, their checksum, headers, payload, and the checksum of it all, numbers being big-endian.
fn message(event_type: &str, content_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", event_type), (":content-type", content_type), (":message-type", "event")] {
        put_header(&mut headers, name, value);
    }
    let mut message = Vec::with_capacity(PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES);
    let total = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
    message.extend(number(total));
    message.extend(number(headers.len()));
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(headers);
    message.extend(payload);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

/// Total length, length of the headers, and their checksum.
const PRELUDE_BYTES: usize = 12;

const CHECKSUM_BYTES: usize = 4;

/// The type of a header whose value is text.
const STRING: u8 = 7;

fn put_header(headers: &mut Vec<u8>, name: &str, value: &str) {
    let len = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
    headers.push(len(name));
    headers.extend(name.as_bytes());
    headers.push(STRING);
    headers.extend(u16::from(len(value)).to_be_bytes());
    headers.extend(value.as_bytes());
}

fn number(len: usize) -> [u8; 4] {
    // No message is as long.
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_the_one_that_the_clients_of_aws_take() {
        // As a client of AWS was seen to read it.
        let expected =
            b"\0\0\0\x6d\0\0\0\x5a\x8f\x3e\xd4\x7f\x0b:event-type\x07\0\x0cPayloadChunk\x0d:content-type\x07\0\
                         \x18application/octet-stream\x0d:message-type\x07\0\x05eventone\x7f\x80\x3d\x56";
        assert_eq!(message("PayloadChunk", "application/octet-stream", b"one"), expected);
    }
}
