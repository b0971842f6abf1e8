//! Answers of the runtime: which are taken, and what becomes of those that are not.

use std::sync::Arc;
use std::time::Instant;

use lambwire::limits::{ERROR_BYTES, PAYLOAD_BYTES};
use lambwire::{ApiError, Mode};

use super::table::{State, Verdict, verdict};
use super::{Action, Answering, Begun, Call, Environment, Progress, Status};
use crate::answer::Failure;
use crate::limits;

impl Environment {
    /// The runtime begins to answer. An id that is not in flight counts first, then a nonce of another attempt, then the
    /// state, then the mode. A mode that is refused leaves a runtime that takes one at a time where nothing else is
    /// accepted, as RIE does, so that it ends; where nobody would see that, whoever asks next is served.
    pub(crate) fn begin_answer(&mut self, begun: &Begun<'_>, now: Instant) -> Result<Answering, ApiError<'static>> {
        let Some(at) = self.position(begun.id) else {
            return Err(self.unknown(begun.id));
        };
        // It counts when it comes, although whoever ends what is late has not looked yet. A runtime that takes one at a
        // time is to end, too, which it is told then.
        self.put_off(now);
        if self.is_many() && self.in_flight.get(at).is_some_and(|current| current.is_late(now)) {
            self.tick(now);
            return Err(self.unknown(begun.id));
        }
        let verdict = verdict(self.table(), self.state, begun.call);
        let is_many = self.is_many();
        let limit = self.limit(begun);
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
        let id = Arc::clone(&current.id);
        if begun.mode == Mode::Unknown {
            self.fail(begun.id, Failure::BadMode, now);
            return Err(ApiError::InvalidResponseMode);
        }
        Ok(Answering { id, call: begun.call, mode: begun.mode, limit })
    }

    /// How many bytes this answer may have.
    fn limit(&self, begun: &Begun<'_>) -> u64 {
        match begun.call {
            Call::Error if self.is_many() => ERROR_BYTES,
            _ if begun.mode == Mode::Streaming => limits::STREAM_BYTES,
            _ => PAYLOAD_BYTES,
        }
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
    pub(crate) fn refuse_size(&mut self, answering: &Answering, now: Instant) {
        let Some(at) = self.position(&answering.id) else { return };
        if self.is_many()
            && answering.call == Call::Error
            && let Some(current) = self.in_flight.get_mut(at)
        {
            current.progress = Progress::Given;
            return;
        }
        self.close_answer_with(at, Some(Failure::TooLarge { limit: answering.limit }), now);
    }

    /// The answer that was begun will never be whole. What the caller of a runtime that takes one at a time gets depends
    /// on what that does: it dies, takes too long, or asks for more.
    pub(crate) fn cut_answer(&mut self, id: &str, now: Instant) {
        let Some(at) = self.position(id) else { return };
        let failure = self.is_many().then_some(Failure::Truncated);
        self.close_answer_with(at, failure, now);
    }

    /// Why an answer to this invocation, which is not in flight, is refused: a time-out is reported once.
    fn unknown(&mut self, id: &str) -> ApiError<'static> {
        match self.timed_out.iter().position(|timed_out| &**timed_out == id) {
            Some(at) => {
                self.timed_out.remove(at);
                ApiError::InvokeTimeout
            }
            None => ApiError::InvalidRequestId,
        }
    }

    /// The answer has failed while it was sent; the state of a runtime whose end will be seen stays.
    fn fail(&mut self, id: &str, failure: Failure, now: Instant) {
        let Some(at) = self.position(id) else { return };
        if self.is_many() || self.is_guest {
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
}
