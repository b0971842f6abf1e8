//! What callers are told.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use lambwire::limits::PAYLOAD_BYTES;

use crate::answer::{Answer, JSON, Outcome};
use crate::json;

pub(super) type Reply = Response<Full<Bytes>>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const FUNCTION_ERROR: HeaderName = HeaderName::from_static("x-amz-function-error");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");

/// What came of an invocation. AWS says 200 whatever that is, and names failures in a header.
pub(super) fn answered(answer: Answer) -> Reply {
    let mut reply = reply(StatusCode::OK, answer.body);
    let headers = reply.headers_mut();
    let content_type = HeaderValue::from_str(&answer.content_type);
    headers.insert(CONTENT_TYPE, content_type.unwrap_or(HeaderValue::from_static(JSON)));
    headers.insert(EXECUTED_VERSION, HeaderValue::from_static("$LATEST"));
    if answer.outcome == Outcome::Failure {
        headers.insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
    }
    with_request_id(reply, &answer.request_id)
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
    MethodNotAllowed,
    BadParameter(String),
    BadContent(String),
    TooLarge,
    Throttled,
    Stopped,
}

impl Exception {
    pub(super) fn reply(&self) -> Reply {
        let (status, name) = self.kind();
        let message = match self {
            Self::NotFound => {
                "no such path: functions are invoked at /2015-03-31/functions/NAME/invocations".to_owned()
            }
            Self::MethodNotAllowed => "functions are invoked with POST".to_owned(),
            Self::BadParameter(why) | Self::BadContent(why) => why.clone(),
            Self::TooLarge => {
                format!("Request must be smaller than {} bytes for the InvokeFunction operation", PAYLOAD_BYTES + 1)
            }
            Self::Throttled => "Rate Exceeded.".to_owned(),
            Self::Stopped => "the emulator is ending".to_owned(),
        };
        let fault = if status.is_server_error() { "Service" } else { "User" };
        let mut members = vec![("__type", name), ("Type", fault), ("message", &message)];
        if matches!(self, Self::Throttled) {
            members.push(("Reason", "ConcurrentInvocationLimitExceeded"));
        }
        let mut reply = reply(status, json::object(&members).into_bytes());
        let headers = reply.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(ERROR_TYPE, HeaderValue::from_static(name));
        if matches!(self, Self::MethodNotAllowed) {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        reply
    }

    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowedException"),
            Self::BadParameter(_) => (StatusCode::BAD_REQUEST, "InvalidParameterValueException"),
            Self::BadContent(_) => (StatusCode::BAD_REQUEST, "InvalidRequestContentException"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException"),
            Self::Throttled => (StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException"),
            Self::Stopped => (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException"),
        }
    }
}

fn reply(status: StatusCode, body: Vec<u8>) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(body)));
    *reply.status_mut() = status;
    reply
}

fn with_request_id(mut reply: Reply, request_id: &str) -> Reply {
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        reply.headers_mut().insert(REQUEST_ID, request_id);
    }
    reply
}
