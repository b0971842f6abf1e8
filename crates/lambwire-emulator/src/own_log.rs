//! What the emulator itself has to say. A line that is the same as the one before it is counted, and not repeated: whoever
//! tries again and again what is refused fills no log.

use std::cell::RefCell;
use std::time::{Instant, SystemTime};

use crate::console::{self, LogFormat, Mark, marked};
use crate::limits;
use crate::telemetry::time;

impl LogFormat {
    /// Says this on standard error, at a level such as `WARN`, as a line in this form. It is never waited for, and names its
    /// function where [lines do](crate::Emulator::name_lines). For loggers.
    pub fn tell(self, level: &str, message: &str) {
        let mark = MARK.with_borrow(Clone::clone);
        let (level, message) = (level.to_owned(), message.to_owned());
        console::tell(OwnLine { format: self, mark, level, message, said_at: SystemTime::now() });
    }
}

thread_local! {
    /// That of the function for which a thread works.
    static MARK: RefCell<Option<Mark>> = const { RefCell::new(None) };
}

/// Has all that this thread logs begin so.
pub(crate) fn mark_thread(mark: Option<Mark>) {
    MARK.set(mark);
}

/// A line of the emulator itself.
#[derive(Clone, Debug)]
pub(crate) struct OwnLine {
    format: LogFormat,
    mark: Option<Mark>,
    level: String,
    message: String,
    said_at: SystemTime,
}

impl OwnLine {
    /// How long it is, but for what it begins with.
    pub(crate) fn bytes(&self) -> usize {
        self.message.len()
    }

    /// Whether it says the same, at another time.
    fn is_like(&self, other: &Self) -> bool {
        (&self.mark, &self.level, &self.message) == (&other.mark, &other.level, &other.message)
    }

    fn text(&self) -> Vec<u8> {
        let Self { level, message, .. } = self;
        let line = match self.format {
            LogFormat::Text => format!("lambwire-emulator: {message}\n"),
            LogFormat::Json => {
                let time = time(self.said_at);
                let line = serde_json::json!({ "time": time, "type": "emulator", "level": level, "record": message });
                format!("{line}\n")
            }
        };
        marked(self.mark.as_ref(), line.as_bytes()).into_owned()
    }
}

/// Lines that are the same, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    last: Option<Repeated>,
}

#[derive(Debug)]
struct Repeated {
    line: OwnLine,
    /// How often it has come again.
    count: u64,
    /// When it is over if it does not come again.
    over_at: Instant,
}

impl Repeats {
    /// When the last line is forgotten, if there is one.
    pub(crate) fn is_over_at(&self) -> Option<Instant> {
        self.last.as_ref().map(|last| last.over_at)
    }

    /// What is to be written for a line: nothing, if it is that of before.
    pub(crate) fn take(&mut self, line: OwnLine) -> Vec<u8> {
        let over_at = Instant::now() + limits::REPEAT_PATIENCE;
        if let Some(last) = self.last.as_mut().filter(|last| last.line.is_like(&line)) {
            *last = Repeated { count: last.count + 1, line, over_at };
            return Vec::new();
        }
        let text = line.text();
        self.last = Some(Repeated { line, count: 0, over_at });
        text
    }

    /// What is to be written before a line: how often that of before has come, if this is another.
    pub(crate) fn end_before(&mut self, line: &OwnLine) -> Vec<u8> {
        if self.last.as_ref().is_some_and(|last| last.line.is_like(line)) { Vec::new() } else { self.end() }
    }

    /// What is to be written before something else is.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        match self.last.take() {
            None | Some(Repeated { count: 0, .. }) => Vec::new(),
            Some(Repeated { line, count, .. }) => {
                let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
                OwnLine { message: format!("last line repeated {times}"), ..line }.text()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(message: &str, mark: Option<&str>, format: LogFormat) -> OwnLine {
        let mark = mark.map(|name| Mark::new(name, format));
        OwnLine { format, mark, level: "WARN".to_owned(), message: message.to_owned(), said_at: SystemTime::now() }
    }

    /// What is written for these lines, up to something else.
    fn written(lines: impl IntoIterator<Item = OwnLine>) -> String {
        let mut repeats = Repeats::default();
        let mut written = Vec::new();
        for line in lines {
            written.extend(repeats.end_before(&line));
            written.extend(repeats.take(line));
        }
        written.extend(repeats.end());
        assert!(repeats.end().is_empty() && repeats.is_over_at().is_none());
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn equal_lines_one_after_the_other_are_counted() {
        let text = |messages: &[&str]| {
            let lines = messages.iter().map(|message| line(message, None, LogFormat::Text));
            written(lines).replace("lambwire-emulator: ", "")
        };
        assert_eq!(text(&["a"]), "a\n");
        assert_eq!(text(&["a", "a"]), "a\nlast line repeated once\n");
        assert_eq!(text(&["a", "a", "a", "b"]), "a\nlast line repeated 2 times\nb\n");
        assert_eq!(text(&["a", "b", "a"]), "a\nb\na\n");
    }

    #[test]
    fn lines_of_two_functions_are_not_equal() {
        let lines = ["a", "b", "b"].map(|name| line("x", Some(name), LogFormat::Text));
        let own = "lambwire-emulator: ";
        assert_eq!(written(lines), format!("[a] {own}x\n[b] {own}x\n[b] {own}last line repeated once\n"));
    }

    #[test]
    fn lines_of_json_are_equal_whenever_they_are_said() {
        let mut lines = ["x", "x", "x"].map(|message| line(message, None, LogFormat::Json));
        lines[1].said_at = SystemTime::UNIX_EPOCH;
        let records: Vec<_> = written(lines)
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["record"].clone())
            .collect();
        assert_eq!(records, ["x", "last line repeated 2 times"]);
    }
}
