//! What a caller gets, and the reports that the platform itself makes of a failure.

use std::fmt;
use std::time::Duration;

use lambwire::{Excerpt, Mode};
use serde_json::Value;

use crate::environment::Status;
use crate::exit::Exit;
use crate::json;
use crate::limits;
use crate::report::{RESTORE_TIMED_OUT, TIMED_OUT};

/// Media type of an answer whose function named none.
pub(crate) const JSON: &str = "application/json";

/// Type of an error whose runtime named none.
pub(crate) const UNKNOWN: &str = "Runtime.Unknown";

/// What came of an invocation.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The id that the invocation had.
    pub request_id: String,
    /// How it went.
    pub outcome: Outcome,
    /// The version of the function that was executed.
    pub version: String,
    /// Media type of the body, as the function said it.
    pub content_type: String,
    /// The response; after a failure, the report of it.
    pub body: Vec<u8>,
    /// The last 4 KiB of the log of this invocation, from START to REPORT, if the event
    /// [asked for it](crate::Event::log_tail).
    pub log_tail: Option<Vec<u8>>,
    /// How the invocation ended, if the answer has waited for that.
    pub(crate) end: Option<End>,
    pub(crate) sent: Sent,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("request_id", &self.request_id)
            .field("outcome", &self.outcome)
            .field("version", &self.version)
            .field("content_type", &self.content_type)
            .field("body", &Excerpt(&self.body))
            .field("log_tail", &self.log_tail.as_deref().map(Excerpt))
            .finish_non_exhaustive()
    }
}

/// What of the runtime's message cannot be seen in an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The mode of the response.
    pub(crate) mode: Mode,
    /// The media type is what the function has said, not the usual one.
    pub(crate) is_typed: bool,
    /// It had no body, or one of a mode that is refused, and the one that is there was made here.
    pub(crate) is_silent: bool,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) status: Status,
    /// It was given to the runtime before.
    pub(crate) was_given: bool,
}

/// How an invocation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The function answered.
    Success,
    /// It reported an error, could not start, died, took too long, or answered with too much.
    Failure,
}

/// What the platform finds wrong, in the words of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The program ended before it had answered.
    Exited(Exit),
    /// It took longer than this.
    TimedOut(Duration),
    /// No runtime has asked for the event in all this time, though one had started.
    Unavailable(Duration),
    /// What it does after it was restored from a snapshot took too long.
    RestoreTimedOut,
    /// The response has more than this many bytes.
    TooLarge { limit: u64 },
    /// The connection was lost in the middle of the response, and the runtime went on.
    Truncated,
    /// The response named a mode that there is not.
    BadMode,
    /// The program cannot be started.
    BadEntrypoint(String),
    /// An extension cannot be started.
    BadExtension(String),
    /// An extension ended.
    ExtensionCrashed(Exit),
    /// An extension reported an error, which is of this type, and ended, or is to.
    ExtensionFailed { error_type: String, reason: String },
    /// The runtime reported an error of this type, and nothing about it.
    Silent(String),
}

impl Failure {
    pub(crate) fn error_type(&self) -> &str {
        match self {
            Self::Exited(_) => "Runtime.ExitError",
            Self::TimedOut(_) => TIMED_OUT,
            Self::Unavailable(_) => "Runtime.Unavailable",
            Self::RestoreTimedOut => RESTORE_TIMED_OUT,
            Self::TooLarge { .. } => "Function.ResponseSizeTooLarge",
            Self::Truncated => "Runtime.TruncatedResponse",
            Self::BadMode => "Runtime.InvalidResponseModeHeader",
            Self::BadEntrypoint(_) => "Runtime.InvalidEntrypoint",
            Self::BadExtension(_) => "Extension.LaunchError",
            Self::ExtensionCrashed(_) => "Extension.Crash",
            Self::ExtensionFailed { error_type, .. } | Self::Silent(error_type) => error_type,
        }
    }

    /// What has happened, for people.
    pub(crate) fn message(&self, id: &str) -> String {
        let reason = match self {
            Self::TooLarge { limit } => {
                return format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
            }
            Self::Exited(exit) => exit.to_string(),
            Self::RestoreTimedOut => {
                format!("Restore hooks timed out after {:.2} seconds", limits::RESTORE.as_secs_f64())
            }
            Self::TimedOut(timeout) => format!("Task timed out after {:.2} seconds", timeout.as_secs_f64()),
            Self::Unavailable(waited) => {
                format!("Runtime has not asked for an event in {:.2} seconds", waited.as_secs_f64())
            }
            Self::Truncated => "Response was not sent to its end".to_owned(),
            Self::BadMode => "Invalid function response mode".to_owned(),
            Self::BadEntrypoint(reason) | Self::BadExtension(reason) | Self::ExtensionFailed { reason, .. } => {
                reason.clone()
            }
            Self::ExtensionCrashed(exit) => exit.status(),
            Self::Silent(_) => "The runtime reported an error without a body".to_owned(),
        };
        format!("RequestId: {id} Error: {reason}")
    }

    /// The report for the caller of the invocation `id`.
    pub(crate) fn body(&self, id: &str) -> Vec<u8> {
        json::object(&[("errorType", self.error_type()), ("errorMessage", &self.message(id))]).into_bytes()
    }
}

/// What a runtime sent in answer to an invocation.
#[derive(Debug)]
pub(crate) enum Reported {
    Response {
        mode: Mode,
        content_type: Option<String>,
        body: Vec<u8>,
    },
    Error {
        error_type: Option<String>,
        report: Vec<u8>,
    },
    Failed(Failure),
    /// A response whose body has gone to the caller as it came.
    Streamed {
        content_type: Option<String>,
    },
}

impl Reported {
    /// How the invocation ended.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Response { .. } | Self::Streamed { .. } => Status::Success,
            Self::Error { error_type, .. } => Status::Reported(error_type.clone()),
            Self::Failed(failure) => Status::Failed(failure.clone()),
        }
    }

    /// The type of the error, if one was named.
    pub(crate) fn error_type(&self) -> Option<String> {
        match self {
            Self::Response { .. } | Self::Streamed { .. } => None,
            Self::Error { error_type, .. } => error_type.clone(),
            Self::Failed(failure) => Some(failure.error_type().to_owned()),
        }
    }

    /// The error that the function has reported, for people.
    pub(crate) fn complaint(&self) -> Option<Complaint> {
        match self {
            Self::Error { error_type, report } => Some(Complaint::new(error_type.as_deref(), report)),
            _ => None,
        }
    }

    pub(crate) fn into_answer(self, request_id: String, version: &str) -> Answer {
        let mode = if let Self::Response { mode, .. } = self { mode } else { Mode::Buffered };
        let is_silent = match &self {
            Self::Error { report, .. } => report.is_empty(),
            reported => matches!(reported, Self::Failed(Failure::BadMode)),
        };
        let (outcome, content_type, body) = match self {
            Self::Response { content_type, body, .. } => (Outcome::Success, content_type, body),
            Self::Streamed { content_type } => (Outcome::Success, content_type, Vec::new()),
            // AWS's server makes a report of the type if none is sent.
            Self::Error { error_type, report } if report.is_empty() => {
                let error_type = error_type.unwrap_or_else(|| UNKNOWN.to_owned());
                (Outcome::Failure, None, Failure::Silent(error_type).body(&request_id))
            }
            Self::Error { report, .. } => (Outcome::Failure, None, report),
            Self::Failed(failure) => (Outcome::Failure, None, failure.body(&request_id)),
        };
        Answer {
            request_id,
            outcome,
            version: version.to_owned(),
            sent: Sent { mode, is_typed: content_type.is_some(), is_silent },
            content_type: content_type.unwrap_or_else(|| JSON.to_owned()),
            body,
            log_tail: None,
            end: None,
        }
    }
}

/// An error that a program has reported, for whoever runs it.
#[derive(Debug)]
pub(crate) struct Complaint {
    pub(crate) error_type: String,
    /// One line.
    message: String,
}

impl Complaint {
    pub(crate) fn new(error_type: Option<&str>, report: &[u8]) -> Self {
        let json: Value = serde_json::from_slice(report).unwrap_or_default();
        let member = |name: &str| json.get(name).and_then(Value::as_str);
        let text = String::from_utf8_lossy(report);
        let message = member("errorMessage").unwrap_or(&text);
        let message = message.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Self {
            error_type: error_type.or(member("errorType")).unwrap_or(UNKNOWN).to_owned(),
            message: message.chars().take(limits::COMPLAINT_CHARS).collect(),
        }
    }

    /// Whether these lines tell of it, as text or as JSON.
    pub(crate) fn is_in(&self, log: &[u8]) -> bool {
        let log = String::from_utf8_lossy(log);
        let json = Value::from(&*self.message).to_string();
        let escaped = json.get(1..json.len() - 1).unwrap_or_default();
        !self.message.is_empty() && (log.contains(&self.message) || log.contains(escaped))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { error_type, message } = self;
        if message.is_empty() { f.write_str(error_type) } else { write!(f, "{error_type}: {message}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_texts_of_aws() {
        for (failure, expected) in [
            (
                Failure::Exited(Exit::Code(1)),
                r#"{"errorType":"Runtime.ExitError","errorMessage":"RequestId: i Error: Runtime exited with error: exit status 1"}"#,
            ),
            (
                Failure::TimedOut(Duration::from_secs(3)),
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: i Error: Task timed out after 3.00 seconds"}"#,
            ),
            // AWS's server has no message.
            (
                Failure::Unavailable(Duration::from_secs(10)),
                r#"{"errorType":"Runtime.Unavailable","errorMessage":"RequestId: i Error: Runtime has not asked for an event in 10.00 seconds"}"#,
            ),
            (
                Failure::TooLarge { limit: lambwire::limits::PAYLOAD_BYTES },
                r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#,
            ),
        ] {
            assert_eq!(failure.body("i"), expected.as_bytes());
        }
    }

    #[test]
    fn what_a_program_complains_of_is_one_line_of_a_bounded_length() {
        for (error_type, report, expected) in [
            (
                Some("Function.X"),
                r#"{"errorType":"X","errorMessage":"\nno such order\nat all"}"#,
                "Function.X: no such order",
            ),
            (None, r#"{"errorType":"X","errorMessage":"why"}"#, "X: why"),
            (None, "not found", "Runtime.Unknown: not found"),
            (Some("X"), "", "X"),
        ] {
            assert_eq!(Complaint::new(error_type, report.as_bytes()).to_string(), expected);
        }
        for len in [limits::COMPLAINT_CHARS - 1, limits::COMPLAINT_CHARS, limits::COMPLAINT_CHARS + 1] {
            let complaint = Complaint::new(None, "é".repeat(len).as_bytes());
            assert_eq!(complaint.message.chars().count(), len.min(limits::COMPLAINT_CHARS));
        }
    }

    #[test]
    fn an_error_that_a_program_has_logged_itself_is_not_logged_again() {
        let complaint = Complaint::new(None, br#"{"errorType":"X","errorMessage":"why"}"#);
        assert!(complaint.is_in(b"starting\nX: why\n") && !complaint.is_in(b"starting\n"));
        assert!(!Complaint::new(Some("X"), b"").is_in(b"X"));
        let quoting = Complaint::new(None, br#"{"errorType":"X","errorMessage":"no \"a\""}"#);
        assert!(quoting.is_in(br#"X: no "a""#) && quoting.is_in(br#"{"level":"ERROR","errorMessage":"no \"a\""}"#));
    }

    #[test]
    fn an_error_without_a_report_gets_one() {
        let silent = Reported::Error { error_type: Some("Function.X".to_owned()), report: Vec::new() };
        let answer = silent.into_answer("i".to_owned(), "1");
        assert_eq!(answer.outcome, Outcome::Failure);
        assert!(answer.body.starts_with(br#"{"errorType":"Function.X","#));
    }
}
