//! What a transport gives.

use std::io;

use lambwire::{Api, Body, Exchange, Link, Request, Unwritten};

use crate::Failure;
use crate::line::{Ahead, Ended, Line, Stop};

/// A connection to the Runtime API, which is made anew when it breaks.
///
/// A transport that blocks has futures that are never pending.
pub trait Transport: Sized {
    /// A body that comes about piece by piece.
    type Pieces<'e>: Pieces;

    /// Connects to the Runtime API. What is written afterwards goes out at once, without Nagle's algorithm.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    fn open(api: &Api) -> impl Future<Output = io::Result<Self>>;

    /// Closes the connection.
    fn close(&mut self);

    /// Does what the exchange says, until it has something to send or its reply is whole in `buf`, which is made longer
    /// with [`grow`](crate::grow). A future that is dropped half way closes the connection, and the next one begins with
    /// [`Link::disconnect`].
    ///
    /// # Errors
    ///
    /// [`Ended`], as the exchange has it.
    fn go_on(
        &mut self,
        link: &mut Link,
        exchange: &mut Exchange<io::Error>,
        buf: &mut Vec<u8>,
    ) -> impl Future<Output = Result<Stop, Ended>>;

    /// Writes all parts, in one call if the connection takes them. Does not go on once there is something to read, or
    /// the end of the connection: the rest is about to be refused. A future that is dropped half way closes the
    /// connection.
    ///
    /// # Errors
    ///
    /// Those of the connection, and how much was written before.
    fn write(&mut self, parts: [&[u8]; 4]) -> impl Future<Output = Result<(), Unwritten<io::Error>>>;

    /// Sends a request, and collects the reply to it in `buf`.
    ///
    /// # Errors
    ///
    /// [`Ended`], as the exchange has it.
    fn exchange(
        line: &mut Line<Self>,
        request: &Request<'_>,
        body: &[u8],
        ahead: Ahead,
        buf: &mut Vec<u8>,
    ) -> impl Future<Output = Result<(), Ended>> {
        async move {
            let Line { link, transport, heads } = line;
            let mut exchange = Exchange::new(request.verb(), Body::Exact(body.len() as u64));
            while let Stop::Send = transport.go_on(link, &mut exchange, buf).await? {
                heads.write(link, &mut exchange, request, ahead)?;
                exchange.sent(transport.write(heads.around(body)).await);
            }
            Ok(())
        }
    }

    /// Blocks until a future is done. It is called amid a panic, and outside of any executor.
    fn block_on<V>(future: impl Future<Output = V>) -> V;
}

/// A body that comes about piece by piece.
pub trait Pieces {
    /// The next piece; `None` after the last.
    fn next(&mut self) -> impl Future<Output = Option<Result<Vec<u8>, Failure>>>;
}
