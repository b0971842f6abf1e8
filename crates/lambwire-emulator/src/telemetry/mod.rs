//! The Telemetry API, and the Logs API before it: what the platform tells of an environment, and what its processes write, to those
//! who subscribe.
//!
//! The records are those of AWS (guide: `telemetry-schema-reference`); that of managed instances has no `runtimeDone`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::limits;

mod delivery;
mod form;
mod link;
mod subscription;

use delivery::{Dropped, Gate, Subscriber};
use form::LOGS_SUBSCRIPTION;
use link::Link;
pub(crate) use subscription::{Api, Kind, Subscription};

/// What is said of one environment.
#[derive(Default)]
pub(crate) struct Telemetry {
    /// Whether anybody may ever subscribe: without extensions nothing is made.
    is_on: Cell<bool>,
    /// What was said before, for those who subscribe later.
    history: RefCell<VecDeque<(Kind, String)>>,
    subscribers: Rc<RefCell<Vec<Rc<Subscriber>>>>,
    gate: Rc<Gate>,
    tasks: RefCell<JoinSet<()>>,
    is_closed: Cell<bool>,
}

impl Telemetry {
    /// Begins anew, for an environment that has extensions or not.
    pub(crate) fn reset(&self, is_on: bool) {
        self.is_on.set(is_on);
        self.is_closed.set(false);
        self.history.borrow_mut().clear();
        self.subscribers.borrow_mut().clear();
        self.tasks.take();
    }

    /// Whether it makes sense to make records.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.get()
    }

    /// The start is over: from here on nobody can subscribe.
    pub(crate) fn close(&self) {
        if !self.is_closed.replace(true) && self.subscribers.borrow().is_empty() {
            self.is_on.set(false);
            self.history.borrow_mut().clear();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.get()
    }

    /// Tells a line that a process has written.
    pub(crate) fn line(&self, kind: Kind, line: &[u8]) {
        if self.is_on() {
            let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
            self.tell(kind, &made(kind.name(), &Value::from(line)));
        }
    }

    /// Tells a record that has been [made].
    pub(crate) fn tell(&self, kind: Kind, record: &str) {
        if !self.is_on() {
            return;
        }
        if !self.is_closed.get() {
            let mut history = self.history.borrow_mut();
            history.push_back((kind, record.to_owned()));
            if history.len() > limits::TELEMETRY_HISTORY {
                history.pop_front();
            }
        }
        for subscriber in self.subscribers.borrow().iter() {
            subscriber.push(kind, record);
        }
    }

    /// An extension subscribes; it gets what has been before, too. Another subscription of the same one to the same API replaces
    /// the first.
    ///
    /// # Errors
    ///
    /// The destination cannot be reached.
    pub(crate) async fn subscribe(&self, extension: String, subscription: Subscription) -> Result<(), String> {
        let link = Link::open(subscription.destination).await;
        let link =
            link.map_err(|error| format!("Invalid destination: could not TCP dial provided address: {error}"))?;
        let types: Vec<&str> = subscription.kinds.iter().map(|kind| kind.name()).collect();
        let heard = json!({ "name": extension, "state": "Subscribed", "types": types });
        let api = subscription.api;
        let name = if api == Api::Logs { LOGS_SUBSCRIPTION } else { "platform.telemetrySubscription" };
        self.tell(Kind::Platform, &made(name, &heard));
        let subscriber = Rc::new(Subscriber::new(extension.clone(), subscription));
        for (kind, record) in self.history.borrow().iter() {
            subscriber.push(*kind, record);
        }
        let mut subscribers = self.subscribers.borrow_mut();
        subscribers.retain(|subscriber| !subscriber.is_of(&extension, api));
        subscribers.push(Rc::clone(&subscriber));
        let (all, gate) = (Rc::clone(&self.subscribers), Rc::clone(&self.gate));
        self.tasks.borrow_mut().spawn_local(async move {
            subscriber.run(link, &gate, |dropped| tell_dropped(&all.borrow(), dropped)).await;
        });
        Ok(())
    }

    /// Whether a subscriber is being sent something.
    pub(crate) fn is_sending(&self) -> bool {
        self.subscribers.borrow().iter().any(|subscriber| subscriber.is_sending())
    }

    /// Waits until something has been sent.
    pub(crate) async fn sent(&self) {
        self.gate.passed.notified().await;
    }

    /// Keeps what is told until subscribers can take it.
    pub(crate) fn pause(&self) {
        self.gate.shut();
    }

    pub(crate) fn resume(&self) {
        self.gate.open();
    }

    /// Sends everything that has not been sent, and waits for that, but not for ever.
    pub(crate) async fn flush(&self, patience: Duration) {
        let subscribers = self.subscribers.borrow().clone();
        let mut flushing = JoinSet::new();
        for subscriber in subscribers {
            flushing.spawn_local(async move { subscriber.flush(patience).await });
        }
        while flushing.join_next().await.is_some() {}
    }
}

/// Tells all subscribers what one of them has lost.
fn tell_dropped(subscribers: &[Rc<Subscriber>], dropped: Dropped) {
    let record = json!({
        "droppedBytes": dropped.bytes,
        "droppedRecords": dropped.records,
        "reason": "Consumer seems to have fallen behind as it has not acknowledged receipt of logs.",
    });
    let record = made("platform.logsDropped", &record);
    for subscriber in subscribers {
        subscriber.push(Kind::Platform, &record);
    }
}

/// A record with its time and type, in one line of JSON.
pub(crate) fn made(name: &str, record: &Value) -> String {
    json!({ "time": time(SystemTime::now()), "type": name, "record": record }).to_string()
}

/// A time as RFC 3339 has it, in milliseconds and UTC.
pub(crate) fn time(at: SystemTime) -> String {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since_epoch.as_secs() / 86_400, since_epoch.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since_epoch.subsec_millis())
}

/// The date so many days after 1 January 1970.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
    // Counted from 1 March of the year 0, so that leap days are the last of their years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_200_001, "2024-03-01T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(time(UNIX_EPOCH + Duration::from_millis(ms)), expected);
        }
    }
}
