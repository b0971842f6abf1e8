//! As much of JSON as there is to know of what others say.

use serde::de::IgnoredAny;

/// Whether a text is JSON.
pub(crate) fn is_json(text: &str) -> bool {
    check(text).is_ok()
}

/// What keeps a text from being JSON.
pub(crate) fn check(text: &str) -> serde_json::Result<()> {
    serde_json::from_str::<IgnoredAny>(text).map(|_| ())
}

/// Appends a text as a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    if text.bytes().any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\')) {
        // There is no text that could not be one.
        out.extend(serde_json::to_vec(text).unwrap_or_default());
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}
