//! Replies that say no: what a server writes, and what a runtime makes of it.

use core::fmt::{self, Write};

use heapless::String;

use crate::error::SendError;
use crate::json::Text;
use crate::message::{Reply, RequestKind};
use crate::report::{ErrorReport, ReceivedReport};

/// Longest message of a rejection that is shown, and longest state of a transition, in bytes.
const MESSAGE_BYTES: usize = 256;

/// A request that the Runtime API refused, with the reason that stands in the reply's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection<B> {
    kind: RequestKind,
    status: u16,
    body_bytes: Option<u64>,
    body: B,
}

impl<B> Rejection<B> {
    /// A reply to `kind` of this `status`, and its `body`.
    pub fn new(kind: RequestKind, status: u16, body: B) -> Self {
        Self { kind, status, body_bytes: None, body }
    }

    pub(crate) fn of(self, body_bytes: Option<u64>) -> Self {
        Self { body_bytes, ..self }
    }

    /// What was refused.
    pub fn kind(&self) -> RequestKind {
        self.kind
    }

    /// The status of the reply.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Size of the body that was refused, in bytes; `None` if that was not known before, as a stream's.
    pub fn body_bytes(&self) -> Option<u64> {
        self.body_bytes
    }

    /// Whether this may only say that a response had arrived before: what a repeated one gets.
    pub fn is_of_repeat(&self) -> bool {
        Reply::is_of_repeat(self.kind, self.status)
    }

    /// Whether the loop should end.
    ///
    /// | to | status | why |
    /// |---|---|---|
    /// | next, restore next | any | this process is not welcome, or the execution environment is broken |
    /// | response, error | 5xx | AWS: "Container error. Non-recoverable state. Runtime should exit promptly." |
    /// | response, error | 413 | no: too large; the server takes no error report for this invocation any more |
    /// | response, error | 400, 403, 410, others | no: this invocation is over |
    /// | init error, restore error | any | the process ends in any case |
    pub fn is_fatal(&self) -> bool {
        !self.kind.completes_invocation() || self.status >= 500
    }

    /// The same, with its body kept in another way.
    pub fn map<C>(self, body: impl FnOnce(B) -> C) -> Rejection<C> {
        let Self { kind, status, body_bytes, body: kept } = self;
        Rejection { kind, status, body_bytes, body: body(kept) }
    }
}

impl<B: AsRef<[u8]>> Rejection<B> {
    /// The type of the error, such as `InvalidRequestID`, if the reply gave one.
    pub fn error_type(&self) -> Option<Text<'_>> {
        ReceivedReport::new(self.body.as_ref()).error_type()
    }

    /// The reason, for people, if the reply gave one.
    pub fn message(&self) -> Option<Text<'_>> {
        ReceivedReport::new(self.body.as_ref()).message()
    }
}

impl<B: AsRef<[u8]>> fmt::Display for Rejection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let (413, Some(bytes)) = (self.status, self.body_bytes) {
            write!(f, " of {bytes} bytes")?;
        }
        write!(f, " refused with status {}", self.status)?;
        if let Some(message) = self.message().filter(|message| message.chars().next().is_some()) {
            f.write_str(": ")?;
            write_start(message, f)?;
        }
        if let Some(error_type) = self.error_type().filter(|error_type| error_type.chars().next().is_some()) {
            f.write_str(" (")?;
            write_start(error_type, f)?;
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// Writes as much of a text as [`MESSAGE_BYTES`] hold.
fn write_start(text: Text<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut left = MESSAGE_BYTES;
    for char in text.chars() {
        let Some(rest) = left.checked_sub(char.len_utf8()) else { break };
        left = rest;
        f.write_char(char)?;
    }
    Ok(())
}

/// The refusals of AWS's server, with their statuses and texts to the letter (RIE, `rapi/rendering` and
/// `rapi/handler`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiError<'a> {
    /// The path names no invocation that is under way.
    InvalidRequestId,
    /// The mode header has a value other than `streaming`.
    InvalidResponseMode,
    /// The request is not due in the state in which the runtime is.
    InvalidStateTransition {
        /// The state, such as `RuntimeResponseSentState`.
        from: &'a str,
        /// The state that the request asks for, such as `InvocationResponse`.
        to: &'a str,
    },
    /// The invocation has timed out.
    InvokeTimeout,
    /// The response is larger than [`PAYLOAD_BYTES`](crate::limits::PAYLOAD_BYTES).
    RequestEntityTooLarge,
    /// The execution environment is going away.
    InternalServerError,
    /// An extension registers after the runtime has asked for an invocation.
    RegistrationClosed,
    /// An extension registers for events that one inside the runtime's process cannot have.
    InvalidEventType,
    /// No extension has registered under this id.
    InvalidExtensionId,
    /// The path is none of the Runtime API's.
    NotFound,
    /// The path has another method.
    MethodNotAllowed {
        /// The method that it has.
        allow: &'a str,
    },
}

impl<'a> ApiError<'a> {
    /// The reply whose body [`write`](Self::write) writes.
    pub fn reply(&self) -> Reply<'a> {
        let status = match *self {
            Self::InvalidRequestId | Self::InvalidResponseMode => 400,
            Self::InvalidStateTransition { .. }
            | Self::RegistrationClosed
            | Self::InvalidEventType
            | Self::InvalidExtensionId => 403,
            Self::InvokeTimeout => 410,
            Self::RequestEntityTooLarge => 413,
            Self::InternalServerError => 500,
            Self::NotFound => 404,
            Self::MethodNotAllowed { allow } => return Reply::MethodNotAllowed { allow },
        };
        Reply::Rejected { status }
    }

    /// Writes the body, a line, into `out` and returns its length. It is JSON, but that of [`NotFound`](Self::NotFound), and
    /// [`MethodNotAllowed`](Self::MethodNotAllowed) has none.
    ///
    /// # Errors
    ///
    /// [`SendError::BufferTooSmall`] if it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, SendError> {
        let mut transition = String::<MESSAGE_BYTES>::new();
        let (error_type, message) = match self {
            Self::MethodNotAllowed { .. } => return Ok(0),
            Self::NotFound => {
                let room =
                    out.get_mut(..NOT_FOUND.len()).ok_or(SendError::BufferTooSmall { needed: NOT_FOUND.len() })?;
                room.iter_mut().zip(NOT_FOUND).for_each(|(to, from)| *to = *from);
                return Ok(NOT_FOUND.len());
            }
            Self::InvalidRequestId => ("InvalidRequestID", "Invalid request ID"),
            Self::InvalidResponseMode => ("InvalidFunctionResponseMode", "Invalid function response mode"),
            Self::InvokeTimeout => ("InvokeTimeout", "Invoke timeout"),
            Self::RequestEntityTooLarge => {
                ("RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
            }
            Self::InternalServerError => ("InternalServerError", "Internal Server Error"),
            Self::RegistrationClosed => ("Extension.RegistrationClosed", "Extension registration closed already"),
            Self::InvalidEventType => ("Extension.InvalidEventType", "INVOKE: ErrorInvalidEventType"),
            Self::InvalidExtensionId => ("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier"),
            Self::InvalidStateTransition { from, to } => {
                const REASON: &str = " failed for runtime. Error: State transition is not allowed";
                // States longer than those of the protocol are cut off.
                let _ = ["State transition from ", from, " to ", to, REASON]
                    .iter()
                    .try_for_each(|part| transition.push_str(part));
                ("InvalidStateTransition", transition.as_str())
            }
        };
        let len = ErrorReport::new(error_type, message).write(out)?;
        *out.get_mut(len).ok_or(SendError::BufferTooSmall { needed: len + 1 })? = b'\n';
        Ok(len + 1)
    }
}

/// What AWS's server says to a path that it does not know.
const NOT_FOUND: &[u8] = b"404 page not found\n";

/// The body that AWS's server sends with [`Reply::Accepted`].
pub const ACCEPTED_BODY: &[u8] = b"{\"status\":\"OK\"}\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn written(error: ApiError<'_>) -> std::string::String {
        let mut out = [0; 512];
        let len = error.write(&mut out).unwrap();
        std::string::String::from_utf8(out[..len].to_vec()).unwrap()
    }

    #[test]
    fn errors_have_the_texts_of_aws_and_are_read_back() {
        assert_eq!(
            written(ApiError::InvalidStateTransition { from: "RuntimeResponseSentState", to: "InvocationResponse" }),
            "{\"errorMessage\":\"State transition from RuntimeResponseSentState to InvocationResponse failed for \
             runtime. Error: State transition is not allowed\",\"errorType\":\"InvalidStateTransition\"}\n"
        );
        assert_eq!(written(ApiError::NotFound), "404 page not found\n");
        assert_eq!(ApiError::NotFound.write(&mut [0; 18]), Err(SendError::BufferTooSmall { needed: 19 }));
        let body = written(ApiError::RequestEntityTooLarge);
        assert!(body.contains(&std::format!("({} bytes)", limits::PAYLOAD_BYTES)));
        let rejection = Rejection::new(RequestKind::Response, 413, body.as_bytes());
        assert_eq!(rejection.error_type().as_ref().and_then(Text::as_str), Some("RequestEntityTooLarge"));
        assert_eq!(
            std::format!("{rejection}"),
            "response refused with status 413: Exceeded maximum allowed payload size (6291556 bytes). \
             (RequestEntityTooLarge)"
        );
    }

    #[test]
    fn a_refusal_without_json_or_with_too_much_is_read_all_the_same() {
        assert_eq!(
            std::format!("{}", Rejection::new(RequestKind::Next, 404, b"404 page not found\n")),
            "next refused with status 404"
        );
        let long = std::format!(r#"{{"errorMessage":"{}"}}"#, "é".repeat(1000));
        let rejection = std::format!("{}", Rejection::new(RequestKind::Next, 500, long.as_bytes()));
        assert_eq!(rejection.len(), "next refused with status 500: ".len() + MESSAGE_BYTES);
    }

    #[test]
    fn a_loop_ends_when_next_is_refused_or_the_environment_is_broken() {
        for (kind, status, fatal) in [
            (RequestKind::Next, 403, true),
            (RequestKind::Next, 500, true),
            (RequestKind::RestoreNext, 404, true),
            (RequestKind::Response, 400, false),
            (RequestKind::Response, 403, false),
            (RequestKind::Response, 410, false),
            (RequestKind::Response, 413, false),
            (RequestKind::Error, 500, true),
            (RequestKind::InitError, 403, true),
        ] {
            assert_eq!(Rejection::new(kind, status, "").is_fatal(), fatal, "{kind} {status}");
        }
    }
}
