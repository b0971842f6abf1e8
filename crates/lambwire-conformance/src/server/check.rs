//! Whether a reply of a server is the one that a play expects.

use crate::message::{Message, find};
use crate::pattern::{self, Variables};
use crate::play::ExpectedReply;
use crate::show::short;

/// Statuses of success, which are expected where a play says none.
const SUCCESS: [u16; 2] = [200, 202];

/// What of the reply is not as expected.
pub(crate) fn differences(
    expected: &ExpectedReply,
    message: &Message,
    variables: &Variables,
) -> Result<Vec<String>, String> {
    let mut misses = Vec::new();
    let status = message.head.status;
    let statuses = if expected.status.is_empty() { &SUCCESS[..] } else { &expected.status };
    if !statuses.contains(&status) {
        misses.push(format!("the status is {status}, not {}", either(statuses)));
    }
    let headers = &message.head.headers;
    for (name, value) in &expected.headers {
        match find(headers, name) {
            None => misses.push(format!("header {name} is missing")),
            Some(is) if !pattern::matches(value, is, variables)? => {
                misses.push(format!("header {name} is {:?}, not {value:?}", short(is.as_bytes())));
            }
            Some(_) => {}
        }
    }
    for name in &expected.absent {
        if let Some(value) = find(headers, name) {
            misses.push(format!("header {name} is there, as {:?}", short(value.as_bytes())));
        }
    }
    for name in &expected.exact_names {
        if !headers.iter().any(|(is, _)| is == name) {
            misses.push(format!("no header is written {name}"));
        }
    }
    if let Some(json) = &expected.json {
        match serde_json::from_slice(&message.body) {
            Ok(actual) => misses.extend(pattern::json_differs(json, &actual, variables, "the body")?),
            Err(_) => misses.push(format!("the body is no JSON: {:?}", short(&message.body))),
        }
    }
    if let Some(body) = &expected.body
        && !pattern::matches(body, &String::from_utf8_lossy(&message.body), variables)?
    {
        misses.push(format!("the body is {:?}, not {body:?}", short(&message.body)));
    }
    if let Some(size) = expected.size
        && message.body.len() != size
    {
        misses.push(format!("the body has {} bytes, not {size}", message.body.len()));
    }
    Ok(misses)
}

/// What is expected, in words.
pub(crate) fn expectation(expected: &ExpectedReply) -> Vec<String> {
    let statuses = if expected.status.is_empty() { &SUCCESS[..] } else { &expected.status };
    let mut lines =
        if expected.anything { vec!["anything".to_owned()] } else { vec![format!("status {}", either(statuses))] };
    lines.extend(expected.headers.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.extend(expected.absent.iter().map(|name| format!("no {name}")));
    lines.extend(expected.exact_names.iter().map(|name| format!("written {name}")));
    lines.extend(expected.json.iter().map(|json| format!("JSON {json}")));
    lines.extend(expected.body.iter().map(|body| format!("body {body}")));
    lines.extend(expected.size.iter().map(|size| format!("body of {size} bytes")));
    if expected.closed {
        lines.push("the end of the connection".into());
    }
    lines
}

fn either(statuses: &[u16]) -> String {
    statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
