//! Odd headers and odd JSON lose no invocation, and what is well-formed in them is read as other readers read it.

use std::fmt;

use lambwire::limits::JSON_DEPTH;
use lambwire::{ClientContext, CognitoIdentity, Event, ReceivedReport, Rejection, Reply, RequestKind, Text};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::cuts::{Asking, Peer};

const START: &[u8] = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\n";

/// Runs it over one input: header lines, or JSON.
pub fn run(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match choice % 4 {
        0 => check_context(data),
        1 => check_client_context(data),
        2 => check_cognito_identity(data),
        _ => check_report(data),
    }
}

fn check_context(lines: &[u8]) {
    let wire = [START, lines, b"\r\n\r\n"].concat();
    let mut asking = Asking::new(&[RequestKind::Next]);
    let Ok(received) = asking.receive(&wire) else { return };
    let Event::Head { head: Reply::Invocation(context), headers, .. } = received.event else {
        unreachable!("a head whose lines are in order is an invocation");
    };
    let text =
        |name| headers.get(name).and_then(|value| std::str::from_utf8(value).ok()).filter(|text| !text.is_empty());
    let is_digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let deadline = text("lambda-runtime-deadline-ms").filter(is_digits).and_then(|text| text.parse().ok());
    let deadline = deadline.filter(|deadline_ms| *deadline_ms >= lambwire::limits::FIRST_DEADLINE_MS);
    assert_eq!(context.request_id.as_str(), "x");
    assert_eq!(context.deadline_ms, deadline);
    assert_eq!(context.invoked_function_arn, text("lambda-runtime-invoked-function-arn"));
    assert_eq!(context.trace_id, text("lambda-runtime-trace-id"));
    assert_eq!(context.client_context_json, text("lambda-runtime-client-context"));
    assert_eq!(context.cognito_identity_json, text("lambda-runtime-cognito-identity"));
    assert_eq!(context.tenant_id, text("lambda-runtime-aws-tenant-id"));
    let invocation_id = headers.get("lambda-runtime-invocation-id").filter(|value| !value.is_empty());
    assert_eq!(context.invocation_id.map(|id| id.as_bytes()), invocation_id);
}

fn check_client_context(json: &[u8]) {
    let Ok(json) = std::str::from_utf8(json) else { return };
    let context = ClientContext::new(json);
    let _ = (context.custom("a"), context.env("os"));
    let client = context.get(&["client"]);
    check_text(json.as_bytes(), &["client", "app_title"], context.app_title());
    check_text(json.as_bytes(), &["client", "installation_id"], context.installation_id());
    assert!(context.app_title().is_none() || client.is_some());
}

fn check_cognito_identity(json: &[u8]) {
    let Ok(json) = std::str::from_utf8(json) else { return };
    let identity = CognitoIdentity::new(json);
    if CognitoIdentity::new(json).identity_pool_id().is_none() {
        check_text(json.as_bytes(), &["cognitoIdentityPoolId"], None);
    }
    check_text(json.as_bytes(), &["cognitoIdentityId"], identity.identity_id());
}

fn check_report(json: &[u8]) {
    let report = ReceivedReport::new(json);
    check_text(json, &["errorMessage"], report.message());
    check_text(json, &["errorType"], report.error_type());
    report.for_each_frame(|_| ());
    let rejection = Rejection::new(RequestKind::Response, 400, json);
    assert_eq!(rejection.error_type(), report.error_type());
    assert_eq!(rejection.message(), report.message());
    assert!(rejection.to_string().len() <= 600);
}

/// Checks that a string which serde_json finds under `keys` is found. Where serde_json finds none, the text is no JSON,
/// or says a key twice or in another case, anything may be found.
fn check_text(json: &[u8], keys: &[&str], found: Option<Text<'_>>) {
    let Ok(object) = serde_json::from_slice::<Json>(json) else { return };
    if object.depth() > JSON_DEPTH || json.contains(&b'\\') && object.has_escaped_keys(json) {
        return;
    }
    if let Some(expected) = object.at(keys) {
        assert_eq!(found.map(|found| found.to_string()).as_deref(), Some(expected));
    }
}

/// JSON as serde_json reads it, with the keys of objects in order and as often as they are there.
enum Json {
    Object(Vec<(String, Json)>),
    Array(Vec<Json>),
    Text(String),
    Other,
}

impl Json {
    fn at(&self, keys: &[&str]) -> Option<&str> {
        match (self, keys) {
            (Self::Text(text), []) => Some(text),
            (Self::Object(members), [key, keys @ ..]) => {
                let mut named = members.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
                let (_, value) = named.next()?;
                value.at(keys).filter(|_| named.next().is_none())
            }
            _ => None,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::Array(elements) => 1 + elements.iter().map(Self::depth).max().unwrap_or(0),
            Self::Text(_) | Self::Other => 0,
        }
    }

    /// Whether some key does not stand in the text as it is: escapes in keys are not resolved.
    fn has_escaped_keys(&self, json: &[u8]) -> bool {
        match self {
            Self::Object(members) => members.iter().any(|(key, value)| {
                let quoted = format!("\"{key}\"");
                !json.windows(quoted.len()).any(|window| window == quoted.as_bytes()) || value.has_escaped_keys(json)
            }),
            Self::Array(elements) => elements.iter().any(|element| element.has_escaped_keys(json)),
            Self::Text(_) | Self::Other => false,
        }
    }
}

impl<'a> Deserialize<'a> for Json {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct JsonVisitor;
        impl<'a> Visitor<'a> for JsonVisitor {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Json, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Json::Object(members))
            }

            fn visit_seq<S: serde::de::SeqAccess<'a>>(self, mut seq: S) -> Result<Json, S::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Json::Array(elements))
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
                Ok(Json::Other)
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Other)
            }
        }
        deserializer.deserialize_any(JsonVisitor)
    }
}
