//! What the headers and the query of a caller say.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::reply::Exception;
use crate::event::{Event, is_trace_header};
use crate::limits;

/// How a function is invoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InvocationType {
    /// The caller waits for the answer.
    RequestResponse,
    /// The caller does not.
    Event,
    /// Nothing is done.
    DryRun,
}

/// The headers of a caller that are looked at. One pass finds them: most are not there, and to hash the name of each of them
/// takes longer.
#[derive(Default)]
pub(super) struct CallerHeaders<'h> {
    invocation_type: Option<&'h HeaderValue>,
    client_context: Option<&'h HeaderValue>,
    cognito_identity: Option<&'h HeaderValue>,
    trace_id: Option<&'h HeaderValue>,
    tenant_id: Option<&'h HeaderValue>,
    log_type: Option<&'h HeaderValue>,
    execution_name: Option<&'h HeaderValue>,
    durable_runner: Option<&'h HeaderValue>,
}

const INVOCATION_TYPE: &str = "x-amz-invocation-type";
const CLIENT_CONTEXT: &str = "x-amz-client-context";
const COGNITO_IDENTITY: &str = "x-amz-cognito-identity";
pub(super) const TRACE_ID: &str = "x-amzn-trace-id";
const TENANT_ID: &str = "x-amz-tenant-id";
const LOG_TYPE: &str = "x-amz-log-type";
const DURABLE_EXECUTION_NAME: &str = "x-amz-durable-execution-name";
const DURABLE_RUNNER: &str = "x-dex-handler-invoke";

impl<'h> CallerHeaders<'h> {
    pub(super) fn new(headers: &'h HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            let place = match name.as_str() {
                INVOCATION_TYPE => &mut found.invocation_type,
                CLIENT_CONTEXT => &mut found.client_context,
                COGNITO_IDENTITY => &mut found.cognito_identity,
                TRACE_ID => &mut found.trace_id,
                TENANT_ID => &mut found.tenant_id,
                LOG_TYPE => &mut found.log_type,
                DURABLE_EXECUTION_NAME => &mut found.execution_name,
                DURABLE_RUNNER => &mut found.durable_runner,
                _ => continue,
            };
            // Of several, the first counts.
            place.get_or_insert(value);
        }
        found
    }

    /// How the caller wants the function to be invoked.
    pub(super) fn invocation_type(&self) -> Result<InvocationType, Exception> {
        match text(self.invocation_type, INVOCATION_TYPE)? {
            None | Some("RequestResponse") => Ok(InvocationType::RequestResponse),
            Some("Event") => Ok(InvocationType::Event),
            Some("DryRun") => Ok(InvocationType::DryRun),
            Some(other) => Err(Exception::BadParameter(format!("no invocation type: {other}"))),
        }
    }

    /// The event, with what the headers say of it.
    pub(super) fn event(&self, payload: Vec<u8>) -> Result<Event, Exception> {
        let mut event = Event::new(payload);
        if let Some(encoded) = text(self.client_context, CLIENT_CONTEXT)? {
            event = event.client_context(client_context(encoded)?);
        }
        if let Some(identity) = text(self.cognito_identity, COGNITO_IDENTITY)? {
            event = event.cognito_identity(identity);
        }
        if let Some(trace_id) = self.trace_id() {
            event = event.trace_id(trace_id);
        }
        if let Some(tenant_id) = text(self.tenant_id, TENANT_ID)? {
            if !is_tenant_id(tenant_id) {
                let limit = limits::TENANT_ID_BYTES;
                return Err(Exception::BadParameter(format!(
                    "no id of a tenant: {tenant_id} (1 to {limit} letters, digits, spaces and . _ : / = + - @)"
                )));
            }
            event = event.tenant_id(tenant_id);
        }
        match text(self.log_type, LOG_TYPE)? {
            None | Some("None") => {}
            Some("Tail") => event = event.log_tail(),
            Some(other) => return Err(Exception::BadParameter(format!("no log type: {other}"))),
        }
        Ok(event)
    }

    /// The trace header of a caller; one that is none is as good as absent.
    pub(super) fn trace_id(&self) -> Option<&'h str> {
        let value = self.trace_id?;
        let text = str::from_utf8(value.as_bytes()).ok().map(str::trim_ascii).filter(|text| is_trace_header(text));
        if text.is_none() && !value.is_empty() {
            log::warn!("the X-Amzn-Trace-Id of a caller is none of X-Ray's, and the event gets another: {value:?}");
        }
        text
    }

    /// The ARN of the durable execution that an event belongs to, for the reply's `X-Amz-Durable-Execution-Arn`: AWS's local
    /// runner marks such events by `X-Dex-Handler-Invoke`, and another caller may name the execution
    /// (`X-Amz-Durable-Execution-Name`). Executions are not started here, so that a name without one is refused.
    pub(super) fn durable_execution(&self, payload: &[u8]) -> Result<Option<HeaderValue>, Exception> {
        let name = text(self.execution_name, DURABLE_EXECUTION_NAME)?;
        if let Some(name) = name
            && !is_execution_name(name)
        {
            let limit = limits::DURABLE_EXECUTION_NAME_BYTES;
            return Err(Exception::BadParameter(format!(
                "no name of a durable execution: {name} (1 to {limit} letters, digits, - and _)"
            )));
        }
        if name.is_none() && text(self.durable_runner, DURABLE_RUNNER)? != Some("true") {
            return Ok(None);
        }
        let arn = serde_json::from_slice::<DurableEvent<'_>>(payload).ok().and_then(|event| event.arn);
        match (arn, name) {
            (Some(arn), _) => HeaderValue::from_str(&arn).map(Some).map_err(|_| {
                Exception::BadContent("DurableExecutionArn of the event cannot be sent in a header".to_owned())
            }),
            (None, Some(name)) => Err(Exception::BadParameter(format!(
                "no durable execution {name} is started here: the event has no DurableExecutionArn"
            ))),
            (None, None) => Ok(None),
        }
    }
}

/// What of the event of a durable execution is looked at.
#[derive(Deserialize)]
struct DurableEvent<'e> {
    #[serde(rename = "DurableExecutionArn", borrow)]
    arn: Option<Cow<'e, str>>,
}

fn is_execution_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.len() <= limits::DURABLE_EXECUTION_NAME_BYTES && name.bytes().all(is_part)
}

fn is_tenant_id(id: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/=+-@ ".contains(&byte);
    id.len() <= limits::TENANT_ID_BYTES && id.bytes().all(is_part)
}

fn client_context(encoded: &str) -> Result<String, Exception> {
    let refused = |why: &str| Exception::BadContent(format!("the client context given {why}"));
    if encoded.len() > limits::CLIENT_CONTEXT_BYTES {
        let limit = limits::CLIENT_CONTEXT_BYTES;
        return Err(refused(&format!("has {} bytes, limit is {limit}", encoded.len())));
    }
    let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| refused("is not base64"))?;
    let json = String::from_utf8(decoded).map_err(|_| refused("is not UTF-8"))?;
    // A header is one line. In JSON, lines end between tokens only; AWS's emulator, too, makes spaces of their ends.
    Ok(json.trim_ascii().replace(['\r', '\n'], " "))
}

/// The first value of a header. There are few: to hash the name takes longer than to compare it with each.
pub(super) fn first<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// The value of a header; one that is empty is as good as absent.
fn text<'h>(value: Option<&'h HeaderValue>, name: &str) -> Result<Option<&'h str>, Exception> {
    let Some(value) = value else { return Ok(None) };
    let value = str::from_utf8(value.as_bytes())
        .map_err(|_| Exception::BadContent(format!("the header {name} is not UTF-8")))?
        .trim_ascii();
    Ok((!value.is_empty()).then_some(value))
}

/// The qualifier in a query, if it has one; `None` if that is not UTF-8.
pub(super) fn qualifier(query: Option<&str>) -> Option<Option<Cow<'_, str>>> {
    let Some(query) = query else { return Some(None) };
    let value = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == "Qualifier");
    match value {
        Some((_, value)) => decoded(value).map(Some),
        None => Some(None),
    }
}

/// Undoes percent-encoding; `None` if the result is not UTF-8.
pub(super) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('%') { percent_decode_str(text).decode_utf8().ok() } else { Some(text.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_context_at_the_limit_passes_and_one_byte_more_does_not() {
        // Base64 comes in fours, and the limit is not one of them.
        for (fours, fits) in [(895, true), (896, false)] {
            assert_eq!(client_context(&"e30g".repeat(fours)).is_ok(), fits, "{fours}");
        }
        let refused = client_context(&"e".repeat(limits::CLIENT_CONTEXT_BYTES + 1));
        assert!(matches!(refused, Err(Exception::BadContent(why)) if why.contains("limit is 3583")));
        let refused = client_context(&"e".repeat(limits::CLIENT_CONTEXT_BYTES));
        assert!(matches!(refused, Err(Exception::BadContent(why)) if why.contains("not base64")));
    }

    #[test]
    fn a_tenant_is_named_as_aws_has_it() {
        let longest = "t".repeat(limits::TENANT_ID_BYTES);
        for (id, fits) in [
            ("a", true),
            ("Blue 1._:/=+-@", true),
            (&longest[1..], true),
            (&longest, true),
            (&format!("{longest}t"), false),
            ("a,b", false),
            ("ü", false),
        ] {
            let headers = HeaderMap::from_iter([(TENANT_ID.parse().unwrap(), HeaderValue::from_str(id).unwrap())]);
            match CallerHeaders::new(&headers).event(Vec::new()) {
                Ok(_) => assert!(fits, "{id}"),
                Err(Exception::BadParameter(why)) => {
                    assert!(!fits && why.starts_with(&format!("no id of a tenant: {id} (1 to 256")), "{why}");
                }
                Err(other) => panic!("{id}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_durable_execution_is_that_of_the_event() {
        let event = br#"{"DurableExecutionArn":"a\u002fb","CheckpointToken":"t"}"#;
        let longest = "n".repeat(limits::DURABLE_EXECUTION_NAME_BYTES);
        for (name, value, payload, expected) in [
            (DURABLE_RUNNER, "true", &event[..], Ok(Some("a/b"))),
            (DURABLE_RUNNER, "false", event, Ok(None)),
            (DURABLE_RUNNER, "true", b"[]", Ok(None)),
            ("x-other", "true", event, Ok(None)),
            (DURABLE_EXECUTION_NAME, "Order_1-a", event, Ok(Some("a/b"))),
            (DURABLE_EXECUTION_NAME, &longest, event, Ok(Some("a/b"))),
            (DURABLE_EXECUTION_NAME, &longest[1..], event, Ok(Some("a/b"))),
            (DURABLE_EXECUTION_NAME, &format!("{longest}n"), event, Err("1 to 64")),
            (DURABLE_EXECUTION_NAME, "a b", event, Err("no name of a durable execution: a b")),
            (DURABLE_EXECUTION_NAME, "a", b"{}", Err("no durable execution a is started here")),
            (DURABLE_EXECUTION_NAME, "a", br#"{"DurableExecutionArn":"\n"}"#, Err("DurableExecutionArn")),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            match (CallerHeaders::new(&headers).durable_execution(payload), expected) {
                (Ok(arn), Ok(expected)) => assert_eq!(arn.as_ref().map(|arn| arn.to_str().unwrap()), expected),
                (Err(Exception::BadParameter(why) | Exception::BadContent(why)), Err(expected)) => {
                    assert!(why.contains(expected), "{why}");
                }
                (got, expected) => panic!("{name}: {value}: {got:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn of_headers_of_one_name_the_first_counts() {
        let headers = ["DryRun", "Event"].map(|value| (INVOCATION_TYPE.parse().unwrap(), value.parse().unwrap()));
        let invocation_type = CallerHeaders::new(&HeaderMap::from_iter(headers)).invocation_type();
        assert!(matches!(invocation_type, Ok(InvocationType::DryRun)));
    }

    #[test]
    fn a_qualifier_is_found_and_decoded() {
        assert_eq!(qualifier(None), Some(None));
        assert_eq!(qualifier(Some("a=b")), Some(None));
        assert_eq!(qualifier(Some("a=b&Qualifier=%24LATEST")), Some(Some("$LATEST".into())));
        assert_eq!(qualifier(Some("Qualifier=%ff")), None);
    }
}
