//! Header lines as they stand in a head or a trailer section.

use super::lines::{is_name, is_padded, split};
use super::scan::{control, newline};

/// Header lines, borrowed from the bytes received, in the order in which they came.
///
/// Names keep their case; [`get`](Self::get) ignores it. Values are raw bytes without the white space around them:
/// HTTP does not promise that they are UTF-8 (RFC 9110, section 5.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'i> {
    /// Whole lines, each ended by CR LF, checked by the parser that cut them out.
    lines: &'i [u8],
}

/// One header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'i> {
    /// The name, in the case in which it was sent.
    pub name: &'i str,
    /// The value, without the white space around it.
    pub value: &'i [u8],
}

impl Header<'_> {
    /// Whether the line says this and no more.
    pub(crate) fn is_sendable(&self) -> bool {
        is_name(self.name.as_bytes()) && is_sendable(self.value)
    }
}

impl<'i> Headers<'i> {
    pub(crate) fn new(lines: &'i [u8]) -> Self {
        Self { lines }
    }

    /// The value of the first header of this name, in whatever case.
    pub fn get(&self, name: &str) -> Option<&'i [u8]> {
        self.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    /// All headers, in the order in which they came.
    pub fn iter(&self) -> HeaderIter<'i> {
        HeaderIter { lines: self.lines }
    }

    /// Bytes that the lines take.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

impl<'i> IntoIterator for Headers<'i> {
    type Item = Header<'i>;
    type IntoIter = HeaderIter<'i>;

    fn into_iter(self) -> HeaderIter<'i> {
        self.iter()
    }
}

/// Iterator over [`Headers`].
#[derive(Clone, Debug)]
pub struct HeaderIter<'i> {
    lines: &'i [u8],
}

impl<'i> Iterator for HeaderIter<'i> {
    type Item = Header<'i>;

    fn next(&mut self) -> Option<Header<'i>> {
        let end = newline(self.lines)?;
        let (line, rest) = self.lines.split_at_checked(end + 1)?;
        self.lines = rest;
        let (name, value) = split(line)?;
        Some(Header { name: core::str::from_utf8(name).ok()?, value })
    }
}

/// Whether a header has this name, in whatever case. Almost every one that does has the very case of `expected`.
#[inline]
pub(crate) fn is_named(name: &[u8], expected: &str) -> bool {
    name == expected.as_bytes() || name.eq_ignore_ascii_case(expected.as_bytes())
}

/// Whether a value survives a header line unchanged: it has no control character but the tab (RFC 9110, section 5.5),
/// and no white space around it, which a receiver cuts off.
pub(crate) fn is_sendable(value: &[u8]) -> bool {
    !is_padded(value) && control(value).is_none()
}

/// A decimal number that is written in digits only.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    let digit = |byte: u8| byte.is_ascii_digit().then_some(u64::from(byte & 0xf));
    // So many digits cannot overflow.
    let (first, rest) = text.split_at_checked(19).unwrap_or((text, &[]));
    let number = first.iter().try_fold(0, |number, &byte| Some(number * 10 + digit(byte)?));
    let number = rest.iter().try_fold(number?, |number: u64, &byte| number.checked_mul(10)?.checked_add(digit(byte)?));
    number.filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_values_are_bare() {
        let headers = Headers::new(b"A: 1\r\nLambda-X:\t two words \r\nempty:\r\nraw: \xff:\r\n");
        assert_eq!(headers.get("a"), Some(&b"1"[..]));
        assert_eq!(headers.get("lambda-x"), Some(&b"two words"[..]));
        assert_eq!(headers.get("EMPTY"), Some(&b""[..]));
        assert_eq!(headers.get("raw"), Some(&b"\xff:"[..]));
        assert_eq!(headers.get("b"), None);
        assert_eq!(headers.into_iter().count(), 4);
        assert_eq!((headers.is_empty(), Headers::default().is_empty()), (false, true));
    }

    #[test]
    fn decimal_takes_digits_only_and_does_not_overflow() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b"9999999999999999999"), Some(9_999_999_999_999_999_999));
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(decimal(b"0000000000000000000007"), Some(7));
        for odd in [&b""[..], b"+7", b"-1", b" 1", b"0x10", b"1_0", b"18446744073709551616", b"1844674407370955161x"] {
            assert_eq!(decimal(odd), None);
        }
    }
}
