//! Every bound that this crate keeps, with its unit and where the number comes from.
//!
//! A message at a bound passes; one byte, header or level more is refused.

use core::time::Duration;

/// Longest text of `AWS_LAMBDA_RUNTIME_API`, in bytes. A host name has at most 253 (RFC 1035, section 2.3.4);
/// the rest is scheme, port and path prefix.
pub const ENDPOINT_BYTES: usize = 320;

/// Longest request id, in bytes. AWS sends a UUID of 36; its documentation calls the value opaque.
pub const REQUEST_ID_BYTES: usize = 128;

/// Most header lines in one head, and most trailer lines. Go's and hyper's clients send fewer than 20;
/// hyper's own bound is 100.
pub const HEADERS: usize = 128;

/// Longest head of a reply, in bytes, status line and empty line included. The largest value that a Lambda reply
/// carries, the client context, is at most 3 583 bytes of base64 (AWS, Invoke).
pub const REPLY_HEAD_BYTES: usize = 64 * 1024;

/// Longest head of a request, in bytes, request line and empty line included. AWS's server is Go's net/http:
/// `DefaultMaxHeaderBytes` of 1 MiB and 4 096 bytes of slack.
pub const REQUEST_HEAD_BYTES: usize = 1024 * 1024 + 4096;

/// Longest line that opens a chunk, in bytes, its CR LF included. The size takes 16 digits at most; the rest leaves
/// room for extensions, which no Lambda server sends.
pub const CHUNK_LINE_BYTES: usize = 256;

/// Longest trailer section, in bytes, its empty line included.
pub const TRAILERS_BYTES: usize = 64 * 1024;

/// Most interim (1xx) replies to one request. Lambda's servers send at most one, `100 Continue`.
pub const INTERIM_REPLIES: u8 = 8;

/// Largest buffered response and largest event, in bytes: 6 MiB and 100 bytes, as AWS's emulator enforces it
/// (`interop/model.go`); a response of one byte more is answered with 413.
pub const PAYLOAD_BYTES: u64 = 6 * 1024 * 1024 + 100;

/// Largest reply that a [`Session`](crate::Session) collects, in bytes: a head and an event at their bounds, and a
/// line of framing.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
pub const MESSAGE_BYTES: usize = REPLY_HEAD_BYTES + PAYLOAD_BYTES as usize + CHUNK_LINE_BYTES;

/// Waits before a lost connection is made again, the first for the first time; when they are used up, the error is given
/// to the caller. In all about two seconds: the Runtime API is on this machine, and a process that cannot reach it is
/// started again.
pub const BACK_OFF: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_millis(1200),
];

/// Wait before asking again when there was nothing yet. Ours: servers that answer so have waited themselves, or are made
/// for tests.
pub const NOTHING_YET_PAUSE: Duration = Duration::from_millis(50);

/// How long a connection may take to come about. The Runtime API is on this machine; AWS's C++ client waits as long.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Largest body of an error report, in bytes. AWS's server for managed instances answers 413 above 1 MiB.
pub const ERROR_BYTES: u64 = 1024 * 1024;

/// Longest error type that goes into a header, in bytes. Ours: the longest of AWS's own has 36.
pub const ERROR_TYPE_BYTES: usize = 256;

/// Largest report of an error that ends a stream, in bytes: what [`TRAILERS_BYTES`] hold as base64, less 512 bytes for
/// names and type.
pub const STREAM_ERROR_BYTES: u64 = (TRAILERS_BYTES as u64 - 512) / 4 * 3;

/// Longest X-Ray cause that is sent, in bytes: one less than 1 MiB, as AWS's own clients have it. AWS's server crops
/// what is longer than 64 KiB.
pub const XRAY_CAUSE_BYTES: usize = 1024 * 1024 - 1;

/// Longest prelude of a streamed HTTP response, in bytes, without its separator. API Gateway wants the separator to
/// end within the first 16 KiB of the stream.
pub const PRELUDE_BYTES: usize = 16 * 1024 - 8;

/// Deepest nesting of JSON that the views of client context, Cognito identity and error reports look into, in levels.
pub const JSON_DEPTH: usize = 32;

/// The earliest deadline that is one, in milliseconds since the Unix epoch: the start of 2014, before Lambda was. `cargo
/// lambda` sends a duration in its place.
pub const FIRST_DEADLINE_MS: u64 = 1_388_534_400_000;

/// Most bytes of a body that [`Excerpt`](crate::Excerpt) shows. Ours: some screens of text.
pub const EXCERPT_BYTES: usize = 4096;
