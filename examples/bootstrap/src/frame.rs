//! The worker protocol's frames, as docs/worker-protocol.md has them. A worker writes `KIND ID LENGTH` on a line, and
//! LENGTH bytes; it reads `KIND ID LENGTH LENGTH` on a line, and the bytes of both.

use std::fmt;
use std::io::Write;

use lambwire_mio::lambwire::limits;

use crate::text;

/// Longest first line of a frame, in bytes, its line feed included: the longest kind, the longest id, a length and what
/// is between them have 146.
pub(crate) const HEAD_BYTES: usize = 160;

/// Longest name of a kind, in bytes.
const KIND_BYTES: usize = 7;

/// Largest body of a frame, in bytes: that of the largest response that Lambda takes.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
pub(crate) const BODY_BYTES: usize = limits::PAYLOAD_BYTES as usize;

/// Most room that is kept for the next event or answer, in bytes: for the largest event that nobody waits for (1 MiB; AWS,
/// "Lambda quotas"), and what goes before it. New memory costs more than to copy what goes into it.
pub(crate) const KEPT_BYTES: usize = (1024 + 64) * 1024;

/// What stands for an id in what belongs to no event.
pub(crate) const NO_ID: &str = "-";

/// What a worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The handler is loaded. The body may have options.
    Ready,
    /// An answer: JSON.
    Result,
    /// An answer: JSON if it reads as such, else text.
    Text,
    /// An answer, whatever it is.
    Bytes,
    /// Status and headers of an HTTP answer whose body follows in chunks.
    Prelude,
    /// The media type of an answer that follows in chunks.
    Type,
    /// A piece of an answer.
    Chunk,
    /// The end of an answer in pieces.
    End,
    /// An error report.
    Error,
    /// The same, and the worker is about to end.
    Fatal,
    /// Hooks have run.
    Done,
}

impl Kind {
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"ready" => Self::Ready,
            b"result" => Self::Result,
            b"text" => Self::Text,
            b"bytes" => Self::Bytes,
            b"prelude" => Self::Prelude,
            b"type" => Self::Type,
            b"chunk" => Self::Chunk,
            b"end" => Self::End,
            b"error" => Self::Error,
            b"fatal" => Self::Fatal,
            b"done" => Self::Done,
            _ => return None,
        })
    }

    /// Whether more of the same answer follows.
    pub(crate) fn goes_on(self) -> bool {
        matches!(self, Self::Prelude | Self::Type | Self::Chunk)
    }
}

/// The first line of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    kind_len: usize,
    pub(crate) head_len: usize,
    pub(crate) body_len: usize,
    id_len: usize,
}

/// What is wrong with a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// It has no first line that could be read.
    Head { part: &'static str, found: String },
    /// Its body is larger than any may be, though it is a frame.
    TooLarge(Head),
}

impl Head {
    /// Reads the line that `bytes` begin with; `None` if it is not whole as yet.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, BadFrame> {
        let bytes = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
        let kind_len = bytes.iter().position(|byte| !byte.is_ascii_lowercase()).unwrap_or(bytes.len());
        if kind_len > KIND_BYTES || bytes.get(kind_len).is_some_and(|&byte| byte != b' ') {
            let is_known = bytes.get(..kind_len).and_then(Kind::named).is_some();
            return Err(BadFrame::head(if is_known { "ID" } else { "KIND" }, bytes));
        }
        let Some(end) = bytes.iter().position(|byte| !matches!(byte, b' '..=b'~')) else {
            return if bytes.len() < HEAD_BYTES { Ok(None) } else { Err(BadFrame::head("LENGTH", bytes)) };
        };
        let (line, rest) = bytes.split_at(end);
        let mut words = line.splitn(3, |&byte| byte == b' ');
        let kind = words.next().and_then(Kind::named);
        let id_len = words.next().map(<[u8]>::len).filter(|&len| len > 0);
        let body_len = words.next().and_then(decimal);
        match (kind, id_len, body_len, rest.first()) {
            (Some(kind), Some(id_len), Some(body_len), Some(b'\n')) => {
                let head = Self { kind, kind_len, head_len: end + 1, body_len, id_len };
                if body_len > BODY_BYTES { Err(BadFrame::TooLarge(head)) } else { Ok(Some(head)) }
            }
            (None, ..) => Err(BadFrame::head("KIND", bytes)),
            (_, None, ..) => Err(BadFrame::head("ID", bytes)),
            _ => Err(BadFrame::head("LENGTH", bytes)),
        }
    }

    /// How many bytes the whole frame has.
    pub(crate) fn len(&self) -> usize {
        self.head_len.saturating_add(self.body_len)
    }

    /// Whose answer it is, in the bytes that the frame begins.
    pub(crate) fn id<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.kind_len + 1;
        bytes.get(start..start + self.id_len).unwrap_or_default()
    }

    /// What it carries, in the bytes that the frame begins.
    pub(crate) fn body<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.head_len..self.len()).unwrap_or_default()
    }
}

/// What is wrong with an answer of so many bytes.
pub(crate) fn too_large(len: usize) -> String {
    format!("answer of {len} bytes, limit is {BODY_BYTES}")
}

fn decimal(digits: &[u8]) -> Option<usize> {
    // `parse` would take a sign, too.
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| text::number(str::from_utf8(digits).ok()?)).flatten()
}

impl BadFrame {
    fn head(part: &'static str, bytes: &[u8]) -> Self {
        Self::Head { part, found: bytes.escape_ascii().to_string() }
    }
}

impl fmt::Display for BadFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head { part, found } => write!(
                f,
                "expected a frame of the worker protocol, KIND ID LENGTH on a line and LENGTH bytes, found '{found}', which \
                 has no {part}"
            ),
            Self::TooLarge(head) => f.write_str(&too_large(head.body_len)),
        }
    }
}

/// The first line that asks a worker to run its hooks.
pub(crate) fn hook(name: &str) -> String {
    format!("{name} {NO_ID} 0 0\n")
}

/// Replaces what is in `buf` by all that goes before the bytes of an event: the first line, and the context.
pub(crate) fn announce(buf: &mut Vec<u8>, id: &str, context: &[u8], event_len: usize) {
    buf.clear();
    // Writing to a vector does not fail.
    let _ = writeln!(buf, "event {id} {} {event_len}", context.len());
    buf.extend_from_slice(context);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_however_it_is_cut() {
        let line = b"result id-1 12\n";
        for cut in 0..line.len() {
            assert_eq!(Head::read(&line[..cut]), Ok(None), "{cut}");
        }
        let head = Head::read(line).unwrap().unwrap();
        assert_eq!((head.kind, head.len()), (Kind::Result, line.len() + 12));
        let whole = b"result id-1 12\nhello, world and more";
        assert_eq!(Head::read(whole), Ok(Some(head)));
        assert_eq!((head.id(whole), head.body(whole)), (&b"id-1"[..], &b"hello, world"[..]));
    }

    #[test]
    fn what_is_no_head_is_refused_as_soon_as_it_can_be() {
        let bad = [
            ("\n", "KIND"),
            ("Hello", "KIND"),
            ("warnings", "KIND"),
            ("other id 1\n", "KIND"),
            ("result\n", "ID"),
            ("result  1\n", "ID"),
            ("result id\n", "LENGTH"),
            ("result 1\n", "LENGTH"),
            ("result id x\n", "LENGTH"),
            ("result id 1 2\n", "LENGTH"),
            ("result id 1\r", "LENGTH"),
            ("result id +1\n", "LENGTH"),
            ("result id \n", "LENGTH"),
        ];
        for (bad, part) in bad {
            let Err(BadFrame::Head { part: named, found }) = Head::read(bad.as_bytes()) else { panic!("{bad:?}") };
            assert_eq!((named, found), (part, bad.escape_default().to_string()));
        }
        assert_eq!(Head::read(b"\xff\x00"), Err(BadFrame::head("KIND", b"\xff\x00")));
    }

    #[test]
    fn a_head_at_the_limit_is_read_and_one_byte_more_is_not() {
        for len in [HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 1] {
            let line = format!("end id {}\n", "0".repeat(len - "end id \n".len()));
            assert_eq!(Head::read(line.as_bytes()).is_ok(), len <= HEAD_BYTES, "{len}");
        }
        let longest = format!("prelude {} {BODY_BYTES}\n", "i".repeat(limits::REQUEST_ID_BYTES));
        assert!(longest.len() <= HEAD_BYTES);
    }

    #[test]
    fn a_body_at_the_limit_is_taken_and_one_byte_more_is_not() {
        for len in [BODY_BYTES - 1, BODY_BYTES, BODY_BYTES + 1] {
            let read = Head::read(format!("chunk id {len}\n").as_bytes());
            let body_len = match &read {
                Ok(Some(head)) | Err(BadFrame::TooLarge(head)) => Some(head.body_len),
                _ => None,
            };
            assert_eq!((body_len, read.is_err()), (Some(len), len > BODY_BYTES));
        }
    }

    #[test]
    fn an_event_is_announced_with_its_context() {
        let mut buf = b"old".to_vec();
        announce(&mut buf, "id", b"{}\n", 7);
        assert_eq!(buf, b"event id 3 7\n{}\n");
    }
}
