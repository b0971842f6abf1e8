//! The loop's first half: ask for an invocation, again if need be.

use std::io;
use std::thread::sleep;

use lambwire::{
    API_VARIABLE, Body, ErrorReport, Exchange, Fault, Link, Message, ReceiveError, Reply, Request, SendError, Step,
    Unwritten, WholeReply, limits,
};

use crate::connection::Connection;
use crate::{Error, Invocation};

/// A runtime: a connection to the Runtime API, which is made anew when it breaks.
pub struct Runtime {
    pub(crate) link: Link,
    /// `None` when the last one broke.
    connection: Option<Connection>,
    /// The head that is to go out.
    head: Vec<u8>,
    /// The head of the request that goes ahead, behind the body.
    next_head: Vec<u8>,
    /// Room for replies other than invocations.
    reply: Vec<u8>,
    /// What [`serve`](Self::serve) sends behind an answer.
    pub(crate) ahead: Ahead,
}

/// Whether the next invocation is asked for behind an answer, in the same write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ahead {
    Next,
    Nothing,
}

/// Why an exchange stands still.
enum Stop {
    /// It has something to send.
    Send,
    /// Its reply is whole.
    Done,
}

impl Runtime {
    /// Connects to the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if the variable is not set, or nobody listens there.
    pub fn from_env() -> Result<Self, Error> {
        let missing = |_| io::Error::new(io::ErrorKind::NotFound, format!("{API_VARIABLE} is not set"));
        Self::connect(&std::env::var(API_VARIABLE).map_err(missing).map_err(Error::Transport)?)
    }

    /// Connects to the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`SendError::BadApi`] if that is no address, [`Error::Transport`] if nobody listens there.
    pub fn connect(api: &str) -> Result<Self, Error> {
        Self::open(Link::new(api)?)
    }

    pub(crate) fn open(mut link: Link) -> Result<Self, Error> {
        let connection = Connection::open(link.api()).map_err(Error::Transport)?;
        link.connected();
        let [head, next_head, reply] = [const { Vec::new() }; 3];
        Ok(Self { link, connection: Some(connection), head, next_head, reply, ahead: Ahead::Next })
    }

    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
        self.link.disconnect();
    }

    /// Waits for the next invocation, for as long as it takes. Its parts are borrowed from `buf`, which grows as
    /// needed and is best used again.
    ///
    /// A connection that turns out dead, as it does after the process was frozen, is made anew a few times.
    ///
    /// # Errors
    ///
    /// Any is a reason to end the process: the Runtime API cannot be reached, cannot be understood, or refuses.
    pub fn next<'r, 'b>(&'r mut self, buf: &'b mut Vec<u8>) -> Result<Invocation<'r, 'b>, Error> {
        let Message { head: Reply::Invocation(context), body: payload, headers, .. } = self.ask(buf)?.read(buf)? else {
            return Err(ReceiveError::NoRequestId.into());
        };
        Ok(Invocation { runtime: self, context, payload, headers })
    }

    /// Asks for the next invocation, unless that was done ahead.
    pub(crate) fn ask(&mut self, buf: &mut Vec<u8>) -> Result<WholeReply, Error> {
        let rest = self.link.take_rest(&self.reply);
        if !rest.is_empty() {
            buf.resize(buf.len().max(rest.len()), 0);
            buf[..rest.len()].copy_from_slice(rest);
        }
        self.exchange(&Request::Next, b"", Ahead::Nothing, buf)?;
        Ok(self.link.reply())
    }

    /// Sends a request whose reply says no more than yes or no.
    pub(crate) fn tell(&mut self, request: &Request<'_>, body: &[u8], ahead: Ahead) -> Result<(), Error> {
        self.with_reply(|runtime, reply| runtime.exchange(request, body, ahead, reply))
    }

    /// Sends the report of a failure, shortened to what Lambda takes.
    pub(crate) fn report<'a>(
        &mut self,
        report: &ErrorReport<'a>,
        request: impl FnOnce(Fault<'a>) -> Request<'a>,
        ahead: Ahead,
    ) -> Result<(), Error> {
        let report = report.fit(limits::ERROR_BYTES);
        let mut json = Vec::new();
        fill(&mut json, |json| report.write(json))?;
        self.tell(&request(report.fault()), &json, ahead)
    }

    pub(crate) fn exchange(
        &mut self,
        request: &Request<'_>,
        body: &[u8],
        ahead: Ahead,
        buf: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut exchange = Exchange::new(request.verb(), Body::Exact(body.len() as u64));
        loop {
            if let Stop::Done = self.go_on(&mut exchange, buf)? {
                return Ok(());
            }
            fill(&mut self.head, |out| exchange.write_head(&mut self.link, request, out))?;
            self.next_head.clear();
            if ahead == Ahead::Next {
                fill(&mut self.next_head, |out| self.link.write_next_head(out))?;
            }
            let sent = write(&mut self.connection, [&self.head, body, &self.next_head, b""]);
            exchange.sent(sent);
        }
    }

    /// Sends a request whose reply is not waited for.
    pub(crate) fn ask_and_leave(&mut self, request: &Request<'_>) -> Result<(), Error> {
        self.begin(request, Body::Exact(0))?;
        self.write(b"", b"", b"").map_err(|unwritten| Error::Transport(unwritten.error))
    }

    /// Makes a connection if need be, and a head that goes out with what is written next.
    pub(crate) fn begin(&mut self, request: &Request<'_>, body: Body) -> Result<Exchange<io::Error>, Error> {
        let mut exchange = Exchange::new(request.verb(), body);
        self.go_on(&mut exchange, &mut Vec::new())?;
        fill(&mut self.head, |out| exchange.write_head(&mut self.link, request, out))?;
        Ok(exchange)
    }

    /// Writes a piece of a streamed body with what frames it, behind the head if that has not gone out.
    pub(crate) fn write(&mut self, before: &[u8], piece: &[u8], after: &[u8]) -> Result<(), Unwritten<io::Error>> {
        let written = write(&mut self.connection, [&self.head, before, piece, after]);
        self.head.clear();
        written
    }

    /// Collects the reply to a streamed body.
    pub(crate) fn conclude(
        &mut self,
        mut exchange: Exchange<io::Error>,
        sent: Result<(), Unwritten<io::Error>>,
    ) -> Result<(), Error> {
        exchange.sent(sent);
        self.with_reply(|runtime, reply| runtime.go_on(&mut exchange, reply)).map(|_| ())
    }

    /// Goes on with an exchange until it has something to send, or its reply is whole.
    fn go_on(&mut self, exchange: &mut Exchange<io::Error>, buf: &mut Vec<u8>) -> Result<Stop, Error> {
        loop {
            match exchange.step(&mut self.link, buf)? {
                Step::Connect => {
                    self.connection = None;
                    let opened = Connection::open(self.link.api()).map(|open| self.connection = Some(open));
                    exchange.connected(&mut self.link, opened);
                }
                Step::Receive => {
                    let came = open(&mut self.connection).and_then(|open| open.read(self.link.space(buf)));
                    exchange.received(&mut self.link, came);
                }
                Step::Grow { total } => grow(buf, total),
                Step::Pause(pause) => sleep(pause),
                Step::Send => return Ok(Stop::Send),
                Step::Done => return Ok(Stop::Done),
                Step::Refused => return Err(refused(&self.link.reply(), buf)),
            }
        }
    }

    fn with_reply<T>(&mut self, act: impl FnOnce(&mut Self, &mut Vec<u8>) -> T) -> T {
        let mut reply = std::mem::take(&mut self.reply);
        let result = act(self, &mut reply);
        self.reply = reply;
        result
    }
}

fn open(connection: &mut Option<Connection>) -> io::Result<&mut Connection> {
    connection.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
}

fn write(connection: &mut Option<Connection>, parts: [&[u8]; 4]) -> Result<(), Unwritten<io::Error>> {
    open(connection).map_err(|error| Unwritten { written: 0, error })?.write(parts)
}

/// What the Runtime API said no with.
#[cold]
fn refused(whole: &WholeReply, buf: &[u8]) -> Error {
    whole.refusal(buf).map_or(ReceiveError::NoReply.into(), Error::Refused)
}

/// Makes a buffer longer, by no more than that.
fn grow(buf: &mut Vec<u8>, len: usize) {
    buf.reserve_exact(len.saturating_sub(buf.len()));
    buf.resize(len, 0);
}

/// Replaces what is in `buf` by what `write` writes, in as much room as that takes.
pub(crate) fn fill(
    buf: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, SendError>,
) -> Result<(), SendError> {
    buf.resize(buf.capacity(), 0);
    let mut result = write(buf);
    if let Err(SendError::OutTooSmall { needed }) = result {
        buf.resize(needed, 0);
        result = write(buf);
    }
    buf.truncate(result?);
    Ok(())
}
