//! What the function answers, back to HTTP.

use std::fmt::Display;

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
        Outcome::Failure => Err(Malformed::Failure),
    };
    reply::with_request_id(reply.unwrap_or_else(|why| bad(format, &answer.request_id, &why)), &answer.request_id)
}

/// Why there is no HTTP response.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// The function has failed, which its log says.
    Failure,
    /// What the function answers cannot be sent: which member, and why not.
    Answer(String),
}

/// An answer whose member or part `what` cannot be sent.
fn malformed(what: &str, why: impl Display) -> Malformed {
    Malformed::Answer(format!("{what} {why}"))
}

/// What a caller gets if there is no response. AWS says no more, whatever went wrong: the log does.
pub(super) fn bad(format: UrlFormat, request_id: &str, why: &Malformed) -> Reply {
    if let Malformed::Answer(why) = why {
        log::error!("RequestId: {request_id} Error: the answer is no HTTP response: {why}");
    }
    let (content_type, body) = match format {
        UrlFormat::V2 => ("text/plain", "Internal Server Error"),
        UrlFormat::V1 => (JSON, r#"{"message":"Internal server error"}"#),
        UrlFormat::Alb => ("text/html", "<html><head><title>502 Bad Gateway</title></head></html>"),
    };
    plain(StatusCode::BAD_GATEWAY, content_type, body.as_bytes().to_vec())
}

/// A body that begins with what is said of it, as streams of HTTP do.
fn prelude(body: &[u8]) -> Result<Reply, Malformed> {
    let (prelude, rest) = split(body).ok_or_else(no_prelude)?;
    made(&parsed(prelude)?, reply::whole(rest.to_vec()), OCTETS)
}

/// The stream has the media type of one that begins with a prelude, and has none.
pub(super) fn no_prelude() -> Malformed {
    malformed("the stream", "has no prelude, which ends with 8 zero bytes")
}

pub(super) fn parsed(prelude: &[u8]) -> Result<Value, Malformed> {
    serde_json::from_slice(prelude).map_err(|error| malformed("the prelude", format_args!("is no JSON: {error}")))
}

/// What a stream of HTTP says of itself, and what of its body is there.
pub(super) fn split(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = stream.windows(PRELUDE_SEPARATOR.len()).position(|window| window == PRELUDE_SEPARATOR)?;
    Some((stream.get(..end)?, stream.get(end + PRELUDE_SEPARATOR.len()..)?))
}

/// Media type of a stream that names none.
pub(super) const OCTETS: &str = "application/octet-stream";

/// An object with a status is a response; with version 2.0, anything else is the body of one.
fn response(format: UrlFormat, body: Vec<u8>) -> Result<Reply, Malformed> {
    match serde_json::from_slice(&body) {
        Ok(Value::Object(answer)) if answer.contains_key("statusCode") => {
            let answer = Value::Object(answer);
            made(&answer, reply::whole(text(&answer)?), JSON)
        }
        _ if format != UrlFormat::V2 => Err(malformed("statusCode", "is missing, which only version 2.0 allows")),
        Ok(Value::String(text)) => Ok(plain(StatusCode::OK, JSON, text.into_bytes())),
        _ => Ok(plain(StatusCode::OK, JSON, body)),
    }
}

/// The body that a response has in it.
fn text(answer: &Value) -> Result<Vec<u8>, Malformed> {
    let body = match answer.get("body") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(body)) => body.clone(),
        Some(body) => body.to_string(),
    };
    if answer.get("isBase64Encoded") == Some(&Value::Bool(true)) {
        return BASE64_STANDARD.decode(body).map_err(|error| malformed("body", format_args!("is no base64: {error}")));
    }
    Ok(body.into_bytes())
}

/// A reply with status, headers and cookies as they are said.
pub(super) fn made(said: &Value, body: ReplyBody, usual_type: &'static str) -> Result<Reply, Malformed> {
    let status = match said.get("statusCode") {
        None | Some(Value::Null) => Some(200),
        Some(Value::String(status)) => status.parse().ok(),
        Some(status) => status.as_u64().and_then(|status| u16::try_from(status).ok()),
    };
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    // Below 200 it would only announce a reply.
    let status = status.filter(|status| !status.is_informational()).ok_or_else(|| {
        malformed(
            "statusCode",
            format_args!("is no status of a reply: {}", said.get("statusCode").unwrap_or(&Value::Null)),
        )
    })?;
    let mut reply = with_type(status, usual_type, body);
    let headers = reply.headers_mut();
    for (name, said) in said.get("headers").and_then(Value::as_object).into_iter().flatten() {
        headers.insert(header(name)?, value(name, said)?);
    }
    for (name, values) in said.get("multiValueHeaders").and_then(Value::as_object).into_iter().flatten() {
        let values = values
            .as_array()
            .ok_or_else(|| malformed("multiValueHeaders", format_args!("has no list for {name:?}")))?;
        headers.remove(header(name)?);
        for said in values {
            headers.append(header(name)?, value(name, said)?);
        }
    }
    for cookie in said.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        headers.append(SET_COOKIE, value("set-cookie", cookie)?);
    }
    // The length is that of the body, whatever the function says.
    headers.remove("content-length");
    headers.remove("transfer-encoding");
    Ok(reply)
}

fn header(name: &str) -> Result<HeaderName, Malformed> {
    HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| malformed("headers", format_args!("has no name of a header: {name:?}")))
}

fn value(name: &str, said: &Value) -> Result<HeaderValue, Malformed> {
    let value = match said {
        Value::String(value) => HeaderValue::from_str(value),
        value => HeaderValue::from_str(&value.to_string()),
    };
    value.map_err(|_| malformed("the header", format_args!("{name:?} cannot have the value {said}")))
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
            let reply = response(UrlFormat::V2, answer.as_bytes().to_vec());
            let reply = reply.unwrap_or_else(|why| bad(UrlFormat::V2, "i", &why));
            assert_eq!(
                (reply.status().as_u16(), &reply.headers()[CONTENT_TYPE]),
                (status, &HeaderValue::from_static(content_type)),
                "{answer}"
            );
        }
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        for (answer, why) in [
            (r#"{"statusCode":"abc"}"#, r#"statusCode is no status of a reply: "abc""#),
            (r#"{"statusCode":99}"#, "statusCode is no status of a reply: 99"),
            (r#"{"statusCode":200,"headers":{"a b":"x"}}"#, r#"headers has no name of a header: "a b""#),
            (r#"{"statusCode":200,"headers":{"a":"x\r\ny"}}"#, r#"the header "a" cannot have the value "x\r\ny""#),
            (r#"{"statusCode":200,"cookies":["\n"]}"#, r#"the header "set-cookie" cannot have the value "\n""#),
            (r#"{"statusCode":200,"multiValueHeaders":{"a":1}}"#, r#"multiValueHeaders has no list for "a""#),
            (r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#, "body is no base64: Invalid"),
        ] {
            let Err(Malformed::Answer(said)) = response(UrlFormat::V2, answer.as_bytes().to_vec()) else {
                panic!("{answer}");
            };
            assert!(said.starts_with(why), "{said}");
        }
        assert_eq!(prelude(b"{}").err(), Some(no_prelude()));
    }

    #[test]
    fn a_status_that_only_announces_a_reply_is_none() {
        for status in [100, 101, 103, 199, 200] {
            let said = format!(r#"{{"statusCode":{status}}}"#);
            for format in [UrlFormat::V2, UrlFormat::V1, UrlFormat::Alb] {
                assert_eq!(response(format, said.clone().into_bytes()).is_ok(), status == 200, "{status}");
            }
            assert_eq!(prelude(&[said.as_bytes(), &PRELUDE_SEPARATOR].concat()).is_ok(), status == 200, "{status}");
        }
    }

    #[test]
    fn only_version_2_takes_what_has_no_status() {
        for (format, content_type) in [(UrlFormat::V1, "application/json"), (UrlFormat::Alb, "text/html")] {
            assert!(response(format, b"{}".to_vec()).is_err() && response(format, b"1".to_vec()).is_err());
            assert!(response(format, br#"{"statusCode":200}"#.to_vec()).is_ok());
            assert_eq!(bad(format, "i", &Malformed::Failure).headers()[CONTENT_TYPE], content_type);
        }
    }
}
