//! How records come to a subscriber: collected, sent in batches, and dropped if it does not keep up. Nobody waits for it.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::link::Link;
use super::subscription::{Api, Kind, Subscription};
use crate::limits;

/// Somebody to whom records are sent.
pub(super) struct Subscriber {
    extension: String,
    subscription: Subscription,
    pending: RefCell<Pending>,
    /// There is something to send, or much.
    changed: Notify,
    /// Everything is to be sent at once.
    is_flushing: Cell<bool>,
    is_sending: Cell<bool>,
    /// Something has been sent.
    sent: Notify,
}

#[derive(Default)]
struct Pending {
    records: Vec<String>,
    bytes: usize,
    dropped: Dropped,
}

/// Records that a subscriber has not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// What subscribers pass with each batch. It is shut while their environment stands still, and could take none.
#[derive(Default)]
pub(super) struct Gate {
    is_shut: Cell<bool>,
    opened: Notify,
    /// A batch has been sent.
    pub(super) passed: Notify,
}

impl Gate {
    pub(super) fn shut(&self) {
        self.is_shut.set(true);
    }

    pub(super) fn open(&self) {
        self.is_shut.set(false);
        self.opened.notify_waiters();
    }

    async fn pass(&self) {
        loop {
            let opened = self.opened.notified();
            if !self.is_shut.get() {
                return;
            }
            opened.await;
        }
    }
}

impl Subscriber {
    pub(super) fn new(extension: String, subscription: Subscription) -> Self {
        Self {
            extension,
            subscription,
            pending: RefCell::default(),
            changed: Notify::new(),
            is_flushing: Cell::new(false),
            is_sending: Cell::new(false),
            sent: Notify::new(),
        }
    }

    /// Takes a record, if it is of a kind that is wanted and there is room.
    pub(super) fn push(&self, kind: Kind, record: &str) {
        if self.subscription.kinds.contains(&kind) {
            self.subscription.form.hand_on(kind, record, |record| self.keep(record));
        }
    }

    /// Whether this is the subscription of an extension to this API.
    pub(super) fn is_of(&self, extension: &str, api: Api) -> bool {
        self.extension == extension && self.subscription.api == api
    }

    fn keep(&self, record: Cow<'_, str>) {
        let mut pending = self.pending.borrow_mut();
        let is_full = pending.records.len() >= limits::TELEMETRY_BATCHES * self.subscription.max_items
            || pending.bytes >= limits::TELEMETRY_BATCHES * self.subscription.max_bytes;
        if is_full {
            pending.dropped.records += 1;
            pending.dropped.bytes += record.len();
            return;
        }
        pending.bytes += record.len();
        pending.records.push(record.into_owned());
        drop(pending);
        self.changed.notify_one();
    }

    /// Records that were dropped since this was last asked.
    pub(super) fn take_dropped(&self) -> Option<Dropped> {
        let dropped = std::mem::take(&mut self.pending.borrow_mut().dropped);
        (dropped.records > 0).then_some(dropped)
    }

    /// Sends what there is, for ever, and says when something was dropped.
    pub(super) async fn run(&self, mut link: Link, gate: &Gate, tell_dropped: impl Fn(Dropped)) {
        loop {
            self.gather().await;
            gate.pass().await;
            let (batch, bytes) = self.take_batch();
            self.is_sending.set(true);
            let result = timeout(limits::DELIVERY, link.send(&batch)).await;
            self.is_sending.set(false);
            let failure = match result {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error),
                Err(_) => Some("it does not answer".to_owned()),
            };
            if let Some(failure) = failure {
                log::info!("{} does not take {} records: {failure}", self.extension, batch.len());
                // That such a notice was not taken is not reported by another.
                let is_notice = batch.iter().all(|record| record.contains("platform.logsDropped"));
                if !is_notice {
                    let mut pending = self.pending.borrow_mut();
                    pending.dropped.records += batch.len();
                    pending.dropped.bytes += bytes;
                }
            }
            if let Some(dropped) = self.take_dropped() {
                tell_dropped(dropped);
            }
            self.sent.notify_waiters();
            gate.passed.notify_one();
        }
    }

    /// Whether a batch is under way.
    pub(super) fn is_sending(&self) -> bool {
        self.is_sending.get()
    }

    /// Waits until a batch is due: it is full, or as old as it may get.
    async fn gather(&self) {
        while self.pending.borrow().records.is_empty() {
            self.changed.notified().await;
        }
        let due = Instant::now() + self.subscription.timeout;
        while !self.is_full() && !self.is_flushing.get() {
            if timeout_at(due, self.changed.notified()).await.is_err() {
                return;
            }
        }
    }

    fn is_full(&self) -> bool {
        let pending = self.pending.borrow();
        pending.records.len() >= self.subscription.max_items || pending.bytes >= self.subscription.max_bytes
    }

    /// As many records as go into one batch: the one that reaches the limit is in it.
    fn take_batch(&self) -> (Vec<String>, usize) {
        let mut pending = self.pending.borrow_mut();
        let (mut count, mut bytes) = (0, 0);
        for record in &pending.records {
            if count >= self.subscription.max_items || bytes >= self.subscription.max_bytes {
                break;
            }
            count += 1;
            bytes += record.len();
        }
        pending.bytes -= bytes;
        (pending.records.drain(..count).collect(), bytes)
    }

    /// Sends everything now, and waits for that, but not for ever.
    pub(super) async fn flush(&self, patience: Duration) {
        self.is_flushing.set(true);
        self.changed.notify_one();
        let emptied = async {
            loop {
                let sent = self.sent.notified();
                if self.pending.borrow().records.is_empty() && !self.is_sending.get() {
                    return;
                }
                sent.await;
            }
        };
        // What is not taken by then never is.
        let _ = timeout(patience, emptied).await;
        self.is_flushing.set(false);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, BufRead, BufReader};
    use std::net::TcpListener;

    use tokio::runtime::{Builder, LocalOptions};

    use super::*;
    use crate::telemetry::form::Form;
    use crate::telemetry::subscription::Destination;

    fn subscriber() -> Subscriber {
        subscriber_at(Destination::Http { port: 1 })
    }

    fn subscriber_at(destination: Destination) -> Subscriber {
        Subscriber::new(
            "e".to_owned(),
            Subscription {
                api: Api::Telemetry,
                form: Form::Made,
                kinds: vec![Kind::Function],
                destination,
                max_items: 2,
                max_bytes: 10,
                timeout: Duration::from_secs(1),
            },
        )
    }

    #[test]
    fn a_batch_ends_with_the_record_that_makes_it_full() {
        let subscriber = subscriber();
        for record in ["1", "2", "3", "123456789012", "5"] {
            subscriber.push(Kind::Function, record);
        }
        subscriber.push(Kind::Platform, "not wanted");
        assert_eq!(subscriber.take_batch(), (vec!["1".to_owned(), "2".to_owned()], 2));
        assert_eq!(subscriber.take_batch(), (vec!["3".to_owned(), "123456789012".to_owned()], 13));
        assert_eq!(subscriber.take_batch(), (vec!["5".to_owned()], 1));
    }

    #[test]
    fn who_stands_still_is_sent_nothing_and_has_it_afterwards() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let destination = Destination::Tcp { port: listener.local_addr().unwrap().port() };
        let (subscriber, gate) = (subscriber_at(destination), Gate::default());
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        runtime.block_on(async {
            let link = Link::open(destination).await.unwrap();
            let mut lines = BufReader::new(listener.accept().unwrap().0);
            lines.get_mut().set_nonblocking(true).unwrap();
            gate.shut();
            // Two are a batch.
            subscriber.push(Kind::Function, "1");
            subscriber.push(Kind::Function, "2");
            let mut running = std::pin::pin!(subscriber.run(link, &gate, |_| {}));
            assert!(timeout(Duration::from_millis(200), running.as_mut()).await.is_err());
            assert!(!subscriber.is_sending());
            assert_eq!(lines.fill_buf().unwrap_err().kind(), io::ErrorKind::WouldBlock);
            gate.open();
            tokio::select! {
                () = running => {}
                () = gate.passed.notified() => {}
            }
            lines.get_mut().set_nonblocking(false).unwrap();
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            assert_eq!(line, "1\n");
        });
    }

    #[test]
    fn who_does_not_keep_up_loses_what_comes_then_and_learns_how_much() {
        let subscriber = subscriber();
        let most = limits::TELEMETRY_BATCHES * 2;
        for _ in 0..most {
            subscriber.push(Kind::Function, "1");
        }
        assert_eq!(subscriber.take_dropped(), None);
        subscriber.push(Kind::Function, "123");
        assert_eq!(subscriber.take_dropped(), Some(Dropped { records: 1, bytes: 3 }));
        assert_eq!(subscriber.take_dropped(), None);
    }
}
