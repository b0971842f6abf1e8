//! How records come to a subscriber: collected, sent in batches, and dropped if it does not keep up. Nobody waits for it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::subscription::{Destination, Kind, Subscription};
use crate::limits;

/// Somebody to whom records are sent.
pub(super) struct Subscriber {
    pub(super) extension: String,
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

/// The way to a subscriber.
pub(super) enum Link {
    Http { port: u16, sender: Option<SendRequest<Full<Bytes>>> },
    Tcp(TcpStream),
}

impl Link {
    /// A link to this destination. One over TCP is connected at once, as AWS has it.
    pub(super) async fn open(destination: Destination) -> io::Result<Self> {
        Ok(match destination {
            Destination::Http { port } => Self::Http { port, sender: None },
            Destination::Tcp { port } => Self::Tcp(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?),
        })
    }

    async fn send(&mut self, records: &[String]) -> Result<(), String> {
        match self {
            Self::Tcp(stream) => {
                let lines: String = records.iter().flat_map(|record| [record, "\n"]).collect();
                stream.write_all(lines.as_bytes()).await.map_err(|error| error.to_string())
            }
            Self::Http { port, sender } => {
                let body = Bytes::from(format!("[{}]", records.join(",")));
                let mut kept = match reusable(sender.take()).await {
                    Some(kept) => kept,
                    None => connect(*port).await?,
                };
                let reply = kept.send_request(request(*port, body)?).await.map_err(|error| error.to_string())?;
                let status = reply.status();
                *sender = ends_soon(reply.into_body()).await.then_some(kept);
                if status.is_success() { Ok(()) } else { Err(format!("status {status}")) }
            }
        }
    }
}

fn request(port: u16, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
    let random: Vec<u8> = (0..32).map(|_| fastrand::u8(..)).collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("Host", format!("127.0.0.1:{port}"))
        .header("Content-Type", "application/json")
        .header("Sequence-Id", BASE64_STANDARD.encode(random));
    request.body(Full::new(body)).map_err(|error| error.to_string())
}

/// Throws away what a reply says beside its status; says whether that was all, so that the connection takes another
/// request.
async fn ends_soon(mut body: Incoming) -> bool {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        bytes += frame.data_ref().map_or(0, Bytes::len);
        if bytes > limits::TELEMETRY_REPLY_BYTES {
            return false;
        }
    }
    true
}

/// A connection that takes another request: after a reply it does not at once.
async fn reusable(sender: Option<SendRequest<Full<Bytes>>>) -> Option<SendRequest<Full<Bytes>>> {
    let mut sender = sender?;
    sender.ready().await.is_ok().then_some(sender)
}

/// Connects to a subscriber, some of whom listen anew for each connection.
async fn connect(port: u16) -> Result<SendRequest<Full<Bytes>>, String> {
    let patience = Instant::now() + limits::CONNECT_PATIENCE;
    let stream = loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            Ok(stream) => break stream,
            Err(error) if Instant::now() >= patience => return Err(error.to_string()),
            Err(_) => sleep(limits::CONNECT_PAUSE).await,
        }
    };
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    spawn_local(async move {
        // Whoever sends hears of it.
        let _ = connection.await;
    });
    Ok(sender)
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
        if !self.subscription.kinds.contains(&kind) {
            return;
        }
        let mut pending = self.pending.borrow_mut();
        let is_full = pending.records.len() >= limits::TELEMETRY_BATCHES * self.subscription.max_items
            || pending.bytes >= limits::TELEMETRY_BATCHES * self.subscription.max_bytes;
        if is_full {
            pending.dropped.records += 1;
            pending.dropped.bytes += record.len();
            return;
        }
        pending.bytes += record.len();
        pending.records.push(record.to_owned());
        drop(pending);
        self.changed.notify_one();
    }

    /// Records that were dropped since this was last asked.
    pub(super) fn take_dropped(&self) -> Option<Dropped> {
        let dropped = std::mem::take(&mut self.pending.borrow_mut().dropped);
        (dropped.records > 0).then_some(dropped)
    }

    /// Sends what there is, for ever, and says when something was dropped.
    pub(super) async fn run(&self, mut link: Link, tell_dropped: impl Fn(Dropped)) {
        loop {
            self.gather().await;
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
        }
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
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use tokio::runtime::{Builder, LocalOptions};

    use super::*;

    /// Sends a record to a subscriber that answers with `len` bytes of a body of `said`; says whether the connection is
    /// kept.
    fn send_one(len: usize, said: usize) -> Result<bool, String> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = thread::spawn(move || {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).unwrap();
            }
            stream.read_exact(&mut [0; 3]).unwrap();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {said}\r\n\r\n");
            // Who has had enough goes away in the middle.
            let _ = stream.get_mut().write_all(&[head.as_bytes(), &vec![b'x'; len]].concat());
            stream
        });
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
        let result = runtime.block_on(async {
            let mut link = Link::open(Destination::Http { port }).await.unwrap();
            let records = ["1".to_owned()];
            timeout(Duration::from_secs(300), link.send(&records)).await.unwrap()?;
            Ok(matches!(link, Link::Http { sender: Some(_), .. }))
        });
        drop(answering.join().unwrap());
        result
    }

    #[test]
    fn a_reply_is_read_to_its_limit_and_its_status_counts_in_any_case() {
        let most = limits::TELEMETRY_REPLY_BYTES;
        for len in [0, most - 1, most, most + 1] {
            assert_eq!(send_one(len, len), Ok(len <= most), "{len}");
        }
        assert_eq!(send_one(most + 1, usize::MAX / 2), Ok(false));
    }

    fn subscriber() -> Subscriber {
        Subscriber::new(
            "e".to_owned(),
            Subscription {
                kinds: vec![Kind::Function],
                destination: Destination::Http { port: 1 },
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
