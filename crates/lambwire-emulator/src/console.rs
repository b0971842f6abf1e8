//! Lines for people: START, END and REPORT, and what the program prints. Nobody ever waits for them to be read.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::io::{self, IsTerminal, Write};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::limits;
use crate::own_log::{OwnLine, Repeats};
use crate::terminal;

/// Where the lines START, END and REPORT go, and with them what the program writes to its standard output. What it
/// writes to standard error goes to that of this process in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Console {
    /// To standard output.
    Stdout,
    /// To standard error.
    #[default]
    Stderr,
    /// Nowhere.
    Silent,
}

/// The form of lines for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// As CloudWatch has them: START, END, REPORT, and what the program prints.
    #[default]
    Text,
    /// Each line is an object with `time`, `type` and `record`, as with the Telemetry API; what the program prints has the
    /// request id as well, where one invocation is under way.
    Json,
}

/// Where a line ends up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sink {
    Stdout,
    Stderr,
}

/// Collects lines for a moment, so that an invocation costs no system call for them.
#[derive(Debug)]
pub(crate) struct Printer {
    sink: Option<Sink>,
    format: LogFormat,
    mark: Option<Mark>,
    pending: RefCell<Vec<Piece>>,
    is_due: Cell<bool>,
    due: Notify,
    /// Whether lines are handed over yet.
    is_open: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Piece {
    sink: Sink,
    text: Vec<u8>,
}

impl Printer {
    /// With a mark, each line has it.
    pub(crate) fn new(console: Console, format: LogFormat, mark: Option<Mark>, is_open: watch::Receiver<bool>) -> Self {
        let sink = match console {
            Console::Stdout => Some(Sink::Stdout),
            Console::Stderr => Some(Sink::Stderr),
            Console::Silent => None,
        };
        Self { sink, format, mark, pending: RefCell::default(), is_due: Cell::new(false), due: Notify::new(), is_open }
    }

    /// Whether anybody is to see the lines of the platform.
    pub(crate) fn is_silent(&self) -> bool {
        self.sink.is_none()
    }

    /// What each line begins with, where it names its function.
    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == LogFormat::Json
    }

    /// Prints a line of the platform, or what the program has written to its standard output. It ends with a line feed.
    pub(crate) fn print(&self, lines: &[u8]) {
        if let Some(sink) = self.sink {
            self.push(sink, &marked(self.mark(), lines));
        }
    }

    /// Prints a line that is of no function.
    pub(crate) fn announce(&self, lines: &[u8]) {
        if let Some(sink) = self.sink {
            self.push(sink, lines);
        }
    }

    /// Prints what the program has written to its standard error.
    pub(crate) fn print_error(&self, lines: &[u8]) {
        self.push(Sink::Stderr, &marked(self.mark(), lines));
    }

    fn push(&self, sink: Sink, lines: &[u8]) {
        let mut pending = self.pending.borrow_mut();
        match pending.last_mut() {
            Some(last) if last.sink == sink => last.text.extend_from_slice(lines),
            _ => pending.push(Piece { sink, text: lines.to_vec() }),
        }
        let is_much = pending.last().is_some_and(|last| last.text.len() >= limits::PRINT_BYTES);
        drop(pending);
        if is_much && *self.is_open.borrow() {
            self.flush();
        } else if !self.is_due.replace(true) {
            self.due.notify_one();
        }
    }

    /// Hands over what has been collected, whenever there is something, for ever.
    pub(crate) async fn run(&self) {
        // Whoever would open it may have gone.
        let _ = self.is_open.clone().wait_for(|is_open| *is_open).await;
        loop {
            self.due.notified().await;
            tokio::time::sleep(limits::PRINT_DELAY).await;
            self.flush();
        }
    }

    /// Hands over what has been collected before something else is said, if anything may be printed by now.
    pub(crate) fn catch_up(&self) {
        if *self.is_open.borrow() {
            self.flush();
        }
    }

    pub(crate) fn flush(&self) {
        self.is_due.set(false);
        for Piece { sink, text } in self.pending.take() {
            Output::of(sink).send(Order::Write(sink, text));
        }
    }
}

/// What a line begins with that names its function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    text: Vec<u8>,
    format: LogFormat,
}

impl Mark {
    /// One that has this name.
    pub(crate) fn new(name: &str, format: LogFormat) -> Self {
        let text = match format {
            LogFormat::Text => format!("[{name}] "),
            LogFormat::Json => format!("{{\"function\":{},", serde_json::Value::from(name)),
        };
        Self { text: text.into_bytes(), format }
    }
}

/// These lines, each with the mark, if they are to have one.
pub(crate) fn marked<'l>(mark: Option<&Mark>, lines: &'l [u8]) -> Cow<'l, [u8]> {
    let Some(Mark { text, format }) = mark else { return lines.into() };
    // Each line of JSON is an object, and has members.
    let opening: &[u8] = if *format == LogFormat::Json { b"{" } else { b"" };
    let marked = |line: &[u8]| [text, line.strip_prefix(opening).unwrap_or(line)].concat();
    lines.split_inclusive(|byte| *byte == b'\n').flat_map(marked).collect()
}

/// A thread that writes, and may have to wait for readers.
#[derive(Debug)]
struct Output {
    orders: SyncSender<Order>,
    /// Bytes that are handed over and not written.
    backlog: AtomicUsize,
    dropped: AtomicU64,
}

#[derive(Debug)]
enum Order {
    Write(Sink, Vec<u8>),
    /// To standard error, unless the line before was the same.
    Tell(OwnLine),
    /// Says that all before it is written.
    Flush(SyncSender<()>),
}

/// What writes to standard output, and to standard error as well where both lead to the same place: there, lines have an order.
static OUTPUT: OnceLock<Output> = OnceLock::new();

/// What writes to standard error elsewhere, whether or not anybody reads the other.
static ERRORS: OnceLock<Output> = OnceLock::new();

impl Output {
    /// The one of this process that writes there.
    fn of(sink: Sink) -> &'static Self {
        let place = if sink == Sink::Stdout || terminal::are_outputs_one() { &OUTPUT } else { &ERRORS };
        place.get_or_init(|| {
            let (orders, received) = sync_channel(limits::PRINT_ORDERS);
            let spawned =
                thread::Builder::new().name("lambwire-console".to_owned()).spawn(move || write_all(&received));
            if let Err(error) = spawned {
                // The log would need what is not there.
                let _ = writeln!(io::stderr(), "lambwire-emulator: no thread for the console: {error}");
            }
            Self { orders, backlog: AtomicUsize::new(0), dropped: AtomicU64::new(0) }
        })
    }

    fn send(&self, order: Order) {
        let len = order.bytes();
        let is_full = self.backlog.fetch_add(len, Ordering::Relaxed) > limits::PRINT_BACKLOG_BYTES;
        let refused = if is_full { Err(TrySendError::Full(order)) } else { self.orders.try_send(order) };
        if let Err(TrySendError::Full(order) | TrySendError::Disconnected(order)) = refused {
            self.backlog.fetch_sub(len, Ordering::Relaxed);
            self.dropped.fetch_add(order.lines(), Ordering::Relaxed);
        }
    }

    /// So many bytes are written. Says how many lines were not, where nobody waits for that who reads something else.
    fn written(&'static self, len: usize) {
        self.backlog.fetch_sub(len, Ordering::Relaxed);
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped == 0 {
            return;
        }
        let line = format!("lambwire-emulator: {dropped} lines were dropped\n").into_bytes();
        let errors = Self::of(Sink::Stderr);
        if ptr::eq(self, errors) {
            let _ = write(Sink::Stderr, &line);
        } else {
            errors.send(Order::Write(Sink::Stderr, line));
        }
    }
}

impl Order {
    /// How long it is while it waits.
    fn bytes(&self) -> usize {
        match self {
            Self::Write(_, text) => text.len(),
            Self::Tell(line) => line.bytes(),
            Self::Flush(_) => 0,
        }
    }

    fn lines(&self) -> u64 {
        match self {
            Self::Write(_, text) => text.iter().map(|byte| u64::from(*byte == b'\n')).sum(),
            Self::Tell(_) => 1,
            Self::Flush(_) => 0,
        }
    }
}

fn write_all(orders: &Receiver<Order>) {
    let (is_out_terminal, is_err_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
    let has_colours = terminal::has_colours();
    let write = |sink, text: &[u8]| {
        let is_terminal = if sink == Sink::Stdout { is_out_terminal } else { is_err_terminal };
        match (is_terminal, has_colours) {
            (true, true) => write(sink, terminal::coloured(&terminal::shown(text)).as_bytes()),
            (true, false) => write(sink, terminal::shown(text).as_bytes()),
            (false, _) => write(sink, text),
        }
    };
    // Whoever has closed the other end later does not want to read.
    let mut is_first_for_stdout = true;
    let mut repeats = Repeats::default();
    loop {
        let order = match repeats.is_over_at() {
            Some(instant) => orders.recv_timeout(instant.saturating_duration_since(Instant::now())),
            None => orders.recv().map_err(Into::into),
        };
        let ended = match &order {
            Ok(Order::Tell(line)) => repeats.end_before(line),
            _ => repeats.end(),
        };
        // Nobody is left who could be told of an error.
        let _ = write(Sink::Stderr, &ended);
        match order {
            Ok(Order::Write(sink, text)) => {
                let written = write(sink, &text);
                if sink == Sink::Stdout
                    && std::mem::take(&mut is_first_for_stdout)
                    && let Err(error) = written
                {
                    log::warn!("cannot write to standard output, and what is printed there is lost: {error}");
                }
                Output::of(sink).written(text.len());
            }
            Ok(Order::Tell(line)) => {
                let len = line.bytes();
                let _ = write(Sink::Stderr, &repeats.take(line));
                Output::of(Sink::Stderr).written(len);
            }
            Ok(Order::Flush(done)) => {
                // Who asked may have lost patience.
                let _ = done.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Has a line of the emulator itself written to standard error, which nobody waits for.
pub(crate) fn tell(line: OwnLine) {
    Output::of(Sink::Stderr).send(Order::Tell(line));
}

fn write(sink: Sink, text: &[u8]) -> io::Result<()> {
    match sink {
        Sink::Stdout => io::stdout().write_all(text),
        Sink::Stderr => io::stderr().write_all(text),
    }
}

/// Waits for what has been printed to be written, but not for ever.
pub(crate) fn flush(patience: Duration) {
    let until = Instant::now() + patience;
    let (done, is_done) = sync_channel(2);
    let flushing = [&OUTPUT, &ERRORS].into_iter().filter_map(OnceLock::get);
    let flushing = flushing.filter(|output| output.orders.try_send(Order::Flush(done.clone())).is_ok());
    for _ in 0..flushing.count() {
        // What is not read by then never is.
        let _ = is_done.recv_timeout(until.saturating_duration_since(Instant::now()));
    }
}
