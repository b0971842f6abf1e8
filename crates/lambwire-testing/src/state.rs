//! What the connections and the test share.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lambwire::ReceiveError;

use crate::TimedOut;
use crate::event::Event;
use crate::fault::Fault;
use crate::request::RecordedRequest;

/// How often a connection that waits for an event is looked at, for its end.
const LOOK: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    patience: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// Events that no runtime has.
    events: VecDeque<Event>,
    /// Ids of the events that a runtime has, and has not answered.
    out: Vec<String>,
    /// Of those that were answered.
    answered: Vec<String>,
    requests: Vec<RecordedRequest>,
    /// Why requests were not understood.
    misunderstood: Vec<ReceiveError>,
    faults_of_next: VecDeque<Fault>,
    faults_of_answers: VecDeque<Fault>,
    /// Connections that wait for an event.
    waiting: usize,
    connections: usize,
    is_restored: bool,
    is_over: bool,
}

/// What a connection that waits for an event comes to.
pub(crate) enum NextReply {
    Event(Box<Event>),
    /// The runtime has closed it.
    Gone,
    /// There will be none.
    End,
}

impl Shared {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), patience }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No state is left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.notify_all();
        changed
    }

    /// Takes a connection into account, and numbers it.
    pub(crate) fn connected(&self) -> usize {
        self.change(|state| {
            state.connections += 1;
            state.connections - 1
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// From now on, whoever asks for an event is refused.
    pub(crate) fn end(&self) {
        self.change(|state| state.is_over = true);
    }

    pub(crate) fn misunderstood(&self, error: ReceiveError) {
        self.change(|state| state.misunderstood.push(error));
    }

    /// Writes a request down. Whether it is taken, which an answer is to an invocation that is out.
    pub(crate) fn record(&self, request: RecordedRequest) -> bool {
        self.change(|state| {
            let id = request.request_id.clone().filter(|_| request.is_answer());
            state.requests.push(request);
            let Some(id) = id else { return true };
            let Some(index) = state.out.iter().position(|out| *out == id) else { return false };
            state.out.remove(index);
            state.answered.push(id);
            true
        })
    }

    /// Waits for an event.
    pub(crate) fn hand_out(&self, has_ended: impl Fn() -> bool) -> NextReply {
        self.change(|state| state.waiting += 1);
        let mut state = self.state();
        let handout = loop {
            if state.is_over {
                break NextReply::End;
            }
            if has_ended() {
                break NextReply::Gone;
            }
            if let Some(event) = state.events.pop_front() {
                state.out.push(event.id().to_owned());
                break NextReply::Event(Box::new(event));
            }
            state = self.wait(state);
        };
        state.waiting -= 1;
        drop(state);
        self.changed.notify_all();
        handout
    }

    fn wait<'g>(&self, state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
        self.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Takes an event back that does not go out whole: it is the next one.
    pub(crate) fn take_back(&self, event: Event) {
        self.change(|state| {
            state.out.retain(|out| out != event.id());
            state.events.push_front(event);
        });
    }

    pub(crate) fn wait_for_restore(&self, has_ended: impl Fn() -> bool) {
        let mut state = self.state();
        while !state.is_restored && !state.is_over && !has_ended() {
            state = self.wait(state);
        }
    }

    pub(crate) fn wait_for_end(&self, has_ended: impl Fn() -> bool) {
        let mut state = self.state();
        while !state.is_over && !has_ended() {
            state = self.wait(state);
        }
    }

    pub(crate) fn fault_of_next(&self) -> Option<Fault> {
        self.state().faults_of_next.pop_front()
    }

    pub(crate) fn fault_of_answer(&self) -> Option<Fault> {
        self.state().faults_of_answers.pop_front()
    }

    // What a test does and asks for.

    pub(crate) fn invoke(&self, event: Event) {
        self.change(|state| state.events.push_back(event));
    }

    pub(crate) fn break_next(&self, fault: Fault) {
        self.change(|state| state.faults_of_next.push_back(fault));
    }

    pub(crate) fn break_answer(&self, fault: Fault) {
        self.change(|state| state.faults_of_answers.push_back(fault));
    }

    pub(crate) fn restore(&self) {
        self.change(|state| state.is_restored = true);
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        self.state().requests.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    /// Waits until so many connections wait for an event, and there is none.
    pub(crate) fn polled(&self, times: usize) -> Result<(), TimedOut> {
        self.until("a runtime asks for an invocation", |state| {
            (state.waiting >= times && state.events.is_empty()).then_some(())
        })
    }

    /// Waits until all events are answered, and a runtime waits for another.
    pub(crate) fn frozen(&self) -> Result<(), TimedOut> {
        self.until("every event is answered, and a runtime asks for another", |state| {
            (state.waiting > 0 && state.events.is_empty() && state.out.is_empty()).then_some(())
        })
    }

    /// Waits for a request that is so, the first of those.
    pub(crate) fn request(
        &self,
        what: &'static str,
        is_so: impl Fn(&RecordedRequest) -> bool,
    ) -> Result<RecordedRequest, TimedOut> {
        self.until(what, |state| state.requests.iter().find(|request| is_so(request)).cloned())
    }

    fn until<T>(&self, what: &'static str, find: impl Fn(&State) -> Option<T>) -> Result<T, TimedOut> {
        let deadline = Instant::now() + self.patience;
        let mut state = self.state();
        loop {
            if let Some(found) = find(&state) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TimedOut {
                    what,
                    patience: self.patience,
                    requests: state.requests.iter().map(|request| request.kind).collect(),
                    misunderstood: state.misunderstood.clone(),
                });
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
