//! How a start goes, for people and for those who subscribe; with SnapStart, up to a snapshot and on from it.

use std::time::{Duration, Instant};

use lambwire::ApiError;
use tokio::sync::oneshot;

use super::Member;
use crate::environment::{Capacity, ConnectionId, Environment};
use crate::fleet::{Settings, records};
use crate::report;

impl Member {
    fn init_type(&self) -> &'static str {
        match self.settings.capacity {
            Capacity::One if self.is_snap_start() => "snap-start",
            Capacity::One => "on-demand",
            Capacity::Many(_) => "lambda-managed-instances",
        }
    }

    /// Whether the runtime may be frozen in a snapshot when it has started.
    pub(crate) fn is_snap_start(&self) -> bool {
        self.settings.start.is_snap
    }

    /// A start begins.
    pub(in crate::fleet) fn begin_start(&self) {
        self.started_at.set(Some(Instant::now()));
        self.is_start_reported.set(false);
        self.printed.take();
        let Settings { registration, memory_mb, .. } = &*self.settings;
        self.record("initStart", None, || records::init_start(self.init_type(), registration, *memory_mb));
    }

    /// Tells that the start is over, once it is.
    pub(super) fn tell_init(&self) {
        let environment = self.environment.borrow();
        if self.telemetry.is_closed() || environment.started_at().is_none() || !environment.extensions.are_ready() {
            return;
        }
        self.reported_complaint.take();
        self.record_init_end(&environment, None);
        self.telemetry.close();
    }

    /// Tells that the start has failed, unless it is over.
    pub(in crate::fleet) fn tell_init_failure(&self, error_type: &str) {
        let environment = self.environment.borrow();
        // A runtime that has started may wait for extensions.
        if environment.started_at().is_some() && self.telemetry.is_closed() {
            return self.tell_restore_failure(&environment, error_type);
        }
        if self.is_start_reported.replace(true) {
            return;
        }
        self.say(None, |lines| *lines += &report::init(self.start_duration(), Some(error_type)));
        self.record_init_end(&environment, Some(error_type));
        self.telemetry.close();
    }

    /// The runtime has reported that it cannot start, and has heard that this is known. Where nobody would see it end, there
    /// is room for another from here on.
    pub(crate) fn leave_failed_start(&self) {
        if self.program.borrow().is_none() {
            self.begin_end();
            self.wake.notify_one();
        }
    }

    /// Tells whoever runs the program why it has not started, unless it has done so itself, or that is what had kept it from
    /// starting before.
    pub(in crate::fleet) fn tell_init_complaint(&self) {
        let complaint = self.init_complaint.take();
        let Some(complaint) = complaint.filter(|complaint| !complaint.is_in(self.printed.borrow().bytes())) else {
            return;
        };
        let text = complaint.to_string();
        let mut reported = self.reported_complaint.borrow_mut();
        if reported.as_ref() != Some(&text) {
            self.settings.printer.catch_up();
            let what =
                if self.environment.borrow().restored_at().is_some() { "go on from its snapshot" } else { "start" };
            log::error!("the runtime cannot {what}: {text}");
            *reported = Some(text);
        }
    }

    pub(in crate::fleet) fn start_duration(&self) -> Duration {
        self.started_at.get().map(|started_at| started_at.elapsed()).unwrap_or_default()
    }

    fn record_init_end(&self, environment: &Environment, error_type: Option<&str>) {
        let end = |duration| records::init_end(self.init_type(), error_type, duration);
        self.record("initRuntimeDone", None, || end(None));
        for (name, state, events) in environment.extensions.names() {
            let record = || serde_json::json!({ "name": name, "state": state, "events": events });
            self.record("extension", None, record);
        }
        self.record("initReport", None, || end(Some(self.start_duration())));
    }

    /// How long the program took to start or to go on from its snapshot, if it has not been said.
    pub(super) fn take_start_durations(&self) -> (Option<Duration>, Option<Duration>) {
        let environment = self.environment.borrow();
        let (Some(ready_at), Some(started_at)) = (environment.ready_at(), self.started_at.get()) else {
            return (None, None);
        };
        self.started_at.set(None);
        match environment.restored_at() {
            Some(restored_at) => (None, Some(ready_at.saturating_duration_since(restored_at))),
            None => (Some(ready_at.saturating_duration_since(started_at)), None),
        }
    }

    /// The runtime has started, and waits to be restored from its snapshot: it hears of that by this.
    pub(crate) fn restore_next(
        &self,
        connection: ConnectionId,
    ) -> Result<oneshot::Receiver<Vec<u8>>, ApiError<'static>> {
        self.environment.borrow_mut().restore_next(connection, Instant::now())?;
        let (listener, restored) = oneshot::channel();
        self.listeners.borrow_mut().add(connection, listener);
        self.say(None, |lines| *lines += &report::init(self.start_duration(), None));
        self.tell_init();
        self.wake.notify_one();
        Ok(restored)
    }

    /// Restores the runtime from its snapshot.
    pub(in crate::fleet) fn restore(&self) {
        self.thaw();
        let Settings { registration, memory_mb, .. } = &*self.settings;
        self.record("restoreStart", None, || records::restore_start(registration, *memory_mb));
        let connection = self.environment.borrow_mut().restore(Instant::now());
        let listener = connection.and_then(|connection| self.listeners.borrow_mut().remove(&connection));
        if let Some(listener) = listener {
            // The connection forgets its listener before it ends.
            let _ = listener.send(Vec::new());
        }
    }

    /// The runtime asks for its first invocation: tells that it has gone on from its snapshot, or has taken no part.
    pub(super) fn tell_restored(&self) {
        match self.environment.borrow().restored_at() {
            Some(restored_at) => self.tell_restore_end(restored_at.elapsed(), None),
            None if self.is_snap_start() => log::warn!("{NO_PART}"),
            None => {}
        }
    }
}

impl Member {
    /// Tells that the runtime has not gone on from its snapshot, if it was to.
    fn tell_restore_failure(&self, environment: &Environment, error_type: &str) {
        let Some(restored_at) = environment.restored_at().filter(|_| environment.ready_at().is_none()) else { return };
        if !self.is_start_reported.replace(true) {
            // Whatever runs out of its time here is a hook.
            let error_type = if error_type == report::TIMED_OUT { report::RESTORE_TIMED_OUT } else { error_type };
            self.tell_restore_end(restored_at.elapsed(), Some(error_type));
        }
    }

    fn tell_restore_end(&self, duration: Duration, error_type: Option<&str>) {
        self.say(None, |lines| *lines += &report::restore(duration, error_type));
        self.record("restoreRuntimeDone", None, || records::restore_end(error_type, None));
        self.record("restoreReport", None, || records::restore_end(error_type, Some(duration)));
    }
}

/// What AWS refuses to publish a version for.
const NO_PART: &str = "the runtime asks for an event without GET /2018-06-01/runtime/restore/next: it takes no part in \
                       SnapStart, and AWS publishes a version of such an image only with LABEL \
                       com.amazonaws.lambda.feature.snapstart=\"Allow\"";
