//! Function URLs: plain HTTP to an event of version 2.0, and what the function answers back to HTTP (AWS, "Invoking Lambda
//! function URLs").

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use lambwire::{HTTP_INTEGRATION, PRELUDE_SEPARATOR};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::reply::{self, Reply};
use crate::answer::{Answer, JSON, Outcome};
use crate::event::new_id;
use crate::telemetry;

/// The event for a request, as JSON.
pub(super) fn event(head: &Parts, body: &[u8], caller: IpAddr) -> Vec<u8> {
    let path = head.uri.path();
    let query = head.uri.query().unwrap_or_default();
    let text = |name: &HeaderName| head.headers.get(name).map(|value| lossy(value.as_bytes())).unwrap_or_default();
    let domain = text(&HOST);
    let (time, time_ms) = now();
    let is_text = is_text(&text(&CONTENT_TYPE)) && str::from_utf8(body).is_ok();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&head.headers, &domain, caller),
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": domain,
            "domainPrefix": domain.split(['.', ':']).next().unwrap_or_default(),
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", head.version),
                "sourceIp": caller.to_string(),
                "userAgent": text(&USER_AGENT),
            },
            "requestId": new_id(),
            "routeKey": "$default",
            "stage": "$default",
            "time": time,
            "timeEpoch": time_ms,
        },
        "isBase64Encoded": !body.is_empty() && !is_text,
    });
    let cookies = head.headers.get_all(COOKIE).iter().flat_map(|value| {
        lossy(value.as_bytes()).split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>()
    });
    let cookies: Vec<String> = cookies.filter(|cookie| !cookie.is_empty()).collect();
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !query.is_empty() {
        event["queryStringParameters"] = parameters(query).into();
    }
    if !body.is_empty() {
        event["body"] = if is_text { lossy(body) } else { BASE64_STANDARD.encode(body) }.into();
    }
    event.to_string().into_bytes()
}

/// Headers with small letters; those that came more than once are joined, and cookies have a place of their own.
fn headers(headers: &HeaderMap, domain: &str, caller: IpAddr) -> Map<String, Value> {
    let mut joined: Map<String, Value> = Map::new();
    for (name, value) in headers.iter().filter(|(name, _)| *name != COOKIE) {
        add(&mut joined, name.as_str(), lossy(value.as_bytes()));
    }
    let port = domain.rsplit_once(':').map_or("80", |(_, port)| port);
    for (name, value) in [
        ("x-forwarded-for", caller.to_string()),
        ("x-forwarded-port", port.to_owned()),
        ("x-forwarded-proto", "http".to_owned()),
    ] {
        joined.entry(name).or_insert_with(|| value.into());
    }
    joined
}

fn parameters(query: &str) -> Map<String, Value> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut joined = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        add(&mut joined, &decoded(name), decoded(value));
    }
    joined
}

fn add(to: &mut Map<String, Value>, name: &str, value: String) {
    let value = match to.get(name).and_then(Value::as_str) {
        Some(before) => format!("{before},{value}"),
        None => value,
    };
    to.insert(name.to_owned(), value.into());
}

/// Whether a body of this media type is handed over as text.
fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_known = matches!(&*media_type, "application/json" | "application/javascript" | "application/xml");
    is_known
        || media_type.is_empty()
        || media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The time as logs of web servers have it, and in milliseconds since the Unix epoch.
fn now() -> (String, u64) {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let since_epoch: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = telemetry::date(since_epoch.as_secs() / 86_400);
    let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month - 1)).unwrap_or(&"");
    let second = since_epoch.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let time = format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000");
    (time, u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// What a caller gets of what the function has answered.
pub(super) fn reply(answer: Answer) -> Reply {
    let reply = match answer.outcome {
        Outcome::Success if answer.content_type == HTTP_INTEGRATION => prelude(&answer.body),
        Outcome::Success => Some(response(answer.body)),
        Outcome::Failure => None,
    };
    // AWS says no more, whatever went wrong: the log does.
    let reply = reply.unwrap_or_else(|| {
        log::error!("RequestId: {} Error: no response that can be made HTTP of", answer.request_id);
        plain(StatusCode::BAD_GATEWAY, "text/plain", b"Internal Server Error".to_vec())
    });
    reply::with_request_id(reply, &answer.request_id)
}

/// A body that begins with what is said of it, as streams of HTTP do.
fn prelude(body: &[u8]) -> Option<Reply> {
    let end = body.windows(PRELUDE_SEPARATOR.len()).position(|window| window == PRELUDE_SEPARATOR)?;
    let prelude: Value = serde_json::from_slice(body.get(..end)?).ok()?;
    let rest = body.get(end + PRELUDE_SEPARATOR.len()..)?.to_vec();
    made(&prelude, rest, "application/octet-stream")
}

/// An object with a status is a response; anything else is the body of one.
fn response(body: Vec<u8>) -> Reply {
    match serde_json::from_slice(&body) {
        Ok(Value::Object(answer)) if answer.contains_key("statusCode") => {
            let answer = Value::Object(answer);
            let made = text(&answer).and_then(|body| made(&answer, body, JSON));
            made.unwrap_or_else(|| plain(StatusCode::BAD_GATEWAY, "text/plain", b"Internal Server Error".to_vec()))
        }
        Ok(Value::String(text)) => plain(StatusCode::OK, JSON, text.into_bytes()),
        _ => plain(StatusCode::OK, JSON, body),
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
fn made(said: &Value, body: Vec<u8>, usual_type: &'static str) -> Option<Reply> {
    let status = match said.get("statusCode") {
        None | Some(Value::Null) => 200,
        Some(Value::String(status)) => status.parse().ok()?,
        Some(status) => u16::try_from(status.as_u64()?).ok()?,
    };
    let mut reply = plain(StatusCode::from_u16(status).ok()?, usual_type, body);
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
    let mut reply = Response::new(reply::whole(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_more_than_once_is_joined_and_percent_signs_are_undone() {
        let parameters = parameters("a=1&b=x%20y&a=2&c&d=+");
        assert_eq!(Value::from(parameters), json!({ "a": "1,2", "b": "x y", "c": "", "d": " " }));
    }

    #[test]
    fn text_is_told_from_bytes_by_its_media_type() {
        for (content_type, expected) in [
            ("", true),
            ("text/html; charset=utf-8", true),
            ("Application/JSON", true),
            ("application/problem+json", true),
            ("image/png", false),
            ("multipart/form-data; boundary=x", false),
        ] {
            assert_eq!(is_text(content_type), expected, "{content_type}");
        }
    }

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
            let reply = response(answer.as_bytes().to_vec());
            assert_eq!(
                (reply.status().as_u16(), &reply.headers()[CONTENT_TYPE]),
                (status, &HeaderValue::from_static(content_type)),
                "{answer}"
            );
        }
    }
}
