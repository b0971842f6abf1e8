//! What can go wrong, by whose fault it is.

use core::fmt;

/// What the caller asked for cannot be sent. Nothing has changed: the call may be made again, corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The lent buffer is too small; nothing in it is of use.
    BufferTooSmall {
        /// Bytes that the whole piece takes.
        needed: usize,
    },
    /// A head or a trailer section is longer than the other end takes.
    HeadTooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The most that may be sent.
        limit: usize,
    },
    /// It is not this end's turn: an exchange is under way, or a body is not finished.
    InvalidState,
    /// The connection cannot carry another message.
    Closed,
    /// The address is not `host:port`, `[v6]:port` or an `http://` URL of them, or longer than
    /// [`ENDPOINT_BYTES`](crate::limits::ENDPOINT_BYTES).
    InvalidEndpoint,
    /// A value cannot stand where the message would put it.
    InvalidValue(&'static str),
    /// A refusal has a status of 300 to 599.
    InvalidStatus(u16),
    /// This message can only be received.
    ReceiveOnly,
    /// This message cannot have the body that was announced for it.
    InvalidBody,
    /// The body is larger than Lambda takes.
    PayloadTooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The most that may be sent.
        limit: u64,
    },
    /// More or fewer bytes were given than were announced.
    WrongLength {
        /// Bytes that the head announced.
        announced: u64,
        /// Bytes given in all, the piece at fault included.
        given: u64,
    },
}

/// What the other end sent cannot be understood in one way only. Final: every later call gives it again, and the
/// connection is of no more use. (Those that speak of a request id, when [`CompleteReply::read`](crate::CompleteReply::read)
/// gives them, are about one message; the connection goes on.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The head has no end within its bound.
    HeadTooLong {
        /// The bound in bytes.
        limit: usize,
    },
    /// More header lines than [`HEADERS`](crate::limits::HEADERS).
    TooManyHeaders,
    /// A line of a head, a chunk or a trailer ends without a carriage return.
    BareLineFeed,
    /// The first line is not that of an HTTP/1 message.
    BadFirstLine,
    /// A header line is malformed: folded, without a colon, a space before it, or a forbidden byte.
    BadHeader,
    /// Neither HTTP/1.1 nor HTTP/1.0.
    BadVersion,
    /// An HTTP/1.1 request without a `Host` header, or any with two.
    BadHost,
    /// A status outside of 100 to 599, or a switch of protocols that nobody asked for.
    BadStatus(u16),
    /// A `Content-Length` that is not one plain number.
    BadLength,
    /// Two `Content-Length` headers, or one beside a `Transfer-Encoding`.
    TwoLengths,
    /// A `Transfer-Encoding` other than `chunked`, or any in an HTTP/1.0 message.
    BadTransferEncoding,
    /// The line that opens a chunk is malformed or longer than [`CHUNK_LINE_BYTES`](crate::limits::CHUNK_LINE_BYTES).
    BadChunkLine,
    /// The bytes of a chunk are not followed by an empty line.
    BadChunkEnd,
    /// The trailer section is longer than [`TRAILERS_BYTES`](crate::limits::TRAILERS_BYTES).
    TrailersTooLong,
    /// A trailer is malformed, or speaks of framing.
    BadTrailer,
    /// More interim replies than [`INTERIM_REPLIES`](crate::limits::INTERIM_REPLIES).
    TooManyInterims,
    /// Bytes arrived that answer no request.
    Unsolicited,
    /// The connection closed before the first byte of a reply: a request that may be repeated can go out on another.
    NoReply,
    /// The connection closed inside a message.
    CutShort,
    /// An invocation without a request id: it cannot be answered.
    NoRequestId,
    /// A request id that is too long, or that cannot stand in a path.
    BadRequestId,
    /// Two request ids that differ.
    TwoRequestIds,
    /// A message is read out of another buffer than it was collected in, or that was changed: the caller's mistake, which
    /// the connection does not suffer from.
    OtherBuffer,
    /// A registration without the id of the extension.
    NoExtensionId,
    /// The body is larger than the receiver takes.
    PayloadTooLarge {
        /// The most that it takes, in bytes.
        limit: u64,
    },
}

impl SendError {
    /// This error of something that is written behind so many bytes.
    pub(crate) fn behind(self, bytes: usize) -> Self {
        match self {
            Self::BufferTooSmall { needed } => Self::BufferTooSmall { needed: needed + bytes },
            other => other,
        }
    }

    /// Type of the report that answers an invocation in place of a response which cannot be sent.
    pub fn report_type(self) -> &'static str {
        match self {
            // As AWS names it.
            Self::PayloadTooLarge { .. } => "Function.ResponseSizeTooLarge",
            _ => "Function.UnsendableResponse",
        }
    }
}

impl ReceiveError {
    /// The status with which a server turns such a request away.
    pub fn status_hint(self) -> u16 {
        match self {
            Self::HeadTooLong { .. } | Self::TooManyHeaders | Self::TrailersTooLong => 431,
            Self::PayloadTooLarge { .. } => 413,
            Self::BadTransferEncoding => 501,
            Self::BadVersion => 505,
            _ => 400,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::BufferTooSmall { needed } => write!(f, "buffer too small, {needed} bytes needed"),
            Self::HeadTooLong { bytes, limit } => write!(f, "head is {bytes} bytes, limit is {limit}"),
            Self::InvalidState => {
                f.write_str("not valid in this state: another request is in flight, or its body is not finished")
            }
            Self::Closed => f.write_str("the connection cannot carry another message"),
            Self::InvalidEndpoint => f.write_str("not an address of a Runtime API, such as 127.0.0.1:9001"),
            Self::InvalidValue(what) => write!(f, "invalid {what}"),
            Self::InvalidStatus(status) => write!(f, "status {status} is not an error"),
            Self::ReceiveOnly => f.write_str("this message can only be received"),
            Self::InvalidBody => f.write_str("this message cannot have this body"),
            Self::PayloadTooLarge { bytes, limit } => write!(f, "payload is {bytes} bytes, limit is {limit}"),
            Self::WrongLength { announced, given } => {
                write!(f, "body of {given} bytes where {announced} were announced")
            }
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Self::HeadTooLong { limit } => return write!(f, "head longer than {limit} bytes"),
            Self::BadStatus(status) => return write!(f, "unusable status {status}"),
            Self::PayloadTooLarge { limit } => return write!(f, "payload larger than {limit} bytes"),
            Self::TooManyHeaders => "too many headers",
            Self::BareLineFeed => "line feed without carriage return",
            Self::BadFirstLine => "first line is not HTTP/1",
            Self::BadHeader => "malformed header",
            Self::BadVersion => "neither HTTP/1.1 nor HTTP/1.0",
            Self::BadHost => "not exactly one host",
            Self::BadLength => "malformed content length",
            Self::TwoLengths => "more than one length for one body",
            Self::BadTransferEncoding => "unsupported transfer encoding",
            Self::BadChunkLine => "malformed chunk size",
            Self::BadChunkEnd => "chunk longer than its size",
            Self::TrailersTooLong => "trailers too long",
            Self::BadTrailer => "malformed or forbidden trailer",
            Self::TooManyInterims => "too many interim replies",
            Self::Unsolicited => "bytes that answer no request",
            Self::NoReply => "connection closed before a reply",
            Self::CutShort => "connection closed inside a message",
            Self::OtherBuffer => "not the buffer that the message was collected in",
            Self::NoRequestId => "invocation without a request id",
            Self::BadRequestId => "unusable request id",
            Self::TwoRequestIds => "two request ids that differ",
            Self::NoExtensionId => "registration without an extension id",
        };
        f.write_str(text)
    }
}

impl core::error::Error for SendError {}
impl core::error::Error for ReceiveError {}
