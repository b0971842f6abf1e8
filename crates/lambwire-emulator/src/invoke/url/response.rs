//! What the function answers, back to HTTP.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Response, StatusCode};
use lambwire::{HTTP_INTEGRATION, PRELUDE_SEPARATOR};
use serde_json::Value;

use super::UrlFormat;
use crate::answer::{Answer, JSON, Outcome};
use crate::invoke::reply::{self, Reply, ReplyBody};

/// What a caller gets of what the function has answered.
pub(super) fn reply(format: UrlFormat, answer: Answer) -> Reply {
    let reply = match answer.outcome {
        Outcome::Success if answer.content_type == HTTP_INTEGRATION => prelude(&answer.body),
        Outcome::Success => response(format, answer.body),
        Outcome::Failure => None,
    };
    reply::with_request_id(reply.unwrap_or_else(|| bad(format, &answer.request_id)), &answer.request_id)
}

/// What a caller gets if there is no response. AWS says no more, whatever went wrong: the log does.
pub(super) fn bad(format: UrlFormat, request_id: &str) -> Reply {
    log::error!("RequestId: {request_id} Error: no response that can be made HTTP of");
    let (content_type, body) = match format {
        UrlFormat::V2 => ("text/plain", "Internal Server Error"),
        UrlFormat::V1 => (JSON, r#"{"message":"Internal server error"}"#),
        UrlFormat::Alb => ("text/html", "<html><head><title>502 Bad Gateway</title></head></html>"),
    };
    plain(StatusCode::BAD_GATEWAY, content_type, body.as_bytes().to_vec())
}

/// A body that begins with what is said of it, as streams of HTTP do.
fn prelude(body: &[u8]) -> Option<Reply> {
    let (prelude, rest) = split(body)?;
    made(&serde_json::from_slice(prelude).ok()?, reply::whole(rest.to_vec()), OCTETS)
}

/// What a stream of HTTP says of itself, and what of its body is there.
pub(super) fn split(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = stream.windows(PRELUDE_SEPARATOR.len()).position(|window| window == PRELUDE_SEPARATOR)?;
    Some((stream.get(..end)?, stream.get(end + PRELUDE_SEPARATOR.len()..)?))
}

/// Media type of a stream that names none.
pub(super) const OCTETS: &str = "application/octet-stream";

/// An object with a status is a response; with version 2.0, anything else is the body of one.
fn response(format: UrlFormat, body: Vec<u8>) -> Option<Reply> {
    match serde_json::from_slice(&body) {
        Ok(Value::Object(answer)) if answer.contains_key("statusCode") => {
            let answer = Value::Object(answer);
            made(&answer, reply::whole(text(&answer)?), JSON)
        }
        _ if format != UrlFormat::V2 => None,
        Ok(Value::String(text)) => Some(plain(StatusCode::OK, JSON, text.into_bytes())),
        _ => Some(plain(StatusCode::OK, JSON, body)),
    }
}

/// The body that a response has in it.
fn text(answer: &Value) -> Option<Vec<u8>> {
    let body = match answer.get("body") {
        None | Some(Value::Null) => return Some(Vec::new()),
        Some(Value::String(body)) => body.clone(),
        Some(body) => body.to_string(),
    };
    if answer.get("isBase64Encoded") == Some(&Value::Bool(true)) {
        return BASE64_STANDARD.decode(body).ok();
    }
    Some(body.into_bytes())
}

/// A reply with status, headers and cookies as they are said; `None` if they cannot be sent.
pub(super) fn made(said: &Value, body: ReplyBody, usual_type: &'static str) -> Option<Reply> {
    let status = match said.get("statusCode") {
        None | Some(Value::Null) => 200,
        Some(Value::String(status)) => status.parse().ok()?,
        Some(status) => u16::try_from(status.as_u64()?).ok()?,
    };
    let mut reply = with_type(StatusCode::from_u16(status).ok()?, usual_type, body);
    let of = |value: &Value| match value {
        Value::String(value) => HeaderValue::from_str(value).ok(),
        value => HeaderValue::from_str(&value.to_string()).ok(),
    };
    let headers = reply.headers_mut();
    for (name, value) in said.get("headers").and_then(Value::as_object).into_iter().flatten() {
        headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, of(value)?);
    }
    for (name, values) in said.get("multiValueHeaders").and_then(Value::as_object).into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        headers.remove(&name);
        for value in values.as_array()? {
            headers.append(name.clone(), of(value)?);
        }
    }
    for cookie in said.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        headers.append(SET_COOKIE, of(cookie)?);
    }
    // The length is that of the body, whatever the function says.
    headers.remove("content-length");
    headers.remove("transfer-encoding");
    Some(reply)
}

fn plain(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Reply {
    with_type(status, content_type, reply::whole(body))
}

pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: ReplyBody) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_with_a_status_is_a_response_and_all_else_is_a_body() {
        for (answer, status, content_type) in [
            (r#"{"statusCode":"418","body":"x"}"#, 418, "application/json"),
            (r#"{"statusCode":201,"headers":{"Content-Type":"text/x"}}"#, 201, "text/x"),
            (r#"{"a":1}"#, 200, "application/json"),
            (r#""text""#, 200, "application/json"),
            ("no JSON", 200, "application/json"),
            (r#"{"statusCode":"no"}"#, 502, "text/plain"),
            (r#"{"statusCode":200,"headers":{"a b":"x"}}"#, 502, "text/plain"),
            (r#"{"statusCode":200,"body":"!","isBase64Encoded":true}"#, 502, "text/plain"),
        ] {
            let reply = response(UrlFormat::V2, answer.as_bytes().to_vec()).unwrap_or_else(|| bad(UrlFormat::V2, "i"));
            assert_eq!(
                (reply.status().as_u16(), &reply.headers()[CONTENT_TYPE]),
                (status, &HeaderValue::from_static(content_type)),
                "{answer}"
            );
        }
    }

    #[test]
    fn only_version_2_takes_what_has_no_status() {
        for (format, content_type) in [(UrlFormat::V1, "application/json"), (UrlFormat::Alb, "text/html")] {
            assert!(response(format, b"{}".to_vec()).is_none() && response(format, b"1".to_vec()).is_none());
            assert!(response(format, br#"{"statusCode":200}"#.to_vec()).is_some());
            assert_eq!(bad(format, "i").headers()[CONTENT_TYPE], content_type);
        }
    }
}
