//! One runtime with several invocations, which are told apart by their ids: connections mean nothing.
//!
//! What is taken and refused is as with AWS's emulator in its mode for several at a time (RIE,
//! `internal/lambda-managed-instances/`).

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

use lambwire::limits::{ERROR_BYTES, PAYLOAD_BYTES};
use lambwire::{ApiError, Mode, RequestKind};
use smol::channel::{Receiver, Sender, bounded};
use smol::lock::SemaphoreGuardArc;

use crate::answer::{Answer, Failure, Reported};
use crate::callers::{Job, now_ms};
use crate::event::Invocation;
use crate::limits;
use crate::runtime_api::{Begun, Handout, Requests};
use crate::state::State;

/// One runtime and all that it is at.
#[derive(Debug)]
pub(crate) struct Environment {
    init: Init,
    /// Connections that wait for an invocation, each for its own.
    waiting: VecDeque<Sender<Rc<Invocation>>>,
    under_way: HashMap<String, Flight>,
    /// What is over and not told of.
    over: Vec<Over>,
    /// Invocations that have timed out and were not answered afterwards, the oldest first.
    timed_out: VecDeque<String>,
    changed: Sender<()>,
}

/// How far the runtime has come with its start.
#[derive(Debug)]
enum Init {
    Started,
    /// It has asked for an invocation.
    Ready(Instant),
    /// It has said why it cannot start, in a report that goes to one caller.
    Failed(Option<Reported>),
}

/// An invocation under way.
#[derive(Debug)]
struct Flight {
    invocation: Rc<Invocation>,
    caller: Sender<Answer>,
    _slot: SemaphoreGuardArc,
    given_at: Instant,
    deadline: Instant,
    /// The answer has begun to arrive.
    is_answering: bool,
}

/// An invocation that is over.
#[derive(Debug)]
pub(crate) struct Over {
    pub(crate) request_id: String,
    /// How long the runtime had it.
    pub(crate) duration: Duration,
    /// What the platform found wrong.
    pub(crate) failure: Option<Failure>,
}

impl Environment {
    /// An environment whose runtime has not asked for anything, and what tells of changes in it.
    pub(crate) fn new() -> (Self, Receiver<()>) {
        // One token says that something has changed; how often does not matter.
        let (changed, changes) = bounded(1);
        let environment = Self {
            init: Init::Started,
            waiting: VecDeque::new(),
            under_way: HashMap::new(),
            over: Vec::new(),
            timed_out: VecDeque::new(),
            changed,
        };
        (environment, changes)
    }

    /// Begins anew, with another runtime.
    pub(crate) fn reset(&mut self) {
        self.init = Init::Started;
        self.waiting.clear();
        self.timed_out.clear();
    }

    /// Sends away whoever waits for an invocation.
    pub(crate) fn send_away(&mut self) {
        self.waiting.clear();
    }

    /// Gives a job to a connection that waits, or back if none does.
    pub(crate) fn give(&mut self, job: Job, timeout: Duration) -> Option<Job> {
        let Job { mut invocation, caller, slot } = job;
        self.waiting.retain(|waiting| !waiting.is_closed());
        let Some(waiting) = self.waiting.pop_front() else {
            return Some(Job { invocation, caller, slot });
        };
        invocation.set_deadline(now_ms().saturating_add(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)));
        let invocation = Rc::new(invocation);
        // It is not closed, and has room for one.
        let _ = waiting.try_send(Rc::clone(&invocation));
        let given_at = Instant::now();
        let deadline = given_at + timeout;
        let id = invocation.id().to_owned();
        let flight = Flight { invocation, caller, _slot: slot, given_at, deadline, is_answering: false };
        self.under_way.insert(id, flight);
        None
    }

    /// Ends whatever has taken too long by now.
    pub(crate) fn time_out(&mut self, timeout: Duration) {
        let now = Instant::now();
        let late: Vec<String> =
            self.under_way.iter().filter(|(_, flight)| flight.deadline <= now).map(|(id, _)| id.clone()).collect();
        for id in late {
            self.end(&id, Reported::Failed(Failure::TimedOut(timeout)));
            self.timed_out.push_back(id);
            if self.timed_out.len() > limits::TIMED_OUT {
                self.timed_out.pop_front();
            }
        }
    }

    /// Ends all that is under way, for the same reason.
    pub(crate) fn fail_all(&mut self, failure: &Failure) {
        let ids: Vec<String> = self.under_way.keys().cloned().collect();
        for id in ids {
            self.end(&id, Reported::Failed(failure.clone()));
        }
    }

    /// What has ended since this was last asked.
    pub(crate) fn take_over(&mut self) -> Vec<Over> {
        std::mem::take(&mut self.over)
    }

    /// How many invocations are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// When the first of those under way will have taken too long.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.under_way.values().map(|flight| flight.deadline).min()
    }

    /// When the runtime first asked for an invocation.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        match self.init {
            Init::Ready(at) => Some(at),
            _ => None,
        }
    }

    /// Whether the runtime has said that it cannot start.
    pub(crate) fn has_init_error(&self) -> bool {
        matches!(self.init, Init::Failed(_))
    }

    /// What the runtime has said about why it cannot start, once.
    pub(crate) fn take_init_report(&mut self) -> Option<Reported> {
        match &mut self.init {
            Init::Failed(report) => report.take(),
            _ => None,
        }
    }

    /// Answers the caller of an invocation under way; that is then over.
    fn end(&mut self, id: &str, reported: Reported) {
        let Some(flight) = self.under_way.remove(id) else { return };
        let failure = match &reported {
            Reported::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        let request_id = id.to_owned();
        // A caller may have gone away.
        let _ = flight.caller.try_send(reported.into_answer(request_id.clone()));
        self.over.push(Over { request_id, duration: flight.given_at.elapsed(), failure });
        self.tell();
    }

    /// Why an answer to this invocation, which is not under way, is refused: a time-out is told once.
    fn unknown(&mut self, id: &str) -> ApiError<'static> {
        match self.timed_out.iter().position(|timed_out| timed_out == id) {
            Some(at) => {
                self.timed_out.remove(at);
                ApiError::InvokeTimeout
            }
            None => ApiError::InvalidRequestId,
        }
    }

    fn tell(&self) {
        // If there is a token already, it tells of this change, too.
        let _ = self.changed.try_send(());
    }
}

impl Requests for Environment {
    fn next(&mut self, now: Instant) -> Result<Handout, ApiError<'static>> {
        match self.init {
            Init::Started => self.init = Init::Ready(now),
            Init::Ready(_) => {}
            Init::Failed(_) => return Err(State::InitError.refuses(State::Ready)),
        }
        let (waiting, given) = bounded(1);
        self.waiting.retain(|waiting| !waiting.is_closed());
        self.waiting.push_back(waiting);
        self.tell();
        Ok(Handout::Waits(given))
    }

    fn begin_answer(&mut self, begun: &Begun<'_>) -> Result<u64, ApiError<'static>> {
        let Some(flight) = self.under_way.get_mut(begun.id) else {
            return Err(self.unknown(begun.id));
        };
        // The nonce of another attempt: that one has timed out. None at all is taken.
        if begun.nonce.is_some_and(|nonce| flight.invocation.nonce().map(str::as_bytes) != Some(nonce)) {
            return Err(ApiError::InvokeTimeout);
        }
        if flight.is_answering {
            return Err(ApiError::InvalidRequestId);
        }
        if begun.mode == Mode::Unknown {
            self.end(begun.id, Reported::Failed(Failure::BadMode));
            return Err(ApiError::InvalidResponseMode);
        }
        flight.is_answering = true;
        Ok(if begun.verb == RequestKind::Error { ERROR_BYTES } else { PAYLOAD_BYTES })
    }

    fn end_answer(&mut self, begun: &Begun<'_>, reported: Reported) -> Result<(), ApiError<'static>> {
        if !self.under_way.contains_key(begun.id) {
            return Err(self.unknown(begun.id));
        }
        self.end(begun.id, reported);
        Ok(())
    }

    /// A report may be sent again, shortened.
    fn refuse_size(&mut self, begun: &Begun<'_>) {
        match self.under_way.get_mut(begun.id) {
            Some(flight) if begun.verb == RequestKind::Error => flight.is_answering = false,
            _ => self.end(begun.id, Reported::Failed(Failure::TooLarge)),
        }
    }

    fn cut_answer(&mut self, begun: &Begun<'_>) {
        self.end(begun.id, Reported::Failed(Failure::Truncated));
    }

    fn begin_init_error(&mut self) -> Result<(), ApiError<'static>> {
        match self.init {
            Init::Started => self.init = Init::Failed(None),
            // It is taken, and changes nothing.
            Init::Ready(_) => {}
            Init::Failed(_) => return Err(State::InitError.refuses(State::InitError)),
        }
        Ok(())
    }

    fn end_init_error(&mut self, reported: Reported) {
        if let Init::Failed(report) = &mut self.init {
            *report = Some(reported);
            self.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callers::Callers;
    use crate::event::Event;

    #[test]
    fn who_does_not_wait_any_more_is_forgotten() {
        let (mut environment, _changes) = Environment::new();
        for _ in 0..3 {
            drop(environment.next(Instant::now()).unwrap());
        }
        let _waiting = environment.next(Instant::now()).unwrap();
        assert_eq!(environment.waiting.len(), 1);
    }

    #[test]
    fn as_many_time_outs_as_the_limit_are_remembered_and_of_one_more_the_oldest_is_not() {
        for count in [limits::TIMED_OUT - 1, limits::TIMED_OUT, limits::TIMED_OUT + 1] {
            let (mut environment, _changes) = Environment::new();
            let (callers, jobs) = Callers::new("us-east-1", "f", true);
            let ids: Vec<String> = (0..count)
                .map(|_| {
                    let id = callers.submit(Event::new("")).unwrap().request_id;
                    let _waiting = environment.next(Instant::now()).unwrap();
                    assert!(environment.give(jobs.try_recv().unwrap(), Duration::ZERO).is_none());
                    environment.time_out(Duration::ZERO);
                    id
                })
                .collect();
            let is_remembered = count <= limits::TIMED_OUT;
            assert_eq!(environment.unknown(&ids[0]) == ApiError::InvokeTimeout, is_remembered, "{count}");
            assert_eq!(environment.unknown(&ids[count - 1]), ApiError::InvokeTimeout);
        }
    }
}
