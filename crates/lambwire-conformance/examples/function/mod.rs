//! The kit's function: what `docs/conformance.md` asks of it, whatever the transport.

use lambwire::Context;
use serde_json::{Value, json};

/// Bytes of the longest event that is an order.
const LONGEST_ORDER: usize = 128 * 1024;

/// Why it fails.
#[derive(Debug)]
pub(crate) struct Asked(String);

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Asked {}

/// What an event asks for.
pub(crate) enum Order {
    Echo,
    Answer(Vec<u8>),
    Stream(Vec<Result<Vec<u8>, Asked>>),
}

/// Whether the start is to fail.
pub(crate) fn start() -> Result<(), Asked> {
    match std::env::var("CONFORMANCE_INIT").as_deref() {
        Ok("fail") => Err(Asked("asked to fail at the start".into())),
        _ => Ok(()),
    }
}

/// Whether SIGTERM is to be waited for.
pub(crate) fn waits_for_sigterm() -> bool {
    std::env::var("CONFORMANCE_SIGTERM").is_ok_and(|value| value == "wait")
}

/// Reads an event.
pub(crate) fn order(event: &[u8], context: &Context<'_>, remaining_ms: u128) -> Result<Order, Asked> {
    // What is too long to be an order comes back unread.
    let order =
        if event.len() > LONGEST_ORDER { Value::Null } else { serde_json::from_slice(event).unwrap_or_default() };
    let fail = order.get("fail").and_then(Value::as_str).map(|message| Asked(message.into()));
    if let Some(pieces) = order.get("stream").and_then(Value::as_array) {
        let pieces = pieces.iter().filter_map(Value::as_str).map(|piece| Ok(piece.as_bytes().to_vec()));
        return Ok(Order::Stream(pieces.chain(fail.map(Err)).collect()));
    }
    if let Some(failure) = fail {
        return Err(failure);
    }
    if let Some(size) = order.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok()) {
        return Ok(Order::Answer(format!("\"{}\"", "x".repeat(size.saturating_sub(2))).into_bytes()));
    }
    if order.get("context").is_some() {
        return Ok(Order::Answer(described(context, remaining_ms).to_string().into_bytes()));
    }
    Ok(Order::Echo)
}

fn described(context: &Context<'_>, remaining_ms: u128) -> Value {
    let member = |json: Option<&str>, name: &str| -> Value {
        json.and_then(|json| serde_json::from_str::<Value>(json).ok()?.get(name).cloned()).unwrap_or_default()
    };
    json!({
        "requestId": context.request_id.as_str(),
        "functionArn": context.invoked_function_arn,
        "remainingMs": u64::try_from(remaining_ms).unwrap_or_default(),
        "traceId": context.trace_id,
        "custom": member(context.client_context_json, "custom"),
        "cognitoIdentityId": member(context.cognito_identity_json, "cognitoIdentityId"),
        "tenantId": context.tenant_id,
    })
}
