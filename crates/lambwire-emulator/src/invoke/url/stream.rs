//! A response through the URL as it comes (invoke mode `RESPONSE_STREAM`).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::StatusCode;
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use lambwire::HTTP_INTEGRATION;
use lambwire::limits::PRELUDE_BYTES;

use super::UrlFormat;
use super::response::{Malformed, OCTETS, bad, made, no_prelude, parsed, split, with_type};
use crate::answer::Outcome;
use crate::invoke::reply::{self, Reply, ReplyBody};
use crate::queue::ResponseStream;

/// Waits until the head of the response is known, and gives a reply whose body comes as the function sends it.
pub(super) async fn reply(format: UrlFormat, mut response: ResponseStream) -> Reply {
    let request_id = response.request_id().to_owned();
    let first = response.next_piece().await;
    let reply = if response.content_type() == Some(HTTP_INTEGRATION) {
        with_prelude(format, first.unwrap_or_default(), response).await
    } else {
        bare(first, response)
    };
    reply::with_request_id(reply.unwrap_or_else(|why| bad(format, &request_id, &why)), &request_id)
}

/// A response that begins with what is said of it.
async fn with_prelude(format: UrlFormat, first: Bytes, mut response: ResponseStream) -> Result<Reply, Malformed> {
    let mut begun = first.to_vec();
    loop {
        if let Some((prelude, rest)) = split(&begun) {
            let prelude = parsed(prelude)?;
            let rest = Bytes::copy_from_slice(rest);
            let body = ReplyBody::Url(Box::new(UrlStream { rest, response, has_failed: false }));
            return made(format, &prelude, body, OCTETS);
        }
        // No prelude is longer.
        if begun.len() > PRELUDE_BYTES {
            return Err(no_prelude());
        }
        match response.next_piece().await {
            Some(piece) => begun.extend_from_slice(&piece),
            None if response.outcome() == Some(Outcome::Success) => return Err(no_prelude()),
            None => return Err(Malformed::Failure),
        }
    }
}

/// A response without that, which is successful if it does not fail before it begins.
fn bare(first: Option<Bytes>, response: ResponseStream) -> Result<Reply, Malformed> {
    let content_type = response.content_type().and_then(|text| HeaderValue::from_str(text).ok());
    if first.is_none() && response.outcome() != Some(Outcome::Success) {
        return Err(Malformed::Failure);
    }
    let rest = first.unwrap_or_default();
    let body = ReplyBody::Url(Box::new(UrlStream { rest, response, has_failed: false }));
    let mut reply = with_type(StatusCode::OK, OCTETS, body);
    if let Some(content_type) = content_type {
        reply.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    Ok(reply)
}

/// The rest of a response. If it fails on the way the connection is cut: nothing else is left to say so.
pub(in crate::invoke) struct UrlStream {
    rest: Bytes,
    response: ResponseStream,
    has_failed: bool,
}

impl Body for UrlStream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        Poll::Ready(match ready!(self.response.poll_piece(context)) {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None if self.response.outcome() == Some(Outcome::Success) => None,
            None if !self.has_failed => {
                // What has come is written before the connection is cut.
                self.has_failed = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => {
                let id = self.response.request_id();
                log::error!("RequestId: {id} Error: the response has failed on its way");
                Some(Err(io::ErrorKind::ConnectionAborted.into()))
            }
        })
    }
}
