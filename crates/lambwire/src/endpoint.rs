//! Where the Runtime API is: the value of `AWS_LAMBDA_RUNTIME_API`.

use core::fmt;

use heapless::String;

use crate::error::SendError;
use crate::limits;

/// The environment variable that says where the Runtime API is.
pub const ENV_RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// The environment variable that says how a runtime was started (AWS Lambda Developer Guide,
/// `configuration-envvars`).
pub const ENV_INITIALIZATION_TYPE: &str = "AWS_LAMBDA_INITIALIZATION_TYPE";

/// Its value where a snapshot is taken before the first event.
pub const SNAP_START: &str = "snap-start";

/// The environment variable that says how many invocations AWS may give to one process at a time. It is set on managed
/// instances; `cargo lambda` sets it to 1.
pub const ENV_MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// The environment variable in which X-Ray's clients look for the trace header of the invocation at hand (AWS Lambda
/// Developer Guide, `configuration-envvars`). It makes sense where a process has one invocation at a time.
pub const ENV_TRACE_ID: &str = "_X_AMZN_TRACE_ID";

/// Port of an `http://` URL that names none.
const HTTP_PORT: u16 = 80;

/// An address of the Runtime API, with the prefix that its paths have, if any.
///
/// AWS and its emulator give `host:port`; `cargo lambda` gives a URL with a path, such as `http://127.0.0.1:9000/.rt`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Authority, then prefix.
    text: String<{ limits::ENDPOINT_BYTES }>,
    /// Where the prefix begins.
    prefix: usize,
    port: u16,
}

impl Endpoint {
    /// Reads `host:port`, `[v6]:port`, or an `http://` URL with an optional path.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidEndpoint`] if it is anything else, or longer than [`ENDPOINT_BYTES`](limits::ENDPOINT_BYTES).
    pub fn new(text: &str) -> Result<Self, SendError> {
        Self::read(text).ok_or(SendError::InvalidEndpoint)
    }

    fn read(text: &str) -> Option<Self> {
        const SCHEME: usize = "http://".len();
        let (text, default_port) = match text.split_at_checked(SCHEME) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http://") => (rest, Some(HTTP_PORT)),
            _ if text.as_bytes().windows(3).any(|window| window == b"://") => return None,
            _ => (text, None),
        };
        let text = text.trim_end_matches('/');
        let prefix = text.bytes().position(|byte| byte == b'/').unwrap_or(text.len());
        let (authority, path) = text.split_at_checked(prefix)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte);
        let is_path = path.bytes().all(|byte| is_plain(byte) || b"/%@".contains(&byte));
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| split_once(rest, b']')) {
            Some((host, port)) => (host, port.strip_prefix(':').or(port.is_empty().then_some(""))?),
            None => split_once(authority, b':').unwrap_or((authority, "")),
        };
        let is_bracketed = authority.starts_with('[');
        let is_host = host.bytes().all(|byte| is_plain(byte) && (is_bracketed || byte != b':'));
        let port = match port {
            "" => default_port?,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        if host.is_empty() || !is_host || !is_path || port == 0 {
            return None;
        }
        Some(Self { text: String::try_from(text).ok()?, prefix, port })
    }

    /// Host and port as they stand in a `Host` header.
    pub fn authority(&self) -> &str {
        self.text.get(..self.prefix).unwrap_or_default()
    }

    /// Name or address of the host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        match authority.strip_prefix('[').and_then(|rest| split_once(rest, b']')) {
            Some((host, _)) => host,
            None => split_once(authority, b':').map_or(authority, |(host, _)| host),
        }
    }

    /// TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What every path begins with: empty, or a path without a slash at its end.
    pub fn prefix(&self) -> &str {
        self.text.get(self.prefix..).unwrap_or_default()
    }
}

/// As [`str::split_once`], in which the compiler sees a panic.
fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == separator)?;
    let (before, rest) = text.split_at_checked(at)?;
    Some((before, rest.get(1..)?))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<(&str, &str, u16, &str)>) {
        let api = Endpoint::new(text);
        let got = api.as_ref().ok().map(|api| (api.authority(), api.host(), api.port(), api.prefix()));
        assert_eq!(got, expected, "{text:?}");
    }

    #[test]
    fn every_form_in_the_wild_is_read() {
        check("127.0.0.1:9001", Some(("127.0.0.1:9001", "127.0.0.1", 9001, "")));
        check("localhost:80", Some(("localhost:80", "localhost", 80, "")));
        check("[::1]:9001", Some(("[::1]:9001", "::1", 9001, "")));
        check("http://127.0.0.1:9000/.rt", Some(("127.0.0.1:9000", "127.0.0.1", 9000, "/.rt")));
        check("http://127.0.0.1:9000/.rt/fn/", Some(("127.0.0.1:9000", "127.0.0.1", 9000, "/.rt/fn")));
        check("HTTP://[::1]:9000/", Some(("[::1]:9000", "::1", 9000, "")));
        check("http://host/x", Some(("host", "host", 80, "/x")));
        check("http://[::1]", Some(("[::1]", "::1", 80, "")));
        check("http://host/a://b", Some(("host", "host", 80, "/a://b")));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "host",
            ":9001",
            "host:",
            "host:0",
            "host:+1",
            "host:65536",
            "host:1:2",
            "https://host:1",
            "ftp://host",
            "http://",
            "http:///x",
            "http:/",
            "host:1/a://b",
            "host:1/a b",
            "host:1/\r\nX: y",
            "host:1/?q",
            "user@host:1",
            "[::1]9001",
            "[::1:9001",
            "::1:9001",
            "hôst:1",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn an_address_at_the_limit_passes_and_one_byte_more_does_not() {
        for len in [limits::ENDPOINT_BYTES - 1, limits::ENDPOINT_BYTES, limits::ENDPOINT_BYTES + 1] {
            let text = std::format!("h:1/{}", "x".repeat(len - 4));
            assert_eq!(Endpoint::new(&text).is_ok(), len <= limits::ENDPOINT_BYTES);
        }
    }
}
