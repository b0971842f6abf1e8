//! Bytes made readable.

/// Bytes that are shown of what is longer.
const SHOWN_BYTES: usize = 600;
/// Bytes that are shown of a value within a sentence.
const SHORT_BYTES: usize = 80;

/// The bytes as text in several lines, without what is too long to read.
#[must_use]
pub fn lines(bytes: &[u8]) -> Vec<String> {
    let mut lines: Vec<String> = cut(bytes, SHOWN_BYTES).split("\\r\\n").map(ToOwned::to_owned).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// The bytes as one short piece of text.
#[must_use]
pub fn short(bytes: &[u8]) -> String {
    cut(bytes, SHORT_BYTES)
}

fn cut(bytes: &[u8], most: usize) -> String {
    let (head, more) = match bytes.get(..most) {
        Some(head) if bytes.len() > most => (head, bytes.len() - most),
        _ => (bytes, 0),
    };
    let mut out = String::new();
    for piece in head.utf8_chunks() {
        for char in piece.valid().chars() {
            match char {
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\\' | ' '..='~' => out.push(char),
                char if char.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(char))),
                char => out.push(char),
            }
        }
        piece.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
    }
    if more > 0 {
        out.push_str(&format!(" … and {more} bytes more"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        assert_eq!(lines(b"GET / HTTP/1.1\r\nA: b\r\n\r\n\0\xff"), ["GET / HTTP/1.1", "A: b", "", "\\x00\\xff"]);
        assert_eq!(short(&[b'a'; 100]), format!("{} … and 20 bytes more", "a".repeat(80)));
    }
}
