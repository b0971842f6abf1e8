//! One event after another, handed to the handler, and its answer to whoever asked.

use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lambwire_mio::lambwire::Context;
use lambwire_mio::{Error, Runtime, remaining};

use crate::answer::Answer;
use crate::console::{self, Level};
use crate::context::Function;
use crate::diagnosis;
use crate::failure::Failure;
use crate::frame::{BODY_BYTES, KEPT_BYTES, announce, hook as hook_line};
use crate::hook::Hook;
use crate::hub::Hub;
use crate::outgoing::Outgoing;
use crate::process::Progress;
use crate::program::{Descriptors, Program};
use crate::ready::Wishes;
use crate::shutdown;
use crate::speaker::{Speaker, converse};
use crate::worker::{Said, Worker};

/// What a handler in a file is given for an event without a body, as Lambda's own callers see it.
const EMPTY_EVENT: &[u8] = b"{}";

/// What answers events, one at a time.
pub(crate) struct Server {
    setup: Arc<Setup>,
    worker: Option<Worker>,
    /// Who has the worker, if others have the same.
    hub: Option<Arc<Hub>>,
    /// What the worker asked for that was loaded last.
    wishes: Wishes,
    lines: Lines,
}

/// What goes before an event. It keeps its memory from one event to the next.
#[derive(Default)]
struct Lines {
    context: Vec<u8>,
    /// For a worker: the first line of the frame, and the context.
    announcement: Vec<u8>,
}

/// How events are to be answered, by one server or by several.
pub(crate) struct Setup {
    pub(crate) program: Program,
    pub(crate) mode: Mode,
    pub(crate) descriptors: Descriptors,
    pub(crate) function: Function,
    pub(crate) patience: Patience,
}

/// When a handler is given up that has not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// So long before the deadline.
    Until(Duration),
    /// When the deadline has passed: Lambda has answered the caller by then, and has other events.
    Overdue,
    /// Never: Lambda ends all processes at the deadline.
    Endless,
}

/// How a program is given events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One after the other, by the worker protocol.
    Worker,
    /// Started anew for each.
    Exec,
}

/// How long after the deadline a handler is given up: whoever answers the caller goes by a clock that is read to the
/// millisecond, and is to be the first.
const GRACE: Duration = Duration::from_millis(50);

impl Server {
    pub(crate) fn new(setup: Setup) -> Self {
        Self { setup: Arc::new(setup), worker: None, hub: None, wishes: Wishes::default(), lines: Lines::default() }
    }

    /// Another of the same kind, whose worker is started when there is an event for it.
    pub(crate) fn another(&self) -> Self {
        let hub = self.hub.clone();
        Self { setup: Arc::clone(&self.setup), worker: None, hub, wishes: self.wishes, lines: Lines::default() }
    }

    /// So many that have the same worker.
    pub(crate) fn shared(mut self, count: usize) -> io::Result<Vec<Self>> {
        if count > 1 {
            self.hub = Some(Hub::open(Arc::clone(&self.setup), self.worker.take())?);
        }
        let mut servers: Vec<Self> = (1..count).map(|_| self.another()).collect();
        servers.push(self);
        Ok(servers)
    }

    /// Finds out whether the handler can be run: loads it, until the deadline at most, or looks at the program that is to be
    /// run for every event.
    pub(crate) fn load(&mut self, deadline: Option<Instant>) -> Result<(), Failure> {
        match self.setup.mode {
            Mode::Worker => self.worker(deadline).map(|_| ()),
            Mode::Exec if self.setup.program.is_language() => {
                let message = "--exec takes a program, and this handler is a function in a file";
                Err(Failure::new("Runtime.MalformedHandlerName", message))
            }
            Mode::Exec => diagnosis::of_program(&self.setup.program.path).map_or(Ok(()), Err),
        }
    }

    /// What callers call the function.
    pub(crate) fn arn(&self) -> String {
        self.setup.function.arn()
    }

    /// What the handler asks for.
    pub(crate) fn wishes(&self) -> Wishes {
        self.wishes
    }

    /// Has the worker run its hooks. Programs of users have none, unless they say so.
    pub(crate) fn run_hooks(&mut self, hook: Hook) -> Result<(), Failure> {
        if self.setup.mode == Mode::Exec || !(self.setup.program.is_language() || self.wishes.snapshot) {
            return Ok(());
        }
        let line = hook_line(hook.name());
        let mut outgoing = Outgoing::new([line.as_bytes(), b""]);
        let worker = self.worker(None)?;
        match worker.next(&mut outgoing, None)? {
            Said::Done => Ok(()),
            Said::Error(failure) => Err(failure),
            said => Err(said.out_of_turn()),
        }
    }

    /// Answers whatever Lambda asks. Returns when that is no longer possible.
    pub(crate) fn serve(&mut self, runtime: &mut Runtime) -> Result<(), Error> {
        let mut buf = Vec::new();
        let mut has_asked = false;
        runtime.on_read = shutdown::set_answering;
        loop {
            if shutdown::is_ending() {
                if let Some(worker) = &mut self.worker {
                    worker.close_events();
                }
                if !has_asked {
                    shutdown::stand_by();
                }
                // An event may be on its way.
            }
            let invocation = runtime.next(&mut buf)?;
            shutdown::set_answering(true);
            let (context, event) = (invocation.context, invocation.payload);
            let mut answer = Answer::Lambda(Box::new(invocation));
            let answered = self.answer(&context, event, &mut answer);
            has_asked = answered.is_ok() && matches!(answer, Answer::Given { has_asked: true, .. });
            match answered {
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => console::say(Level::Error, Some(context.request_id.as_str()), error),
                Ok(()) => {}
            }
            // The next may have come with the reply to the answer.
            if !has_asked {
                shutdown::set_answering(false);
            }
            if buf.capacity() > KEPT_BYTES {
                buf = Vec::new();
            }
            self.start_again();
        }
    }

    /// Answers one event.
    pub(crate) fn answer(
        &mut self,
        context: &Context<'_>,
        event: &[u8],
        answer: &mut Answer<'_, '_>,
    ) -> Result<(), Error> {
        let deadline = match shutdown::ending() {
            // Programs are given no more.
            Some(why) => Err(Failure::new("Runtime.ExitError", format!("came as the bootstrap was ending: {why}"))),
            None => deadline(context, self.setup.patience),
        };
        let deadline = match deadline {
            Ok(deadline) => deadline,
            Err(failure) => {
                console::say_failure(Some(context.request_id.as_str()), &failure);
                return answer.fail(&failure);
            }
        };
        let mut lines = mem::take(&mut self.lines);
        self.setup.function.write_context(context, &mut lines.context);
        let failed = match self.setup.mode {
            Mode::Worker => self.answer_by_worker(context.request_id.as_str(), event, &mut lines, deadline, answer),
            Mode::Exec => self.answer_by_exec(context.trace_id, event, &lines.context, deadline, answer),
        };
        self.lines = lines;
        match failed? {
            // A worker that ends by SIGTERM when its time is over: the caller has been answered.
            Some(_) if shutdown::is_ending() && remaining(context).is_some_and(|left| left.is_zero()) => Ok(()),
            Some(failure) => {
                if !failure.is_logged() {
                    console::say_failure(Some(context.request_id.as_str()), &failure);
                }
                let sent = answer.fail(&failure);
                let is_late = self.setup.patience == Patience::Overdue
                    && deadline.is_some_and(|deadline| deadline <= Instant::now());
                match sent {
                    // The caller has been answered.
                    Err(error) if is_late && !error.is_fatal() => Ok(()),
                    sent => sent,
                }
            }
            None => Ok(()),
        }
    }

    /// `None` if the answer has been given, otherwise what it is to be.
    fn answer_by_worker(
        &mut self,
        id: &str,
        event: &[u8],
        lines: &mut Lines,
        deadline: Option<Instant>,
        answer: &mut Answer<'_, '_>,
    ) -> Result<Option<Failure>, Error> {
        let Lines { context, announcement } = lines;
        let is_language = self.setup.program.is_language();
        let parts = |announcement: &mut Vec<u8>, wishes: Wishes| {
            let event = if event.is_empty() && is_language && !wishes.bytes { EMPTY_EVENT } else { event };
            announce(announcement, id, context, event.len());
            event
        };
        if let Some(hub) = &self.hub {
            let event = parts(announcement, self.wishes);
            return match hub.admit(id, [announcement, event].concat(), deadline) {
                Ok(guest) => converse(&mut Speaker::Guest(guest), answer).0,
                Err(failure) => Ok(Some(failure)),
            };
        }
        loop {
            let worker = match self.worker(deadline) {
                Ok(worker) => worker,
                Err(failure) => return Ok(Some(failure)),
            };
            let event = parts(announcement, worker.wishes());
            let was_used = worker.has_answered();
            worker.add(id);
            let outgoing = Outgoing::new([announcement, event]);
            let mut speaker = Speaker::Worker { worker, outgoing, deadline };
            let (answered, keeps_worker) = converse(&mut speaker, answer);
            if was_used && speaker.is_refused() {
                // Nothing of it has been delivered, so that another may have it.
                continue;
            }
            // What it has not read would stand in front of the next event.
            let is_of_use = keeps_worker && speaker.has_read();
            drop(speaker);
            if !is_of_use {
                self.worker = None;
            }
            return answered;
        }
    }

    fn answer_by_exec(
        &self,
        trace_id: Option<&str>,
        event: &[u8],
        context: &[u8],
        deadline: Option<Instant>,
        answer: &mut Answer<'_, '_>,
    ) -> Result<Option<Failure>, Error> {
        let context = String::from_utf8_lossy(context.trim_ascii_end());
        let mut process = match self.setup.program.start_once(&context, trace_id) {
            Ok(process) => process,
            Err(failure) => return Ok(Some(failure)),
        };
        let mut outgoing = Outgoing::new([event, b""]);
        let exit = loop {
            if outgoing.is_empty() {
                process.close_events();
            }
            let progress = match process.advance(&mut outgoing, deadline) {
                Ok(progress) => progress,
                Err(error) => return Ok(Some(Failure::lost("program", &error))),
            };
            match progress {
                Progress::Received if process.received.len() > BODY_BYTES => {
                    return Ok(Some(Failure::too_large(process.received.len())));
                }
                Progress::Received | Progress::Sent | Progress::Refused | Progress::Closed | Progress::Woken => {}
                Progress::Ended(exit) => break exit,
                Progress::Overdue => return Ok(Some(Failure::overdue().with_log(&process.log.last_lines()))),
            }
        };
        if exit.is_success() {
            return answer.respond(&process.received).map(|()| None);
        }
        if exit.is_not_found()
            && let Some(failure) = diagnosis::of_program(&self.setup.program.path)
        {
            return Ok(Some(failure));
        }
        let log = process.log.last_lines();
        Ok(Some(Failure::of_exit("program", exit, "instead of answering", &log).with_log(&log)))
    }

    /// The worker, with its handler loaded.
    fn worker(&mut self, deadline: Option<Instant>) -> Result<&mut Worker, Failure> {
        let setup = &self.setup;
        // One that is of no more use ends here, before another takes its place.
        let idle = self.worker.take().and_then(|mut worker| worker.is_idle().then_some(worker));
        let mut worker = match idle {
            Some(worker) => worker,
            None => Worker::start(&setup.program, &setup.descriptors)?,
        };
        self.wishes = worker.load(&setup.program, deadline)?;
        Ok(self.worker.insert(worker))
    }

    /// Starts another worker while there is nothing to do, if one is needed. If that fails, the next event is answered so.
    fn start_again(&mut self) {
        if self.setup.mode == Mode::Worker && self.hub.is_none() && self.worker.is_none() && !shutdown::is_ending() {
            self.worker = Worker::start(&self.setup.program, &self.setup.descriptors).ok();
        }
    }
}

/// When a handler is given up. A deadline that has passed is none: some servers send another number in its place. One
/// that leaves a handler no time at all is a failure.
fn deadline(context: &Context<'_>, patience: Patience) -> Result<Option<Instant>, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = context.deadline_ms.and_then(|deadline_ms| Duration::from_millis(deadline_ms).checked_sub(now));
    let Some(left) = left.filter(|left| !left.is_zero()) else { return Ok(None) };
    let time = match patience {
        Patience::Until(margin) => left.checked_sub(margin).ok_or_else(|| {
            let [left, margin] = [left, margin].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            let message = format!("{left} ms are left, less than the {margin} ms of --deadline-margin");
            Failure::new("Function.TimedOut", message)
        })?,
        Patience::Overdue => left.saturating_add(GRACE),
        Patience::Endless => return Ok(None),
    };
    Ok(Instant::now().checked_add(time))
}
