//! An exchange as a line of JSON, with secrets masked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::Message;

/// Headers whose values are never written down.
const SECRET_HEADERS: [&str; 9] = [
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "x-amz-security-token",
    "x-api-key",
    "lambda-runtime-cognito-identity",
    "lambda-runtime-client-context",
    "lambda-extension-identifier",
];
/// Parts of the names of JSON's members whose values are never written down, in small letters.
const SECRET_MEMBERS: [&str; 10] = [
    "secret",
    "token",
    "password",
    "passwd",
    "authorization",
    "accesskey",
    "apikey",
    "api_key",
    "cookie",
    "credential",
];
/// What stands in place of a character.
const MASK: &str = "*";

/// What is masked besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Masks {
    /// Every event and every answer.
    pub payloads: bool,
}

/// A request and its reply.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// `POST /2018-06-01/…`
    pub request: String,
    /// Its headers, in order.
    pub request_headers: Vec<(String, String)>,
    /// Its body.
    pub request_body: Body,
    /// What stood behind its last chunk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_trailers: Vec<(String, String)>,
    /// The status of the reply.
    pub status: u16,
    /// Its headers, in order.
    pub reply_headers: Vec<(String, String)>,
    /// Its body.
    pub reply_body: Body,
}

/// A body, as text where it is one.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// UTF-8.
    Text(String),
    /// Anything else.
    Base64(String),
    /// Text some of which is masked, so that only its length and form are known.
    Masked(String),
}

impl Body {
    /// The bytes of it.
    ///
    /// # Errors
    ///
    /// Base64 that is none.
    pub fn bytes(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) | Self::Masked(text) => Ok(text.clone().into_bytes()),
            Self::Base64(text) => {
                BASE64_STANDARD.decode(text).map_err(|error| format!("{text:?} is no base64: {error}"))
            }
        }
    }

    fn new(bytes: &[u8], all: bool) -> Self {
        let mut json = serde_json::from_slice::<Value>(bytes).ok();
        if let Some(json) = &mut json
            && mask(json, all)
        {
            return Self::Masked(json.to_string());
        }
        match str::from_utf8(bytes) {
            Ok(text) if json.is_none() && all => Self::Masked(MASK.repeat(text.len())),
            Ok(text) => Self::Text(text.into()),
            Err(_) if all => Self::Masked(MASK.repeat(bytes.len())),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(bytes)),
        }
    }
}

impl Exchange {
    /// What is written down of an exchange.
    #[must_use]
    pub fn new(request: &Message, reply: &Message, masks: &Masks) -> Self {
        let secret = request.head.path.contains("/credentials");
        Self {
            request: format!("{} {}", request.head.method, request.head.path),
            request_headers: fields(&request.head.headers),
            request_body: Body::new(&request.body, masks.payloads),
            request_trailers: if masks.payloads { Vec::new() } else { fields(&request.trailers) },
            status: reply.head.status,
            reply_headers: fields(&reply.head.headers),
            reply_body: Body::new(&reply.body, masks.payloads || secret),
        }
    }
}

/// The line of a file.
#[must_use]
pub fn line(exchange: &Exchange) -> String {
    // No part of it can fail to be JSON.
    serde_json::to_string(exchange).unwrap_or_default() + "\n"
}

/// Reads a file of exchanges.
///
/// # Errors
///
/// What is wrong, and in which line.
pub fn read(text: &str) -> Result<Vec<Exchange>, String> {
    let parse =
        |(at, line): (usize, &str)| serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1));
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}

/// Whether a header's value is never written down.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

fn fields(fields: &[(String, String)]) -> Vec<(String, String)> {
    let written = |name: &str, value: &str| {
        if is_secret(name) { MASK.repeat(value.chars().count()) } else { without_secrets(value) }
    };
    fields.iter().map(|(name, value)| (name.clone(), written(name, value))).collect()
}

/// A header's value, which may be JSON, as a client context is, or base64 of it, as an error behind a stream is.
fn without_secrets(value: &str) -> String {
    let masked = |text: &[u8]| {
        let mut json = serde_json::from_slice::<Value>(text).ok()?;
        mask(&mut json, false).then(|| json.to_string())
    };
    let decoded = || Some(BASE64_STANDARD.encode(masked(&BASE64_STANDARD.decode(value).ok()?)?));
    masked(value.as_bytes()).or_else(decoded).unwrap_or_else(|| value.to_owned())
}

/// Masks the values of secret members, or all strings and numbers; returns whether anything was masked.
fn mask(json: &mut Value, all: bool) -> bool {
    match json {
        Value::String(text) if all => {
            *text = MASK.repeat(text.chars().count());
            true
        }
        Value::Number(number) if all => {
            *number = 0.into();
            true
        }
        Value::Array(items) => items.iter_mut().fold(false, |masked, item| mask(item, all) | masked),
        Value::Object(members) => members.iter_mut().fold(false, |masked, (name, value)| {
            let name = name.to_ascii_lowercase();
            let secret = SECRET_MEMBERS.iter().any(|secret| name.contains(secret));
            mask(value, all || secret) | masked
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_are() {
        let body = Body::new(br#"{"a":1,"AccessKeyId":"AK","deep":[{"sessionToken":"abc","n":[1]}]}"#, false);
        assert_eq!(body, Body::Masked(r#"{"AccessKeyId":"**","a":1,"deep":[{"n":[1],"sessionToken":"***"}]}"#.into()));
        assert_eq!(Body::new(b"{\"a\": 1}", false), Body::Text("{\"a\": 1}".into()));
        let headers = fields(&[("Authorization".into(), "abc".into()), ("Host".into(), "h".into())]);
        assert_eq!(headers, [("Authorization".into(), "***".into()), ("Host".into(), "h".into())]);
        assert_eq!(without_secrets(r#"{"custom":{"token":"abc"}}"#), r#"{"custom":{"token":"***"}}"#);
        let encoded = |json: &str| BASE64_STANDARD.encode(json);
        assert_eq!(without_secrets(&encoded(r#"{"password":"abc"}"#)), encoded(r#"{"password":"***"}"#));
        for value in
            ["1733000000000", "Root=1-5759e988-bd862e3fe1be46a994272793", r#"{"a": 1}"#, &encoded("{\"a\": 1}")]
        {
            assert_eq!(without_secrets(value), value);
        }
    }

    #[test]
    fn payloads_are_masked_on_request() {
        assert_eq!(Body::new(b"{\"a\":\"xyz\",\"n\":17}", true), Body::Masked("{\"a\":\"***\",\"n\":0}".into()));
        assert_eq!(Body::new(b"plain", true), Body::Masked("*****".into()));
        assert_eq!(Body::new(&[0xff, 0], true), Body::Masked("**".into()));
        assert_eq!(Body::new(&[0xff, 0], false), Body::Base64("/wA=".into()));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        assert!(read("\n{}\n").unwrap_err().starts_with("line 2: missing field"));
    }
}
