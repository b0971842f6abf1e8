//! What can be said: the requests of a runtime and the replies of the Runtime API.
//!
//! Every path of the protocol stands in this file and in no other, but for those of extensions in `extension.rs`. Facts
//! are those of AWS's Runtime API, version 2018-06-01, and of the code of AWS's emulator (RIE) where it says more.

mod reply;

use core::fmt;

pub use reply::Reply;

use crate::context::{Context, InvocationId, RequestId};
use crate::error::SendError;
use crate::extension::{self, ExtensionId};
use crate::field::{Field, IndexedHeaders, checked_error_type, put};
use crate::limits;
use crate::report::ErrorReport;
use crate::wire::head::RequestLine;
use crate::wire::writer::Writer;

const NEXT: &str = "/2018-06-01/runtime/invocation/next";
const INVOCATION: &str = "/2018-06-01/runtime/invocation/";
const RESPONSE: &str = "/response";
const ERROR: &str = "/error";
const INIT_ERROR: &str = "/2018-06-01/runtime/init/error";
const RESTORE_NEXT: &str = "/2018-06-01/runtime/restore/next";
const RESTORE_ERROR: &str = "/2018-06-01/runtime/restore/error";

/// The one value that AWS takes in `Lambda-Runtime-Function-Response-Mode`; any other, `buffered` included, is
/// answered with 400 and leaves AWS's emulator stuck.
const STREAMING: &str = "streaming";

/// What a runtime says to the Runtime API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Give me the next invocation. The reply may take hours.
    Next,
    /// Here is what came of an invocation; the result is the body.
    Response {
        /// The invocation that is answered.
        id: RequestId<'a>,
        /// The nonce that came with the invocation, if one did: it has to be sent back.
        invocation_id: Option<InvocationId<'a>>,
        /// Media type of the body; AWS passes it on to the caller.
        content_type: Option<&'a str>,
        /// Whether the body is sent as it comes about.
        mode: Mode,
    },
    /// An invocation failed; the report is the body.
    Error {
        /// The invocation that is answered.
        id: RequestId<'a>,
        /// The nonce that came with the invocation, if one did: it has to be sent back.
        invocation_id: Option<InvocationId<'a>>,
        /// What went wrong, for headers, logs and what the platform tells.
        headers: ErrorHeaders<'a>,
    },
    /// The runtime or the function could not start; the report is the body.
    InitError(ErrorHeaders<'a>),
    /// Ready for the snapshot (SnapStart): reply when the execution environment has been restored from it.
    RestoreNext,
    /// What had to be done after the restore failed; the report is the body.
    RestoreError(ErrorHeaders<'a>),
    /// An extension inside this process takes part, so that SIGTERM comes before the end;
    /// [`NO_EVENTS`](crate::NO_EVENTS) is the body.
    Register {
        /// What the extension is called, in logs.
        name: &'a str,
    },
    /// The extension has started, and waits for an event. There is no reply while it wants none.
    ExtensionNext {
        /// The extension.
        id: ExtensionId<'a>,
    },
    /// Something that this protocol does not know. Received only.
    Other {
        /// The method.
        method: &'a str,
        /// The target as it was sent.
        target: &'a str,
    },
}

/// How a response is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// Whole, of a known size.
    #[default]
    Buffered,
    /// As it comes about, in chunks, with trailers if it fails on the way.
    Streaming,
    /// The mode header has a value that AWS refuses. Received only.
    Unknown,
}

/// What the headers of a failure say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorHeaders<'a> {
    /// Such as `Function.TypeError`; visible in logs and telemetry. AWS keeps `Runtime.X` and `Function.X` and takes
    /// all else for unknown. At most [`ERROR_TYPE_BYTES`](limits::ERROR_TYPE_BYTES).
    pub error_type: Option<&'a str>,
    /// X-Ray's account of the failure, one line of JSON. Left out when it is longer than
    /// [`XRAY_CAUSE_BYTES`](limits::XRAY_CAUSE_BYTES).
    pub xray_cause: Option<&'a str>,
}

/// The kinds of request, without what they carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestKind {
    /// [`Request::Next`]
    Next,
    /// [`Request::Response`]
    Response,
    /// [`Request::Error`]
    Error,
    /// [`Request::InitError`]
    InitError,
    /// [`Request::RestoreNext`]
    RestoreNext,
    /// [`Request::RestoreError`]
    RestoreError,
    /// [`Request::Register`]
    Register,
    /// [`Request::ExtensionNext`]
    ExtensionNext,
    /// [`Request::Other`]
    #[default]
    Other,
}

impl RequestKind {
    /// Whether this asks for something, and so has no body.
    pub(crate) fn is_idempotent(self) -> bool {
        matches!(self, Self::Next | Self::RestoreNext | Self::ExtensionNext)
    }

    /// Whether this answers an invocation, so that a [`RequestKind::Next`] may follow at once.
    pub(crate) fn completes_invocation(self) -> bool {
        matches!(self, Self::Response | Self::Error)
    }
}

impl fmt::Display for RequestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Next => "next",
            Self::Response => "response",
            Self::Error => "error",
            Self::InitError => "init error",
            Self::RestoreNext => "restore next",
            Self::RestoreError => "restore error",
            Self::Register => "extension registration",
            Self::ExtensionNext => "extension next",
            Self::Other => "unknown request",
        })
    }
}

impl<'a> Request<'a> {
    /// A response to the invocation of this context.
    pub fn response(context: &Context<'a>, content_type: &'a str, mode: Mode) -> Self {
        let Context { request_id: id, invocation_id, .. } = *context;
        Self::Response { id, invocation_id, content_type: Some(content_type), mode }
    }

    /// An error of the invocation of this context.
    pub fn error(context: &Context<'a>, headers: ErrorHeaders<'a>) -> Self {
        let Context { request_id: id, invocation_id, .. } = *context;
        Self::Error { id, invocation_id, headers }
    }

    /// What kind of request this is.
    pub fn kind(&self) -> RequestKind {
        match self {
            Self::Next => RequestKind::Next,
            Self::Response { .. } => RequestKind::Response,
            Self::Error { .. } => RequestKind::Error,
            Self::InitError(_) => RequestKind::InitError,
            Self::RestoreNext => RequestKind::RestoreNext,
            Self::RestoreError(_) => RequestKind::RestoreError,
            Self::Register { .. } => RequestKind::Register,
            Self::ExtensionNext { .. } => RequestKind::ExtensionNext,
            Self::Other { .. } => RequestKind::Other,
        }
    }

    /// Reads the request out of a head, for a server whose paths begin with `prefix`.
    pub(crate) fn read(line: RequestLine<'a>, fields: &IndexedHeaders<'_, 'a>, prefix: &str) -> Self {
        let RequestLine { method, target } = line;
        let other = Self::Other { method, target };
        let path = path(target);
        let Some(path) = path.strip_prefix(prefix) else {
            return other;
        };
        match (method, path) {
            ("GET", NEXT) => Self::Next,
            ("GET", RESTORE_NEXT) => Self::RestoreNext,
            ("POST", INIT_ERROR) => Self::InitError(ErrorHeaders::read(fields)),
            ("POST", RESTORE_ERROR) => Self::RestoreError(ErrorHeaders::read(fields)),
            ("POST", extension::REGISTER) => {
                fields.text(Field::ExtensionName).map_or(other, |name| Self::Register { name })
            }
            ("GET", extension::EVENT_NEXT) => ExtensionId::read(fields).map_or(other, |id| Self::ExtensionNext { id }),
            ("POST", _) => path.strip_prefix(INVOCATION).map_or(other, |path| Self::read_answer(path, fields, other)),
            _ => other,
        }
    }

    fn read_answer(path: &'a str, fields: &IndexedHeaders<'_, 'a>, other: Self) -> Self {
        let invocation_id = fields.raw(Field::InvocationId).and_then(|raw| InvocationId::new(raw).ok());
        if let Some(Ok(id)) = path.strip_suffix(RESPONSE).map(RequestId::new) {
            let content_type = fields.text(Field::ContentType);
            return Self::Response { id, invocation_id, content_type, mode: Mode::read(fields) };
        }
        if let Some(Ok(id)) = path.strip_suffix(ERROR).map(RequestId::new) {
            return Self::Error { id, invocation_id, headers: ErrorHeaders::read(fields) };
        }
        other
    }

    /// Writes method and target.
    pub(crate) fn write_line(&self, writer: &mut Writer<'_>, prefix: &str) {
        if self.kind().is_idempotent() {
            writer.put(b"GET ");
        } else {
            writer.put(b"POST ");
        }
        if !prefix.is_empty() {
            writer.put(prefix.as_bytes());
        }
        match self {
            Self::Next => writer.put(NEXT.as_bytes()),
            Self::RestoreNext => writer.put(RESTORE_NEXT.as_bytes()),
            Self::InitError(_) => writer.put(INIT_ERROR.as_bytes()),
            Self::RestoreError(_) => writer.put(RESTORE_ERROR.as_bytes()),
            Self::Register { .. } => writer.put(extension::REGISTER.as_bytes()),
            Self::ExtensionNext { .. } => writer.put(extension::EVENT_NEXT.as_bytes()),
            Self::Response { id, .. } => {
                writer.put(INVOCATION.as_bytes());
                writer.put(id.as_str().as_bytes());
                writer.put(RESPONSE.as_bytes());
            }
            Self::Error { id, .. } => {
                writer.put(INVOCATION.as_bytes());
                writer.put(id.as_str().as_bytes());
                writer.put(ERROR.as_bytes());
            }
            Self::Other { .. } => {}
        }
    }

    /// Writes the headers that the message itself has.
    pub(crate) fn write_headers(&self, writer: &mut Writer<'_>) -> Result<(), SendError> {
        match self {
            Self::Response { invocation_id, content_type, mode, .. } => {
                put(writer, Field::ContentType, content_type.map(str::as_bytes))?;
                InvocationId::write(*invocation_id, writer);
                mode.write(writer)
            }
            Self::Error { invocation_id, headers, .. } => {
                InvocationId::write(*invocation_id, writer);
                headers.write(writer)
            }
            Self::InitError(headers) | Self::RestoreError(headers) => headers.write(writer),
            Self::Register { name } => {
                put(writer, Field::ContentType, Some(b"application/json"))?;
                put(writer, Field::ExtensionName, Some(name.as_bytes()))
            }
            Self::ExtensionNext { id } => put(writer, Field::ExtensionId, Some(id.as_bytes())),
            Self::Next | Self::RestoreNext | Self::Other { .. } => Ok(()),
        }
    }
}

/// The path of a target in origin or absolute form (RFC 9112, section 3.2), without its query.
fn path(target: &str) -> &str {
    let from = |text: &str, byte| text.bytes().position(|other| other == byte);
    let target = match target.split_at_checked("http://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http://") => {
            from(rest, b'/').and_then(|slash| rest.get(slash..)).unwrap_or_default()
        }
        _ => target,
    };
    from(target, b'?').and_then(|query| target.get(..query)).unwrap_or(target)
}

impl Mode {
    fn read(fields: &IndexedHeaders<'_, '_>) -> Self {
        // An empty value is as good as none: AWS's server takes it so.
        match fields.raw(Field::ResponseMode) {
            None => Self::Buffered,
            Some(value) if value == STREAMING.as_bytes() => Self::Streaming,
            Some(_) => Self::Unknown,
        }
    }

    fn write(self, writer: &mut Writer<'_>) -> Result<(), SendError> {
        match self {
            Self::Buffered => Ok(()),
            Self::Unknown => Err(SendError::InvalidValue(Field::ResponseMode.label())),
            Self::Streaming => {
                writer.header(Field::ResponseMode.header_name(), STREAMING.as_bytes());
                writer.put(b"Trailer: ");
                writer.put(Field::ErrorType.header_name().as_bytes());
                writer.put(b", ");
                writer.put(Field::ErrorBody.header_name().as_bytes());
                writer.put(b"\r\n");
                Ok(())
            }
        }
    }
}

impl<'a> ErrorHeaders<'a> {
    fn read(fields: &IndexedHeaders<'_, 'a>) -> Self {
        Self { error_type: fields.text(Field::ErrorType), xray_cause: fields.text(Field::XRayCause) }
    }

    fn write(&self, writer: &mut Writer<'_>) -> Result<(), SendError> {
        put(writer, Field::ContentType, Some(b"application/json"))?;
        put(writer, Field::ErrorType, self.error_type.map(checked_error_type).transpose()?)?;
        let cause = self.xray_cause.filter(|cause| cause.len() <= limits::XRAY_CAUSE_BYTES);
        put(writer, Field::XRayCause, cause.map(str::as_bytes))
    }
}

impl<'a> ErrorReport<'a> {
    /// What the headers say of this failure.
    pub fn error_headers(&self) -> ErrorHeaders<'a> {
        ErrorHeaders { error_type: Some(self.header_type()), xray_cause: None }
    }
}
