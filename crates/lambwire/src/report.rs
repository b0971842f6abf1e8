//! Error reports, as JSON.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::SendError;
use crate::field::checked_error_type;
use crate::json::{Text, at, for_each};

/// What went wrong, to be written as the body of an error.
///
/// The keys are `errorMessage`, `errorType` and `stackTrace`, in the order in which AWS's own servers write them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorReport<'a> {
    /// What went wrong, for people.
    pub message: &'a str,
    /// What kind of thing went wrong, such as `TypeError` or `Runtime.NoSuchHandler`.
    pub error_type: &'a str,
    /// Where, from the innermost call outward, one line each. Left out if it is empty.
    pub stack_trace: &'a [&'a str],
}

impl<'a> ErrorReport<'a> {
    /// A report without a stack trace.
    pub fn new(error_type: &'a str, message: &'a str) -> Self {
        Self { message, error_type, stack_trace: &[] }
    }

    /// The error type as it can be said in a header: `Function.Unknown` if it cannot.
    pub fn header_type(&self) -> &'a str {
        if checked_error_type(self.error_type).is_ok() { self.error_type } else { "Function.Unknown" }
    }

    /// This report, shortened so that its JSON has at most `bytes`: first the stack trace goes, then the end of the
    /// message, then that of the type.
    pub fn fit(&self, bytes: u64) -> Self {
        let room = usize::try_from(bytes).unwrap_or(usize::MAX);
        if self.max_len() <= room {
            return *self;
        }
        let bare = Self { stack_trace: &[], ..*self };
        let excess = bare.max_len().saturating_sub(room).div_ceil(LONGEST_ESCAPE);
        let message = cut(self.message, excess);
        let excess = excess.saturating_sub(self.message.len() - message.len());
        Self { message, error_type: cut(self.error_type, excess), ..bare }
    }

    /// Room in bytes that is enough for the JSON of this report.
    pub fn max_len(&self) -> usize {
        const FIXED: usize = r#"{"errorMessage":"","errorType":"","stackTrace":[]}"#.len();
        const BETWEEN: usize = r#""","#.len();
        let lines: usize = self.stack_trace.iter().map(|line| line.len() * LONGEST_ESCAPE + BETWEEN).sum();
        FIXED + (self.message.len() + self.error_type.len()) * LONGEST_ESCAPE + lines
    }

    /// Writes the report as JSON into `out` and returns its length.
    ///
    /// # Errors
    ///
    /// [`SendError::OutTooSmall`] if it does not fit; `needed` is [`max_len`](Self::max_len).
    pub fn write(&self, out: &mut [u8]) -> Result<usize, SendError> {
        serde_json_core::to_slice(self, out).map_err(|_| SendError::OutTooSmall { needed: self.max_len() })
    }
}

/// The most bytes that one byte of text becomes in JSON.
const LONGEST_ESCAPE: usize = r"\u0000".len();

/// `text` without at least `excess` bytes at its end, or without any.
fn cut(text: &str, excess: usize) -> &str {
    text.get(..text.floor_char_boundary(text.len().saturating_sub(excess))).unwrap_or_default()
}

impl Serialize for ErrorReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ErrorReport", 3)?;
        fields.serialize_field("errorMessage", self.message)?;
        fields.serialize_field("errorType", self.error_type)?;
        if !self.stack_trace.is_empty() {
            fields.serialize_field("stackTrace", self.stack_trace)?;
        }
        fields.end()
    }
}

/// A look into an error report that somebody else wrote: its keys in any order, others between them.
#[derive(Clone, Copy, Debug)]
pub struct ReceivedReport<'a> {
    json: &'a [u8],
}

/// One step of a stack trace.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum StackFrame<'a> {
    /// A line of text.
    Line(Text<'a>),
    /// A call, taken apart.
    Call {
        /// The file.
        path: Option<Text<'a>>,
        /// The line in the file.
        line: Option<u64>,
        /// The function.
        label: Option<Text<'a>>,
    },
}

impl<'a> ReceivedReport<'a> {
    /// A look into `json`, which may be anything.
    pub fn new(json: &'a [u8]) -> Self {
        Self { json }
    }

    /// What went wrong, for people.
    pub fn message(&self) -> Option<Text<'a>> {
        at(self.json, &["errorMessage"])
    }

    /// What kind of thing went wrong.
    pub fn error_type(&self) -> Option<Text<'a>> {
        at(self.json, &["errorType"])
    }

    /// Shows each step of the stack trace to `each`, from the innermost outward. AWS's clients write it as an array of
    /// strings (Python; Node, under the key `trace`), an array of objects (Go), or one string (LLRT).
    pub fn for_each_frame(&self, mut each: impl FnMut(StackFrame<'a>)) {
        for key in ["stackTrace", "trace"] {
            let found = for_each(self.json, key, |line| each(StackFrame::Line(line)))
                || for_each(self.json, key, |Call(frame)| each(frame))
                || at(self.json, &[key]).map(|line| each(StackFrame::Line(line))).is_some();
            if found {
                return;
            }
        }
    }
}

/// A stack frame that is an object.
struct Call<'a>(StackFrame<'a>);

impl<'a> Deserialize<'a> for Call<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct CallVisitor;
        impl<'a> Visitor<'a> for CallVisitor {
            type Value = Call<'a>;

            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("a stack frame")
            }

            fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Call<'a>, M::Error> {
                let (mut path, mut line, mut label) = (None, None, None);
                while let Some(key) = map.next_key::<&str>()? {
                    match key {
                        "path" => path = map.next_value()?,
                        // Node writes `null` for a line that it does not know.
                        "line" => line = map.next_value()?,
                        "label" => label = map.next_value()?,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(Call(StackFrame::Call { path, line, label }))
            }
        }
        deserializer.deserialize_map(CallVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use std::string::{String, ToString};
    use std::vec::Vec;

    #[test]
    fn a_report_is_written_as_aws_writes_it() {
        let mut out = [0; 256];
        let mut report = ErrorReport::new("My\"Error", "bo\u{1}om\né");
        let len = report.write(&mut out).unwrap();
        assert_eq!(
            core::str::from_utf8(&out[..len]),
            Ok("{\"errorMessage\":\"bo\\u0001om\\né\",\"errorType\":\"My\\\"Error\"}")
        );
        report.stack_trace = &["a", "b"];
        let len = report.write(&mut out).unwrap();
        assert!(out[..len].ends_with(b",\"stackTrace\":[\"a\",\"b\"]}"));
        assert!(len <= report.max_len());
        assert_eq!(report.write(&mut [0; 20]), Err(SendError::OutTooSmall { needed: report.max_len() }));
    }

    #[test]
    fn the_longest_report_fits_its_bound() {
        let hostile = "\u{1}".repeat(50);
        let report = ErrorReport { message: &hostile, error_type: &hostile, stack_trace: &[&hostile, &hostile, ""] };
        let mut out = std::vec![0; report.max_len()];
        assert!(report.write(&mut out).is_ok());
    }

    #[test]
    fn a_type_that_fits_no_header_is_unknown_there() {
        for (error_type, said) in
            [("Runtime.ExitError", "Runtime.ExitError"), ("a\nb", "Function.Unknown"), ("", "Function.Unknown")]
        {
            assert_eq!(ErrorReport::new(error_type, "").header_type(), said);
        }
        for len in [limits::ERROR_TYPE_BYTES - 1, limits::ERROR_TYPE_BYTES, limits::ERROR_TYPE_BYTES + 1] {
            let error_type = "x".repeat(len);
            let fits = len <= limits::ERROR_TYPE_BYTES;
            assert_eq!(ErrorReport::new(&error_type, "").header_type() == error_type, fits);
        }
    }

    #[test]
    fn a_report_is_shortened_from_its_end() {
        let report = ErrorReport { message: "méssage", error_type: "Type", stack_trace: &["line"] };
        let full = report.max_len();
        let bare = ErrorReport { stack_trace: &[], ..report };
        assert_eq!(report.fit(full as u64), report);
        assert_eq!(report.fit(full as u64 - 1), bare);
        assert_eq!(report.fit(bare.max_len() as u64), bare);
        assert_eq!(report.fit(bare.max_len() as u64 - 1).message, "méssag");
        assert_eq!(report.fit(bare.max_len() as u64 - 6 * 6), ErrorReport::new("Type", "m"));
        assert_eq!(report.fit(0), ErrorReport::new("", ""));
        for bytes in 50..full {
            assert!(report.fit(bytes as u64).max_len() <= bytes);
        }
    }

    fn frames(json: &str) -> Vec<String> {
        let mut frames = Vec::new();
        ReceivedReport::new(json.as_bytes()).for_each_frame(|frame| {
            frames.push(match frame {
                StackFrame::Line(line) => line.to_string(),
                StackFrame::Call { path, line, label } => {
                    let text = |text: Option<Text<'_>>| text.map(|text| text.to_string()).unwrap_or_default();
                    std::format!("{}:{}:{}", text(path), line.unwrap_or(0), text(label))
                }
            });
        });
        frames
    }

    #[test]
    fn stacks_of_every_client_are_read() {
        assert_eq!(frames(r#"{"stackTrace":["a","b\n"]}"#), ["a", "b\n"]);
        assert_eq!(frames(r#"{"x":1,"trace":["a"]}"#), ["a"]);
        assert_eq!(frames(r#"{"stackTrace":"one\ntwo"}"#), ["one\ntwo"]);
        assert_eq!(
            frames(r#"{"stackTrace":[{"path":"a.go","line":7,"label":"f","x":[]},{"line":null}]}"#),
            ["a.go:7:f", ":0:"]
        );
        assert!(frames(r#"{"stackTrace":[1]}"#).is_empty());
        assert!(frames("Invalid").is_empty());
    }
}
