//! Replies that say no: what a server writes, and what a runtime makes of it.

use core::fmt;

use heapless::String;

use crate::error::SendError;
use crate::json::Text;
use crate::message::{Reply, Verb};
use crate::report::{ErrorReport, ReceivedReport};

const TYPE_BYTES: usize = 64;
const MESSAGE_BYTES: usize = 256;

/// A request that the Runtime API refused, with the reason that it gave, cut short if it is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    verb: Verb,
    status: u16,
    body_bytes: Option<u64>,
    error_type: String<TYPE_BYTES>,
    message: String<MESSAGE_BYTES>,
}

impl Refusal {
    /// Reads what a reply to `verb` of this `status` says in its `body`.
    pub fn read(verb: Verb, status: u16, body: &[u8]) -> Self {
        let report = ReceivedReport::new(body);
        Self {
            verb,
            status,
            body_bytes: None,
            error_type: as_much_as_fits(report.error_type()),
            message: as_much_as_fits(report.message()),
        }
    }

    pub(crate) fn of(self, body_bytes: Option<u64>) -> Self {
        Self { body_bytes, ..self }
    }

    /// What was refused.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// The status of the reply.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Size of the body that was refused, in bytes; `None` if that was not known before, as a stream's.
    pub fn body_bytes(&self) -> Option<u64> {
        self.body_bytes
    }

    /// The type of the error, such as `InvalidRequestID`; empty if the reply gave none.
    pub fn error_type(&self) -> &str {
        &self.error_type
    }

    /// The reason, for people; empty if the reply gave none.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether this may only say that an answer had arrived before: what a repeated answer gets.
    ///
    /// AWS's server answers the second with 403, or with 400 once the invocation is over.
    pub fn is_of_repeat(&self) -> bool {
        Self::is_of_a_repeat(self.verb, self.status)
    }

    pub(crate) fn is_of_a_repeat(verb: Verb, status: u16) -> bool {
        verb.is_answer() && matches!(status, 400 | 403)
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
        !self.verb.is_answer() || self.status >= 500
    }
}

fn as_much_as_fits<const BYTES: usize>(text: Option<Text<'_>>) -> String<BYTES> {
    let mut room = String::new();
    // An error says that the room is full.
    let _ = text.into_iter().flat_map(|text| text.chars()).try_for_each(|char| room.push(char));
    room
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verb)?;
        if let (413, Some(bytes)) = (self.status, self.body_bytes) {
            write!(f, " of {bytes} bytes")?;
        }
        write!(f, " refused with status {}", self.status)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if !self.error_type.is_empty() {
            write!(f, " ({})", self.error_type)?;
        }
        Ok(())
    }
}

/// The refusals of AWS's server, with their statuses and texts to the letter (RIE, `rapi/rendering` and
/// `rapi/handler`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Objection<'a> {
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
}

impl Objection<'_> {
    /// The reply whose body [`write`](Self::write) writes.
    pub fn reply(&self) -> Reply<'static> {
        let status = match self {
            Self::InvalidRequestId | Self::InvalidResponseMode => 400,
            Self::InvalidStateTransition { .. }
            | Self::RegistrationClosed
            | Self::InvalidEventType
            | Self::InvalidExtensionId => 403,
            Self::InvokeTimeout => 410,
            Self::RequestEntityTooLarge => 413,
            Self::InternalServerError => 500,
            Self::NotFound => 404,
        };
        Reply::Refused { status }
    }

    /// Writes the body, a line, into `out` and returns its length. It is JSON, but that of [`NotFound`](Self::NotFound).
    ///
    /// # Errors
    ///
    /// [`SendError::OutTooSmall`] if it does not fit.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, SendError> {
        let mut transition = String::<MESSAGE_BYTES>::new();
        let (error_type, message) = match self {
            Self::NotFound => {
                let room = out.get_mut(..NOT_FOUND.len()).ok_or(SendError::OutTooSmall { needed: NOT_FOUND.len() })?;
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
        *out.get_mut(len).ok_or(SendError::OutTooSmall { needed: len + 1 })? = b'\n';
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

    fn written(objection: Objection<'_>) -> std::string::String {
        let mut out = [0; 512];
        let len = objection.write(&mut out).unwrap();
        std::string::String::from_utf8(out[..len].to_vec()).unwrap()
    }

    #[test]
    fn objections_have_the_texts_of_aws_and_are_read_back() {
        assert_eq!(
            written(Objection::InvalidStateTransition { from: "RuntimeResponseSentState", to: "InvocationResponse" }),
            "{\"errorMessage\":\"State transition from RuntimeResponseSentState to InvocationResponse failed for \
             runtime. Error: State transition is not allowed\",\"errorType\":\"InvalidStateTransition\"}\n"
        );
        assert_eq!(written(Objection::NotFound), "404 page not found\n");
        assert_eq!(Objection::NotFound.write(&mut [0; 18]), Err(SendError::OutTooSmall { needed: 19 }));
        let body = written(Objection::RequestEntityTooLarge);
        assert!(body.contains(&std::format!("({} bytes)", limits::PAYLOAD_BYTES)));
        let refusal = Refusal::read(Verb::Response, 413, body.as_bytes());
        assert_eq!(refusal.error_type(), "RequestEntityTooLarge");
        assert_eq!(
            std::format!("{refusal}"),
            "response refused with status 413: Exceeded maximum allowed payload size (6291556 bytes). \
             (RequestEntityTooLarge)"
        );
    }

    #[test]
    fn a_refusal_without_json_or_with_too_much_is_read_all_the_same() {
        assert_eq!(
            std::format!("{}", Refusal::read(Verb::Next, 404, b"404 page not found\n")),
            "next refused with status 404"
        );
        let long = std::format!(r#"{{"errorMessage":"{}"}}"#, "é".repeat(1000));
        assert_eq!(Refusal::read(Verb::Next, 500, long.as_bytes()).message().len(), MESSAGE_BYTES);
    }

    #[test]
    fn a_loop_ends_when_next_is_refused_or_the_environment_is_broken() {
        for (verb, status, fatal) in [
            (Verb::Next, 403, true),
            (Verb::Next, 500, true),
            (Verb::RestoreNext, 404, true),
            (Verb::Response, 400, false),
            (Verb::Response, 403, false),
            (Verb::Response, 410, false),
            (Verb::Response, 413, false),
            (Verb::Error, 500, true),
            (Verb::InitError, 403, true),
        ] {
            assert_eq!(Refusal::read(verb, status, b"").is_fatal(), fatal, "{verb} {status}");
        }
    }
}
