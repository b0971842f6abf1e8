//! The execution environment as a state machine: what its runtime asks goes in, what is to be done comes out.
//!
//! It knows no socket, no process and no clock. One that takes several invocations at a time, as on AWS's managed
//! instances, differs by its table and by what ends an invocation: the answer, not the request for the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambwire::limits::{ERROR_BYTES, PAYLOAD_BYTES};
use lambwire::{ApiError, Mode};

use crate::answer::Failure;
use crate::exit::Exit;
use crate::limits;

mod extensions;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use extensions::{Extensions, Notice, Refusal, ShutdownReason};
pub(crate) use table::Call;
use table::{State, Verdict, verdict};

/// The id of an invocation.
pub(crate) type Id = Arc<str>;

/// A connection on which the runtime speaks, as whoever holds it counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// How many invocations a runtime takes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capacity {
    /// One, which ends when the runtime asks for the next.
    One,
    /// So many, each of which ends when it is answered.
    Many(usize),
}

/// How long things may take; `None` is for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) invocation: Option<Duration>,
    /// How long a caller waits for a runtime that has nothing to do, and does not ask.
    pub(crate) init: Option<Duration>,
}

/// One runtime and all that it is at.
#[derive(Debug)]
pub(crate) struct Environment {
    capacity: Capacity,
    timeouts: Timeouts,
    state: State,
    /// When the runtime first asked for an invocation.
    ready_at: Option<Instant>,
    /// Since when the runtime has had nothing to do but to ask.
    idle_since: Instant,
    claim: Option<Claim>,
    /// Connections that wait for an invocation, in the order in which they asked.
    waiting: VecDeque<ConnectionId>,
    in_flight: Vec<InFlight>,
    /// Invocations that have timed out and were not answered afterwards, the oldest first.
    timed_out: VecDeque<Id>,
    pub(crate) extensions: Extensions,
    actions: VecDeque<Action>,
}

/// An invocation whose caller waits for this runtime to ask.
#[derive(Debug)]
struct Claim {
    id: Id,
    since: Instant,
}

/// An invocation that the runtime has.
#[derive(Debug)]
struct InFlight {
    id: Id,
    nonce: Arc<str>,
    given_at: Instant,
    deadline: Option<Instant>,
    progress: Progress,
    status: Status,
    spans: Spans,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Given,
    /// The answer has begun to arrive.
    Answering,
    /// The caller has the answer.
    Answered,
}

/// When the answer to an invocation came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spans {
    pub(crate) given_at: Option<Instant>,
    pub(crate) begun_at: Option<Instant>,
    pub(crate) ended_at: Option<Instant>,
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Success,
    /// The function has reported an error, of this type if it named one.
    Reported(Option<String>),
    /// The platform has found something wrong.
    Failed(Failure),
}

/// An invocation that is over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) id: Id,
    /// How long the runtime had it.
    pub(crate) duration: Duration,
    pub(crate) status: Status,
    pub(crate) spans: Spans,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The caller of this invocation gets this in place of an answer.
    Fail(Id, Failure),
    /// This invocation is over.
    Finish(Finished),
    /// This connection is told so.
    Notify(ConnectionId, Notice),
    /// The runtime is to be ended: it takes too long.
    End,
}

/// What a runtime gets that asks for an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits for one.
    Waits,
    /// It gets the one that it has, once more.
    Again(Id),
}

/// An answer, as its head tells of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun<'a> {
    pub(crate) call: Call,
    pub(crate) id: &'a str,
    pub(crate) nonce: Option<&'a [u8]>,
    pub(crate) mode: Mode,
}

impl Environment {
    /// An environment whose runtime has not asked for anything.
    pub(crate) fn new(capacity: Capacity, timeouts: Timeouts, now: Instant) -> Self {
        Self {
            capacity,
            timeouts,
            state: State::Started,
            ready_at: None,
            idle_since: now,
            claim: None,
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
            timed_out: VecDeque::new(),
            extensions: Extensions::new(matches!(capacity, Capacity::Many(_))),
            actions: VecDeque::new(),
        }
    }

    /// Begins anew, with another runtime, and extensions of these names. A claim stays.
    pub(crate) fn reset(&mut self, extensions: Vec<String>, now: Instant) {
        self.extensions.reset(extensions);
        self.state = State::Started;
        self.ready_at = None;
        self.idle_since = now;
        self.waiting.clear();
        self.timed_out.clear();
    }

    /// The next thing that is to be done.
    pub(crate) fn action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Whether an invocation that is [assigned](Self::assign) is taken.
    pub(crate) fn is_ready(&self) -> bool {
        if !self.extensions.are_ready() {
            return false;
        }
        match self.capacity {
            Capacity::One => self.state == State::Ready && self.in_flight.is_empty(),
            Capacity::Many(most) => self.in_flight.len() < most && !self.waiting.is_empty(),
        }
    }

    /// Whether the runtime has answered, and will ask for the next invocation if nothing goes wrong.
    pub(crate) fn is_finishing(&self) -> bool {
        self.state == State::ResponseSent
    }

    /// Whether it makes sense to wait for this runtime.
    pub(crate) fn is_claimable(&self) -> bool {
        self.claim.is_none() && self.in_flight.is_empty() && !self.is_ready()
    }

    /// Whether the runtime has reported that it cannot start.
    pub(crate) fn has_init_error(&self) -> bool {
        self.state == State::InitError
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.claim.is_none()
    }

    /// When the runtime first asked for an invocation.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        self.ready_at
    }

    /// A caller waits from here on until the runtime asks.
    pub(crate) fn claim(&mut self, id: Id, now: Instant) {
        self.claim = Some(Claim { id, since: now });
    }

    /// The invocation for which the runtime is waited, if there is one.
    pub(crate) fn claimed(&self) -> Option<&Id> {
        self.claim.as_ref().map(|claim| &claim.id)
    }

    /// The runtime asks for an invocation; with that, the one before is over on demand.
    pub(crate) fn next(&mut self, connection: ConnectionId, now: Instant) -> Result<Next, ApiError<'static>> {
        match self.verdict(Call::Next)? {
            Verdict::To(state) => {
                self.state = state;
                self.ready_at.get_or_insert(now);
                self.extensions.close();
                self.finish_current(now);
                self.waiting.push_back(connection);
                Ok(Next::Waits)
            }
            _ => Ok(self.in_flight.first().map_or(Next::Waits, |current| Next::Again(Arc::clone(&current.id)))),
        }
    }

    /// Ends the invocation of a runtime that has asked for the next one, unless extensions are still at work for it.
    fn finish_current(&mut self, now: Instant) {
        if self.capacity == Capacity::One
            && self.state == State::Ready
            && !self.extensions.are_busy()
            && let Some(over) = self.in_flight.pop()
        {
            self.idle_since = now;
            self.finish_unanswered(over, Failure::Truncated, now);
        }
    }

    /// An extension asks for its next event: it gets what it has not been told, or waits.
    pub(crate) fn extension_next(
        &mut self,
        id: &[u8],
        connection: ConnectionId,
        now: Instant,
    ) -> Result<Option<Notice>, Refusal> {
        let notice = self.extensions.next(id, connection)?;
        self.finish_current(now);
        Ok(notice)
    }

    /// Tells all extensions that the environment ends.
    pub(crate) fn shut_down(&mut self, reason: ShutdownReason, deadline_ms: u64) {
        self.notify(&Notice::Shutdown { reason, deadline_ms });
    }

    fn notify(&mut self, notice: &Notice) {
        let connections = self.extensions.notify(notice);
        let actions = connections.into_iter().map(|connection| Action::Notify(connection, notice.clone()));
        self.actions.extend(actions);
    }

    /// Gives an invocation to the runtime, which [is ready](Self::is_ready): to the connection that has waited longest,
    /// if one does. Otherwise it goes to the one that asks next.
    pub(crate) fn assign(&mut self, id: &Id, nonce: &Arc<str>, now: Instant) -> Option<ConnectionId> {
        self.claim = self.claim.take().filter(|claim| claim.id != *id);
        if self.capacity == Capacity::One {
            self.state = State::Running;
        }
        self.in_flight.push(InFlight {
            id: Arc::clone(id),
            nonce: Arc::clone(nonce),
            given_at: now,
            deadline: self.timeouts.invocation.map(|timeout| now + timeout),
            progress: Progress::Given,
            status: Status::Success,
            spans: Spans { given_at: Some(now), ..Spans::default() },
        });
        if self.extensions.are_there() {
            self.notify(&Notice::Invoke(Arc::clone(id)));
        }
        self.waiting.pop_front()
    }

    /// This connection does not wait any more.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.waiting.retain(|waiting| *waiting != connection);
        self.extensions.forget(connection);
    }

    /// The runtime begins to answer. An id that is not in flight counts first, then a nonce of another attempt, then the
    /// state, then the mode. A mode that is refused leaves a runtime that takes one at a time where nothing else is
    /// accepted, as RIE does.
    pub(crate) fn begin_answer(&mut self, begun: &Begun<'_>, now: Instant) -> Result<u64, ApiError<'static>> {
        let Some(at) = self.position(begun.id) else {
            return Err(self.unknown(begun.id));
        };
        let verdict = verdict(self.table(), self.state, begun.call);
        let is_many = self.is_many();
        let Some(current) = self.in_flight.get_mut(at) else { return Err(ApiError::InvalidRequestId) };
        if begun.nonce.is_some_and(|nonce| nonce != current.nonce.as_bytes()) {
            return Err(ApiError::InvokeTimeout);
        }
        let Verdict::To(state) = verdict else { return Err(self.state.refuses(begun.call)) };
        if is_many && current.progress != Progress::Given {
            return Err(ApiError::InvalidRequestId);
        }
        self.state = state;
        current.progress = Progress::Answering;
        current.spans.begun_at = Some(now);
        if begun.mode == Mode::Unknown {
            self.fail(begun.id, Failure::BadMode, now);
            return Err(ApiError::InvalidResponseMode);
        }
        Ok(match begun.call {
            Call::Error if is_many => ERROR_BYTES,
            _ if begun.mode == Mode::Streaming => limits::STREAM_BYTES,
            _ => PAYLOAD_BYTES,
        })
    }

    /// The answer that was begun is here, and its caller is to have it.
    pub(crate) fn end_answer(&mut self, id: &str, status: Status, now: Instant) -> Result<(), ApiError<'static>> {
        let Some(at) = self.position(id) else {
            return Err(self.unknown(id));
        };
        if let Some(current) = self.in_flight.get_mut(at) {
            current.progress = Progress::Answered;
            current.status = status;
            current.spans.ended_at = Some(now);
        }
        self.close_answer(at, now);
        Ok(())
    }

    /// The answer that was begun is larger than is taken. A report may be sent again, shortened, where several are in
    /// flight.
    pub(crate) fn refuse_size(&mut self, begun: &Begun<'_>, now: Instant) {
        let Some(at) = self.position(begun.id) else { return };
        if self.is_many()
            && begun.call == Call::Error
            && let Some(current) = self.in_flight.get_mut(at)
        {
            current.progress = Progress::Given;
            return;
        }
        self.close_answer_with(at, Some(Failure::TooLarge), now);
    }

    /// The answer that was begun will never be whole. What the caller of a runtime that takes one at a time gets depends
    /// on what that does: it dies, takes too long, or asks for more.
    pub(crate) fn cut_answer(&mut self, id: &str, now: Instant) {
        let Some(at) = self.position(id) else { return };
        let failure = self.is_many().then_some(Failure::Truncated);
        self.close_answer_with(at, failure, now);
    }

    /// The runtime says that it cannot start. Returns whether that counts.
    pub(crate) fn begin_init_error(&mut self) -> Result<bool, ApiError<'static>> {
        let verdict = self.verdict(Call::InitError)?;
        if let Verdict::To(state) = verdict {
            self.state = state;
        }
        Ok(verdict != Verdict::Ignored)
    }

    /// The report of a runtime that cannot start is here: it goes to the caller of this invocation, if one waits.
    pub(crate) fn end_init_error(&mut self, error_type: Option<String>) -> Option<Id> {
        let Claim { id, .. } = self.claim.take()?;
        self.finish_claim(Arc::clone(&id), Status::Reported(error_type));
        Some(id)
    }

    /// The process has ended, and all that it sent has been received.
    pub(crate) fn exited(&mut self, exit: Exit, now: Instant) {
        self.fail_all(&Failure::Exited(exit), now);
    }

    /// Nothing will come of anything that is in flight or waited for.
    pub(crate) fn fail_all(&mut self, failure: &Failure, now: Instant) {
        if !self.has_init_error() {
            self.fail_claim(failure);
        }
        for mut over in std::mem::take(&mut self.in_flight) {
            if over.progress == Progress::Answered {
                over.status = Status::Failed(failure.clone());
            }
            self.finish_unanswered(over, failure.clone(), now);
        }
    }

    /// No process can be started.
    pub(crate) fn fail_claim(&mut self, failure: &Failure) {
        if let Some(Claim { id, .. }) = self.claim.take() {
            self.actions.push_back(Action::Fail(Arc::clone(&id), failure.clone()));
            self.finish_claim(id, Status::Failed(failure.clone()));
        }
    }

    /// When the next thing will have taken too long.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let claim = self.claim_deadline();
        self.in_flight.iter().filter_map(|current| current.deadline).chain(claim).min()
    }

    /// Ends whatever has taken too long by now.
    pub(crate) fn tick(&mut self, now: Instant) {
        if self.claim_deadline().is_some_and(|deadline| deadline <= now)
            && let Some(init) = self.timeouts.init
        {
            self.fail_claim(&Failure::TimedOut(init));
            self.actions.push_back(Action::End);
        }
        let is_late = |current: &InFlight| current.deadline.is_some_and(|deadline| deadline <= now);
        let timeout = Failure::TimedOut(self.timeouts.invocation.unwrap_or_default());
        while let Some(at) = self.in_flight.iter().position(is_late) {
            let mut late = self.in_flight.remove(at);
            self.idle_since = now;
            if self.is_many() {
                self.remember(&late.id);
            } else {
                self.actions.push_back(Action::End);
            }
            if late.progress == Progress::Answered {
                late.status = Status::Failed(timeout.clone());
            }
            self.finish_unanswered(late, timeout.clone(), now);
        }
    }

    /// A runtime that has nothing to do and does not ask, although a caller waits, is late then.
    fn claim_deadline(&self) -> Option<Instant> {
        let claim = self.claim.as_ref().filter(|_| self.in_flight.is_empty())?;
        Some(claim.since.max(self.idle_since) + self.timeouts.init?)
    }

    fn table(&self) -> &'static table::Table {
        match self.capacity {
            Capacity::One => table::ON_DEMAND,
            Capacity::Many(_) => table::MANAGED,
        }
    }

    fn is_many(&self) -> bool {
        matches!(self.capacity, Capacity::Many(_))
    }

    fn verdict(&self, call: Call) -> Result<Verdict, ApiError<'static>> {
        match verdict(self.table(), self.state, call) {
            Verdict::Refused => Err(self.state.refuses(call)),
            verdict => Ok(verdict),
        }
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.in_flight.iter().position(|current| &*current.id == id)
    }

    fn remember(&mut self, id: &Id) {
        self.timed_out.push_back(Arc::clone(id));
        if self.timed_out.len() > limits::TIMED_OUT {
            self.timed_out.pop_front();
        }
    }

    /// Why an answer to this invocation, which is not in flight, is refused: a time-out is told once.
    fn unknown(&mut self, id: &str) -> ApiError<'static> {
        match self.timed_out.iter().position(|timed_out| &**timed_out == id) {
            Some(at) => {
                self.timed_out.remove(at);
                ApiError::InvokeTimeout
            }
            None => ApiError::InvalidRequestId,
        }
    }

    /// The answer has failed while it was sent; the state stays.
    fn fail(&mut self, id: &str, failure: Failure, now: Instant) {
        let Some(at) = self.position(id) else { return };
        if self.is_many() {
            return self.close_answer_with(at, Some(failure), now);
        }
        if let Some(current) = self.in_flight.get_mut(at) {
            current.progress = Progress::Answered;
            current.status = Status::Failed(failure.clone());
            let id = Arc::clone(&current.id);
            self.actions.push_back(Action::Fail(id, failure));
        }
    }

    fn close_answer_with(&mut self, at: usize, failure: Option<Failure>, now: Instant) {
        if let Some(current) = self.in_flight.get_mut(at)
            && let Some(failure) = failure
        {
            current.progress = Progress::Answered;
            current.status = Status::Failed(failure.clone());
            let id = Arc::clone(&current.id);
            self.actions.push_back(Action::Fail(id, failure));
        }
        self.close_answer(at, now);
    }

    /// The body of an answer has come to its end, whichever.
    fn close_answer(&mut self, at: usize, now: Instant) {
        if self.is_many() {
            let over = self.in_flight.swap_remove(at);
            self.idle_since = now;
            self.finish(over, now);
        } else if matches!(self.state, State::InvocationResponse | State::InvocationErrorResponse) {
            self.state = State::ResponseSent;
        }
    }

    fn finish_unanswered(&mut self, mut over: InFlight, failure: Failure, now: Instant) {
        if over.progress != Progress::Answered {
            over.status = Status::Failed(failure.clone());
            self.actions.push_back(Action::Fail(Arc::clone(&over.id), failure));
        }
        self.finish(over, now);
    }

    fn finish(&mut self, over: InFlight, now: Instant) {
        let InFlight { id, given_at, status, spans, .. } = over;
        let duration = now.saturating_duration_since(given_at);
        self.actions.push_back(Action::Finish(Finished { id, duration, status, spans }));
    }

    /// An invocation that never came to be given is over.
    fn finish_claim(&mut self, id: Id, status: Status) {
        let finished = Finished { id, duration: Duration::ZERO, status, spans: Spans::default() };
        self.actions.push_back(Action::Finish(finished));
    }
}
