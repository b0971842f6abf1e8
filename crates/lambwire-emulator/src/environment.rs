//! The execution environment: one runtime, the invocation that it has been given, and who waits for the answer.
//!
//! Connections from the runtime call in here from one side, the driver from the other; no call waits.

use std::rc::Rc;
use std::time::Instant;

use lambwire::ApiError;
use lambwire::limits::PAYLOAD_BYTES;
use smol::channel::{Receiver, Sender, bounded};

use crate::answer::{Answer, Failure, Reported};
use crate::event::Invocation;
use crate::runtime_api::{Begun, Handout, Requests};
use crate::state::{Next, State, Turn};

/// One runtime and what it is at.
#[derive(Debug)]
pub(crate) struct Environment {
    turn: Turn,
    /// When the runtime first asked for an invocation.
    ready_at: Option<Instant>,
    given: Option<Rc<Invocation>>,
    caller: Option<Caller>,
    /// Connections that wait for an invocation: all of them get it, as any that asks later does.
    waiting: Vec<Sender<Rc<Invocation>>>,
    changed: Sender<()>,
}

/// Somebody who has no answer as yet.
#[derive(Debug)]
struct Caller {
    request_id: String,
    answer: Sender<Answer>,
}

impl Environment {
    /// An environment whose runtime has not asked for anything, and what tells of changes in it.
    pub(crate) fn new() -> (Self, Receiver<()>) {
        // One token says that something has changed; how often does not matter.
        let (changed, changes) = bounded(1);
        let environment =
            Self { turn: Turn::new(), ready_at: None, given: None, caller: None, waiting: Vec::new(), changed };
        (environment, changes)
    }

    /// Begins anew, with another runtime.
    pub(crate) fn reset(&mut self) {
        self.turn = Turn::new();
        self.ready_at = None;
        self.given = None;
        self.waiting.clear();
    }

    /// A caller waits from here on.
    pub(crate) fn expect(&mut self, request_id: &str, answer: Sender<Answer>) {
        let request_id = request_id.to_owned();
        self.caller = Some(Caller { request_id, answer });
    }

    /// Gives the runtime what it waits for, on one of the connections on which it waits.
    pub(crate) fn give(&mut self, invocation: Invocation) {
        if self.turn.invoke(invocation.id()) {
            let invocation = Rc::new(invocation);
            // A connection that is gone does not take it.
            let taken = self.waiting.iter().position(|waiting| waiting.try_send(Rc::clone(&invocation)).is_ok());
            self.waiting.drain(..taken.map_or(self.waiting.len(), |taken| taken + 1));
            self.given = Some(invocation);
        }
    }

    /// Answers the caller, unless that has been done.
    pub(crate) fn answer(&mut self, reported: Reported) {
        if let Some(Caller { request_id, answer }) = self.caller.take() {
            // A caller may have gone away.
            let _ = answer.try_send(reported.into_answer(request_id));
        }
    }

    /// Whether the runtime waits for an invocation.
    pub(crate) fn is_ready(&self) -> bool {
        self.turn.state() == State::Ready
    }

    /// Whether the runtime has said that it cannot start.
    pub(crate) fn has_init_error(&self) -> bool {
        self.turn.state() == State::InitError
    }

    /// Whether the runtime has said that it cannot start, and nobody waits any more for what it has to say.
    pub(crate) fn is_given_up(&self) -> bool {
        self.has_init_error() && self.caller.is_none()
    }

    /// Whether somebody still waits for an answer.
    pub(crate) fn has_caller(&self) -> bool {
        self.caller.is_some()
    }

    /// When the runtime first asked for an invocation.
    pub(crate) fn ready_at(&self) -> Option<Instant> {
        self.ready_at
    }

    fn tell(&self) {
        // If there is a token already, it tells of this change, too.
        let _ = self.changed.try_send(());
    }
}

impl Requests for Environment {
    fn next(&mut self, now: Instant) -> Result<Handout, ApiError<'static>> {
        let next = self.turn.next()?;
        if let (Next::Again, Some(given)) = (next, &self.given) {
            return Ok(Handout::Given(Rc::clone(given)));
        }
        self.given = None;
        self.ready_at.get_or_insert(now);
        let (waiting, given) = bounded(1);
        self.waiting.retain(|waiting| !waiting.is_closed());
        self.waiting.push(waiting);
        self.tell();
        Ok(Handout::Waits(given))
    }

    fn begin_answer(&mut self, begun: &Begun<'_>) -> Result<u64, ApiError<'static>> {
        let result = self.turn.begin_answer(begun.verb, begun.id, begun.mode);
        if result == Err(ApiError::InvalidResponseMode) {
            self.answer(Reported::Failed(Failure::BadMode));
        }
        result.map(|()| PAYLOAD_BYTES)
    }

    fn end_answer(&mut self, _: &Begun<'_>, reported: Reported) -> Result<(), ApiError<'static>> {
        self.turn.end_answer();
        self.answer(reported);
        Ok(())
    }

    fn refuse_size(&mut self, _: &Begun<'_>) {
        self.turn.end_answer();
        self.answer(Reported::Failed(Failure::TooLarge));
    }

    /// What the caller gets depends on what the runtime does: it dies, takes too long, or asks for more.
    fn cut_answer(&mut self, _: &Begun<'_>) {
        self.turn.end_answer();
    }

    fn begin_init_error(&mut self) -> Result<(), ApiError<'static>> {
        self.turn.init_error()
    }

    fn end_init_error(&mut self, reported: Reported) {
        self.answer(reported);
        self.tell();
    }
}
