//! Exchanges over a connection whose futures wait.

use std::io::{self, ErrorKind};
use std::mem::forget;
use std::pin::Pin;

use lambwire::{Api, Exchange, Link, Step, Unwritten};
use lambwire_runtime::{Ended, Failure, Stop, grow};
use smol::Timer;
use smol::stream::{Stream, StreamExt};

use crate::connection::Connection;

/// A connection to the Runtime API.
pub struct Transport(Option<Connection>);

impl lambwire_runtime::Transport for Transport {
    type Pieces<'e> = Pieces<'e>;

    async fn open(api: &Api) -> io::Result<Self> {
        Ok(Self(Some(Connection::open(api).await?)))
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
        if self.0.is_none() {
            link.disconnect();
        }
        let open = CutIfDropped(&mut self.0);
        let stop = loop {
            match exchange.step(link, buf)? {
                Step::Connect => {
                    *open.0 = None;
                    let opened = Connection::open(link.api()).await.map(|opened| *open.0 = Some(opened));
                    exchange.connected(link, opened);
                }
                Step::Receive => {
                    let came = match open.0 {
                        Some(open) => open.read(link.space(buf)).await,
                        None => Err(ErrorKind::NotConnected.into()),
                    };
                    exchange.received(link, came);
                }
                Step::Grow { total } => grow(buf, total),
                Step::Pause(pause) => {
                    Timer::after(pause).await;
                }
                Step::Send => break Ok(Stop::Send),
                Step::Done => break Ok(Stop::Done),
                Step::Refused => break Err(Ended::Refused),
            }
        };
        forget(open);
        stop
    }

    async fn write(&mut self, parts: [&[u8]; 4]) -> Result<(), Unwritten<io::Error>> {
        let open = CutIfDropped(&mut self.0);
        let written = match open.0 {
            Some(open) => open.write(parts).await,
            None => Err(Unwritten { written: 0, error: ErrorKind::NotConnected.into() }),
        };
        forget(open);
        written
    }

    fn block_on<V>(future: impl Future<Output = V>) -> V {
        smol::block_on(future)
    }
}

/// A connection that a future works on, which is closed if the future is dropped half way, so that nothing is ever sent
/// behind half a message.
struct CutIfDropped<'c>(&'c mut Option<Connection>);

impl Drop for CutIfDropped<'_> {
    fn drop(&mut self) {
        *self.0 = None;
    }
}

/// The pieces of a streamed answer: any [`Stream`] of them.
pub struct Pieces<'e>(Pin<Box<dyn Stream<Item = Result<Vec<u8>, Failure>> + 'e>>);

impl<'e, S: Stream<Item = Result<Vec<u8>, Failure>> + 'e> From<S> for Pieces<'e> {
    fn from(pieces: S) -> Self {
        Self(Box::pin(pieces))
    }
}

impl lambwire_runtime::Pieces for Pieces<'_> {
    async fn next(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        self.0.next().await
    }
}
