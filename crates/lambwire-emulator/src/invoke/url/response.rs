//! What the function answers, back to HTTP.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use lambwire::{HTTP_INTEGRATION, PRELUDE_SEPARATOR};
use serde::de::{IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::UrlFormat;
use super::response_headers::headers;
use crate::answer::{Answer, JSON, Outcome};
use crate::invoke::reply::{self, Reply, ReplyBody};

/// What a caller gets of what the function has answered.
pub(super) fn reply(format: UrlFormat, answer: Answer) -> Reply {
    let reply = match answer.outcome {
        Outcome::Success if answer.content_type == HTTP_INTEGRATION => prelude(format, &answer.body),
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
pub(super) fn malformed(what: &str, why: impl Display) -> Malformed {
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
        UrlFormat::Alb | UrlFormat::AlbMultiValue => {
            ("text/html", "<html><head><title>502 Bad Gateway</title></head></html>")
        }
    };
    plain(StatusCode::BAD_GATEWAY, content_type, body.as_bytes().to_vec())
}

/// A body that begins with what is said of it, as streams of HTTP do.
fn prelude(format: UrlFormat, body: &[u8]) -> Result<Reply, Malformed> {
    let (prelude, rest) = split(body).ok_or_else(no_prelude)?;
    made(format, &parsed(prelude)?, reply::whole(rest.to_vec()), OCTETS)
}

/// The stream has the media type of one that begins with a prelude, and has none.
pub(super) fn no_prelude() -> Malformed {
    malformed("the stream", "has no prelude, which ends with 8 zero bytes")
}

pub(super) fn parsed(prelude: &[u8]) -> Result<Map<String, Value>, Malformed> {
    serde_json::from_slice(prelude)
        .map_err(|error| malformed("the prelude", format_args!("is no JSON object: {error}")))
}

/// What a stream of HTTP says of itself, and what of its body is there.
pub(super) fn split(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = stream.windows(PRELUDE_SEPARATOR.len()).position(|window| window == PRELUDE_SEPARATOR)?;
    Some((stream.get(..end)?, stream.get(end + PRELUDE_SEPARATOR.len()..)?))
}

/// Media type of a stream that names none.
pub(super) const OCTETS: &str = "application/octet-stream";

/// What an answer to a REST API may have: with any other member it is none. The last is an older name, which counts before the
/// one that is documented (aws-sam-cli, `local_apigw_service.py`).
const REST_MEMBERS: [&str; 6] =
    ["statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "base64Encoded"];

/// An object with a status is a response, and to a REST API any object is; with version 2.0, anything else is the body of one.
fn response(format: UrlFormat, body: Vec<u8>) -> Result<Reply, Malformed> {
    let said = match (serde_json::from_slice(&body), format) {
        (Ok(Value::Object(said)), UrlFormat::V1) => said,
        (Ok(Value::Object(said)), _) if said.contains_key("statusCode") => said,
        (Ok(Value::String(text)), UrlFormat::V2) => return Ok(plain(StatusCode::OK, JSON, text.into_bytes())),
        (Err(error), UrlFormat::V2) if is_text_or_response(&body) => {
            return Err(malformed(
                "it",
                format_args!("has what cannot be sent, such as half a surrogate pair: {error}"),
            ));
        }
        (_, UrlFormat::V2) => return Ok(plain(StatusCode::OK, JSON, body)),
        (Ok(Value::Object(_)), UrlFormat::Alb | UrlFormat::AlbMultiValue) => {
            return Err(malformed("statusCode", "is missing"));
        }
        (Ok(_), _) => return Err(malformed("it", "is no object")),
        (Err(error), _) => return Err(malformed("it", format_args!("is no JSON: {error}"))),
    };
    if let Some(name) = said.keys().find(|name| format == UrlFormat::V1 && !REST_MEMBERS.contains(&name.as_str())) {
        return Err(malformed(name, "is no member of an answer to a REST API"));
    }
    made(format, &said, reply::whole(text(format, &said)?), JSON)
}

/// Whether JSON that has no value here is one of those that are not sent as they stand: text, or an object with a status. It is
/// JSON, though: half of a surrogate pair (`"\ud800"`) is no text that could be sent, and neither is a number without end.
fn is_text_or_response(body: &[u8]) -> bool {
    let is_text = body.trim_ascii_start().starts_with(b"\"") && serde_json::from_slice::<IgnoredAny>(body).is_ok();
    let members = serde_json::from_slice::<BTreeMap<IsStatus, IgnoredAny>>(body);
    is_text || members.is_ok_and(|members| members.contains_key(&IsStatus(true)))
}

/// Whether the name of a member is that of the status; any other may have half of a surrogate pair in it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct IsStatus(bool);

impl<'de> Deserialize<'de> for IsStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = IsStatus;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a member")
            }

            fn visit_bytes<E>(self, name: &[u8]) -> Result<IsStatus, E> {
                Ok(IsStatus(name == b"statusCode"))
            }
        }
        deserializer.deserialize_bytes(Name)
    }
}

/// The body that a response has in it.
fn text(format: UrlFormat, said: &Map<String, Value>) -> Result<Vec<u8>, Malformed> {
    let body = match said.get("body") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::String(body)) => body.clone(),
        Some(body) if format == UrlFormat::V2 => body.to_string(),
        Some(_) => return Err(malformed("body", "is no text, which only version 2.0 takes")),
    };
    if is_base64(format, said)? {
        return BASE64_STANDARD.decode(body).map_err(|error| malformed("body", format_args!("is no base64: {error}")));
    }
    Ok(body.into_bytes())
}

/// Whether the body has to be decoded. A REST API takes this as text, too, but nothing else (aws-sam-cli, as above).
fn is_base64(format: UrlFormat, said: &Map<String, Value>) -> Result<bool, Malformed> {
    let is_rest = format == UrlFormat::V1;
    let flag = |name: &str| said.get(name).filter(|flag| !flag.is_null());
    match flag("base64Encoded").filter(|_| is_rest).or_else(|| flag("isBase64Encoded")) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(Value::String(flag)) if is_rest && ["true", "True"].contains(&flag.as_str()) => Ok(true),
        Some(Value::String(flag)) if is_rest && ["false", "False"].contains(&flag.as_str()) => Ok(false),
        Some(flag) if is_rest => Err(malformed("isBase64Encoded", format_args!("is neither true nor false: {flag}"))),
        Some(_) => Ok(false),
    }
}

/// A reply with status, headers and cookies as they are said.
pub(super) fn made(
    format: UrlFormat,
    said: &Map<String, Value>,
    body: ReplyBody,
    usual_type: &'static str,
) -> Result<Reply, Malformed> {
    let said_status = said.get("statusCode").unwrap_or(&Value::Null);
    let status = match said_status {
        Value::Null => Some(200),
        Value::String(status) => status.parse().ok(),
        status => status.as_u64().and_then(|status| u16::try_from(status).ok()),
    };
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    // Below 200 it would only announce a reply, and those of AWS's models end with 599, as RFC 9110, section 15, has it.
    let status = status
        .filter(|status| (200..=599).contains(&status.as_u16()))
        .ok_or_else(|| malformed("statusCode", format_args!("is no status of a reply: {said_status}")))?;
    let mut reply = with_type(status, usual_type, body);
    // Those of a name that is there, the media type, take its place.
    reply.headers_mut().extend(headers(format, said)?);
    Ok(reply)
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
    use http_body_util::BodyExt;

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
            (r#"{"statusCode":200,"body":"%","isBase64Encoded":true}"#, "body is no base64: Invalid"),
        ] {
            let Err(Malformed::Answer(said)) = response(UrlFormat::V2, answer.as_bytes().to_vec()) else {
                panic!("{answer}");
            };
            assert!(said.starts_with(why), "{said}");
        }
        assert_eq!(prelude(UrlFormat::V2, b"{}").err(), Some(no_prelude()));
    }

    #[test]
    fn a_status_is_one_of_a_reply_in_every_form() {
        for (status, is_taken) in [
            (100, false),
            (101, false),
            (103, false),
            (199, false),
            (200, true),
            (598, true),
            (599, true),
            (600, false),
            (999, false),
            (1000, false),
        ] {
            let said = format!(r#"{{"statusCode":{status}}}"#);
            for format in [UrlFormat::V2, UrlFormat::V1, UrlFormat::Alb, UrlFormat::AlbMultiValue] {
                assert_eq!(response(format, said.clone().into_bytes()).is_ok(), is_taken, "{status} {format:?}");
            }
            let stream = [said.as_bytes(), &PRELUDE_SEPARATOR].concat();
            assert_eq!(prelude(UrlFormat::V2, &stream).is_ok(), is_taken, "{status}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text_that_can_be_sent() {
        for (answer, v2) in [
            (r#"{"statusCode":200,"body":"\ud800"}"#, None),
            (r#"{"statusCode":200,"headers":{"a":"\udc00"}}"#, None),
            (r#"{"statusCode":200,"body":1e999}"#, None),
            (r#"{"statusCode":200,"\ud800":1}"#, None),
            (r#" "\ud800""#, None),
            // What is sent as it stands.
            (r#"{"body":"\ud800"}"#, Some(r#"{"body":"\ud800"}"#)),
            (r#"{"\ud800":1}"#, Some(r#"{"\ud800":1}"#)),
            (r#"["\ud800"]"#, Some(r#"["\ud800"]"#)),
            (r#"{"statusCode":200,"body":"\ud800""#, Some(r#"{"statusCode":200,"body":"\ud800""#)),
            (r#""\ud800"#, Some(r#""\ud800"#)),
            // A whole pair.
            (r#"{"statusCode":200,"body":"\ud83d\ude00"}"#, Some("😀")),
        ] {
            let (status, body) = sent(UrlFormat::V2, answer);
            assert_eq!((status == 200).then_some(&*body), v2, "{answer}");
        }
        let answer = r#"{"statusCode":200,"body":"\ud800"}"#;
        for format in [UrlFormat::V2, UrlFormat::V1, UrlFormat::Alb, UrlFormat::AlbMultiValue] {
            let Err(Malformed::Answer(why)) = response(format, answer.into()) else { panic!("{format:?}") };
            assert!(why.ends_with("at line 1 column 33"), "{why}");
        }
        let stream = [answer.as_bytes(), &PRELUDE_SEPARATOR].concat();
        assert!(prelude(UrlFormat::V2, &stream).is_err());
    }

    /// The status and the body that a caller gets for this answer.
    fn sent(format: UrlFormat, answer: &str) -> (u16, String) {
        let reply = response(format, answer.into()).unwrap_or_else(|why| bad(format, "i", &why));
        let status = reply.status().as_u16();
        let body = smol::block_on(reply.into_body().collect()).unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn each_form_takes_what_aws_takes_in_it() {
        // An answer, and the body that it is in each form, if it is an answer there.
        for (answer, v2, v1, alb) in [
            ("{}", Some("{}"), Some(""), None),
            ("1", Some("1"), None, None),
            (r#""text""#, Some("text"), None, None),
            ("no JSON", Some("no JSON"), None, None),
            (r#"{"body":"x"}"#, Some(r#"{"body":"x"}"#), Some("x"), None),
            (r#"{"statusCode":200,"body":"x"}"#, Some("x"), Some("x"), Some("x")),
            (r#"{"statusCode":"200","body":"x"}"#, Some("x"), Some("x"), Some("x")),
            (r#"{"statusCode":null,"body":null}"#, Some(""), Some(""), Some("")),
            (r#"{"statusCode":200,"body":{"a":1}}"#, Some(r#"{"a":1}"#), None, None),
            (r#"{"statusCode":200,"body":1}"#, Some("1"), None, None),
            (r#"{"statusCode":200,"body":"x","a":1}"#, Some("x"), None, Some("x")),
            (r#"{"statusCode":200,"body":"x","cookies":["a=b"]}"#, Some("x"), None, Some("x")),
            (r#"{"statusCode":200,"body":"eA==","isBase64Encoded":true}"#, Some("x"), Some("x"), Some("x")),
            (r#"{"statusCode":200,"body":"x","isBase64Encoded":null}"#, Some("x"), Some("x"), Some("x")),
            (r#"{"statusCode":200,"body":"eA==","isBase64Encoded":"true"}"#, Some("eA=="), Some("x"), Some("eA==")),
            (r#"{"statusCode":200,"body":"eA==","isBase64Encoded":"False"}"#, Some("eA=="), Some("eA=="), Some("eA==")),
            (r#"{"statusCode":200,"body":"eA==","isBase64Encoded":1}"#, Some("eA=="), None, Some("eA==")),
            (
                r#"{"statusCode":200,"body":"eA==","base64Encoded":true,"isBase64Encoded":false}"#,
                Some("eA=="),
                Some("x"),
                Some("eA=="),
            ),
        ] {
            for (format, body) in
                [(UrlFormat::V2, v2), (UrlFormat::V1, v1), (UrlFormat::Alb, alb), (UrlFormat::AlbMultiValue, alb)]
            {
                let (status, text) = sent(format, answer);
                assert_eq!((status == 200).then_some(&*text), body, "{answer} {format:?}");
                assert!(body.is_some() || status == 502, "{answer} {format:?}: {status}");
            }
        }
        for (format, body) in [(UrlFormat::V1, r#"{"message":"Internal server error"}"#), (UrlFormat::Alb, "<html>")] {
            assert!(sent(format, "1").1.starts_with(body), "{format:?}");
        }
    }

    #[test]
    fn what_the_function_says_takes_the_place_of_the_usual_media_type() {
        let said = r#"{"statusCode":200,"multiValueHeaders":{"content-type":["text/x"]}}"#;
        let reply = response(UrlFormat::V1, said.into()).unwrap_or_else(|why| panic!("{why:?}"));
        let types: Vec<_> = reply.headers().get_all(CONTENT_TYPE).iter().collect();
        assert_eq!(types, ["text/x"]);
    }
}
