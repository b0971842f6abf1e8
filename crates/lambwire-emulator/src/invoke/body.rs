//! What callers send.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{EXPECT, TRANSFER_ENCODING};
use lambwire::limits::PAYLOAD_BYTES;
use serde::de::IgnoredAny;
use tokio::time::timeout;

use super::headers::first;
use super::reply::Exception;
use crate::limits;

/// The body of a request, of which no more is received than an event may have.
pub(super) struct RequestBody {
    incoming: Incoming,
    progress: Progress,
    /// How much of it has been received, in bytes.
    received: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The caller sends it when that is asked for, and not before.
    Expecting,
    Coming,
    Whole,
    /// No more of it is received.
    Cut,
    /// It would have to be decoded first.
    Coded,
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, headers: &HeaderMap) -> Self {
        let expects =
            first(headers, &EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let progress = match expects {
            _ if incoming.is_end_stream() => Progress::Whole,
            _ if incoming.size_hint().lower() > PAYLOAD_BYTES => Progress::Cut,
            _ if is_coded(headers) => Progress::Coded,
            true => Progress::Expecting,
            false => Progress::Coming,
        };
        Self { incoming, progress, received: 0 }
    }

    /// Receives all of it. What says that it is too large is refused before it comes.
    pub(super) async fn collect(&mut self) -> Result<Vec<u8>, Exception> {
        let mut payload = Vec::new();
        while let Some(data) = self.piece().await? {
            payload.extend_from_slice(&data);
        }
        Ok(payload)
    }

    /// Receives what nobody has asked for, so that the connection goes on. Returns whether it does.
    pub(super) async fn finish(&mut self) -> bool {
        while matches!(self.progress, Progress::Coming) && self.piece().await.is_ok() {}
        self.progress == Progress::Whole
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Exception> {
        match self.progress {
            Progress::Whole => return Ok(None),
            Progress::Cut => return Err(Exception::TooLarge { limit: PAYLOAD_BYTES }),
            Progress::Coded => return Err(Exception::Coded),
            // To wait for a piece is to ask for it.
            Progress::Expecting | Progress::Coming => self.progress = Progress::Cut,
        }
        // Mostly it has come with the head, and no time has to be measured.
        let mut frame = self.incoming.frame();
        let frame = match pin!(&mut frame).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame,
            Poll::Pending => timeout(limits::BODY_TIMEOUT, frame).await.map_err(|_| Exception::Late)?,
        };
        let frame = frame.transpose().map_err(|error| self.malformed(&error))?;
        let data = frame.map(|frame| frame.into_data().unwrap_or_default());
        let len = data.as_ref().map_or(0, Bytes::len);
        self.received = self.received.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        if self.received > PAYLOAD_BYTES {
            return Err(Exception::TooLarge { limit: PAYLOAD_BYTES });
        }
        let is_whole = data.is_none() || self.incoming.is_end_stream();
        self.progress = if is_whole { Progress::Whole } else { Progress::Coming };
        Ok(data)
    }

    /// What comes next is none of the body. What hyper says itself is only that it has read one; why is its source.
    fn malformed(&self, error: &hyper::Error) -> Exception {
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Exception::BadContent(format!("the body is malformed after {} bytes: {why}", self.received))
    }
}

/// Whether a body is coded for its way by more than chunks, which hyper takes for one that is in chunks alone.
fn is_coded(headers: &HeaderMap) -> bool {
    let mut codings = headers.iter().filter(|(name, _)| **name == TRANSFER_ENCODING);
    let first = codings.next().map(|(_, coding)| coding.as_bytes().trim_ascii());
    first.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"chunked")) || codings.next().is_some()
}

/// The event that a function gets for a body, which is JSON; for none, an empty object.
pub(super) fn json(body: Vec<u8>) -> Result<Vec<u8>, Exception> {
    if body.is_empty() {
        return Ok(b"{}".to_vec());
    }
    let refused = |error: &dyn fmt::Display| {
        Exception::BadContent(format!(
            "Could not parse request body into json: Could not parse payload into json: {error}"
        ))
    };
    // Strings whose value nobody wants are not looked into for UTF-8.
    let text = str::from_utf8(&body).map_err(|error| refused(&error))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| refused(&error))?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_in_utf_8_or_refused() {
        assert!(matches!(json(Vec::new()), Ok(event) if event == b"{}"));
        for event in ["1", r#"{"a":"é"}"#, " [] "] {
            assert!(matches!(json(event.into()), Ok(same) if same == event.as_bytes()), "{event}");
        }
        for event in [&b"{bad"[..], b"\"\xe9\"", b"\"\xc0\xaf\"", b"\"\xed\xa0\x80\"", b"\"\xe2\x82\"", b"1 2", b" "] {
            assert!(matches!(json(event.to_vec()), Err(Exception::BadContent(_))), "{event:?}");
        }
    }
}
