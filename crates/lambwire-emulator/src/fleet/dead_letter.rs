//! Events that are given up, for which nobody waits.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::arn;
use crate::console::{self, Mark};
use crate::event::Invocation;
use crate::files::{self, Identity, identity, open_at_once};
use crate::limits;
use crate::own_log::mark_thread;
use crate::start_error::StartError;
use crate::telemetry;

/// What waits to be written, by file. A thread of its own writes it, as long as there is any, and waits for the reader of a
/// pipe: there is one alone, so that lines stay whole, for several functions and for those that are started again.
static BACKLOGS: Mutex<BTreeMap<Identity, Backlog>> = Mutex::new(BTreeMap::new());

/// A file has all that waited for it.
static WRITTEN: Condvar = Condvar::new();

/// Where such events go: a file, or a pipe.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    path: PathBuf,
    file: Identity,
    mark: Option<Mark>,
}

#[derive(Debug)]
struct Backlog {
    path: PathBuf,
    letters: VecDeque<Letter>,
    /// How many are not written; one may be on its way.
    count: usize,
    /// How large they are.
    bytes: usize,
}

#[derive(Debug)]
struct Letter {
    /// The event's id, for what is said of it.
    id: Arc<str>,
    mark: Option<Mark>,
    line: String,
}

/// Why an event is given up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'a> {
    /// It has failed so many times, and this came of the last.
    Failed { tries: usize, answer: &'a Answer },
    /// The concurrency that is reserved for the function is zero: nothing runs (AWS, guide, "Capturing records of Lambda
    /// asynchronous invocations").
    NoConcurrency,
}

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { tries, .. } => write!(f, "has failed {tries} times"),
            Self::NoConcurrency => f.write_str("is not run, as the reserved concurrency is 0"),
        }
    }
}

impl DeadLetters {
    /// Where the file can be written now. What is logged of its events has this mark.
    pub(crate) fn open(path: PathBuf, mark: Option<Mark>) -> Result<Self, StartError> {
        match open(&path).and_then(|file| file.metadata()) {
            Ok(metadata) => {
                files::keep(&path);
                Ok(Self { path, file: identity(&metadata), mark })
            }
            Err(error) => Err(StartError::DeadLetters { path, error }),
        }
    }

    fn keep(&self, id: &Arc<str>, line: String) -> Result<(), String> {
        let letter = Letter { id: Arc::clone(id), mark: self.mark.clone(), line };
        let mut backlogs = backlogs();
        if let Some(backlog) = backlogs.get_mut(&self.file) {
            return backlog.push(letter);
        }
        let mut backlog = Backlog::new(self.path.clone());
        backlog.push(letter)?;
        let file = self.file;
        let thread = thread::Builder::new().name("lambwire-letters".to_owned());
        // It waits for the lock.
        thread.spawn(move || write_all(file)).map_err(|error| error.to_string())?;
        backlogs.insert(file, backlog);
        Ok(())
    }

    /// Waits until all is written, but not for ever, and says what is lost.
    pub(crate) fn flush(&self, patience: Duration) {
        flush_those(patience, |file| file == self.file);
    }
}

/// Waits until all events that have failed are written, but not for ever, and says which are lost.
pub fn flush_dead_letters(patience: Duration) {
    if flush_those(patience, |_| true) {
        console::flush(patience);
    }
}

/// Whether something is lost.
fn flush_those(patience: Duration, is_meant: impl Fn(Identity) -> bool) -> bool {
    let is_waiting = |backlogs: &mut BTreeMap<Identity, Backlog>| backlogs.keys().any(|file| is_meant(*file));
    let waited = WRITTEN.wait_timeout_while(backlogs(), patience, is_waiting);
    let (backlogs, waited) = waited.unwrap_or_else(PoisonError::into_inner);
    for (_, Backlog { path, count, .. }) in backlogs.iter().filter(|(file, _)| is_meant(**file)) {
        let (what, them) = if *count == 1 { ("event that has", "it") } else { ("events that have", "them") };
        log::error!("{count} {what} failed cannot be kept in {}: nobody has read {them}", path.display());
    }
    waited.timed_out()
}

impl Backlog {
    fn new(path: PathBuf) -> Self {
        Self { path, letters: VecDeque::new(), count: 0, bytes: 0 }
    }

    /// Takes a letter, unless more would wait then than may.
    fn push(&mut self, letter: Letter) -> Result<(), String> {
        let (bytes, limit) = (self.bytes + letter.line.len(), limits::DEAD_LETTER_BACKLOG_BYTES);
        if bytes > limit {
            return Err(format!("{bytes} bytes would wait to be written, limit is {limit}"));
        }
        self.count += 1;
        self.bytes = bytes;
        self.letters.push_back(letter);
        Ok(())
    }
}

fn backlogs() -> MutexGuard<'static, BTreeMap<Identity, Backlog>> {
    BACKLOGS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_all(file: Identity) {
    let mut waiting = backlogs();
    while let Some(backlog) = waiting.get_mut(&file) {
        let Some(Letter { id, mark, line }) = backlog.letters.pop_front() else { break };
        let path = backlog.path.clone();
        drop(waiting);
        mark_thread(mark);
        if let Err(error) = append(&path, &line) {
            log::error!("event {id} has failed, and cannot be kept in {}: {error}", path.display());
        }
        waiting = backlogs();
        if let Some(backlog) = waiting.get_mut(&file) {
            backlog.count -= 1;
            backlog.bytes -= line.len();
        }
    }
    waiting.remove(&file);
    WRITTEN.notify_all();
}

/// Appends an event to the file, as AWS tells destinations of it, or says that it is lost.
pub(super) fn keep(file: Option<&DeadLetters>, invocation: &Invocation, cause: Cause<'_>) {
    let id = invocation.id();
    let Some(file) = file else {
        return log::error!("event {id} {cause}, and is dropped");
    };
    if let Err(error) = file.keep(id, format!("{}\n", letter(invocation, cause))) {
        log::error!("event {id} {cause}, and cannot be kept in {}: {error}", file.path.display());
    }
}

/// Opens the file, and does not wait for a reader, who may never come.
fn open(path: &Path) -> io::Result<File> {
    open_at_once(OpenOptions::new().create(true).append(true), path)
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = open(path)?;
    // A reader who is there is waited for.
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    // One write, so that lines of several programs stay whole.
    file.write_all(line.as_bytes())
}

/// AWS has the names of the conditions nowhere but in records; that for zero is from LocalStack (`event_manager.py`).
fn letter(invocation: &Invocation, cause: Cause<'_>) -> Value {
    let (condition, tries) = match cause {
        Cause::Failed { tries, .. } => ("RetriesExhausted", tries),
        Cause::NoConcurrency => ("ZeroReservedConcurrency", 0),
    };
    let arn = invocation.event().function_arn.as_deref().unwrap_or_default();
    let mut letter = json!({
        "version": "1.0",
        "timestamp": telemetry::time(SystemTime::now()),
        "requestContext": {
            "requestId": &**invocation.id(),
            "functionArn": arn::qualified(arn, invocation.version()),
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": payload(invocation.payload()),
    });
    if let Cause::Failed { answer, .. } = cause {
        letter["responseContext"] =
            json!({ "statusCode": 200, "executedVersion": answer.version, "functionError": "Unhandled" });
        letter["responsePayload"] = payload(&answer.body);
    }
    letter
}

/// JSON as it is, and all else as text.
fn payload(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_waits_as_the_limit_and_no_byte_more() {
        let limit = limits::DEAD_LETTER_BACKLOG_BYTES;
        for (len, expected) in [
            (1, Ok(())),
            (2, Ok(())),
            (3, Err("67108865 bytes would wait to be written, limit is 67108864".to_owned())),
        ] {
            let mut backlog = Backlog { bytes: limit - 2, ..Backlog::new(PathBuf::new()) };
            let taken = backlog.push(Letter { id: "id".into(), mark: None, line: "x".repeat(len) });
            assert_eq!(taken, expected, "{len}");
            let (count, bytes) = if taken.is_ok() { (1, limit - 2 + len) } else { (0, limit - 2) };
            assert_eq!((backlog.count, backlog.letters.len(), backlog.bytes), (count, count, bytes));
        }
    }
}
