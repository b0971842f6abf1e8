//! Framing a body around bytes that stay where they are.

use super::body::Body;
use super::writer::{Writer, in_base};
use crate::error::SendError;
use crate::limits;

/// What to write before and after a piece of a body, which itself is the caller's to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    before: [u8; 18],
    start: usize,
    after: &'static [u8],
}

impl Frame {
    pub(crate) const NONE: Self = Self { before: [0; 18], start: 18, after: b"" };

    fn chunk(len: u64) -> Self {
        let mut before = *b"----------------\r\n";
        let start = in_base(16, len, &mut before[..16]);
        Self { before, start, after: b"\r\n" }
    }

    /// What goes before the piece.
    pub fn before(&self) -> &[u8] {
        self.before.get(self.start..).unwrap_or_default()
    }

    /// What goes after the piece.
    pub fn after(&self) -> &'static [u8] {
        self.after
    }
}

/// Where the writing of a body stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outgoing {
    /// No body is being written.
    Idle,
    /// So many bytes were announced, and so many given.
    Exact { announced: u64, given: u64 },
    /// Chunks, at most `limit` bytes in all.
    Chunked { given: u64, limit: u64 },
    /// Bare bytes until the connection is closed.
    UntilClose,
}

impl Outgoing {
    pub(crate) fn new(body: Body, limit: u64) -> Self {
        match body {
            Body::Exact(0) => Self::Idle,
            Body::Exact(announced) => Self::Exact { announced, given: 0 },
            Body::Chunked => Self::Chunked { given: 0, limit },
            Body::UntilClose => Self::UntilClose,
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    /// Frames the next `len` bytes.
    pub(crate) fn frame(&mut self, len: usize) -> Result<Frame, SendError> {
        let len = len as u64;
        match self {
            // An empty chunk would end the body, and an empty piece changes nothing anywhere else.
            _ if len == 0 => Ok(Frame::NONE),
            Self::Idle => Err(SendError::InvalidState),
            Self::Exact { announced, given } => {
                let total = given.saturating_add(len);
                if total > *announced {
                    return Err(SendError::WrongLength { announced: *announced, given: total });
                }
                *given = total;
                if total == *announced {
                    *self = Self::Idle;
                }
                Ok(Frame::NONE)
            }
            Self::Chunked { given, limit } => {
                let total = given.saturating_add(len);
                if total > *limit {
                    return Err(SendError::PayloadTooLarge { bytes: total, limit: *limit });
                }
                *given = total;
                Ok(Frame::chunk(len))
            }
            Self::UntilClose => Ok(Frame::NONE),
        }
    }

    /// Ends the body, with the trailers that `write_trailers` writes if it is chunked.
    pub(crate) fn finish(
        &mut self,
        out: &mut [u8],
        write_trailers: impl FnOnce(&mut Writer<'_>),
    ) -> Result<usize, SendError> {
        let len = match *self {
            Self::Exact { announced, given } => return Err(SendError::WrongLength { announced, given }),
            Self::Chunked { .. } => write_last_chunk(out, write_trailers)?,
            Self::Idle | Self::UntilClose => 0,
        };
        *self = Self::Idle;
        Ok(len)
    }
}

/// Writes the chunk that ends a body, with the trailers that `write_trailers` writes, and returns its length.
pub(crate) fn write_last_chunk(
    out: &mut [u8],
    write_trailers: impl FnOnce(&mut Writer<'_>),
) -> Result<usize, SendError> {
    const LAST_CHUNK: &[u8] = b"0\r\n";
    let mut writer = Writer::new(out);
    writer.put(LAST_CHUNK);
    write_trailers(&mut writer);
    writer.put(b"\r\n");
    writer.finish(LAST_CHUNK.len() + limits::TRAILERS_BYTES)
}

/// Writes the headers that frame a body.
pub(crate) fn write_framing(writer: &mut Writer<'_>, body: Body) {
    match body {
        Body::Exact(length) => {
            writer.put(b"Content-Length: ");
            writer.decimal(length);
            writer.put(b"\r\n");
        }
        Body::Chunked => writer.put(b"Transfer-Encoding: chunked\r\n"),
        Body::UntilClose => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_framed_by_size_and_line_ends() {
        for (len, before) in [(1, &b"1\r\n"[..]), (10, b"a\r\n"), (0x12345, b"12345\r\n")] {
            let mut outgoing = Outgoing::new(Body::Chunked, u64::MAX);
            let frame = outgoing.frame(len).unwrap();
            assert_eq!((frame.before(), frame.after()), (before, &b"\r\n"[..]));
        }
        assert_eq!(Frame::chunk(u64::MAX).before(), b"ffffffffffffffff\r\n");
        let empty = Outgoing::new(Body::Chunked, 0).frame(0).unwrap();
        assert_eq!((empty.before(), empty.after()), (&b""[..], &b""[..]));
    }

    #[test]
    fn as_many_bytes_as_announced_are_taken() {
        let mut outgoing = Outgoing::new(Body::Exact(3), u64::MAX);
        assert_eq!(outgoing.frame(2), Ok(Frame::NONE));
        assert_eq!(outgoing.finish(&mut [], |_| ()), Err(SendError::WrongLength { announced: 3, given: 2 }));
        assert_eq!(outgoing.frame(2), Err(SendError::WrongLength { announced: 3, given: 4 }));
        assert_eq!(outgoing.frame(1), Ok(Frame::NONE));
        assert!(outgoing.is_idle());
        assert_eq!(outgoing.frame(1), Err(SendError::InvalidState));
    }

    #[test]
    fn a_chunked_body_at_the_limit_passes_and_one_byte_more_does_not() {
        for (last, expected) in [(2, true), (3, true), (4, false)] {
            let mut outgoing = Outgoing::new(Body::Chunked, 10);
            outgoing.frame(7).unwrap();
            assert_eq!(outgoing.frame(last).is_ok(), expected);
            assert_eq!(outgoing.finish(&mut [0; 5], |_| ()), Ok(5));
        }
    }
}
