//! What went wrong, kept until it is reported.

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

use lambwire_mio::lambwire::{ErrorReport, ReceivedReport, StackFrame};

use crate::exit::Exit;
use crate::frame::too_large;
use crate::json::is_json;
use crate::shutdown;
use crate::text;

/// Members of a report that nothing here knows: with one of them, it is reported as it came. `trace` is how AWS's client for
/// Node calls a stack.
const MEMBERS: [&str; 2] = [r#""trace":"#, r#""cause":"#];

/// What went wrong, as it is reported to the caller and in the log. It is as large as a pointer, since nearly everything here
/// returns one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// What kind of thing, such as `Runtime.NoInterpreter` or the class of an exception.
    pub(crate) error_type: String,
    pub(crate) message: String,
    /// Where, from the innermost call outward.
    pub(crate) stack: Vec<String>,
    /// The last lines of its log, where nothing else says where it happened. Whoever reads the log has read them.
    pub(crate) log: String,
    /// The report of a worker, as it came, if there is more in it.
    pub(crate) written: Option<String>,
}

impl Failure {
    pub(crate) fn new(error_type: &str, message: impl Into<String>) -> Self {
        Self::of(error_type.to_owned(), message.into())
    }

    fn of(error_type: String, message: String) -> Self {
        Self(Box::new(Parts { error_type, message, stack: Vec::new(), log: String::new(), written: None }))
    }

    /// Reads the report of a worker. One that is not JSON is taken for a message.
    pub(crate) fn read(json: &[u8]) -> Self {
        let report = ReceivedReport::new(json);
        let mut stack = Vec::new();
        report.for_each_frame(|frame| {
            if let StackFrame::Line(line) = frame {
                stack.push(line.to_string());
            }
        });
        let error_type = report.error_type().map(|text| text.to_string());
        let message = report.message().map(|text| text.to_string());
        let text = str::from_utf8(json).ok().filter(|text| is_json(text));
        let is_whole = error_type.is_some() && message.is_some();
        let written = text.filter(|text| is_whole && MEMBERS.iter().any(|member| text::contains(text, member)));
        let written = written.map(str::to_owned);
        let error_type = error_type.unwrap_or_else(|| "Function.Unknown".to_owned());
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(json).into_owned());
        let mut failure = Self::of(error_type, message);
        failure.stack = stack;
        failure.written = written;
        failure
    }

    /// A program has ended when it should not have. `log` is the end of its log.
    pub(crate) fn of_exit(what: &str, exit: Exit, when: &str, log: &str) -> Self {
        // Perl says so in words and Node in the names of its functions, and both end in a way that says nothing.
        let log = log.to_ascii_lowercase().replace(' ', "");
        if let Some(why) = shutdown::ending() {
            let message = format!("{what} {exit} {when}, as the bootstrap was ending: {why}");
            return Self::new("Runtime.ExitError", message);
        }
        let is_out_of_memory = text::contains(&log, "outofmemory");
        let error_type = if is_out_of_memory { "Runtime.OutOfMemory" } else { "Runtime.ExitError" };
        Self::new(error_type, format!("{what} {exit} {when}"))
    }

    /// What runs the handler cannot be talked to.
    pub(crate) fn lost(what: &str, error: &io::Error) -> Self {
        Self::new("Runtime.WorkerLost", format!("cannot talk to the {what}: {error}"))
    }

    /// An answer of `len` bytes is larger than Lambda takes.
    pub(crate) fn too_large(len: usize) -> Self {
        Self::new("Function.ResponseSizeTooLarge", too_large(len))
    }

    /// A handler has not answered in the time that it was given.
    pub(crate) fn overdue() -> Self {
        Self::new("Function.TimedOut", "no answer in the time that there was")
    }

    /// Whether the worker has logged it itself: that for Node does, as AWS's client does it.
    pub(crate) fn is_logged(&self) -> bool {
        self.written.as_ref().is_some_and(|json| text::contains(json, MEMBERS[0]))
    }

    /// Adds what the log says last to a failure that does not say where it happened.
    pub(crate) fn with_log(mut self, last_lines: &str) -> Self {
        if self.stack.is_empty() && !last_lines.is_empty() && !self.is_logged() {
            self.written = None;
            last_lines.clone_into(&mut self.log);
        }
        self
    }

    /// Reports the failure in the way that `send` does.
    pub(crate) fn report<T>(&self, send: impl FnOnce(&ErrorReport<'_>) -> T) -> T {
        let stack: Vec<&str> = self.stack.iter().map(String::as_str).collect();
        let written = self.written.as_deref();
        let message = if self.log.is_empty() {
            &self.message
        } else {
            &format!("{}; the last lines of its log:\n{}", self.message, self.log)
        };
        send(&ErrorReport { message, error_type: &self.error_type, stack_trace: &stack, written })
    }
}

impl Deref for Failure {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)?;
        self.stack.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_and_written_again() {
        let json = br#"{"errorMessage":"a\nb","errorType":"T","stackTrace":["x","y"]}"#;
        let failure = Failure::read(json);
        assert_eq!(failure.to_string(), "T: a\nb\n    x\n    y");
        let mut out = [0; 128];
        let len = failure.report(|report| report.write(&mut out)).unwrap();
        assert_eq!(&out[..len], json);
    }

    #[test]
    fn what_else_a_report_says_is_reported_as_it_came() {
        let json = br#"{"errorType":"T","errorMessage":"a","trace":[],"cause":{"errorType":"U"}}"#;
        let failure = Failure::read(json).with_log("logged");
        let mut out = [0; 128];
        let len = failure.report(|report| report.write(&mut out)).unwrap();
        assert_eq!(&out[..len], json);
    }

    #[test]
    fn a_report_that_is_no_report_is_a_message() {
        assert_eq!(Failure::read(b"oh no"), Failure::new("Function.Unknown", "oh no"));
        assert_eq!(Failure::read(br#"{"errorType":"T"}"#), Failure::new("T", r#"{"errorType":"T"}"#));
    }

    #[test]
    fn the_log_goes_with_a_failure_without_a_stack() {
        let failure = Failure::new("T", "a").with_log("x\ny");
        let reported = failure.report(|report| report.message.to_owned());
        assert_eq!(reported, "a; the last lines of its log:\nx\ny");
        assert_eq!(failure.to_string(), "T: a");
        assert_eq!(Failure::new("T", "a").with_log(""), Failure::new("T", "a"));
        let mut failure = Failure::new("T", "a");
        failure.stack.push("at b".to_owned());
        assert_eq!(failure.with_log("x").log, "");
    }
}
