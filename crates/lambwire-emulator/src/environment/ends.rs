//! How invocations end that are not answered, or whose answer came before: the process is gone, or time is up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::table::State;
use super::{Action, Claim, Environment, Finished, Id, InFlight, Progress, Spans, Status};
use crate::answer::Failure;
use crate::exit::Exit;
use crate::limits;

impl Environment {
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
        let claim = self.claim_deadline().map(|(deadline, _)| deadline);
        self.in_flight.iter().filter_map(|current| current.deadline).chain(claim).min()
    }

    /// Puts off what has been late for so long that it is the emulator that has stood still: an answer that came meanwhile is
    /// taken first. Returns whether anything was.
    pub(crate) fn put_off(&mut self, now: Instant) -> bool {
        let mut is_any = false;
        for deadline in self.in_flight.iter_mut().filter_map(|current| current.deadline.as_mut()) {
            if now.saturating_duration_since(*deadline) > limits::STANDSTILL {
                *deadline = now + limits::SETTLE_GRACE;
                is_any = true;
            }
        }
        is_any
    }

    /// Ends whatever has taken too long by now.
    pub(crate) fn tick(&mut self, now: Instant) {
        if let Some((deadline, failure)) = self.claim_deadline()
            && deadline <= now
        {
            self.fail_claim(&failure);
            self.actions.push_back(Action::End);
        }
        while let Some(at) = self.in_flight.iter().position(|current| current.is_late(now)) {
            let mut late = self.in_flight.remove(at);
            let timeout = Failure::TimedOut(late.timeout.unwrap_or_default());
            self.idle_since = now;
            if self.is_many() {
                self.remember(&late.id);
            } else {
                self.actions.push_back(Action::End);
            }
            if late.progress == Progress::Answered {
                late.status = Status::Failed(timeout.clone());
            }
            self.finish_unanswered(late, timeout, now);
        }
    }

    /// A runtime that has nothing to do and does not ask, although a caller waits, is late then, and has so failed: in its
    /// start, or, where it takes several at a time, with events whose time was over.
    fn claim_deadline(&self) -> Option<(Instant, Failure)> {
        let claim = self.claim.as_ref().filter(|_| self.in_flight.is_empty())?;
        let init = self.timeouts.init?;
        let (timeout, failure) = match self.state {
            State::Restoring => (limits::RESTORE, Failure::RestoreTimedOut),
            State::Ready if self.waiting.is_empty() => (init, Failure::Unavailable(init)),
            _ => (init, Failure::TimedOut(init)),
        };
        Some((claim.since.max(self.idle_since) + timeout, failure))
    }

    fn remember(&mut self, id: &Id) {
        self.timed_out.push_back(Arc::clone(id));
        if self.timed_out.len() > limits::TIMED_OUT {
            self.timed_out.pop_front();
        }
    }

    pub(super) fn finish_unanswered(&mut self, mut over: InFlight, failure: Failure, now: Instant) {
        if over.progress != Progress::Answered {
            over.status = Status::Failed(failure.clone());
            self.actions.push_back(Action::Fail(Arc::clone(&over.id), failure));
        }
        self.finish(over, now);
    }

    pub(super) fn finish(&mut self, over: InFlight, now: Instant) {
        let InFlight { id, given_at, status, spans, is_runtime_done, .. } = over;
        let duration = now.saturating_duration_since(given_at);
        let finished = Finished { id, duration, status, spans };
        self.actions.push_back(Action::Finish { finished, is_runtime_done });
    }

    /// An invocation that never came to be given is over.
    pub(super) fn finish_claim(&mut self, id: Id, status: Status) {
        let finished = Finished { id, duration: Duration::ZERO, status, spans: Spans::default() };
        self.actions.push_back(Action::Finish { finished, is_runtime_done: false });
    }
}
