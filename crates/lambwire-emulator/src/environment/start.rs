//! How a start goes that is more than asking for an invocation: it fails, or leads to a snapshot (SnapStart).

use std::sync::Arc;
use std::time::Instant;

use lambwire::ApiError;

use super::table::{State, Verdict};
use super::{Call, Claim, ConnectionId, Environment, Id, Status};

impl Environment {
    /// Whether the runtime has reported that it cannot start, or go on from its snapshot.
    pub(crate) fn has_init_error(&self) -> bool {
        matches!(self.state, State::InitError | State::RestoreError)
    }

    /// The runtime says by `call` that it cannot start, or go on from its snapshot. Returns whether that counts.
    pub(crate) fn begin_init_error(&mut self, call: Call) -> Result<bool, ApiError<'static>> {
        let verdict = self.verdict(call)?;
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

    /// The runtime has started, and waits on this connection to be restored from its snapshot.
    pub(crate) fn restore_next(&mut self, connection: ConnectionId, now: Instant) -> Result<(), ApiError<'static>> {
        if let Verdict::To(state) = self.verdict(Call::RestoreNext)? {
            self.state = state;
        }
        self.extensions.close();
        self.snapshot_at = Some(now);
        self.waiting.push_back(connection);
        Ok(())
    }

    /// Whether the runtime waits to be restored.
    pub(crate) fn is_snapshot(&self) -> bool {
        self.state == State::RestoreReady
    }

    /// The runtime is restored; gives the connection on which it waits for that, if it does.
    pub(crate) fn restore(&mut self, now: Instant) -> Option<ConnectionId> {
        self.state = State::Restoring;
        self.restored_at = Some(now);
        self.idle_since = now;
        self.waiting.pop_front()
    }

    /// When the runtime was restored, if it was.
    pub(crate) fn restored_at(&self) -> Option<Instant> {
        self.restored_at
    }

    /// When the runtime had started: it first asked for an invocation, or for its snapshot.
    pub(crate) fn started_at(&self) -> Option<Instant> {
        self.snapshot_at.or(self.ready_at)
    }
}
