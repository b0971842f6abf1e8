//! Error reports, as JSON.

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::error::SendError;
use crate::field::checked_error_type;
use crate::json::{Text, at, for_each};

/// What went wrong, to be written as the body of an error.
///
/// The keys are `errorMessage`, `errorType` and `stackTrace`, in the order in which AWS's own servers write them.
///
/// ```
/// use lambwire::report::ErrorReport;
///
/// let report = ErrorReport::new("Function.BadEvent", "no \"name\" in it");
/// let mut json = [0; 256];
/// let len = report.write(&mut json)?;
/// assert_eq!(&json[..len], br#"{"errorMessage":"no \"name\" in it","errorType":"Function.BadEvent"}"#);
/// // For the headers of the request that carries it:
/// assert_eq!(report.error_headers().error_type, Some("Function.BadEvent"));
/// # Ok::<(), lambwire::SendError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ErrorReport<'a> {
    /// What went wrong, for people.
    pub message: &'a str,
    /// What kind of thing went wrong, such as `TypeError` or `Runtime.NoSuchHandler`.
    pub error_type: &'a str,
    /// Where, from the innermost call outward, one line each. Left out if it is empty.
    pub stack_trace: &'a [&'a str],
    /// The report as JSON, as somebody else wrote it, with more in it than the rest of these: sent as it stands, if it is
    /// not too long.
    pub written: Option<&'a str>,
}

impl<'a> ErrorReport<'a> {
    /// A report without a stack trace.
    pub fn new(error_type: &'a str, message: &'a str) -> Self {
        Self { message, error_type, stack_trace: &[], written: None }
    }

    /// The error type as it can be said in a header: `Function.Unknown` if it cannot.
    pub fn header_type(&self) -> &'a str {
        if checked_error_type(self.error_type).is_ok() { self.error_type } else { "Function.Unknown" }
    }

    /// This report, shortened so that its JSON has at most `bytes`: what somebody else wrote goes first, then the outer
    /// end of the stack trace, the end of the message, and that of the type. (The JSON of nothing has 34 bytes.)
    pub fn fit(&self, bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if self.written.is_some_and(|json| json.len() <= bytes) {
            return *self;
        }
        let bare = Self { stack_trace: &[], written: None, ..*self };
        let Some(room) = bytes.checked_sub(bare.json_len() + STACK_BYTES) else {
            let room = bytes.saturating_sub(Self::default().json_len());
            let error_type = prefix(self.error_type, room);
            let message = prefix(self.message, room.saturating_sub(escaped_len(error_type)));
            return Self { message, error_type, ..bare };
        };
        let ends = self.stack_trace.iter().scan(0, |end, line| {
            *end += line_len(line);
            Some(*end)
        });
        let kept = ends.take_while(|&end| end <= room).count();
        Self { stack_trace: self.stack_trace.get(..kept).unwrap_or_default(), ..bare }
    }

    /// How many bytes the JSON of this report has.
    pub fn json_len(&self) -> usize {
        const FIXED: usize = r#"{"errorMessage":"","errorType":""}"#.len();
        if let Some(json) = self.written {
            return json.len();
        }
        let stack: usize = self.stack_trace.iter().map(|line| line_len(line)).sum();
        let stack = if self.stack_trace.is_empty() { 0 } else { STACK_BYTES + stack };
        FIXED + escaped_len(self.message) + escaped_len(self.error_type) + stack
    }

    /// Writes the report as JSON into `out` and returns its length.
    ///
    /// # Errors
    ///
    /// [`SendError::BufferTooSmall`] if it does not fit; `needed` is [`json_len`](Self::json_len).
    pub fn write(&self, out: &mut [u8]) -> Result<usize, SendError> {
        let too_small = SendError::BufferTooSmall { needed: self.json_len() };
        let Some(json) = self.written else {
            return serde_json_core::to_slice(self, out).map_err(|_| too_small);
        };
        out.get_mut(..json.len()).ok_or(too_small)?.copy_from_slice(json.as_bytes());
        Ok(json.len())
    }
}

/// What a stack trace takes in JSON, but for its lines. They have a comma less than there are lines.
const STACK_BYTES: usize = r#","stackTrace":[]"#.len() - 1;

/// What a line of a stack trace takes in JSON, with a comma.
fn line_len(line: &str) -> usize {
    escaped_len(line) + r#""","#.len()
}

/// What a string takes in JSON, between its quotes.
fn escaped_len(text: &str) -> usize {
    text.bytes().map(escape_len).sum()
}

fn escape_len(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0x08 | b'\t' | b'\n' | 0x0c | b'\r' => r"\n".len(),
        0..0x20 => r"\u0000".len(),
        _ => 1,
    }
}

/// The longest part of a string, from its front, that takes at most `room` bytes in JSON.
fn prefix(text: &str, room: usize) -> &str {
    let ends = text.bytes().scan(0, |end, byte| {
        *end += escape_len(byte);
        Some(*end)
    });
    let kept = ends.take_while(|&end| end <= room).count();
    (0..=kept).rev().find_map(|end| text.get(..end)).unwrap_or_default()
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
            let found = for_each(self.json, key, &mut |line| each(StackFrame::Line(line)))
                || for_each(self.json, key, &mut |Call(frame)| each(frame))
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
        assert_eq!(report.write(&mut [0; 20]), Err(SendError::BufferTooSmall { needed: report.json_len() }));
    }

    #[test]
    fn what_somebody_else_wrote_is_sent_as_it_stands_if_it_fits() {
        let json = r#"{"errorType":"Type","errorMessage":"message","trace":["at a"]}"#;
        let report = ErrorReport { written: Some(json), ..ErrorReport::new("Type", "message") };
        let len = json.len();
        let mut out = [0; 256];
        for room in [len - 1, len, len + 1] {
            let fitting = report.fit(room as u64);
            assert_eq!(fitting.written, (room >= len).then_some(json), "{room}");
            assert!(fitting.json_len() <= room, "{room}");
            assert_eq!(fitting.write(&mut out), Ok(fitting.json_len()), "{room}");
            assert_eq!(out.starts_with(json.as_bytes()), room >= len, "{room}");
        }
        assert_eq!(report.write(&mut [0; 8]), Err(SendError::BufferTooSmall { needed: len }));
    }

    #[test]
    fn the_length_of_a_report_is_known() {
        let hostile = (0..0x100u32).filter_map(char::from_u32).collect::<String>();
        let lines = [hostile.as_str(), "", "é"];
        for count in 0..=lines.len() {
            let report =
                ErrorReport { message: &hostile, error_type: "a\"b", stack_trace: &lines[..count], written: None };
            let mut out = std::vec![0; report.json_len()];
            assert_eq!(report.write(&mut out), Ok(out.len()));
        }
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
        let report =
            ErrorReport { message: "mé\nage", error_type: "Type", stack_trace: &["inner", "outer"], written: None };
        let full = report.json_len() as u64;
        let bare = ErrorReport { stack_trace: &[], ..report };
        let bare_len = bare.json_len() as u64;
        assert_eq!(report.fit(full + 1), report);
        assert_eq!(report.fit(full), report);
        assert_eq!(report.fit(full - 1).stack_trace, ["inner"]);
        assert_eq!(report.fit(bare_len), bare);
        assert_eq!(report.fit(bare_len - 1).message, "mé\nag");
        assert_eq!(report.fit(bare_len - 4).message, "mé");
        assert_eq!(report.fit(bare_len - 6).message, "m");
        assert_eq!(report.fit(bare_len - 8), ErrorReport::new("Type", ""));
        assert_eq!(report.fit(bare_len - 9), ErrorReport::new("Typ", ""));
        assert_eq!(report.fit(0), ErrorReport::new("", ""));
        for bytes in 34..full {
            assert!(report.fit(bytes).json_len() as u64 <= bytes);
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
