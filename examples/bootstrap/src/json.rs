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
    if has_escapes(text.as_bytes()) {
        // There is no text that could not be one.
        out.extend(serde_json::to_vec(text).unwrap_or_default());
    } else {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

/// Whether something in a text has to be escaped. Eight bytes at once are passed over if they are ASCII and none of them is,
/// nor a blank: the high bit of one is set where a difference is less than nothing.
fn has_escapes(mut text: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    while let Some((word, behind)) = text.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
        if (word.wrapping_sub(ONES * u64::from(b'"' + 1)) | backslash) & (ONES << 7) != 0 {
            break;
        }
        text = behind;
    }
    text.iter().any(|&byte| byte < b' ' || matches!(byte, b'"' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_escaped_wherever_something_has_to_be() {
        for len in 0..20 {
            for character in ['a', '!', '#', '[', ']', '~', '\x7f', ' ', '"', '\\', '\n', '\0', '\x1f', 'é', '\u{ffff}']
            {
                for at in 0..len {
                    let text: String = (0..len).map(|place| if place == at { character } else { 'x' }).collect();
                    let mut written = Vec::new();
                    write_string(&mut written, &text);
                    assert_eq!(written, serde_json::to_vec(&text).unwrap());
                }
            }
        }
    }
}
