//! Streamed responses: the prelude that says status and headers of an HTTP answer, and the error behind a broken one.

use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use crate::error::SendError;
use crate::field::Field;
use crate::limits;
use crate::wire::base64;
use crate::wire::headers::Headers;

/// Media type of a stream that begins with a [`Prelude`]; function URLs and API Gateway look for it.
pub const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

/// What stands between the prelude and the body. JSON holds no NUL, so the first one ends the prelude.
pub const PRELUDE_SEPARATOR: [u8; 8] = [0; 8];

/// Status and headers of a streamed HTTP answer: JSON that goes before the body, with [`PRELUDE_SEPARATOR`] behind it.
///
/// `cargo lambda` wants prelude and separator in a chunk each: give them to [`frame`](crate::Client::frame) apart.
///
/// ```
/// use lambwire::stream::{PRELUDE_SEPARATOR, Prelude, ReceivedPrelude};
///
/// let prelude = Prelude { headers: &[("content-type", "text/plain")], ..Prelude::new(201) };
/// let mut stream = vec![0; 256];
/// let len = prelude.write(&mut stream)?;
/// stream.truncate(len);
/// stream.extend(PRELUDE_SEPARATOR);
/// stream.extend(b"made");
/// assert!(stream.starts_with(br#"{"statusCode":201,"headers":{"content-type":"text/plain"},"#));
/// assert_eq!(ReceivedPrelude::find(&stream).map(|received| received.body), Some(&b"made"[..]));
/// # Ok::<(), lambwire::SendError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prelude<'a> {
    /// HTTP status.
    pub status_code: u16,
    /// Headers of one value each.
    pub headers: &'a [(&'a str, &'a str)],
    /// Headers of several values each; API Gateway only.
    pub multi_value_headers: &'a [(&'a str, &'a [&'a str])],
    /// Values of `Set-Cookie`, one each.
    pub cookies: &'a [&'a str],
}

impl Prelude<'_> {
    /// A prelude of this status, without headers and cookies.
    pub fn new(status_code: u16) -> Self {
        Self { status_code, headers: &[], multi_value_headers: &[], cookies: &[] }
    }

    /// Writes the prelude as JSON, without the separator, into `out` and returns its length.
    ///
    /// # Errors
    ///
    /// [`SendError::BufferTooSmall`] if it does not fit; with [`PRELUDE_BYTES`](limits::PRELUDE_BYTES) of room it is too
    /// long.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, SendError> {
        let room = out.len().min(limits::PRELUDE_BYTES);
        let out = out.get_mut(..room).unwrap_or_default();
        serde_json_core::to_slice(self, out).map_err(|_| SendError::BufferTooSmall { needed: limits::PRELUDE_BYTES })
    }
}

impl Serialize for Prelude<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Prelude", 4)?;
        fields.serialize_field("statusCode", &self.status_code)?;
        fields.serialize_field("headers", &Pairs(self.headers))?;
        if !self.multi_value_headers.is_empty() {
            fields.serialize_field("multiValueHeaders", &Pairs(self.multi_value_headers))?;
        }
        fields.serialize_field("cookies", self.cookies)?;
        fields.end()
    }
}

/// A slice of pairs, written as an object.
struct Pairs<'a, V>(&'a [(&'a str, V)]);

impl<V: Serialize> Serialize for Pairs<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// A prelude, found at the front of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedPrelude<'i> {
    /// The JSON.
    pub json: &'i [u8],
    /// The body, as far as it is there.
    pub body: &'i [u8],
}

impl<'i> ReceivedPrelude<'i> {
    /// Finds the prelude at the front of a stream; `None` if its separator is not there as yet, or not at all.
    pub fn find(stream: &'i [u8]) -> Option<Self> {
        let end = stream.iter().take(limits::PRELUDE_BYTES + 1).position(|&byte| byte == 0)?;
        let (json, rest) = stream.split_at_checked(end)?;
        let body = rest.strip_prefix(&PRELUDE_SEPARATOR)?;
        Some(Self { json, body })
    }
}

/// What the trailers of a stream say that failed on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamError<'i> {
    /// The error's type.
    pub error_type: &'i [u8],
    encoded_report: &'i [u8],
}

impl<'i> StreamError<'i> {
    /// Reads the trailers; `None` if they report no error.
    pub fn find(trailers: Headers<'i>) -> Option<Self> {
        let error_type = trailers.get(Field::ErrorType.header_name());
        let encoded_report = trailers.get(Field::ErrorBody.header_name());
        if error_type.is_none() && encoded_report.is_none() {
            return None;
        }
        Some(Self { error_type: error_type.unwrap_or_default(), encoded_report: encoded_report.unwrap_or_default() })
    }

    /// Decodes the report into `out`, and gives it back; `None` if it is not base64. As much room as the trailers take
    /// is enough.
    pub fn report<'o>(&self, out: &'o mut [u8]) -> Option<&'o [u8]> {
        base64::decode(self.encoded_report, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prelude_is_written_and_found() {
        let prelude = Prelude {
            status_code: 201,
            headers: &[("content-type", "text/plain"), ("x", "\"")],
            multi_value_headers: &[("a", &["b", "c"])],
            cookies: &["k=v"],
        };
        let mut out = [0; 256];
        let len = prelude.write(&mut out).unwrap();
        let json = br#"{"statusCode":201,"headers":{"content-type":"text/plain","x":"\""},"multiValueHeaders":{"a":["b","c"]},"cookies":["k=v"]}"#;
        assert_eq!(&out[..len], json);
        out[len + 8..len + 12].copy_from_slice(b"body");
        let stream = &out[..len + 12];
        assert_eq!(ReceivedPrelude::find(stream), Some(ReceivedPrelude { json, body: b"body" }));
        for cut in 0..len + 8 {
            assert_eq!(ReceivedPrelude::find(&stream[..cut]), None);
        }
        assert_eq!(ReceivedPrelude::find(b"{}\0\0\0\0\0\0\0x"), None);
    }

    #[test]
    fn one_trailer_is_enough_for_an_error() {
        let find = |lines: &'static [u8]| StreamError::find(Headers::new(lines));
        let (error_type, report) =
            (&b"Lambda-Runtime-Function-Error-Type: T\r\n"[..], &b"Lambda-Runtime-Function-Error-Body: e30=\r\n"[..]);
        assert_eq!(find(b"A: b\r\n"), None);
        assert_eq!(find(error_type), Some(StreamError { error_type: b"T", encoded_report: b"" }));
        let found = find(report).unwrap();
        assert_eq!((found.error_type, found.report(&mut [0; 8])), (&b""[..], Some(&b"{}"[..])));
    }

    #[test]
    fn a_prelude_at_the_limit_passes_and_one_byte_more_does_not() {
        let fixed = r#"{"statusCode":200,"headers":{},"cookies":[""]}"#.len();
        let mut out = [0; limits::PRELUDE_BYTES + 16];
        for len in [limits::PRELUDE_BYTES - 1, limits::PRELUDE_BYTES, limits::PRELUDE_BYTES + 1] {
            let cookie = "x".repeat(len - fixed);
            let prelude =
                Prelude { status_code: 200, headers: &[], multi_value_headers: &[], cookies: &[cookie.as_str()] };
            let fits = len <= limits::PRELUDE_BYTES;
            out.fill(b'x');
            assert_eq!(prelude.write(&mut out).is_ok(), fits);
            out[len..].fill(0);
            assert_eq!(ReceivedPrelude::find(&out).is_some(), fits);
        }
    }
}
