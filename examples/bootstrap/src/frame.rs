//! The worker protocol's frames: a line `KIND LENGTH`, and LENGTH bytes. What each kind means is told in
//! docs/worker-protocol.md.

use std::fmt;
use std::io::Write;

use lambwire_mio::lambwire::limits;

/// Longest first line of a frame, in bytes, its line feed included. The longest that means anything has 16.
pub(crate) const HEAD_BYTES: usize = 32;

/// Largest body of a frame, in bytes: that of the largest response that Lambda takes.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
pub(crate) const BODY_BYTES: usize = limits::PAYLOAD_BYTES as usize;

/// What a worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The handler is loaded.
    Ready,
    /// An answer: JSON.
    Result,
    /// An answer: JSON if it reads as such, else text.
    Text,
    /// Status and headers of an HTTP answer whose body follows in chunks.
    Prelude,
    /// A piece of an answer.
    Chunk,
    /// The end of an answer in pieces.
    End,
    /// An error report.
    Error,
    /// The same, and the worker is about to end.
    Fatal,
}

impl Kind {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"ready" => Self::Ready,
            b"result" => Self::Result,
            b"text" => Self::Text,
            b"prelude" => Self::Prelude,
            b"chunk" => Self::Chunk,
            b"end" => Self::End,
            b"error" => Self::Error,
            b"fatal" => Self::Fatal,
            _ => return None,
        })
    }
}

/// The first line of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) head_len: usize,
    pub(crate) body_len: usize,
}

/// What is wrong with a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// It has no first line that could be read.
    Head(String),
    /// Its body is larger than any may be.
    TooLarge(usize),
}

impl Head {
    /// Reads the line that `bytes` begin with; `None` if it is not whole as yet.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, BadFrame> {
        let bytes = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
        let is_of_head = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b' ';
        let Some(end) = bytes.iter().position(|byte| !is_of_head(byte)) else {
            return if bytes.len() < HEAD_BYTES { Ok(None) } else { Err(BadFrame::head(bytes)) };
        };
        let (line, rest) = bytes.split_at(end);
        let mut words = line.splitn(2, |&byte| byte == b' ');
        let kind = words.next().and_then(Kind::named);
        let body_len = words.next().and_then(decimal);
        match (kind, body_len, rest.first()) {
            (Some(_), Some(body_len), Some(b'\n')) if body_len > BODY_BYTES => Err(BadFrame::TooLarge(body_len)),
            (Some(kind), Some(body_len), Some(b'\n')) => Ok(Some(Self { kind, head_len: end + 1, body_len })),
            _ => Err(BadFrame::head(bytes)),
        }
    }

    /// How many bytes the whole frame has.
    pub(crate) fn len(&self) -> usize {
        self.head_len + self.body_len
    }
}

fn decimal(digits: &[u8]) -> Option<usize> {
    // `parse` would take a sign, too.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

impl BadFrame {
    fn head(bytes: &[u8]) -> Self {
        Self::Head(bytes.escape_ascii().to_string())
    }
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(bytes) => write!(f, "expected a frame of the worker protocol, found '{bytes}'"),
            Self::TooLarge(len) => write!(f, "answer of {len} bytes, {BODY_BYTES} is the most"),
        }
    }
}

/// Replaces what is in `buf` by all that goes before the bytes of an event: the frame of its context, and the first
/// line of its own.
pub(crate) fn announce(buf: &mut Vec<u8>, context: &[u8], event_len: usize) {
    buf.clear();
    // Writing to a vector does not fail.
    let _ = writeln!(buf, "context {}", context.len());
    buf.extend_from_slice(context);
    let _ = writeln!(buf, "event {event_len}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_however_it_is_cut() {
        let line = b"result 12\n";
        for cut in 0..line.len() {
            assert_eq!(Head::read(&line[..cut]), Ok(None), "{cut}");
        }
        let head = Head { kind: Kind::Result, head_len: line.len(), body_len: 12 };
        assert_eq!(Head::read(line), Ok(Some(head)));
        assert_eq!(Head::read(b"result 12\nabc"), Ok(Some(head)));
        assert_eq!(head.len(), 22);
    }

    #[test]
    fn what_is_no_head_is_refused_as_soon_as_it_can_be() {
        for bad in ["\n", "result\n", "result \n", "result x\n", "result 1 2\n", "other 1\n", "result 1\r", "result +1"]
        {
            assert!(matches!(Head::read(bad.as_bytes()), Err(BadFrame::Head(_))), "{bad:?}");
        }
        assert_eq!(Head::read(b"Hello"), Err(BadFrame::Head("Hello".to_owned())));
        assert_eq!(Head::read(b"\xff\x00"), Err(BadFrame::Head("\\xff\\x00".to_owned())));
    }

    #[test]
    fn a_head_at_the_limit_is_read_and_one_byte_more_is_not() {
        for len in [HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1] {
            let line = format!("end {}\n", "0".repeat(len - "end \n".len()));
            assert_eq!(Head::read(line.as_bytes()).is_ok(), len <= HEAD_BYTES, "{len}");
        }
    }

    #[test]
    fn a_body_at_the_limit_is_taken_and_one_byte_more_is_not() {
        for len in [BODY_BYTES - 1, BODY_BYTES, BODY_BYTES + 1] {
            let read = Head::read(format!("chunk {len}\n").as_bytes());
            assert_eq!(read == Err(BadFrame::TooLarge(len)), len > BODY_BYTES);
        }
    }

    #[test]
    fn an_event_is_announced_with_its_context() {
        let mut buf = b"old".to_vec();
        announce(&mut buf, b"{}\n", 7);
        assert_eq!(buf, b"context 3\n{}\nevent 7\n");
    }
}
