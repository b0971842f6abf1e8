//! What callers get.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::Full;
use hyper::HeaderMap;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use super::event_stream::{self, EventStream};
use super::page::Messages;
use super::url::UrlStream;
use crate::answer::{Answer, JSON, Outcome};
use crate::event::new_id;
use crate::json;
use crate::queue::ResponseStream;

pub(super) type Reply = Response<ReplyBody>;

/// The body of a reply. Those that come in pieces are large, and replies are moved from hand to hand.
pub(super) enum ReplyBody {
    Whole(Full<Bytes>),
    Stream(Box<EventStream>),
    Url(Box<UrlStream>),
    Page(Messages),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Stream(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Url(body) => Pin::new(body).poll_frame(context),
            Self::Page(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
            Self::Url(body) => body.is_end_stream(),
            Self::Page(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
            Self::Url(body) => body.size_hint(),
            Self::Page(body) => body.size_hint(),
        }
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const LOG_RESULT: HeaderName = HeaderName::from_static("x-amz-log-result");
const DURABLE_EXECUTION_ARN: HeaderName = HeaderName::from_static("x-amz-durable-execution-arn");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");

/// What came of an invocation. AWS says 200 whatever that is, and names failures in a header.
pub(super) fn answered(answer: Answer) -> Reply {
    let mut reply = reply(StatusCode::OK, answer.body);
    let headers = reply.headers_mut();
    let content_type = HeaderValue::try_from(answer.content_type);
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static(JSON)));
    put_version(headers, answer.version);
    if answer.outcome == Outcome::Failure {
        headers.insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }
    let tail = answer.log_tail.and_then(|tail| HeaderValue::try_from(BASE64_STANDARD.encode(tail)).ok());
    if let Some(tail) = tail {
        headers.insert(LOG_RESULT, tail);
    }
    with_request_id(reply, answer.request_id)
}

/// What comes of an invocation, as it comes.
pub(super) fn streamed(response: ResponseStream, version: &str) -> Reply {
    let request_id = response.request_id().to_owned();
    let mut reply = Response::new(ReplyBody::Stream(Box::new(EventStream::new(response))));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(event_stream::MEDIA_TYPE));
    put_version(headers, version);
    with_request_id(reply, request_id)
}

fn put_version<V>(headers: &mut HeaderMap, version: V)
where
    HeaderValue: TryFrom<V>,
{
    if let Ok(version) = HeaderValue::try_from(version) {
        headers.insert(EXECUTED_VERSION, version);
    }
}

/// The same reply, of an event that belongs to a durable execution.
pub(super) fn of_execution(mut reply: Reply, arn: Option<HeaderValue>) -> Reply {
    if let Some(arn) = arn {
        reply.headers_mut().insert(DURABLE_EXECUTION_ARN, arn);
    }
    reply
}

/// The event is in the queue, and the caller does not wait.
pub(super) fn taken(request_id: &str) -> Reply {
    with_request_id(reply(StatusCode::ACCEPTED, Vec::new()), request_id)
}

/// The event would have been taken.
pub(super) fn dry() -> Reply {
    reply(StatusCode::NO_CONTENT, Vec::new())
}

/// A request that no function gets to see. The names are those of AWS.
#[derive(Debug)]
pub(super) enum Exception {
    NotFound,
    /// There are functions, and none of this ARN.
    NoFunction(String),
    MethodNotAllowed,
    /// The request is none of HTTP.
    Malformed(&'static str),
    /// The request is for a proxy.
    Tunnel,
    /// The body is coded for its way by more than chunks.
    Coded,
    /// The request comes from a page of somebody else.
    Foreign(String),
    BadParameter(String),
    BadContent(String),
    /// The request has begun, and its rest does not come.
    Late,
    /// The event is larger than so many bytes.
    TooLarge {
        limit: u64,
    },
    /// Whether reserved concurrency is the reason.
    Throttled {
        is_reserved: bool,
    },
    Stopped,
}

/// What callers hear whom nobody is left to answer: after a change of the file of functions, others come.
pub(super) const STOPPED: &str = "the emulator is ending, or starts its functions again";

impl Exception {
    pub(super) fn reply(&self) -> Reply {
        let (status, name) = self.kind();
        let message = match self {
            Self::NotFound => {
                "no such path: functions are invoked at /2015-03-31/functions/NAME/invocations".to_owned()
            }
            Self::NoFunction(arn) => format!("Function not found: {arn}"),
            Self::MethodNotAllowed => "functions are invoked with POST".to_owned(),
            Self::Tunnel => "CONNECT asks for a tunnel, and this is no proxy".to_owned(),
            Self::Coded => "of Transfer-Encoding chunked alone is known (RFC 9112, section 6.1)".to_owned(),
            Self::Malformed(why) => format!("{why} (RFC 9112, section 3.2)"),
            Self::BadParameter(why) | Self::BadContent(why) | Self::Foreign(why) => why.clone(),
            Self::Late => "the body does not come".to_owned(),
            Self::TooLarge { limit } => {
                format!("Request must be smaller than {} bytes for the InvokeFunction operation", limit + 1)
            }
            Self::Throttled { .. } => "Rate Exceeded.".to_owned(),
            Self::Stopped => STOPPED.to_owned(),
        };
        let fault = if status.is_server_error() { "Service" } else { "User" };
        let mut members = vec![("__type", name), ("Type", fault), ("message", &message)];
        if let Self::Throttled { is_reserved } = self {
            let reserved = "ReservedFunctionConcurrentInvocationLimitExceeded";
            members.push(("Reason", if *is_reserved { reserved } else { "ConcurrentInvocationLimitExceeded" }));
        }
        let mut reply = reply(status, json::object(&members).into_bytes());
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(ERROR_TYPE, HeaderValue::from_static(name));
        if matches!(self, Self::MethodNotAllowed) {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if matches!(self, Self::Throttled { .. }) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        reply
    }

    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound | Self::NoFunction(_) => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowedException"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "MalformedHttpRequestException"),
            // Not supported for any resource (RFC 9110, section 15.6.2).
            Self::Tunnel | Self::Coded => (StatusCode::NOT_IMPLEMENTED, "NotImplementedException"),
            Self::Foreign(_) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            Self::BadParameter(_) => (StatusCode::BAD_REQUEST, "InvalidParameterValueException"),
            Self::BadContent(_) => (StatusCode::BAD_REQUEST, "InvalidRequestContentException"),
            Self::Late => (StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException"),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException"),
            Self::Throttled { .. } => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
            Self::Stopped => (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException"),
        }
    }
}

/// A body that is known in full.
pub(super) fn whole(body: Vec<u8>) -> ReplyBody {
    ReplyBody::Whole(Full::new(Bytes::from(body)))
}

pub(super) fn reply(status: StatusCode, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(whole(body));
    *reply.status_mut() = status;
    reply
}

/// Every reply has an id, that of an invocation or another.
pub(super) fn identified(reply: Reply) -> Reply {
    // There are few headers: to hash the name takes longer than to compare it.
    let has_id = reply.headers().keys().any(|name| *name == REQUEST_ID);
    if has_id { reply } else { with_request_id(reply, new_id::<String>()) }
}

pub(super) fn with_request_id<V>(mut reply: Reply, request_id: V) -> Reply
where
    HeaderValue: TryFrom<V>,
{
    if let Ok(request_id) = HeaderValue::try_from(request_id) {
        reply.headers_mut().insert(REQUEST_ID, request_id);
    }
    reply
}
