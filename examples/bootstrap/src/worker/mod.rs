//! A program that speaks the worker protocol: started once, given one event after another.

mod loading;
mod said;

use std::io::{self, PipeReader};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use said::Said;

use crate::console::{self, Level};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::frame::{BadFrame, Head, KEPT_BYTES, Kind, NO_ID};
use crate::outgoing::Outgoing;
use crate::process::{Process, Progress};
use crate::program::{Descriptors, Program};
use crate::ready::Wishes;
use crate::shutdown;

/// How long a worker that has closed its answers, or its events before it had taken one, may take to end by itself.
const END_GRACE: Duration = Duration::from_millis(500);

pub(crate) struct Worker {
    process: Process,
    /// What it asked for when its handler was loaded; nothing before that.
    ready: Option<Wishes>,
    /// How long the frame is that was given out last. It stands at the front of what was received.
    given_len: usize,
    /// How many bytes of a frame that is refused are still to be received.
    refused_len: usize,
    /// The request ids of events that it was given, and has not answered.
    in_flight: Vec<String>,
    /// It has said something of an event.
    has_answered: bool,
    /// When it is to have ended, if it has taken no event at all.
    end_by: Option<Instant>,
}

/// What has come about with a worker that answers several events at a time.
pub(crate) enum Step<'a> {
    /// What it has said of the event with this id, or with [`NO_ID`] of none.
    Said(String, Kind, Said<'a>),
    /// It takes no more events, and has taken nothing of this one.
    Refused,
    /// It is later than it may be.
    Overdue,
    /// Whatever else there may be to look at.
    Nothing,
}

/// Why a worker is of no more use.
enum Broken {
    Frame(BadFrame),
    /// `None` if it has closed its answers, and runs.
    Ended(Option<Exit>),
    /// It has taken nothing of what it was to be given, and never will.
    Refused,
    Overdue,
    Lost(io::Error),
}

impl Worker {
    pub(crate) fn start(program: &Program, descriptors: &Descriptors) -> Result<Self, Failure> {
        let process = program.start(descriptors)?;
        Ok(Self {
            process,
            ready: None,
            given_len: 0,
            refused_len: 0,
            in_flight: Vec::new(),
            has_answered: false,
            end_by: None,
        })
    }

    /// Gives it no more events, after it was sent SIGTERM: a signal that came just before it began to wait for one is not
    /// seen before that ends.
    pub(crate) fn close_events(&mut self) {
        shutdown::await_sigterm();
        self.process.close_events();
    }

    /// What it asks for; nothing before its handler is loaded.
    pub(crate) fn wishes(&self) -> Wishes {
        self.ready.unwrap_or_default()
    }

    /// Whether the worker can be given an event. What it has logged meanwhile is passed on, and what it has said is logged.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.drop_given();
        self.in_flight.clear();
        let is_running = self.process.is_running();
        if self.ready.is_none() {
            return true;
        }
        let said = match self.received_frame() {
            Ok(None) if self.process.received.is_empty() && self.refused_len == 0 => None,
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
        } else if self.process.is_deaf() {
            warn_of_closed_events();
        }
        self.process.log.forget();
        is_running && said.is_none()
    }

    /// Answers are to be to this event, too.
    pub(crate) fn add(&mut self, id: &str) {
        if self.in_flight.is_empty() {
            self.process.log.forget();
        }
        self.in_flight.push(id.to_owned());
    }

    /// No more answers are to be to this event. Whether it was one of those that the worker was given.
    pub(crate) fn remove(&mut self, id: &str) -> bool {
        let count = self.in_flight.len();
        self.in_flight.retain(|other| other != id);
        self.in_flight.len() < count
    }

    /// How many events it has been given, and has not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether it has said something of an event.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether it takes no more events.
    pub(crate) fn is_deaf(&self) -> bool {
        self.process.is_deaf()
    }

    /// Whether what it says is to be received.
    pub(crate) fn listen(&mut self, is_listening: bool) {
        self.process.is_listening = is_listening;
    }

    /// What is written to the other end is to end a step.
    pub(crate) fn set_bell(&mut self, bell: &Arc<PipeReader>) {
        self.process.bell = Some(Arc::clone(bell));
    }

    /// The last lines that it has logged.
    pub(crate) fn last_lines(&self) -> String {
        self.process.log.last_lines()
    }

    /// Waits until something has come about, and says what. After a failure the worker is of no more use.
    pub(crate) fn step(&mut self, outgoing: &mut Outgoing<'_>, deadline: Option<Instant>) -> Result<Step<'_>, Failure> {
        self.drop_given();
        self.process.is_idle = self.in_flight.is_empty();
        match self.hear(outgoing, deadline) {
            Ok(Some(head)) => {
                let id = String::from_utf8_lossy(head.id(&self.process.received)).into_owned();
                Ok(Step::Said(id, head.kind, self.give(head)))
            }
            Ok(None) => Ok(Step::Nothing),
            // It is the answer to one event, and nothing is wrong with those to others.
            Err(Broken::Frame(BadFrame::TooLarge(head))) if head.id(&self.process.received) != NO_ID.as_bytes() => {
                let id = String::from_utf8_lossy(head.id(&self.process.received)).into_owned();
                let kind = if head.kind == Kind::Fatal { Kind::Fatal } else { Kind::Error };
                self.process.log.forward();
                self.refuse(&head);
                Ok(Step::Said(id, kind, Said::Error(Failure::too_large(head.body_len))))
            }
            Err(Broken::Refused) if self.has_answered => {
                warn_of_closed_events();
                Ok(Step::Refused)
            }
            Err(Broken::Overdue) => Ok(Step::Overdue),
            Err(broken) => Err(self.failure(broken, "before it had answered")),
        }
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
            if let Some(head) = self.hear(outgoing, deadline)? {
                return Ok(head);
            }
        }
    }

    /// The next frame. If there is none as yet, waits until something has come about.
    fn hear(&mut self, outgoing: &mut Outgoing<'_>, deadline: Option<Instant>) -> Result<Option<Head>, Broken> {
        if let Some(head) = self.received_frame().map_err(Broken::Frame)? {
            return Ok(Some(head));
        }
        let first = [deadline, self.end_by].into_iter().flatten().min();
        match self.process.advance(outgoing, first).map_err(Broken::Lost)? {
            Progress::Refused if outgoing.sent == 0 => {
                if self.has_answered {
                    return Err(Broken::Refused);
                }
                // It may be about to say why, or to end.
                self.end_by = Some(Instant::now() + END_GRACE);
                Ok(None)
            }
            Progress::Received | Progress::Sent | Progress::Refused | Progress::Woken => Ok(None),
            Progress::Closed => Err(Broken::Ended(self.process.end(END_GRACE))),
            Progress::Ended(exit) => Err(Broken::Ended(Some(exit))),
            Progress::Overdue if first == self.end_by => Err(Broken::Refused),
            Progress::Overdue => Err(Broken::Overdue),
        }
    }

    /// The frame that has been received whole, if there is one that belongs to the event that the worker was given. An
    /// answer to another event is refused: whose it was has been answered.
    fn received_frame(&mut self) -> Result<Option<Head>, BadFrame> {
        loop {
            self.drop_refused();
            let received = &mut self.process.received;
            let read = Head::read(received);
            let (Ok(Some(head)) | Err(BadFrame::TooLarge(head))) = read else { return read };
            let id = head.id(received);
            if id == NO_ID.as_bytes() || self.in_flight.iter().any(|known| known.as_bytes() == id) {
                let missing = head.len().saturating_sub(received.len());
                if missing > 0 && read.is_ok() {
                    received.reserve_exact(missing);
                    return Ok(None);
                }
                return read;
            }
            // Once, of an answer in pieces.
            if head.kind != Kind::Chunk {
                let id = String::from_utf8_lossy(id);
                let given = self.in_flight.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                let what = format_args!(
                    "an answer of the worker is refused: it was not given this event, or has answered it; what it has \
                     to answer: [{given}]"
                );
                console::say(Level::Warn, Some(&id), what);
            }
            self.refuse(&head);
        }
    }

    /// Receives the frame that begins what was received no further.
    fn refuse(&mut self, head: &Head) {
        self.process.has_passed_on = false;
        self.refused_len = head.len();
        self.drop_refused();
    }

    fn drop_refused(&mut self) {
        let received = &mut self.process.received;
        let len = self.refused_len.min(received.len());
        received.drain(..len);
        self.refused_len -= len;
    }

    /// Gives out the frame that was received, and before that what was logged before it.
    fn give(&mut self, head: Head) -> Said<'_> {
        let has_passed_on = mem::take(&mut self.process.has_passed_on);
        if !has_passed_on && head.kind != Kind::Chunk {
            self.process.log.forward();
        }
        if !head.kind.goes_on() {
            self.process.log.end_lines();
        }
        self.given_len = head.len();
        self.has_answered |= head.id(&self.process.received) != NO_ID.as_bytes();
        let body = head.body(&self.process.received);
        match Said::of(head.kind, body) {
            Said::Error(failure) => Said::Error(failure.with_log(&self.process.log.last_lines())),
            said => said,
        }
    }

    /// What was large is not kept.
    fn drop_given(&mut self) {
        let received = &mut self.process.received;
        received.drain(..mem::take(&mut self.given_len));
        if received.is_empty() && received.capacity() > KEPT_BYTES {
            *received = Vec::new();
        }
    }

    fn failure(&self, broken: Broken, when: &str) -> Failure {
        let log = self.process.log.last_lines();
        let failure = match broken {
            Broken::Frame(bad @ BadFrame::Head { .. }) => Failure::new("Runtime.BadFrame", bad.to_string()),
            Broken::Frame(BadFrame::TooLarge(head)) => return Failure::too_large(head.body_len),
            Broken::Ended(Some(exit)) => Failure::of_exit("worker", exit, when, &log),
            Broken::Ended(None) => Failure::new("Runtime.BadFrame", format!("worker closed its answers {when}")),
            Broken::Refused => Failure::new("Runtime.WorkerLost", format!("worker closed its events {when}")),
            Broken::Overdue => Failure::overdue(),
            Broken::Lost(error) => Failure::lost("worker", &error),
        };
        failure.with_log(&log)
    }
}

fn warn_of_closed_events() {
    console::say(Level::Warn, None, "the worker has closed its events, and is replaced");
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write, pipe};
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::process::getpid;

    use super::*;
    use crate::log::{Log, Stream};

    /// What is said before a line is logged, and after it, all of it received at once, of which the line is passed on.
    #[track_caller]
    fn check(frames: &[u8], is_first: impl Fn(&Said<'_>) -> bool) {
        let (answers, mut answering) = pipe().unwrap();
        let (from, mut logging) = pipe().unwrap();
        let (mut passed_on, to) = pipe().unwrap();
        rustix::io::ioctl_fionbio(&passed_on, true).unwrap();
        let to: &OwnedFd = Box::leak(Box::new(to.into()));
        let log = Log::new(vec![Stream::new(from.into(), to.as_fd())]);
        let (events_there, events) = pipe().unwrap();
        // It stands for a program that runs, and is not to be ended.
        let process = Process::start(events.into(), answers.into(), log, false, || Ok(getpid())).unwrap();
        let mut worker = std::mem::ManuallyDrop::new(Worker {
            process,
            ready: None,
            given_len: 0,
            refused_len: 0,
            in_flight: vec!["id".to_owned()],
            has_answered: false,
            end_by: None,
        });
        answering.write_all(frames).unwrap();
        assert!(is_first(&worker.next(&mut Outgoing::nothing(), None).unwrap()));
        logging.write_all(b"line").unwrap();
        assert!(matches!(worker.next(&mut Outgoing::nothing(), None), Ok(Said::End)));
        let mut line = [0; 4];
        passed_on.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"line");
        drop(events_there);
    }

    #[test]
    fn what_is_logged_between_two_frames_is_passed_on_before_the_second() {
        check(b"chunk id 1\nxend id 0\n", |said| matches!(said, Said::Chunk(b"x")));
        check(b"type id 1\nxend id 0\n", |said| matches!(said, Said::Type(b"x")));
    }
}
