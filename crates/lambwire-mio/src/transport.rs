//! Exchanges over a connection that blocks.

use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{self, Poll, Waker};
use std::thread::sleep;

use lambwire::{Api, Body, Exchange, Link, Request, Step, Unwritten};
use lambwire_runtime::{Ahead, Ended, Failure, Line, Stop, grow};

use crate::connection::Connection;

/// A connection to the Runtime API.
pub struct Transport(Option<Connection>);

impl Transport {
    fn go_on_now(
        &mut self,
        link: &mut Link,
        exchange: &mut Exchange<io::Error>,
        buf: &mut Vec<u8>,
    ) -> Result<Stop, Ended> {
        loop {
            match exchange.step(link, buf)? {
                Step::Connect => {
                    self.0 = None;
                    let opened = Connection::open(link.api()).map(|open| self.0 = Some(open));
                    exchange.connected(link, opened);
                }
                Step::Receive => {
                    let came = self.open_one().and_then(|open| open.read(link.space(buf)));
                    exchange.received(link, came);
                }
                Step::Grow { total } => grow(buf, total),
                Step::Pause(pause) => sleep(pause),
                Step::Send => return Ok(Stop::Send),
                Step::Done => return Ok(Stop::Done),
                Step::Refused => return Err(Ended::Refused),
            }
        }
    }

    fn write_now(&mut self, parts: [&[u8]; 4]) -> Result<(), Unwritten<io::Error>> {
        self.open_one().map_err(|error| Unwritten { written: 0, error })?.write(parts)
    }

    fn open_one(&mut self) -> io::Result<&mut Connection> {
        self.0.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

impl lambwire_runtime::Transport for Transport {
    type Pieces<'e> = Pieces<'e>;

    async fn open(api: &Api) -> io::Result<Self> {
        Connection::open(api).map(|open| Self(Some(open)))
    }

    fn close(&mut self) {
        self.0 = None;
    }

    async fn go_on(
        &mut self,
        link: &mut Link,
        exchange: &mut Exchange<io::Error>,
        buf: &mut Vec<u8>,
    ) -> Result<Stop, Ended> {
        self.go_on_now(link, exchange, buf)
    }

    async fn write(&mut self, parts: [&[u8]; 4]) -> Result<(), Unwritten<io::Error>> {
        self.write_now(parts)
    }

    // The same as it is by default, in fewer instructions: no future is awaited.
    async fn exchange(
        line: &mut Line<Self>,
        request: &Request<'_>,
        body: &[u8],
        ahead: Ahead,
        buf: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        let Line { link, transport, heads } = line;
        let mut exchange = Exchange::new(request.verb(), Body::Exact(body.len() as u64));
        while let Stop::Send = transport.go_on_now(link, &mut exchange, buf)? {
            heads.write(link, &mut exchange, request, ahead)?;
            exchange.sent(transport.write_now(heads.around(body)));
        }
        Ok(())
    }

    fn block_on<V>(future: impl Future<Output = V>) -> V {
        now(future)
    }
}

/// Runs a future that blocks where others wait: it is done at the first poll.
pub(crate) fn now<V>(future: impl Future<Output = V>) -> V {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut task::Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// The pieces of a streamed answer: anything to iterate over them.
pub struct Pieces<'e>(Box<dyn Iterator<Item = Result<Vec<u8>, Failure>> + 'e>);

impl<'e, I: IntoIterator<Item = Result<Vec<u8>, Failure>> + 'e> From<I> for Pieces<'e> {
    fn from(pieces: I) -> Self {
        Self(Box::new(pieces.into_iter()))
    }
}

impl lambwire_runtime::Pieces for Pieces<'_> {
    async fn next(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        self.0.next()
    }
}
