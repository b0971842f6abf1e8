//! What the headers and the query of a caller say.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::HeaderMap;
use percent_encoding::percent_decode_str;

use super::reply::Exception;
use crate::event::Event;
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

/// How the caller wants the function to be invoked.
pub(super) fn invocation_type(headers: &HeaderMap) -> Result<InvocationType, Exception> {
    match text(headers, "x-amz-invocation-type")? {
        None | Some("RequestResponse") => Ok(InvocationType::RequestResponse),
        Some("Event") => Ok(InvocationType::Event),
        Some("DryRun") => Ok(InvocationType::DryRun),
        Some(other) => Err(Exception::BadParameter(format!("no invocation type: {other}"))),
    }
}

/// The event, with what the headers say of it.
pub(super) fn event(headers: &HeaderMap, payload: Vec<u8>) -> Result<Event, Exception> {
    let mut event = Event::new(payload);
    if let Some(encoded) = text(headers, "x-amz-client-context")? {
        event = event.client_context(client_context(encoded)?);
    }
    if let Some(identity) = text(headers, "x-amz-cognito-identity")? {
        event = event.cognito_identity(identity);
    }
    if let Some(trace_id) = text(headers, "x-amzn-trace-id")? {
        event = event.trace_id(trace_id);
    }
    if let Some(tenant_id) = text(headers, "x-amz-tenant-id")? {
        event = event.tenant_id(tenant_id);
    }
    match text(headers, "x-amz-log-type")? {
        None | Some("None") => {}
        Some("Tail") => event = event.log_tail(),
        Some(other) => return Err(Exception::BadParameter(format!("no log type: {other}"))),
    }
    Ok(event)
}

fn client_context(encoded: &str) -> Result<String, Exception> {
    let refused = |why: &str| Exception::BadContent(format!("the client context given {why}"));
    if encoded.len() > limits::CLIENT_CONTEXT_BYTES {
        let limit = limits::CLIENT_CONTEXT_BYTES;
        return Err(refused(&format!("has {} bytes, {limit} is the most", encoded.len())));
    }
    let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| refused("is not base64"))?;
    let json = String::from_utf8(decoded).map_err(|_| refused("is not UTF-8"))?;
    // A header is one line. In JSON, lines end between tokens only; AWS's emulator, too, makes spaces of their ends.
    Ok(json.trim_ascii().replace(['\r', '\n'], " "))
}

/// The value of a header; one that is empty is as good as absent.
fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Exception> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let value = str::from_utf8(value.as_bytes())
        .map_err(|_| Exception::BadContent(format!("the header {name} is not UTF-8")))?
        .trim_ascii();
    Ok((!value.is_empty()).then_some(value))
}

/// The qualifier in a query, if it has one; `None` if that is not UTF-8.
pub(super) fn qualifier(query: Option<&str>) -> Option<Option<Cow<'_, str>>> {
    let pairs = query.unwrap_or_default().split('&');
    let value = pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == "Qualifier");
    match value {
        Some((_, value)) => decoded(value).map(Some),
        None => Some(None),
    }
}

/// Undoes percent-encoding; `None` if the result is not UTF-8.
pub(super) fn decoded(text: &str) -> Option<Cow<'_, str>> {
    percent_decode_str(text).decode_utf8().ok()
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
        assert!(matches!(refused, Err(Exception::BadContent(why)) if why.contains("3583 is the most")));
        let refused = client_context(&"e".repeat(limits::CLIENT_CONTEXT_BYTES));
        assert!(matches!(refused, Err(Exception::BadContent(why)) if why.contains("not base64")));
    }

    #[test]
    fn a_qualifier_is_found_and_decoded() {
        assert_eq!(qualifier(None), Some(None));
        assert_eq!(qualifier(Some("a=b")), Some(None));
        assert_eq!(qualifier(Some("a=b&Qualifier=%24LATEST")), Some(Some("$LATEST".into())));
        assert_eq!(qualifier(Some("Qualifier=%ff")), None);
    }
}
