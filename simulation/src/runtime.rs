//! The runtime's end: a transport that does what [`lambwire::Exchange`] says, over the connections of the [`World`].

use lambwire::{Body, Client, Exchange, Link, Lost, ReceiveError, Request, SendError, Step, Unwritten};

use crate::api::Said;
use crate::connection::{Broken, Connection};
use crate::tally::Count;
use crate::tries::{Came, Kind, Sent, Tries};
use crate::world::World;

/// A process that asks for invocations and answers them.
pub(crate) struct Runtime<'w> {
    pub(crate) world: &'w mut World,
    pub(crate) link: Link,
    /// Room for a head, and for the end of a stream.
    head: [u8; HEAD_BYTES],
    next_head: [u8; HEAD_BYTES],
    /// Room for replies other than invocations.
    pub(crate) reply: Vec<u8>,
    /// Bytes that had been read from the connection when the request went out.
    read_before: u64,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The reply says yes. The request may have been taken at an earlier try.
    Done {
        is_repeat: bool,
    },
    /// The reply says no.
    Refused,
    Lost,
}

/// What to do for an exchange next.
enum Next {
    Send,
    End(Ended),
}

const HEAD_BYTES: usize = 1024;

impl<'w> Runtime<'w> {
    pub(crate) fn new(world: &'w mut World) -> Self {
        let link = Link::new("127.0.0.1:9001").expect("an address");
        Self { world, link, head: [0; HEAD_BYTES], next_head: [0; HEAD_BYTES], reply: Vec::new(), read_before: 0 }
    }

    /// Asks for an invocation, unless that was done ahead.
    pub(crate) fn ask(&mut self, buf: &mut Vec<u8>) -> Ended {
        let rest = self.link.take_rest(&self.reply);
        buf.resize(buf.len().max(rest.len()), 0);
        buf[..rest.len()].copy_from_slice(rest);
        let ended = self.exchange(&Request::Next, b"", false, buf);
        ended.expect("a question fits")
    }

    /// Answers with all bytes at once, and with a question behind them if that is wanted.
    pub(crate) fn answer(&mut self, request: &Request<'_>, body: &[u8], is_ahead: bool) -> Result<Ended, SendError> {
        let mut reply = std::mem::take(&mut self.reply);
        let ended = self.exchange(request, body, is_ahead, &mut reply);
        self.reply = reply;
        ended
    }

    fn exchange(
        &mut self,
        request: &Request<'_>,
        body: &[u8],
        is_ahead: bool,
        buf: &mut Vec<u8>,
    ) -> Result<Ended, SendError> {
        let mut exchange = Exchange::new(request.verb(), Body::Exact(body.len() as u64));
        let mut tries = Tries::new(if *request == Request::Next { Kind::Question } else { Kind::Answer });
        loop {
            if let Next::End(ended) = self.go_on(&mut exchange, &mut tries, buf) {
                return Ok(ended);
            }
            let head = exchange.write_head(&mut self.link, request, &mut self.head)?;
            let next = if is_ahead { self.link.write_next_head(&mut self.next_head)? } else { 0 };
            assert_eq!(next > 0, is_ahead, "a question goes ahead, or none");
            self.world.scene.tally[Count::Ahead] += u64::from(is_ahead);
            self.world.scene.tally[Count::Repeats] += u64::from(tries.is_repeat());
            self.world.scene.log(|| format!("runtime: {} of {} bytes", request.verb(), body.len()));
            let sent = self.world.write([&self.head[..head], body, &self.next_head[..next], b""]);
            tries.sent(match sent {
                Err(Unwritten { written: 0, .. }) => Sent::Nothing,
                Err(Unwritten { written, .. }) if written < (head + body.len()) as u64 => Sent::Part,
                _ => Sent::All,
            });
            exchange.sent(sent);
        }
    }

    /// Answers piece by piece. Without an end, the stream is dropped behind the body.
    pub(crate) fn stream(&mut self, request: &Request<'_>, body: &[u8], finish: Option<Finish<'_>>) -> Ended {
        let mut exchange = Exchange::new(request.verb(), Body::Chunked);
        let mut tries = Tries::new(Kind::Stream);
        let mut reply = std::mem::take(&mut self.reply);
        let mut next = self.go_on(&mut exchange, &mut tries, &mut reply);
        if let Next::Send = next {
            let head = exchange.write_head(&mut self.link, request, &mut self.head).expect("a stream begins");
            self.world.scene.log(|| format!("runtime: streams {} bytes", body.len()));
            let sent = self.pour(head, body, finish);
            if sent.is_ok() && finish.is_none() {
                self.world.drop_stream();
                self.reply = reply;
                return Ended::Lost;
            }
            tries.sent(sent.map_or(Sent::Part, |()| Sent::All));
            exchange.sent(sent);
            next = self.go_on(&mut exchange, &mut tries, &mut reply);
        }
        self.reply = reply;
        let Next::End(ended) = next else { unreachable!("a stream is begun again") };
        ended
    }

    fn pour(&mut self, head: usize, body: &[u8], finish: Option<Finish<'_>>) -> Result<(), Unwritten<Broken>> {
        let (mut head, mut rest) = (&self.head[..head], body);
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.world.scene.fate.up_to(rest.len()));
            let frame = self.link.client().frame(piece.len()).expect("no bound for streams");
            self.world.write([head, frame.before(), piece, frame.after()])?;
            (head, rest) = (b"", behind);
            self.world.idle();
        }
        let Some(finish) = finish else { return Ok(()) };
        let mut end = [0; HEAD_BYTES];
        let len = finish(self.link.client(), &mut end).expect("a stream ends");
        self.world.write([head, &end[..len], b"", b""])
    }

    /// Goes on with an exchange until it has something to send, or is over.
    fn go_on(&mut self, exchange: &mut Exchange<Broken>, tries: &mut Tries, buf: &mut Vec<u8>) -> Next {
        loop {
            self.world.idle();
            match exchange.step(&mut self.link, buf) {
                Ok(Step::Connect) => self.connect(exchange, tries),
                Ok(Step::Receive) => self.receive(exchange, tries, buf),
                Ok(Step::Grow { total }) => {
                    assert!(total > buf.len(), "a buffer of {} bytes grows to {total}", buf.len());
                    buf.resize(total, 0);
                }
                Ok(Step::Pause(pause)) => {
                    if !tries.is_lost() {
                        assert_eq!(self.said(), Said::NothingYet, "a pause without a reason");
                        tries.nothing_yet(self.world.scene.now_ms);
                    }
                    self.world.sleep(pause);
                }
                Ok(Step::Send) => {
                    tries.judge_try(self.world.scene.now_ms);
                    self.read_before = self.read_bytes();
                    return Next::Send;
                }
                Ok(Step::Done) => return Next::End(Ended::Done { is_repeat: tries.is_repeat() }),
                Ok(Step::Refused) => return Next::End(Ended::Refused),
                Err(lost) => return Next::End(self.lose(lost, tries)),
            }
        }
    }

    fn connect(&mut self, exchange: &mut Exchange<Broken>, tries: &mut Tries) {
        tries.judge_try(self.world.scene.now_ms);
        if let Some(connection) = self.world.connection() {
            let is_of_use = connection.spent().is_none() && connection.said() != Said::Garbage;
            assert!(!is_of_use, "a connection is left that is of use");
        }
        self.world.hang_up();
        let connected = self.world.connect();
        if connected.is_err() {
            tries.fail(Came::Nothing, self.world.scene.now_ms);
        }
        exchange.connected(&mut self.link, connected);
    }

    fn receive(&mut self, exchange: &mut Exchange<Broken>, tries: &mut Tries, buf: &mut [u8]) {
        let came = self.world.read(self.link.space(buf));
        if matches!(came, Ok(0) | Err(_)) {
            let connection = self.world.connection().expect("what was read from");
            tries.fail(connection.came_since(self.read_before), self.world.scene.now_ms);
        }
        exchange.received(&mut self.link, came);
    }

    fn lose(&self, lost: Lost<Broken>, tries: &Tries) -> Ended {
        self.world.scene.log(|| format!("runtime: gives up, {lost:?}"));
        match lost {
            Lost::Receive(error) if !matches!(error, ReceiveError::NoReply | ReceiveError::CutShort) => {
                assert_eq!(self.said(), Said::Garbage, "{error}");
            }
            _ => tries.judge_loss(),
        }
        Ended::Lost
    }

    /// What the API said last on this connection.
    pub(crate) fn said(&self) -> Said {
        self.world.connection().map_or(Said::Nothing, Connection::said)
    }

    /// Nothing is left between the ends, once nothing is due.
    pub(crate) fn judge_tidiness(&self) {
        let is_tidy = self.world.connection().is_none_or(Connection::is_tidy);
        assert!(is_tidy, "bytes are left between the ends");
    }

    fn read_bytes(&self) -> u64 {
        self.world.connection().map_or(0, Connection::read_bytes)
    }
}

/// Writes the end of a stream.
pub(crate) type Finish<'f> = &'f dyn Fn(&mut Client, &mut [u8]) -> Result<usize, SendError>;
