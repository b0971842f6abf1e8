//! What a runtime under test finds when it starts, and what a report says was expected of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::check;
use super::stage::Settings;
use crate::message::Head;
use crate::pattern::Variables;
use crate::play::{Expected, Turn};

pub(super) fn is_about_extensions(head: &Head) -> bool {
    ["/2020-01-01/extension/", "/2022-07-01/telemetry", "/2020-08-15/logs"].iter().any(|p| head.path.starts_with(p))
}

pub(super) fn expectation(turn: &Turn, expected: Expected) -> Vec<String> {
    let mut lines = vec![check::name(expected).to_owned()];
    lines.extend(turn.of.iter().map(|name| format!("of invocation {name}")));
    lines.extend(turn.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.extend(turn.absent.iter().map(|name| format!("no {name}")));
    lines.extend(turn.framing.map(|framing| format!("framed by {framing:?}").to_lowercase()));
    lines.extend(turn.connection.map(|connection| format!("on the {connection:?} connection").to_lowercase()));
    lines.extend(turn.trailers.iter().map(|(name, value)| format!("trailer {name}: {value}")));
    lines.extend(turn.json.iter().map(|json| format!("JSON {json}")));
    lines.extend(turn.error_trailer.iter().map(|json| format!("error trailer {json}")));
    lines.extend(turn.body.iter().map(|body| format!("body {body}")));
    lines.extend(turn.size.iter().map(|size| format!("body of {size} bytes")));
    lines
}

pub(super) fn variables(address: SocketAddr) -> Variables {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let deadline = (now + Duration::from_secs(60)).as_millis().to_string();
    let pairs = [
        ("api", address.to_string()),
        ("arn", "arn:aws:lambda:eu-central-1:123456789012:function:conformance".to_owned()),
        ("deadline", deadline),
        ("trace", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1".to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

pub(super) fn environment(settings: &Settings, address: SocketAddr) -> BTreeMap<String, String> {
    let pairs = [
        ("AWS_LAMBDA_RUNTIME_API", address.to_string()),
        ("_HANDLER", settings.handler.clone()),
        ("AWS_LAMBDA_FUNCTION_NAME", "conformance".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/conformance".to_owned()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/28/[$LATEST]0".to_owned()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_DEFAULT_REGION", "eu-central-1".to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}
