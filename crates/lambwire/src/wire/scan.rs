//! Looking for the end of a head or of a trailer section, once for every byte.

use crate::error::ReceiveError;

/// How far the lines of a section were looked through, so that a byte is looked at once however it arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan {
    /// Bytes that hold no line feed but those already seen.
    seen: usize,
    /// Where the line begins that is not finished.
    line: usize,
}

/// What a look at a section found.
pub(crate) enum ScanResult {
    /// Its end: the section is this many bytes, the empty line included.
    End(usize),
    /// No end yet.
    Open,
    /// No end within the bound.
    TooLong,
}

impl Scan {
    pub(crate) const fn new() -> Self {
        Self { seen: 0, line: 0 }
    }

    /// Looks for the empty line that ends the section at the start of `input`, which has at most `limit` bytes.
    pub(crate) fn find_end(&mut self, input: &[u8], limit: usize) -> Result<ScanResult, ReceiveError> {
        let within = input.get(..limit).unwrap_or(input);
        while let Some(at) = within.get(self.seen..).and_then(newline) {
            let feed = self.seen + at;
            if feed == self.line || within.get(feed - 1) != Some(&b'\r') {
                return Err(ReceiveError::BareLineFeed);
            }
            let empty = feed - 1 == self.line;
            self.seen = feed + 1;
            self.line = feed + 1;
            if empty {
                let end = self.seen;
                *self = Self::new();
                return Ok(ScanResult::End(end));
            }
        }
        self.seen = within.len();
        Ok(if within.len() == limit { ScanResult::TooLong } else { ScanResult::Open })
    }

    /// Whether nothing of the section was seen.
    pub(crate) fn is_untouched(self) -> bool {
        self.seen == 0
    }
}

/// Where the first line feed stands.
pub(crate) fn newline(bytes: &[u8]) -> Option<usize> {
    position(bytes, |word| equal_to(b'\n', word), |byte| byte == b'\n')
}

/// Where the first colon stands.
#[inline]
pub(crate) fn colon(bytes: &[u8]) -> Option<usize> {
    position(bytes, |word| equal_to(b':', word), |byte| byte == b':')
}

/// Where the first control character stands that is not a tab.
#[inline]
pub(crate) fn control(bytes: &[u8]) -> Option<usize> {
    position(bytes, unprintable, |byte| byte == b'\r' || byte.is_ascii_control() && byte != b'\t')
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Where the first byte stands that `is` sought. `mark` looks at eight at once, to skip what has none: it sets the high
/// bit of the first one sought, and maybe of some that are not.
#[inline]
fn position(bytes: &[u8], mark: impl Fn(u64) -> u64, is: impl Fn(u8) -> bool) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let marks = mark(u64::from_le_bytes(*word)) & HIGHS;
        if marks != 0 {
            let first = (marks.trailing_zeros() / 8) as usize;
            if is(word[first & 7]) {
                return Some(bytes.len() - rest.len() + first);
            }
            break;
        }
        rest = behind;
    }
    let at = rest.iter().position(|&byte| is(byte))?;
    Some(bytes.len() - rest.len() + at)
}

/// Marks the bytes of a word that are `byte`, which is ASCII, and maybe some that are not ASCII or above the first.
fn equal_to(byte: u8, word: u64) -> u64 {
    (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES)
}

/// Marks the bytes of a word that are not printable ASCII, and maybe some above the first.
fn unprintable(word: u64) -> u64 {
    word.wrapping_sub(ONES * u64::from(b' ')) | word.wrapping_add(ONES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_wherever_they_stand() {
        for filler in [b'\x0b', b'9', b'\t', b' ', b'\x80', b'\xff', b'\x7e'] {
            for len in 0..40 {
                let mut bytes = [filler; 40];
                let is_found = filler == b'\x0b' && len > 0;
                assert_eq!(newline(&bytes[..len]), None);
                assert_eq!(control(&bytes[..len]), is_found.then_some(0));
                for at in (0..len).rev() {
                    bytes[at] = b'\n';
                    assert_eq!(newline(&bytes[..len]), Some(at));
                    assert_eq!(control(&bytes[..len]), Some(if is_found { 0 } else { at }));
                    bytes[at] = b':';
                    assert_eq!(colon(&bytes[..len]), Some(at));
                }
            }
        }
    }

    #[test]
    fn control_characters_are_all_but_the_tab() {
        for byte in 0..=u8::MAX {
            let expected = (byte.is_ascii_control() && byte != b'\t').then_some(3);
            assert_eq!(control(&[b'a', b'b', b'c', byte]), expected, "{byte}");
            assert_eq!(control(&[b'a', b'b', b'c', byte, b'd', b'e', b'f', b'g']), expected, "{byte}");
        }
    }

    #[track_caller]
    fn check(section: &[u8], limit: usize, expected: Result<Option<usize>, ReceiveError>) {
        let found = |scan: &mut Scan, input: &[u8]| {
            scan.find_end(input, limit).map(|found| match found {
                ScanResult::End(end) => Some(end),
                ScanResult::Open => None,
                ScanResult::TooLong => Some(usize::MAX),
            })
        };
        let mut whole = Scan::new();
        assert_eq!(found(&mut whole, section), expected);
        for cut in 0..section.len() {
            let mut scan = Scan::new();
            let first = found(&mut scan, &section[..cut]);
            let second = if first == Ok(None) { found(&mut scan, section) } else { first };
            assert_eq!(second, expected, "cut at {cut}");
        }
    }

    #[test]
    fn an_end_is_found_whole_or_cut() {
        check(b"a: b\r\n\r\nrest", 100, Ok(Some(8)));
        check(b"\r\n", 100, Ok(Some(2)));
        check(b"a: b\r\n\r", 100, Ok(None));
        check(b"a: b\n\r\n", 100, Err(ReceiveError::BareLineFeed));
        check(b"a: b\r\n\n", 100, Err(ReceiveError::BareLineFeed));
        check(b"\n", 100, Err(ReceiveError::BareLineFeed));
    }

    #[test]
    fn a_section_at_the_limit_passes_and_one_byte_more_does_not() {
        check(b"a: b\r\n\r\n", 9, Ok(Some(8)));
        check(b"a: b\r\n\r\n", 8, Ok(Some(8)));
        check(b"a: b\r\n\r\n", 7, Ok(Some(usize::MAX)));
    }
}
