//! Reading a body, however it is framed.

use super::head;
use super::headers::Headers;
use super::scan::{Scan, ScanResult};
use crate::error::ReceiveError;
use crate::limits;

/// How a body is framed, which is how its end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// This many bytes, announced in `Content-Length`.
    Exact(u64),
    /// Chunks, each with its size before it; trailers may follow (RFC 9112, section 7.1).
    Chunked,
    /// Everything until the connection closes. Replies only.
    UntilClose,
}

/// Where the reading of a body stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyReader {
    /// This many bytes are to come.
    Exact(u64),
    /// Everything is body.
    UntilClose,
    Chunked(Chunks),
}

/// Where the reading of a chunked body stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Chunks {
    /// A line with the size of a chunk is to come.
    Line,
    /// This many bytes of a chunk are to come.
    Data(u64),
    /// The line end behind a chunk is to come.
    End,
    /// Trailer lines are to come, and the empty line that ends the message.
    Trailers(Scan),
}

/// What the next bytes of a body are.
pub(crate) enum BodyEvent<'i> {
    /// More input is needed to tell.
    NeedInput,
    /// Bytes of the body.
    Data(&'i [u8]),
    /// The end of the message.
    End(Headers<'i>),
}

impl BodyReader {
    pub(crate) fn new(body: Body) -> Self {
        match body {
            Body::Exact(length) => Self::Exact(length),
            Body::Chunked => Self::Chunked(Chunks::Line),
            Body::UntilClose => Self::UntilClose,
        }
    }

    /// Takes the next piece off the front of `input`, with the framing before it, and says how many bytes that took.
    #[inline]
    pub(crate) fn next<'i>(&mut self, input: &'i [u8]) -> Result<(usize, BodyEvent<'i>), ReceiveError> {
        match self {
            Self::Exact(0) => Ok((0, BodyEvent::End(Headers::default()))),
            Self::Exact(left) => Ok(some_data(take(left, input))),
            Self::UntilClose => Ok(some_data(input)),
            Self::Chunked(chunks) => {
                let (used, piece) = chunks.next(input)?;
                if matches!(piece, BodyEvent::End(_)) {
                    *self = Self::Exact(0);
                }
                Ok((used, piece))
            }
        }
    }

    /// Takes the end of the connection for the end of the body, if that is how the body ends.
    pub(crate) fn end(&mut self) -> Result<(), ReceiveError> {
        match self {
            Self::UntilClose => {
                *self = Self::Exact(0);
                Ok(())
            }
            Self::Exact(0) => Ok(()),
            _ => Err(ReceiveError::CutShort),
        }
    }
}

impl Chunks {
    // Kept out of the reader, which a body of known length makes short.
    #[inline(never)]
    fn next<'i>(&mut self, input: &'i [u8]) -> Result<(usize, BodyEvent<'i>), ReceiveError> {
        let mut used = 0;
        loop {
            let (taken, piece) = self.step(input.get(used..).unwrap_or_default())?;
            used += taken;
            if let Some(piece) = piece {
                return Ok((used, piece));
            }
        }
    }

    /// As [`next`](Self::next), but stops behind each piece of framing, which is no piece of the body.
    fn step<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Option<BodyEvent<'i>>), ReceiveError> {
        const END_OF_LINE: &[u8] = b"\r\n";
        match self {
            Self::Data(0) => {
                *self = Self::End;
                Ok((0, None))
            }
            Self::Data(left) => {
                let (used, piece) = some_data(take(left, input));
                Ok((used, Some(piece)))
            }
            Self::End if input.starts_with(END_OF_LINE) => {
                *self = Self::Line;
                Ok((END_OF_LINE.len(), None))
            }
            Self::End if END_OF_LINE.starts_with(input) => Ok((0, Some(BodyEvent::NeedInput))),
            Self::End => Err(ReceiveError::BadChunkEnd),
            Self::Line => {
                let Some((used, size)) = chunk_line(input)? else {
                    return Ok((0, Some(BodyEvent::NeedInput)));
                };
                *self = if size == 0 { Self::Trailers(Scan::new()) } else { Self::Data(size) };
                Ok((used, None))
            }
            Self::Trailers(scan) => match scan.find_end(input, limits::TRAILERS_BYTES)? {
                ScanResult::Open => Ok((0, Some(BodyEvent::NeedInput))),
                ScanResult::TooLong => Err(ReceiveError::TrailersTooLong),
                ScanResult::End(end) => {
                    let trailers = head::trailers(input.get(..end).unwrap_or(input))?;
                    Ok((end, Some(BodyEvent::End(trailers))))
                }
            },
        }
    }
}

/// The front of `input`, of which `left` bytes at most are body, and fewer afterwards.
fn take<'i>(left: &mut u64, input: &'i [u8]) -> &'i [u8] {
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX);
    let data = input.get(..wanted).unwrap_or(input);
    *left -= data.len() as u64;
    data
}

fn some_data(data: &[u8]) -> (usize, BodyEvent<'_>) {
    let piece = if data.is_empty() { BodyEvent::NeedInput } else { BodyEvent::Data(data) };
    (data.len(), piece)
}

/// The line that opens a chunk: its length with the line end, and the size in it. `None` if the line is not whole.
///
/// Hexadecimal digits, then the line's end or an extension, and nothing between: a size that two readers could take
/// in two ways has been used to smuggle requests. httparse's own reader takes an empty line for a size of 0.
fn chunk_line(input: &[u8]) -> Result<Option<(usize, u64)>, ReceiveError> {
    let mut size = 0u64;
    let mut digits = 0;
    for (index, &byte) in input.iter().take(limits::CHUNK_LINE_BYTES).enumerate() {
        let in_size = index == digits;
        match byte {
            b'\r' if digits > 0 => {
                return match input.get(index + 1) {
                    _ if index + 1 == limits::CHUNK_LINE_BYTES => Err(ReceiveError::BadChunkLine),
                    None => Ok(None),
                    Some(b'\n') => Ok(Some((index + 2, size))),
                    Some(_) => Err(ReceiveError::BadChunkLine),
                };
            }
            b';' if digits > 0 => {}
            b'\t' | b' '..=0x7e | 0x80.. if !in_size => {}
            _ => {
                let digit = char::from(byte).to_digit(16).filter(|_| digits < 16);
                let digit = digit.ok_or(ReceiveError::BadChunkLine)?;
                size = size * 16 + u64::from(digit);
                digits += 1;
            }
        }
    }
    if input.len() >= limits::CHUNK_LINE_BYTES { Err(ReceiveError::BadChunkLine) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    type Read = Result<Option<(Vec<u8>, usize)>, ReceiveError>;

    /// Reads a body whose bytes arrive in two cuts: its bytes and how many were used; `None` if it does not end.
    fn read(body: Body, wire: &[u8], cut: usize) -> Read {
        let mut reader = BodyReader::new(body);
        let (mut at, mut data, mut have) = (0, Vec::new(), cut);
        loop {
            let (used, piece) = reader.next(&wire[at..have])?;
            at += used;
            match piece {
                BodyEvent::NeedInput if have == wire.len() => return Ok(None),
                BodyEvent::NeedInput => have = wire.len(),
                BodyEvent::Data(piece) => data.extend_from_slice(piece),
                BodyEvent::End(_) => return Ok(Some((data, at))),
            }
        }
    }

    #[track_caller]
    fn check(body: Body, wire: &[u8], expected: Result<Option<&[u8]>, ReceiveError>) {
        for cut in 0..=wire.len() {
            let got = read(body, wire, cut).map(|end| end.map(|(data, _)| data));
            assert_eq!(got, expected.map(|data| data.map(<[u8]>::to_vec)), "cut at {cut}");
        }
    }

    #[test]
    fn bodies_are_read_however_they_are_cut() {
        check(Body::Exact(0), b"next", Ok(Some(b"")));
        check(Body::Exact(3), b"abcd", Ok(Some(b"abc")));
        check(Body::Exact(5), b"abcd", Ok(None));
        check(Body::Chunked, b"3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n", Ok(Some(b"abc0123456789")));
        check(Body::Chunked, b"0\r\nA: b\r\n\r\nnext", Ok(Some(b"")));
        check(Body::Chunked, b"000\r\n\r\n", Ok(Some(b"")));
        check(Body::Chunked, b"3\r\nabc\r\n0\r\n", Ok(None));
    }

    #[test]
    fn a_chunk_size_has_one_reading() {
        for line in ["", ";x", " 5", "5 ", "5 ;x", "+5", "-5", "0x5", "g", "5\x005", "5;\0", "5;\n", "5\n", "5\r5"] {
            let wire = std::format!("{line}\r\nabcde\r\n0\r\n\r\n");
            check(Body::Chunked, wire.as_bytes(), Err(ReceiveError::BadChunkLine));
        }
        for first in [b";", b"\r", b"x"] {
            check(Body::Chunked, first, Err(ReceiveError::BadChunkLine));
        }
        check(Body::Chunked, b"ffffffffffffffff\r\n", Ok(None));
        check(Body::Chunked, b"0ffffffffffffffff\r\n", Err(ReceiveError::BadChunkLine));
        check(Body::Chunked, b"1\r\nab\r\n0\r\n\r\n", Err(ReceiveError::BadChunkEnd));
        check(Body::Chunked, b"1\r\na\n0\r\n\r\n", Err(ReceiveError::BadChunkEnd));
        check(Body::Chunked, b"0\r\nA: b\n\r\n", Err(ReceiveError::BareLineFeed));
    }

    #[test]
    fn a_chunk_line_at_the_limit_passes_and_one_byte_more_does_not() {
        for len in [limits::CHUNK_LINE_BYTES - 1, limits::CHUNK_LINE_BYTES, limits::CHUNK_LINE_BYTES + 1] {
            let wire = std::format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(len - 4));
            let fits = len <= limits::CHUNK_LINE_BYTES;
            check(Body::Chunked, wire.as_bytes(), if fits { Ok(Some(b"a")) } else { Err(ReceiveError::BadChunkLine) });
        }
    }

    #[test]
    fn trailers_at_the_limit_pass_and_one_byte_more_does_not() {
        for len in [limits::TRAILERS_BYTES - 1, limits::TRAILERS_BYTES, limits::TRAILERS_BYTES + 1] {
            let wire = std::format!("0\r\nA: {}\r\n\r\n", "x".repeat(len - 7));
            let got = read(Body::Chunked, wire.as_bytes(), 100).map(|end| end.map(|(_, used)| used));
            let fits = len <= limits::TRAILERS_BYTES;
            assert_eq!(got, if fits { Ok(Some(len + 3)) } else { Err(ReceiveError::TrailersTooLong) });
        }
    }

    #[test]
    fn only_a_body_until_close_ends_with_the_connection() {
        let mut reader = BodyReader::new(Body::UntilClose);
        assert!(matches!(reader.next(b"abc"), Ok((3, BodyEvent::Data(b"abc")))));
        assert!(matches!(reader.next(b""), Ok((0, BodyEvent::NeedInput))));
        assert_eq!(reader.end(), Ok(()));
        assert!(matches!(reader.next(b""), Ok((0, BodyEvent::End(_)))));
        assert_eq!(BodyReader::new(Body::Exact(0)).end(), Ok(()));
        assert_eq!(BodyReader::new(Body::Exact(1)).end(), Err(ReceiveError::CutShort));
        assert_eq!(BodyReader::new(Body::Chunked).end(), Err(ReceiveError::CutShort));
    }
}
