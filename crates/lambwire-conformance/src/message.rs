//! Whole HTTP/1.1 messages as they stand on the wire, with every byte kept.
//!
//! It is not the parser of `lambwire`, since a kit that read with the same code as the runtimes it tests would share
//! their mistakes.

use std::fmt;
use std::io::{self, Read};

/// Most header lines of a message, a multiple of what AWS's server and clients send.
const HEADER_LINES: usize = 512;
/// Most bytes of a head: net/http's limit of 1 MiB and its slack, rounded up.
const HEAD_BYTES: usize = 2 * 1024 * 1024;
/// Most bytes of a body: AWS streams 200 MB at most.
const BODY_BYTES: usize = 256 * 1024 * 1024;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;

/// The first line and the headers of a message.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Of a request, else empty.
    pub method: String,
    /// Of a request, else empty.
    pub path: String,
    /// Of a reply, else 0.
    pub status: u16,
    /// The minor version of HTTP/1.
    pub minor: u8,
    /// Names and values in the order of the wire.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The value of the first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// The value of the first field of this name, in any case.
#[must_use]
pub fn find<'h>(fields: &'h [(String, String)], name: &str) -> Option<&'h str> {
    fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// `Content-Length`.
    Length,
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The connection ends.
    Close,
}

/// A whole message.
#[derive(Clone, Debug)]
pub struct Message {
    /// First line and headers.
    pub head: Head,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// How its end was known.
    pub framing: Framing,
    /// The size of each chunk, without the last.
    pub chunks: Vec<usize>,
    /// What stood after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// Every byte of it.
    pub raw: Vec<u8>,
}

/// Which end wrote the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Requests.
    Request,
    /// Replies.
    Reply,
}

/// Why no message could be read.
#[derive(Debug)]
pub enum ReadError {
    /// The connection ended within a message; what had come of it.
    Cut(Vec<u8>),
    /// It is no HTTP/1.1.
    Malformed(String, Vec<u8>),
    /// Nothing came until the time limit of the connection.
    Silent,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(bytes) => write!(f, "the connection ended after {} bytes of a message", bytes.len()),
            Self::Malformed(what, _) => write!(f, "no HTTP/1.1: {what}"),
            Self::Silent => f.write_str("nothing came"),
        }
    }
}

/// Reads one message after the other.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    kind: Kind,
    buf: Vec<u8>,
    /// Bytes of `buf` that have been read.
    at: usize,
    ended: bool,
    silent: bool,
}

impl<R: Read> Reader<R> {
    /// A reader of what one end writes.
    pub fn new(source: R, kind: Kind) -> Self {
        Self { source, kind, buf: Vec::new(), at: 0, ended: false, silent: false }
    }

    /// The next head, or nothing if the connection has ended between two messages. [`body`](Self::body) has to follow.
    ///
    /// # Errors
    ///
    /// [`ReadError`], after which nothing more can be read.
    pub fn head(&mut self) -> Result<Option<Head>, ReadError> {
        self.buf.drain(..self.at);
        self.at = 0;
        loop {
            if let Some(head) = self.parse_head()? {
                return Ok(Some(head));
            }
            if self.buf.len() > HEAD_BYTES {
                return Err(self.malformed("its head does not end"));
            }
            if !self.fill() {
                return if self.buf.is_empty() && !self.silent { Ok(None) } else { Err(self.cut()) };
            }
        }
    }

    /// The body of this head. A reply to HEAD has none.
    ///
    /// # Errors
    ///
    /// [`ReadError`], after which nothing more can be read.
    pub fn body(&mut self, head: Head, to_head: bool) -> Result<Message, ReadError> {
        let framing = if to_head { Framing::None } else { self.framing(&head)? };
        let mut message =
            Message { head, body: Vec::new(), framing, chunks: Vec::new(), trailers: Vec::new(), raw: Vec::new() };
        match framing {
            Framing::None => {}
            Framing::Length => {
                let text = message.head.header("content-length").unwrap_or_default().to_owned();
                let len: usize = match text.parse() {
                    Ok(len) if text.bytes().all(|b| b.is_ascii_digit()) && len <= BODY_BYTES => len,
                    _ => return Err(self.malformed(&format!("a Content-Length of {text:?}"))),
                };
                message.body = self.take(len)?;
            }
            Framing::Chunked => self.chunks(&mut message)?,
            Framing::Close => {
                while self.fill() {}
                message.body = self.buf.split_off(self.at);
                self.buf.extend_from_slice(&message.body);
                self.at = self.buf.len();
            }
        }
        message.raw = self.buf.get(..self.at).unwrap_or_default().to_vec();
        Ok(message)
    }

    /// Whether bytes stand after the last message.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.buf.len() > self.at
    }

    fn parse_head(&mut self) -> Result<Option<Head>, ReadError> {
        let mut lines = vec![httparse::EMPTY_HEADER; HEADER_LINES];
        let mut head = Head::default();
        let parsed = match self.kind {
            Kind::Request => {
                let mut request = httparse::Request::new(&mut lines);
                let parsed = request.parse(&self.buf);
                head.method = request.method.unwrap_or_default().to_owned();
                head.path = request.path.unwrap_or_default().to_owned();
                head.minor = request.version.unwrap_or(1);
                head.headers = fields(request.headers);
                parsed
            }
            Kind::Reply => {
                let mut reply = httparse::Response::new(&mut lines);
                let parsed = reply.parse(&self.buf);
                head.status = reply.code.unwrap_or_default();
                head.minor = reply.version.unwrap_or(1);
                head.headers = fields(reply.headers);
                parsed
            }
        };
        match parsed {
            Ok(httparse::Status::Complete(len)) => {
                self.at = len;
                Ok(Some(head))
            }
            Ok(httparse::Status::Partial) => Ok(None),
            Err(error) => Err(self.malformed(&error.to_string())),
        }
    }

    fn framing(&self, head: &Head) -> Result<Framing, ReadError> {
        let lengths: Vec<_> = head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case("content-length")).collect();
        let encoding = head.header("transfer-encoding");
        if lengths.len() > 1 || (encoding.is_some() && !lengths.is_empty()) {
            return Err(self.malformed("more than one length for one body"));
        }
        if let Some(encoding) = encoding {
            return match encoding.eq_ignore_ascii_case("chunked") {
                true => Ok(Framing::Chunked),
                false => Err(self.malformed(&format!("a Transfer-Encoding of {encoding:?}"))),
            };
        }
        if !lengths.is_empty() {
            return Ok(Framing::Length);
        }
        let bodiless = self.kind == Kind::Request || matches!(head.status, 100..=199 | 204 | 304);
        Ok(if bodiless { Framing::None } else { Framing::Close })
    }

    fn chunks(&mut self, message: &mut Message) -> Result<(), ReadError> {
        loop {
            let line = self.line()?;
            let digits = line.split(';').next().unwrap_or_default().trim_end();
            let size = match usize::from_str_radix(digits, 16) {
                Ok(size) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => size,
                _ => return Err(self.malformed(&format!("a chunk of size {line:?}"))),
            };
            if size == 0 {
                break;
            }
            if message.body.len().saturating_add(size) > BODY_BYTES {
                return Err(self.malformed("a body without end"));
            }
            message.chunks.push(size);
            let chunk = self.take(size)?;
            message.body.extend_from_slice(&chunk);
            if !self.line()?.is_empty() {
                return Err(self.malformed("a chunk longer than its size"));
            }
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok(());
            }
            let Some((name, value)) = line.split_once(':') else {
                return Err(self.malformed(&format!("a trailer without a colon, {line:?}")));
            };
            message.trailers.push((name.to_owned(), value.trim().to_owned()));
        }
    }

    fn line(&mut self) -> Result<String, ReadError> {
        let start = self.at;
        loop {
            let rest = self.buf.get(start..).unwrap_or_default();
            if let Some(len) = rest.windows(2).position(|pair| pair == b"\r\n") {
                self.at = start + len + 2;
                return Ok(String::from_utf8_lossy(rest.get(..len).unwrap_or_default()).into_owned());
            }
            if rest.len() > HEAD_BYTES {
                return Err(self.malformed("a line that does not end"));
            }
            self.need()?;
        }
    }

    fn take(&mut self, len: usize) -> Result<Vec<u8>, ReadError> {
        loop {
            if let Some(bytes) = self.buf.get(self.at..self.at + len) {
                self.at += len;
                return Ok(bytes.to_vec());
            }
            self.need()?;
        }
    }

    fn need(&mut self) -> Result<(), ReadError> {
        if self.fill() { Ok(()) } else { Err(self.cut()) }
    }

    fn cut(&self) -> ReadError {
        if self.silent { ReadError::Silent } else { ReadError::Cut(self.buf.clone()) }
    }

    fn fill(&mut self) -> bool {
        if self.ended {
            return false;
        }
        let mut piece = vec![0; READ_BYTES];
        let read = loop {
            match self.source.read(&mut piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    self.silent = true;
                    return false;
                }
                other => break other.unwrap_or_default(),
            }
        };
        self.buf.extend_from_slice(piece.get(..read).unwrap_or_default());
        self.ended = read == 0;
        read > 0
    }

    fn malformed(&self, what: &str) -> ReadError {
        ReadError::Malformed(what.to_owned(), self.buf.clone())
    }
}

/// Values keep bytes that are no UTF-8 as the character of that number.
fn fields(lines: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let text = |value: &[u8]| match str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|&byte| char::from(byte)).collect(),
    };
    lines.iter().filter(|l| !l.name.is_empty()).map(|l| (l.name.to_owned(), text(l.value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a time.
    struct Bytes<'b>(&'b [u8]);

    impl Read for Bytes<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
            buf[0] = *first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[track_caller]
    fn check(kind: Kind, wire: &str, expected: &[(&str, Framing)]) {
        let mut readers: [Reader<Box<dyn Read>>; 2] =
            [Reader::new(Box::new(wire.as_bytes()), kind), Reader::new(Box::new(Bytes(wire.as_bytes())), kind)];
        for reader in &mut readers {
            let mut raw = Vec::new();
            for (body, framing) in expected {
                let head = reader.head().unwrap().unwrap();
                let message = reader.body(head, false).unwrap();
                assert_eq!((message.body.as_slice(), message.framing), (body.as_bytes(), *framing));
                raw.extend(message.raw);
            }
            assert!(reader.head().unwrap().is_none());
            assert_eq!(raw, wire.as_bytes());
        }
    }

    #[test]
    fn messages_are_read_however_they_arrive() {
        check(
            Kind::Request,
            "GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST /r HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}\
             POST /s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n",
            &[("", Framing::None), ("{}", Framing::Length), ("abc", Framing::Chunked)],
        );
        check(
            Kind::Reply,
            "HTTP/1.1 204 No\r\n\r\nHTTP/1.0 200 OK\r\n\r\nto the end",
            &[("", Framing::None), ("to the end", Framing::Close)],
        );
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        let mut reader = Reader::new(&b"POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}"[..], Kind::Request);
        let head = reader.head().unwrap().unwrap();
        assert!(matches!(reader.body(head, false), Err(ReadError::Malformed(..))));
        let both = &b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"[..];
        let mut reader = Reader::new(both, Kind::Request);
        let head = reader.head().unwrap().unwrap();
        assert!(matches!(reader.body(head, false), Err(ReadError::Malformed(..))));
    }

    #[test]
    fn a_message_that_is_cut_is_told_from_an_end() {
        let mut reader = Reader::new(&b"GET / HT"[..], Kind::Request);
        assert!(matches!(reader.head(), Err(ReadError::Cut(bytes)) if bytes == b"GET / HT"));
    }
}
