//! What RIE says to callers in its mode for managed instances (`internal/lambda-managed-instances`).

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::Arc;

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use lambwire::Mode;

use super::sniff::sniffed;
use crate::answer::{Answer, End, Failure, JSON, UNKNOWN};
use crate::environment::Status;
use crate::invoke::reply::{self, Reply};
use crate::json;

const ERROR_TYPE: HeaderName = HeaderName::from_static("error-type");
const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");

/// The media type of a response whose function says none.
const BINARY: &str = "application/octet-stream";

/// Ids of the invocations that callers wait for: RIE lets them choose, and takes none twice.
#[derive(Debug, Default)]
pub(in crate::invoke) struct InFlight(RefCell<HashSet<Arc<str>>>);

/// An id is taken for as long as this is there.
pub(super) struct Entry<'i>(&'i InFlight, Arc<str>);

impl InFlight {
    pub(super) fn enter(&self, id: &Arc<str>) -> Option<Entry<'_>> {
        self.0.borrow_mut().insert(Arc::clone(id)).then(|| Entry(self, Arc::clone(id)))
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.0.0.borrow_mut().remove(&self.1);
    }
}

/// An invocation is not taken.
pub(super) fn refused(error_type: &str) -> Reply {
    not_begun(StatusCode::BAD_REQUEST, error_type)
}

/// What came of an invocation that was taken: 200, unless no runtime has asked for it in time.
pub(super) fn reply(answer: Answer) -> Reply {
    match answer.end {
        Some(End { status: Status::Failed(Failure::Unavailable(_)), .. }) => refused("Runtime.Unavailable"),
        Some(End { status: Status::Failed(failure), was_given: false }) => {
            not_begun(StatusCode::OK, failure.error_type())
        }
        Some(End { status: Status::Reported(error_type), was_given: false }) => {
            not_begun(StatusCode::OK, &sanitised(error_type))
        }
        Some(End { status: Status::Reported(error_type), .. }) => {
            let body = if answer.sent.is_silent { Vec::new() } else { answer.body };
            failed(&sanitised(error_type), body)
        }
        Some(End { status: Status::Failed(failure), .. }) => {
            let error_type = failure.error_type();
            let message = match failure {
                Failure::TimedOut(timeout) => format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()),
                _ => return failed(error_type, json::object(&[("errorType", error_type)]).into_bytes()),
            };
            failed(error_type, json::object(&[("errorType", error_type), ("errorMessage", &message)]).into_bytes())
        }
        _ => {
            let content_type = if answer.sent.is_typed { answer.content_type } else { BINARY.to_owned() };
            let mode = if answer.sent.mode == Mode::Streaming { "streaming" } else { "buffered" };
            let mut reply = reply::reply(StatusCode::OK, answer.body);
            if let Ok(content_type) = HeaderValue::try_from(content_type) {
                reply.headers_mut().insert(CONTENT_TYPE, content_type);
            }
            reply.headers_mut().insert(RESPONSE_MODE, HeaderValue::from_static(mode));
            reply
        }
    }
}

/// The reply about an invocation that was not given to the runtime.
fn not_begun(status: StatusCode, error_type: &str) -> Reply {
    let mut reply = reply::reply(status, json::object(&[("errorType", error_type)]).into_bytes());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    typed(reply, error_type)
}

fn failed(error_type: &str, body: Vec<u8>) -> Reply {
    typed(sniffed(StatusCode::OK, body), error_type)
}

fn typed(mut reply: Reply, error_type: &str) -> Reply {
    if let Ok(error_type) = HeaderValue::from_str(error_type) {
        reply.headers_mut().insert(ERROR_TYPE, error_type);
    }
    reply
}

/// The type of an error as RIE passes it on: one of its own where the runtime's is none of its form
/// (`rapid/model/error_types.go`).
fn sanitised(error_type: Option<String>) -> String {
    let error_type = error_type.unwrap_or_default();
    let is_of_form = ["Runtime.", "Function."].iter().any(|origin| {
        error_type.match_indices(origin).any(|(at, origin)| {
            let name = error_type.as_bytes().get(at + origin.len()..).unwrap_or_default();
            matches!(name, [first, second, ..] if first.is_ascii_uppercase() && second.is_ascii_alphabetic())
        })
    });
    match &*error_type {
        _ if is_of_form => error_type,
        text if text.starts_with("Function.") => "Function.Unknown".to_owned(),
        _ => UNKNOWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_of_an_error_has_a_form() {
        for (error_type, expected) in [
            ("Function.MyError", "Function.MyError"),
            ("Runtime.Ab", "Runtime.Ab"),
            ("x.Function.Ab", "x.Function.Ab"),
            ("Function.A", "Function.Unknown"),
            ("Function.my", "Function.Unknown"),
            ("Runtime.my", "Runtime.Unknown"),
            ("MyError", "Runtime.Unknown"),
            ("", "Runtime.Unknown"),
        ] {
            assert_eq!(sanitised(Some(error_type.to_owned())), expected);
        }
        assert_eq!(sanitised(None), "Runtime.Unknown");
    }

    #[test]
    fn an_id_is_taken_once_at_a_time() {
        let ids = InFlight::default();
        let id: Arc<str> = "i".into();
        let entry = ids.enter(&id);
        assert!(entry.is_some() && ids.enter(&id).is_none());
        drop(entry);
        assert!(ids.enter(&id).is_some());
    }
}
