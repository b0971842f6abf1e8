//! The head of a message: its first line, what its headers say of framing, and the headers themselves.

use super::headers::{Headers, decimal, is_named};
use super::lines;
use super::scan::{Scan, ScanResult, control};
use crate::error::ReceiveError;
use crate::limits;

/// A head, parsed.
pub(crate) struct Head<'i, L> {
    pub(crate) len: usize,
    pub(crate) line: L,
    pub(crate) framing: Framing,
    pub(crate) headers: Headers<'i>,
}

/// First line of a request.
pub(crate) struct RequestLine<'i> {
    pub(crate) method: &'i str,
    pub(crate) target: &'i str,
}

/// First line of a reply.
pub(crate) struct StatusLine {
    pub(crate) status: u16,
}

/// What the headers say of where the body ends and what becomes of the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Framing {
    pub(crate) length: Option<u64>,
    pub(crate) chunked: bool,
    pub(crate) close: bool,
    pub(crate) expects_continue: bool,
    pub(crate) is_http_1_0: bool,
    /// How many `Host` headers there are, up to 255.
    pub(crate) hosts: u8,
    keep_alive: bool,
}

impl<'i, L> Head<'i, L> {
    /// Reads a head off the front of `input`, with its first line parsed by `line`, and shows each header to `see`, which
    /// says whether it knows the name. `None` if the head is not whole.
    ///
    /// A head that is all there at the first look, as most are, is parsed at once. Any other is parsed when its end has
    /// been found, so that each byte is looked at three times at the most, however it arrives; errors are found in this
    /// way only, so that they do not depend on the cuts.
    fn read(
        scan: &mut Scan,
        input: &'i [u8],
        limit: usize,
        line: impl Fn(&'i [u8]) -> Result<(L, u8), ReceiveError>,
        see: &mut impl FnMut(&'i [u8], &'i [u8]) -> bool,
    ) -> Result<Option<Self>, ReceiveError> {
        if scan.is_untouched() {
            if let Ok(Some(head)) = Self::parse(input.get(..limit).unwrap_or(input), &line, see) {
                return Ok(Some(head));
            }
        }
        match scan.find_end(input, limit)? {
            ScanResult::End(end) => {
                let head = Self::parse(input.get(..end).unwrap_or(input), &line, see)?;
                head.map(Some).ok_or(ReceiveError::BadHeader)
            }
            ScanResult::Open => Ok(None),
            ScanResult::TooLong => Err(ReceiveError::HeadTooLong { limit }),
        }
    }

    fn parse(
        input: &'i [u8],
        line: impl Fn(&'i [u8]) -> Result<(L, u8), ReceiveError>,
        see: &mut impl FnMut(&'i [u8], &'i [u8]) -> bool,
    ) -> Result<Option<Self>, ReceiveError> {
        let Some((first, behind)) = control(input).and_then(|end| input.split_at_checked(end)) else {
            return Ok(None);
        };
        let [b'\r', b'\n', rest @ ..] = behind else {
            return Err(ReceiveError::BadFirstLine);
        };
        let (line, minor) = line(first)?;
        let mut framing = Framing { is_http_1_0: minor == 0, ..Framing::default() };
        let Some(len) = lines::read(rest, |name, value| Ok(see(name, value) || framing.take(name, value)?))? else {
            return Ok(None);
        };
        let end = len.saturating_sub(2);
        let headers = Headers::new(rest.get(..end).unwrap_or_default());
        Ok(Some(Self { len: input.len() - rest.len() + len, line, framing: framing.checked()?, headers }))
    }
}

impl<'i> Head<'i, RequestLine<'i>> {
    /// Reads the head of a request off the front of `input`; `scan` says how far it was looked through before.
    pub(crate) fn request(
        scan: &mut Scan,
        input: &'i [u8],
        see: &mut impl FnMut(&'i [u8], &'i [u8]) -> bool,
    ) -> Result<Option<Self>, ReceiveError> {
        Self::read(scan, input, limits::REQUEST_HEAD_BYTES, request_line, see)
    }
}

impl<'i> Head<'i, StatusLine> {
    /// Reads the head of a reply off the front of `input`; `scan` says how far it was looked through before.
    pub(crate) fn reply(
        scan: &mut Scan,
        input: &'i [u8],
        see: &mut impl FnMut(&'i [u8], &'i [u8]) -> bool,
    ) -> Result<Option<Self>, ReceiveError> {
        Self::read(scan, input, limits::REPLY_HEAD_BYTES, status_line, see)
    }
}

/// The first line of a request, without its end, and its minor version.
fn request_line(line: &[u8]) -> Result<(RequestLine<'_>, u8), ReceiveError> {
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse(line) {
        // The parser waits for the end of the line.
        Ok(httparse::Status::Partial) => {}
        // What stands where a version should, and is none, is more likely a target with a space in it.
        Err(httparse::Error::Version) if line.split(|&byte| byte == b' ').nth(2).is_some_and(is_version) => {
            return Err(ReceiveError::BadVersion);
        }
        _ => return Err(ReceiveError::BadFirstLine),
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(ReceiveError::BadFirstLine);
    };
    Ok((RequestLine { method, target }, parsed.version.ok_or(ReceiveError::BadVersion)?))
}

/// Whether this is the one word behind method and target that is a version, though not one that is understood.
fn is_version(word: &[u8]) -> bool {
    word.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"HTTP"))
}

/// The first line of a reply, without its end, and its minor version: `HTTP/1.1 200 OK`, whose last word may be any
/// text, or none.
fn status_line(line: &[u8]) -> Result<(StatusLine, u8), ReceiveError> {
    let Some((version, [b' ', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', reason @ ..])) =
        line.split_first_chunk::<8>()
    else {
        return Err(ReceiveError::BadFirstLine);
    };
    let minor = if version == b"HTTP/1.1" {
        1
    } else if version == b"HTTP/1.0" {
        0
    } else if version.starts_with(b"HTTP/") {
        return Err(ReceiveError::BadVersion);
    } else {
        return Err(ReceiveError::BadFirstLine);
    };
    if !matches!(reason, [] | [b' ', ..]) {
        return Err(ReceiveError::BadFirstLine);
    }
    let digit = |byte: &u8| u16::from(byte - b'0');
    let status = 100 * digit(a) + 10 * digit(b) + digit(c);
    if (100..=599).contains(&status) {
        Ok((StatusLine { status }, minor))
    } else {
        Err(ReceiveError::BadStatus(status))
    }
}

/// Method and target of a request head that was parsed: two words with a space behind each.
pub(crate) fn method_and_target(head: &[u8]) -> RequestLine<'_> {
    let mut words = head.split(|&byte| byte == b' ');
    let mut word = || words.next().and_then(|word| core::str::from_utf8(word).ok()).unwrap_or_default();
    RequestLine { method: word(), target: word() }
}

/// Parses a trailer section that is known to be whole.
pub(crate) fn trailers(bytes: &[u8]) -> Result<Headers<'_>, ReceiveError> {
    // RFC 9110, section 6.5.1: a trailer must not say where a message ends or where it goes.
    const FORBIDDEN: [&[u8]; 5] = [b"content-length", b"transfer-encoding", b"host", b"connection", b"trailer"];
    let read = lines::read(bytes, |name, _| {
        let is_forbidden = FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden));
        if is_forbidden { Err(ReceiveError::BadTrailer) } else { Ok(false) }
    });
    match read {
        Ok(Some(len)) => Ok(Headers::new(bytes.get(..len.saturating_sub(2)).unwrap_or_default())),
        Err(ReceiveError::TooManyHeaders) => Err(ReceiveError::TooManyHeaders),
        _ => Err(ReceiveError::BadTrailer),
    }
}

impl Framing {
    /// Takes a header into account that says something of framing, and says whether it does.
    #[inline]
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<bool, ReceiveError> {
        match name.len() {
            14 if is_named(name, "Content-Length") => {
                if self.length.is_some() {
                    return Err(ReceiveError::TwoLengths);
                }
                self.length = Some(decimal(value).ok_or(ReceiveError::BadLength)?);
            }
            17 if is_named(name, "Transfer-Encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(ReceiveError::BadTransferEncoding);
                }
                self.chunked = true;
            }
            10 if is_named(name, "Connection") => {
                for option in value.split(|&byte| byte == b',') {
                    let option = option.trim_ascii();
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            6 if is_named(name, "Expect") => {
                self.expects_continue |= value.eq_ignore_ascii_case(b"100-continue");
            }
            4 if name.eq_ignore_ascii_case(b"host") => self.hosts = self.hosts.saturating_add(1),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What all headers together say.
    fn checked(mut self) -> Result<Self, ReceiveError> {
        // RFC 9112, section 6.3: a message with both is an attack or a mistake.
        if self.chunked && self.length.is_some() {
            return Err(ReceiveError::TwoLengths);
        }
        // RFC 9112, section 6.1: an HTTP/1.0 message with a transfer encoding has faulty framing.
        if self.chunked && self.is_http_1_0 {
            return Err(ReceiveError::BadTransferEncoding);
        }
        // RFC 9112, section 9.3: HTTP/1.0 closes unless asked not to.
        self.close |= self.is_http_1_0 && !self.keep_alive;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &[u8]) -> Result<Head<'_, RequestLine<'_>>, ReceiveError> {
        Head::request(&mut Scan::new(), head, &mut |_, _| false).map(|head| head.expect("whole"))
    }

    fn reply(head: &[u8]) -> Result<Head<'_, StatusLine>, ReceiveError> {
        Head::reply(&mut Scan::new(), head, &mut |_, _| false).map(|head| head.expect("whole"))
    }

    #[track_caller]
    fn check(headers: &str, expected: Result<(Option<u64>, bool, bool), ReceiveError>) {
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            let head = std::format!("POST / {version}\r\n{headers}\r\n");
            let got =
                request(head.as_bytes()).map(|head| (head.framing.length, head.framing.chunked, head.framing.close));
            let expected = match (version, expected) {
                ("HTTP/1.0", Ok((_, true, _))) => Err(ReceiveError::BadTransferEncoding),
                ("HTTP/1.0", Ok((length, chunked, _))) if !headers.contains("keep-alive") => {
                    Ok((length, chunked, true))
                }
                (_, expected) => expected,
            };
            assert_eq!(got, expected, "{head:?}");
        }
    }

    #[test]
    fn a_body_has_one_length() {
        check("Content-Length: 12\r\n", Ok((Some(12), false, false)));
        check("CONTENT-length:12\r\n", Ok((Some(12), false, false)));
        check("Transfer-Encoding: Chunked\r\n", Ok((None, true, false)));
        check("Content-Length: 5\r\nContent-Length: 5\r\n", Err(ReceiveError::TwoLengths));
        check("Content-Length: 5\r\nContent-Length: 6\r\n", Err(ReceiveError::TwoLengths));
        check("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(ReceiveError::TwoLengths));
        check("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(ReceiveError::TwoLengths));
        for odd in ["+7", "-7", "0x7", "7, 7", "7;", "", "7 7", "18446744073709551616"] {
            check(&std::format!("Content-Length: {odd}\r\n"), Err(ReceiveError::BadLength));
        }
        for odd in ["gzip", "gzip, chunked", "chunked, chunked", "identity", "", "xchunked", "chunked;q=1"] {
            check(&std::format!("Transfer-Encoding: {odd}\r\n"), Err(ReceiveError::BadTransferEncoding));
        }
        check("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(ReceiveError::BadTransferEncoding));
    }

    #[test]
    fn a_name_of_the_same_length_says_nothing_of_framing() {
        for name in ["Host", "Expect", "Connection", "Content-Length", "Transfer-Encoding"] {
            let headers = std::format!("{}: chunked, close\r\n", "x".repeat(name.len()));
            check(&headers, Ok((None, false, false)));
        }
    }

    #[test]
    fn connection_options_are_read_from_lists() {
        check("Connection: close\r\n", Ok((None, false, true)));
        check("Connection: foo , Close\r\n", Ok((None, false, true)));
        check("Connection: keep-alive\r\n", Ok((None, false, false)));
        check("Connection: foo\r\nConnection: close\r\n", Ok((None, false, true)));
    }

    #[test]
    fn malformed_heads_are_refused() {
        let check = |head: &[u8], expected| {
            assert_eq!(request(head).map(|_| ()), Err(expected), "{head:?}");
        };
        check(b"GET / HTTP/1.1\r\nA : b\r\n\r\n", ReceiveError::BadHeader);
        check(b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", ReceiveError::BadHeader);
        check(b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", ReceiveError::BadHeader);
        check(b"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", ReceiveError::BadHeader);
        check(b"GET / HTTP/1.1\r\nA\r\n\r\n", ReceiveError::BadHeader);
        check(b"GET / HTTP/1.1\r\n: b\r\n\r\n", ReceiveError::BadHeader);
        check(b"GET / HTTP/2.0\r\n\r\n", ReceiveError::BadVersion);
        check(b"GARBAGE\r\n\r\n", ReceiveError::BadFirstLine);
        check(b"GET / HTTP/1.1\nA: b\r\n\r\n", ReceiveError::BareLineFeed);
        check(b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", ReceiveError::BareLineFeed);
        check(b"GET / HTTP/1.1\r\nA: b\n\r\n", ReceiveError::BareLineFeed);
        check(b"GET / HTTP/1.1\r\nA: b\r\n\n", ReceiveError::BareLineFeed);
        check(b"GET / HTTP/1.1\n\n", ReceiveError::BareLineFeed);
        check(b"\r\nGET / HTTP/1.1\r\n\r\n", ReceiveError::BadFirstLine);
        check(b"\nGET / HTTP/1.1\r\n\r\n", ReceiveError::BareLineFeed);
        check(b"\r\n", ReceiveError::BadFirstLine);
        assert_eq!(reply(b"HTTP/1.1 999 Odd\r\n\r\n").map(|_| ()), Err(ReceiveError::BadStatus(999)));
        assert_eq!(reply(b"HTTP/1.1 099 Odd\r\n\r\n").map(|_| ()), Err(ReceiveError::BadStatus(99)));
    }

    #[test]
    fn as_many_headers_as_the_limit_pass_and_one_more_does_not() {
        for count in [limits::HEADERS - 1, limits::HEADERS, limits::HEADERS + 1] {
            let head = std::format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
            let got = request(head.as_bytes()).map(|head| head.headers.iter().count());
            let trailers = trailers(head.split_once('\n').unwrap().1.as_bytes()).map(|lines| lines.iter().count());
            let expected = if count > limits::HEADERS { Err(ReceiveError::TooManyHeaders) } else { Ok(count) };
            assert_eq!(got, expected);
            assert_eq!(trailers, expected);
        }
    }

    #[test]
    fn trailers_do_not_speak_of_framing() {
        for name in ["Content-Length", "transfer-encoding", "Host", "Connection", "Trailer"] {
            let section = std::format!("A: b\r\n{name}: 5\r\n\r\n");
            assert_eq!(trailers(section.as_bytes()), Err(ReceiveError::BadTrailer));
        }
        assert_eq!(trailers(b"A : b\r\n\r\n"), Err(ReceiveError::BadTrailer));
        assert_eq!(trailers(b"\r\n"), Ok(Headers::default()));
    }
}
