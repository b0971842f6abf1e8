//! A program that speaks the worker protocol: started once, given one event after another.

use std::io;
use std::time::{Duration, Instant};

use crate::console::{self, Level};
use crate::diagnosis;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::frame::{BadFrame, Head, Kind, NO_ID};
use crate::process::{Outgoing, Process, Progress};
use crate::program::{Descriptors, Program};
use crate::ready::Wishes;

/// How long a worker that has closed its answers may take to end by itself.
const END_GRACE: Duration = Duration::from_millis(500);

/// Most room for frames that is kept from one event to the next, in bytes.
const KEPT_BYTES: usize = 256 * 1024;

pub(crate) struct Worker {
    process: Process,
    /// What it asked for when its handler was loaded; nothing before that.
    ready: Option<Wishes>,
    /// How long the frame is that was given out last. It stands at the front of what was received.
    given_len: usize,
    /// The request id of the event that it was given, or [`NO_ID`].
    in_flight: String,
}

/// What a worker says.
#[derive(Debug)]
pub(crate) enum Said<'a> {
    /// The handler is loaded: what the worker asks for.
    Ready(&'a [u8]),
    /// All of an answer: JSON.
    Result(&'a [u8]),
    /// All of an answer, whatever it is.
    Bytes(&'a [u8]),
    /// All of an answer: JSON, if it reads as such.
    Text(&'a [u8]),
    Prelude(&'a [u8]),
    Chunk(&'a [u8]),
    End,
    Error(Failure),
    /// Hooks have run.
    Done,
}

/// Why a worker is of no more use.
enum Broken {
    Frame(BadFrame),
    /// `None` if it has closed its answers, and runs.
    Ended(Option<Exit>),
    Overdue,
    Lost(io::Error),
}

impl Worker {
    pub(crate) fn start(program: &Program, descriptors: &Descriptors) -> Result<Self, Failure> {
        let process = program.start(descriptors)?;
        Ok(Self { process, ready: None, given_len: 0, in_flight: NO_ID.to_owned() })
    }

    /// Waits until the handler is loaded, and says what it asks for.
    pub(crate) fn load(&mut self, program: &Program, deadline: Option<Instant>) -> Result<Wishes, Failure> {
        if let Some(wishes) = self.ready {
            return Ok(wishes);
        }
        let broken = match self.await_frame(&mut Outgoing::nothing(), deadline) {
            Ok(head) => {
                let wishes = match self.give(head) {
                    Said::Ready(json) => Wishes::read(json).map_err(|error| {
                        Failure::new(
                            "Runtime.BadFrame",
                            format!("body of a frame 'ready' is not what it may be: {error}"),
                        )
                    }),
                    Said::Error(failure) => Err(failure),
                    said => Err(said.out_of_turn()),
                }?;
                self.ready = Some(wishes);
                return Ok(wishes);
            }
            Err(broken) => broken,
        };
        let has_no_library = matches!(broken, Broken::Ended(Some(exit)) if exit.is_not_found());
        let diagnosed = match &program.keeper {
            _ if !has_no_library => None,
            // It may not have started at all, which the keeper does not say why.
            Some(_) => diagnosis::of_program(&program.path),
            None => diagnosis::of_libraries(&program.path),
        };
        Err(diagnosed.unwrap_or_else(|| self.failure(broken, "before its handler was loaded")))
    }

    /// What it asks for; nothing before its handler is loaded.
    pub(crate) fn wishes(&self) -> Wishes {
        self.ready.unwrap_or_default()
    }

    /// Whether the worker can be given an event. What it has logged meanwhile is passed on, and what it has said is told.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.drop_given();
        self.in_flight.replace_range(.., NO_ID);
        if self.process.received.is_empty() && self.process.received.capacity() > KEPT_BYTES {
            self.process.received = Vec::new();
        }
        let is_running = self.process.is_running();
        if self.ready.is_none() {
            return true;
        }
        let said = match self.received_frame() {
            Ok(None) if self.process.received.is_empty() => None,
            Ok(None) => Some(Failure::new("Runtime.BadFrame", "a frame that is not whole")),
            Ok(Some(head)) => Some(match self.give(head) {
                Said::Error(failure) => failure,
                said => said.out_of_turn(),
            }),
            Err(bad) => Some(Failure::new("Runtime.BadFrame", bad.to_string())),
        };
        if let Some(failure) = &said {
            console::say_failure(None, failure);
            console::say(Level::Warn, None, "the worker said that between two events, and is replaced");
        }
        if let Some(exit) = self.process.exit() {
            console::say(Level::Error, None, format_args!("the worker {exit} between two events"));
        }
        self.process.log.forget();
        is_running && said.is_none()
    }

    /// The answers are to be those to this event.
    pub(crate) fn begin(&mut self, id: &str) {
        self.in_flight.replace_range(.., id);
    }

    /// Waits for the next that the worker has to say to what is `outgoing`. After a failure it is of no more use.
    pub(crate) fn next(&mut self, outgoing: &mut Outgoing<'_>, deadline: Option<Instant>) -> Result<Said<'_>, Failure> {
        match self.await_frame(outgoing, deadline) {
            Ok(head) if head.kind == Kind::Fatal => match self.give(head) {
                Said::Error(failure) => Err(failure),
                said => Err(said.out_of_turn()),
            },
            Ok(head) => Ok(self.give(head)),
            Err(broken) => Err(self.failure(broken, "before it had answered")),
        }
    }

    fn await_frame(&mut self, outgoing: &mut Outgoing<'_>, deadline: Option<Instant>) -> Result<Head, Broken> {
        self.drop_given();
        loop {
            if let Some(head) = self.received_frame().map_err(Broken::Frame)? {
                return Ok(head);
            }
            match self.process.advance(outgoing, deadline).map_err(Broken::Lost)? {
                Progress::Received | Progress::Sent => {}
                Progress::Closed => return Err(Broken::Ended(self.process.end(END_GRACE))),
                Progress::Ended(exit) => return Err(Broken::Ended(Some(exit))),
                Progress::Overdue => return Err(Broken::Overdue),
            }
        }
    }

    /// The frame that has been received whole, if there is one that belongs to the event that the worker was given. An
    /// answer to another event is refused: whose it was has been answered.
    fn received_frame(&mut self) -> Result<Option<Head>, BadFrame> {
        let received = &mut self.process.received;
        while let Some(head) = Head::read(received)? {
            let missing = head.len().saturating_sub(received.len());
            if missing > 0 {
                received.reserve_exact(missing);
                return Ok(None);
            }
            let id = head.id(received);
            if id == self.in_flight.as_bytes() || id == NO_ID.as_bytes() {
                return Ok(Some(head));
            }
            let id = String::from_utf8_lossy(id);
            let what = "an answer of the worker is refused: it came after the answer to this event";
            console::say(Level::Warn, Some(&id), what);
            received.drain(..head.len());
        }
        Ok(None)
    }

    /// Gives out the frame that was received, and before that what was logged before it.
    fn give(&mut self, head: Head) -> Said<'_> {
        if !matches!(head.kind, Kind::Chunk) {
            self.process.log.forward();
        }
        if !matches!(head.kind, Kind::Prelude | Kind::Chunk) {
            self.process.log.end_lines();
        }
        self.given_len = head.len();
        let body = head.body(&self.process.received);
        match head.kind {
            Kind::Ready => Said::Ready(body),
            Kind::Result => Said::Result(body),
            Kind::Bytes => Said::Bytes(body),
            Kind::Done => Said::Done,
            Kind::Text => Said::Text(body),
            Kind::Prelude => Said::Prelude(body),
            Kind::Chunk => Said::Chunk(body),
            Kind::End => Said::End,
            Kind::Error | Kind::Fatal => Said::Error(Failure::read(body).with_log(&self.process.log.last_lines())),
        }
    }

    fn drop_given(&mut self) {
        self.process.received.drain(..std::mem::take(&mut self.given_len));
    }

    fn failure(&self, broken: Broken, when: &str) -> Failure {
        let log = self.process.log.last_lines();
        let failure = match broken {
            Broken::Frame(bad @ BadFrame::Head(_)) => Failure::new("Runtime.BadFrame", bad.to_string()),
            Broken::Frame(bad @ BadFrame::TooLarge(_)) => {
                return Failure::new("Function.ResponseSizeTooLarge", bad.to_string());
            }
            Broken::Ended(Some(exit)) => Failure::of_exit("worker", exit, when, &log),
            Broken::Ended(None) => Failure::new("Runtime.BadFrame", format!("worker closed its answers {when}")),
            Broken::Overdue => Failure::overdue(),
            Broken::Lost(error) => Failure::lost("worker", &error),
        };
        failure.with_log(&log)
    }
}

impl Said<'_> {
    /// What is wrong when a worker says this at another time.
    pub(crate) fn out_of_turn(&self) -> Failure {
        let kind = match self {
            Self::Ready(_) => "ready",
            Self::Result(_) => "result",
            Self::Bytes(_) => "bytes",
            Self::Done => "done",
            Self::Text(_) => "text",
            Self::Prelude(_) => "prelude",
            Self::Chunk(_) => "chunk",
            Self::End => "end",
            Self::Error(_) => "error",
        };
        Failure::new("Runtime.BadFrame", format!("frame '{kind}' of the worker protocol is out of turn"))
    }
}
