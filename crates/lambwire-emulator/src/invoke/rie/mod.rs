//! Callers of AWS's Runtime Interface Emulator: its one path, its statuses and its bodies.

use hyper::ext::ReasonPhrase;
use hyper::header::{CONNECTION, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, StatusCode};
use lambwire::SendError;
use serde_json::{Map, Value};

use super::Service;
use super::body::RequestBody;
use super::headers::CallerHeaders;
use super::reply::{Exception, Reply};
use crate::answer::{Answer, End, Failure};
use crate::environment::Status;
use crate::event::Event;
use crate::json;
use crate::queue::InvokeError;

mod managed;
mod sniff;

pub(super) use managed::InFlight;
use sniff::sniffed;

const PATH: &str = "/2015-03-31/functions/function/invocations";

/// Which of RIE's two modes its callers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RieMode {
    /// One invocation at a time, as Lambda on demand.
    OnDemand,
    /// Several, as managed instances.
    Managed,
}

/// Has the function answer whatever request there is for it: RIE looks at no type or query, and at methods in its mode for
/// managed instances alone.
pub(super) async fn answer(
    head: &mut Parts,
    body: &mut RequestBody,
    service: &Service,
    mode: RieMode,
) -> Result<Reply, Exception> {
    let is_managed = mode == RieMode::Managed;
    if head.uri.path() != PATH {
        let mut reply = sniffed(StatusCode::NOT_FOUND, b"404 page not found\n".to_vec());
        reply.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        return Ok(reply);
    }
    if is_managed && head.method != Method::POST {
        return Ok(sniffed(StatusCode::METHOD_NOT_ALLOWED, Vec::new()));
    }
    let payload = body.collect().await?;
    head.headers.remove(LOG_TYPE);
    let Some(mut event) = event(&head.headers, payload) else {
        return Ok(match mode {
            RieMode::OnDemand => sniffed(StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
            RieMode::Managed => managed::refused("ErrMalformedRequest"),
        });
    };
    if is_managed {
        // The program for managed instances knows of none.
        event.tenant_id = None;
    }
    event.request_id = head.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    // What comes of an invocation is known when it is over.
    let refused = |error| match error {
        InvokeError::InvalidValue(SendError::InvalidValue(_)) => {
            Exception::BadContent("a header cannot be sent".into())
        }
        error => Exception::new(error, false),
    };
    let (job, submitted) = match service.callers.job(event.log_tail()) {
        Err(InvokeError::Throttled) if is_managed => return Ok(managed::refused("Runtime.Unavailable")),
        job => job.map_err(refused)?,
    };
    let Some(_entry) = service.in_flight.enter(job.invocation.id()) else {
        return Ok(managed::refused("Client.DuplicatedInvokeId"));
    };
    service.fleet.submit(job);
    let answer = submitted.answer().await.map_err(refused)?;
    Ok(if is_managed { managed::reply(answer) } else { reply(answer) })
}

/// A request that is none, as Go's servers refuse it.
pub(super) fn malformed(wrong: &str) -> Reply {
    let reason = format!("Bad Request: {wrong}");
    let mut reply = sniffed(StatusCode::BAD_REQUEST, format!("400 {reason}").into_bytes());
    reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if let Ok(reason) = ReasonPhrase::try_from(reason) {
        reply.extensions_mut().insert(reason);
    }
    reply
}

/// The event with what the headers say of it, if that can be read. Of a Cognito identity RIE passes on what it knows.
fn event(headers: &HeaderMap, payload: Vec<u8>) -> Option<Event> {
    let mut event = CallerHeaders::new(headers).event(payload).ok()?;
    if let Some(identity) = event.cognito_identity.take() {
        let identity: Option<Map<String, Value>> = serde_json::from_str(&identity).ok()?;
        let member = |name| match identity.as_ref().and_then(|identity| identity.get(name)) {
            None | Some(Value::Null) => Some(""),
            Some(value) => value.as_str(),
        };
        let (id, pool_id) = ("cognitoIdentityId", "cognitoIdentityPoolId");
        let members = [(id, member(id)?), (pool_id, member(pool_id)?)];
        let is_known = members.iter().any(|(_, value)| !value.is_empty());
        event.cognito_identity = is_known.then(|| json::object(&members));
    }
    Some(event)
}

const LOG_TYPE: HeaderName = HeaderName::from_static("x-amz-log-type");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

fn reply(answer: Answer) -> Reply {
    let Answer { body, end, sent, .. } = answer;
    let body = if sent.is_silent { Vec::new() } else { body };
    let Some(End { status, was_given }) = end else { return sniffed(StatusCode::OK, body) };
    let (status, body) = match status {
        Status::Failed(Failure::TimedOut(timeout)) => {
            let text = format!("Task timed out after {:.2} seconds", timeout.as_secs_f64());
            (StatusCode::OK, text.into_bytes())
        }
        Status::Success | Status::Failed(Failure::TooLarge { .. }) => (StatusCode::OK, body),
        Status::Reported(_) if was_given => (StatusCode::OK, body),
        Status::Failed(_) if !was_given => (StatusCode::BAD_GATEWAY, Vec::new()),
        // Behind the answer, too.
        Status::Reported(_) | Status::Failed(_) => (StatusCode::BAD_GATEWAY, body),
    };
    sniffed(status, body)
}
