//! Header lines, read strictly.
//!
//! By hand, because httparse without `std` looks at them almost byte by byte, and takes more instructions for those of
//! an invocation than everything else in this crate together. It also takes a bare line feed for the end of a line.

use super::scan::{colon, control};
use crate::error::ReceiveError;
use crate::limits;

/// Reads the lines at the front of `input`, up to and with the empty one, and gives their length; `None` if the empty
/// line is not there. Each is shown to `see`, which says whether it knows the name.
///
/// Not part of its caller, whose values would take the registers.
#[inline(never)]
pub(crate) fn read<'i>(
    input: &'i [u8],
    mut see: impl FnMut(&'i [u8], &'i [u8]) -> Result<bool, ReceiveError>,
) -> Result<Option<usize>, ReceiveError> {
    let mut rest = input;
    for _ in 0..limits::HEADERS + 1 {
        if let [b'\r', b'\n', behind @ ..] = rest {
            return Ok(Some(input.len() - behind.len()));
        }
        let Ends { colon, end } = ends(rest);
        let Some((line, behind)) = rest.split_at_checked(end) else {
            return Ok(None);
        };
        let Some((name, value)) = line.split_at_checked(colon) else {
            return Ok(None);
        };
        rest = match behind {
            [b'\r', b'\n', rest @ ..] => rest,
            [] | [b'\r'] => return Ok(None),
            [b'\n', ..] => return Err(ReceiveError::BareLineFeed),
            _ => return Err(ReceiveError::BadHeader),
        };
        if !see(name, without_colon(value))? && !is_name(name) {
            return Err(ReceiveError::BadHeader);
        }
    }
    Err(ReceiveError::TooManyHeaders)
}

/// Where a line has its ends.
struct Ends {
    /// Of its name. A line without a colon takes the next one's, and its own end for part of a name, which is an error.
    colon: usize,
    /// Of its value: where the first control character stands that may not be in it.
    end: usize,
}

/// Where the first line has its ends; those that are not there are behind the input.
///
/// Not part of [`read`], which would leave the loops no registers.
#[inline(never)]
fn ends(input: &[u8]) -> Ends {
    let colon = colon(input).unwrap_or(input.len());
    let behind = input.get(colon..).unwrap_or_default();
    let end = colon + control(behind).unwrap_or(behind.len());
    Ends { colon, end }
}

/// Name and value of a line that was read.
pub(crate) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = line.split_at_checked(colon(line)?)?;
    Some((name, without_colon(value)))
}

/// A value without the colon before it, and the white space around it.
#[inline]
fn without_colon(value: &[u8]) -> &[u8] {
    match value {
        // As almost every server writes it.
        [b':', b' ', value @ ..] if !is_padded(value) => value,
        _ => value.get(1..).unwrap_or_default().trim_ascii(),
    }
}

/// Whether white space stands around a value, or nothing else.
#[inline]
pub(crate) fn is_padded(value: &[u8]) -> bool {
    let is_space = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_whitespace);
    is_space(value.first()) || is_space(value.last())
}

/// Whether a name is one. White space may not stand in it, which also refuses folded lines and a space before the colon.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && consists_of(name, &TOKEN)
}

/// The characters of a name (RFC 9110, section 5.6.2).
const TOKEN: [bool; 256] = table(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~");

/// Whether all bytes are among those of a table. It looks at every one, which takes half as long as stopping early.
pub(crate) fn consists_of(text: &[u8], members: &[bool; 256]) -> bool {
    text.iter().fold(true, |all, &byte| all & members[usize::from(byte)])
}

/// Which bytes are among `members`.
pub(crate) const fn table(members: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut index = 0;
    while index < members.len() {
        table[members[index] as usize] = true;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[track_caller]
    fn check(input: &[u8], expected: Result<Option<usize>, ReceiveError>) {
        assert_eq!(read(input, |_, _| Ok(false)), expected, "{input:?}");
    }

    #[test]
    fn lines_are_shown_without_white_space_around_values() {
        let mut lines = Vec::new();
        let input = b"a:1\r\nB-c:\t two  words\t \r\nempty:\r\nraw: \xff:\r\n\r\nbody";
        let read = read(input, |name, value| {
            lines.push((name, value));
            Ok(false)
        });
        assert_eq!(read, Ok(Some(input.len() - 4)));
        let expected: [(&[u8], &[u8]); 4] =
            [(b"a", b"1"), (b"B-c", b"two  words"), (b"empty", b""), (b"raw", b"\xff:")];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_table_has_its_members_and_no_others() {
        let table = table(b"\0a\xff");
        for byte in 0..=255 {
            assert_eq!(table[usize::from(byte)], [0, b'a', 0xff].contains(&byte));
        }
    }

    #[test]
    fn lines_without_their_end_are_not_whole() {
        let input = b"a: b\r\nc: d\r\n\r\n";
        for cut in 0..input.len() {
            check(&input[..cut], Ok(None));
        }
    }

    #[test]
    fn malformed_lines_are_refused() {
        for line in ["A : b", " A: b", ":b", "A: b\0c", "A: b\rc", "A: \x7f", "A\x01: b", "A(: b", "é: b"] {
            check(std::format!("x: y\r\n{line}\r\n\r\n").as_bytes(), Err(ReceiveError::BadHeader));
        }
        check(b"A: b\nC: d\r\n\r\n", Err(ReceiveError::BareLineFeed));
        check(b"A\nB: c\r\n\r\n", Err(ReceiveError::BadHeader));
        check(b"A\r\n\r\n", Ok(None));
    }

    #[test]
    fn as_many_lines_as_the_limit_pass_and_one_more_does_not() {
        for count in [limits::HEADERS - 1, limits::HEADERS, limits::HEADERS + 1] {
            let input = std::format!("{}\r\n", "a: b\r\n".repeat(count));
            let fits = count <= limits::HEADERS;
            check(input.as_bytes(), if fits { Ok(Some(input.len())) } else { Err(ReceiveError::TooManyHeaders) });
        }
    }

    /// Lines of which most are right, with bytes put in anywhere.
    fn section() -> impl Strategy<Value = Vec<u8>> {
        let line = ("[a-zA-Z0-9-]{0,20}", "(: |:\t?)", "[ -~\té]{0,30}")
            .prop_map(|(name, colon, value)| std::format!("{name}{colon}{value}\r\n").into_bytes());
        let odd = prop::sample::select(&b"\r\n\n\n: :\t\0\x7f\xff()ab"[..]);
        let odds = vec((any::<prop::sample::Index>(), odd), 0..3);
        (vec(line, 0..5), odds).prop_map(|(lines, odds)| {
            let mut section = [lines.concat(), b"\r\n".to_vec()].concat();
            for (at, odd) in odds {
                section.insert(at.index(section.len()), odd);
            }
            section
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn httparse_takes_the_same_lines_and_bare_line_feeds(section in section()) {
            let mut lines = Vec::new();
            let read = read(&section, |name, value| {
                lines.push((name, value));
                Ok(false)
            });
            let mut storage = [httparse::EMPTY_HEADER; limits::HEADERS];
            let other = httparse::parse_headers(&section, &mut storage);
            match (read, other) {
                (Ok(Some(len)), Ok(httparse::Status::Complete((other_len, headers)))) => {
                    let others: Vec<_> = headers.iter().map(|header| (header.name.as_bytes(), header.value)).collect();
                    prop_assert_eq!((len, lines), (other_len, others));
                }
                (Ok(Some(_)), other) => prop_assert!(false, "{:?}", other),
                (_, Ok(httparse::Status::Complete((len, _)))) => {
                    let is_bare = |at: usize| section[at] == b'\n' && (at == 0 || section[at - 1] != b'\r');
                    prop_assert!((0..len).any(is_bare));
                }
                _ => {}
            }
        }
    }
}
