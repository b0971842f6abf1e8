//! Events that have failed for good, for which nobody waits.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::console::{Mark, mark_thread};
use crate::event::Invocation;
use crate::files::{self, open_at_once};
use crate::limits;
use crate::start_error::StartError;

/// Where such events go: a file, or a pipe, whose reader a thread of its own waits for.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    path: PathBuf,
    orders: Sender<Order>,
    waiting: Arc<Waiting>,
}

/// What is handed over to the thread and not written.
#[derive(Debug, Default)]
struct Waiting {
    letters: AtomicUsize,
    bytes: AtomicUsize,
}

#[derive(Debug)]
enum Order {
    Keep {
        /// The event's id, for what is said of it.
        id: Arc<str>,
        line: String,
    },
    /// Says that all before it is written.
    Flush(SyncSender<()>),
}

impl DeadLetters {
    /// Where the file can be written now. What is logged of it has this mark.
    pub(crate) fn open(path: PathBuf, mark: Option<Mark>) -> Result<Self, StartError> {
        if let Err(error) = open(&path) {
            return Err(StartError::DeadLetters { path, error });
        }
        files::keep(&path);
        let (orders, received) = channel();
        let waiting = Arc::<Waiting>::default();
        let (file, left) = (path.clone(), Arc::clone(&waiting));
        let thread = thread::Builder::new().name("lambwire-letters".to_owned());
        let run = move || {
            mark_thread(mark);
            write_all(&file, &received, &left);
        };
        thread.spawn(run).map_err(StartError::Thread)?;
        Ok(Self { path, orders, waiting })
    }

    fn keep(&self, id: &Arc<str>, line: String) -> Result<(), String> {
        let len = line.len();
        if self.waiting.bytes.load(Ordering::Relaxed) > limits::DEAD_LETTER_BACKLOG_BYTES {
            return Err("its reader is too slow".to_owned());
        }
        self.waiting.letters.fetch_add(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_add(len, Ordering::Relaxed);
        let order = Order::Keep { id: Arc::clone(id), line };
        self.orders.send(order).map_err(|_| "nobody writes it any more".to_owned())
    }

    /// Waits until all is written, but not for ever, and says what is lost.
    pub(crate) fn flush(&self, patience: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.orders.send(Order::Flush(done)).is_ok() && is_done.recv_timeout(patience).is_ok() {
            return;
        }
        let left = self.waiting.letters.load(Ordering::Relaxed);
        let (what, them) = if left == 1 { ("event that has", "it") } else { ("events that have", "them") };
        log::error!("{left} {what} failed cannot be kept in {}: nobody has read {them}", self.path.display());
    }
}

fn write_all(path: &Path, orders: &Receiver<Order>, waiting: &Waiting) {
    for order in orders {
        match order {
            Order::Keep { id, line } => {
                if let Err(error) = append(path, &line) {
                    log::error!("event {id} has failed, and cannot be kept in {}: {error}", path.display());
                }
                waiting.letters.fetch_sub(1, Ordering::Relaxed);
                waiting.bytes.fetch_sub(line.len(), Ordering::Relaxed);
            }
            Order::Flush(done) => {
                // Who asked may have lost patience.
                let _ = done.try_send(());
            }
        }
    }
}

/// Appends an event to the file, as AWS tells destinations of it, or says that it is lost.
pub(super) fn keep(file: Option<&DeadLetters>, invocation: &Invocation, tries: usize, answer: &Answer) {
    let id = invocation.id();
    let Some(file) = file else {
        return log::error!("event {id} has failed {tries} times, and is dropped");
    };
    if let Err(error) = file.keep(id, format!("{}\n", letter(invocation, tries, answer))) {
        log::error!("event {id} has failed {tries} times, and cannot be kept in {}: {error}", file.path.display());
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

fn letter(invocation: &Invocation, tries: usize, answer: &Answer) -> Value {
    json!({
        "version": "1.0",
        "requestContext": {
            "requestId": &**invocation.id(),
            "functionArn": invocation.event().function_arn,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": tries,
        },
        "requestPayload": payload(invocation.payload()),
        "responseContext": { "statusCode": 200, "executedVersion": answer.version, "functionError": "Unhandled" },
        "responsePayload": payload(&answer.body),
    })
}

/// JSON as it is, and all else as text.
fn payload(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}
