//! The execution environment as a state machine: what its runtime asks goes in, what is to be done comes out.
//!
//! It knows no socket, no process and no clock. One that takes several invocations at a time, as on AWS's managed
//! instances, differs by its table and by what ends an invocation: the answer, not the request for the next one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambwire::{ApiError, Mode};

use crate::answer::Failure;

mod answers;
mod ends;
mod extensions;
mod start;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use extensions::{Awaited, Extensions, Notice, Refusal, ShutdownReason};
pub(crate) use table::Call;
use table::{State, Verdict, verdict};

/// The id of an invocation.
pub(crate) type Id = Arc<str>;

/// A connection on which the runtime speaks, as whoever holds it counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Somebody else starts the runtime, and nobody here sees it end.
    is_guest: bool,
    state: State,
    /// When the runtime first asked for an invocation.
    ready_at: Option<Instant>,
    /// When it asked to be restored from a snapshot, and when it was.
    snapshot_at: Option<Instant>,
    restored_at: Option<Instant>,
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
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    progress: Progress,
    status: Status,
    spans: Spans,
    /// Some connection of the runtime has got it.
    is_received: bool,
    /// The runtime has asked for the next invocation, which extensions keep it from.
    is_runtime_done: bool,
}

impl InFlight {
    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
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

/// An invocation that is over, or with which the runtime is done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) id: Id,
    /// How long it took until then.
    pub(crate) duration: Duration,
    pub(crate) status: Status,
    pub(crate) spans: Spans,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The caller of this invocation gets this in place of an answer.
    Fail(Id, Failure),
    /// The runtime is done with this invocation, and extensions are not, some of whom wait to hear so.
    EndTurn(Finished),
    /// This invocation is over, and with `is_runtime_done` the runtime has been done with it before.
    Finish { finished: Finished, is_runtime_done: bool },
    /// This connection hears so.
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

/// An answer that is taken, and whose body is due.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) id: Id,
    pub(crate) call: Call,
    pub(crate) mode: Mode,
    /// How many bytes the body may have.
    pub(crate) limit: u64,
}

impl Environment {
    /// An environment whose runtime, which is a guest if somebody else starts it, has not asked for anything.
    pub(crate) fn new(capacity: Capacity, timeouts: Timeouts, is_guest: bool, now: Instant) -> Self {
        Self {
            capacity,
            timeouts,
            is_guest,
            state: State::Started,
            ready_at: None,
            snapshot_at: None,
            restored_at: None,
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
        self.snapshot_at = None;
        self.restored_at = None;
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

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.claim.is_none()
    }

    /// Since when the runtime has had the oldest invocation that is under way.
    pub(crate) fn busy_since(&self) -> Option<Instant> {
        self.in_flight.iter().map(|current| current.given_at).min()
    }

    /// Whether nothing goes on before a runtime asks for an invocation, and none does.
    pub(crate) fn lacks_runtime(&self) -> bool {
        let is_left = |current: &InFlight| !current.is_received || current.progress == Progress::Answered;
        self.waiting.is_empty() && self.in_flight.iter().all(is_left)
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
                self.end_turn(now);
                self.waiting.push_back(connection);
                Ok(Next::Waits)
            }
            _ => Ok(self.in_flight.first_mut().map_or(Next::Waits, |current| {
                current.is_received = true;
                Next::Again(Arc::clone(&current.id))
            })),
        }
    }

    /// The runtime, which has asked for the next invocation, is done with the one that it had.
    fn end_turn(&mut self, now: Instant) {
        if self.capacity != Capacity::One || !self.extensions.are_busy() {
            return self.finish_current(now);
        }
        let Some(current) = self.in_flight.first_mut().filter(|current| !current.is_runtime_done) else { return };
        current.is_runtime_done = true;
        let id = Arc::clone(&current.id);
        if current.progress != Progress::Answered {
            current.progress = Progress::Answered;
            current.status = Status::Failed(Failure::Truncated);
            self.actions.push_back(Action::Fail(Arc::clone(&id), Failure::Truncated));
        }
        let duration = now.saturating_duration_since(current.given_at);
        let (status, spans) = (current.status.clone(), current.spans);
        self.actions.push_back(Action::EndTurn(Finished { id, duration, status, spans }));
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

    /// An extension asks for its next event: it gets what it has not heard, or waits.
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

    /// Gives an invocation, which may take so long, to the runtime, which [is ready](Self::is_ready): to the connection
    /// that has waited longest, if one does. Otherwise it goes to the one that asks next.
    pub(crate) fn assign(
        &mut self,
        id: &Id,
        nonce: &Arc<str>,
        timeout: Option<Duration>,
        now: Instant,
    ) -> Option<ConnectionId> {
        self.claim = self.claim.take().filter(|claim| claim.id != *id);
        if self.capacity == Capacity::One {
            self.state = State::Running;
        }
        let connection = self.waiting.pop_front();
        self.in_flight.push(InFlight {
            id: Arc::clone(id),
            nonce: Arc::clone(nonce),
            given_at: now,
            timeout,
            deadline: timeout.map(|timeout| now + timeout),
            progress: Progress::Given,
            status: Status::Success,
            spans: Spans { given_at: Some(now), ..Spans::default() },
            is_received: connection.is_some(),
            is_runtime_done: false,
        });
        if self.extensions.are_there() {
            self.notify(&Notice::Invoke(Arc::clone(id)));
        }
        connection
    }

    /// This connection does not wait any more.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        self.waiting.retain(|waiting| *waiting != connection);
        self.extensions.forget(connection);
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
}
