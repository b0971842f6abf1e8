//! An environment that has nothing to do: it is frozen, in a snapshot or as it is, or makes room for what has changed.

use super::{Life, Member};
use crate::environment::Capacity;
use crate::fleet::Freeze;
use crate::process;

impl Member {
    /// Whether it is to be frozen, and is not.
    pub(in crate::fleet) fn is_at_rest(&self) -> bool {
        let environment = self.environment.borrow();
        let is_wanted = self.settings.freeze != Freeze::Never && self.settings.capacity == Capacity::One;
        self.life.get() == Life::Open
            && self.frozen.borrow().is_empty()
            // Who is amid a batch takes it to its end.
            && !self.telemetry.is_sending()
            && (environment.is_snapshot() || is_wanted && environment.is_ready())
    }

    /// Stops all processes, and parts with their connections if that is wished for.
    pub(in crate::fleet) fn freeze(&self) {
        self.telemetry.pause();
        *self.frozen.borrow_mut() = process::stop(&self.pids());
        if self.loses_connections() && !self.environment.borrow().is_snapshot() {
            self.runtime_api.disconnect();
        }
    }

    /// Whether connections do not outlive it that processes stand still.
    pub(crate) fn loses_connections(&self) -> bool {
        self.settings.freeze == Freeze::Connections
    }

    /// Has the processes go on.
    pub(in crate::fleet) fn thaw(&self) {
        process::resume(&self.frozen.take());
        self.telemetry.resume();
    }

    /// The program has changed: a process of it that has nothing to do ends now, and any other when it is done.
    pub(crate) fn renew(&self) {
        self.is_stale.set(true);
        self.wake.notify_one();
    }
}
