//! A connection, and the exchanges on it.

use std::io;

use lambwire::{Body, Exchange, Link, Lost, Request, SendError, Unwritten};

use crate::Transport;

/// A transport, with the protocol's side of it.
pub struct Line<T> {
    /// The way to the Runtime API.
    pub link: Link,
    /// What carries the bytes.
    pub transport: T,
    /// What goes out besides bodies.
    pub heads: Heads,
}

/// The heads that are to go out.
#[derive(Default)]
pub struct Heads {
    head: Vec<u8>,
    /// Of the request that goes ahead, behind the body.
    next: Vec<u8>,
}

/// Whether the next invocation is asked for behind an answer, in the same write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// It is.
    Next,
    /// It is not.
    Nothing,
}

/// Why an exchange stands still.
pub enum Stop {
    /// It has something to send.
    Send,
    /// Its reply is whole.
    Done,
}

/// Why an exchange came to nothing, in few bytes, which are moved at every `await`.
pub enum Ended {
    /// Trying again did not help, or is not allowed.
    Lost(Lost<io::Error>),
    /// It cannot be sent.
    Unsent(SendError),
    /// The reply says no. It stands in the buffer.
    Refused,
}

impl From<Lost<io::Error>> for Ended {
    fn from(lost: Lost<io::Error>) -> Self {
        Self::Lost(lost)
    }
}

impl From<SendError> for Ended {
    fn from(error: SendError) -> Self {
        Self::Unsent(error)
    }
}

impl Heads {
    /// Writes the head of a request, and that of the one ahead.
    ///
    /// # Errors
    ///
    /// Those of [`Exchange::write_head`].
    pub fn write<E>(
        &mut self,
        link: &mut Link,
        exchange: &mut Exchange<E>,
        request: &Request<'_>,
        ahead: Ahead,
    ) -> Result<(), SendError> {
        fill(&mut self.head, |out| exchange.write_head(link, request, out))?;
        self.next.clear();
        match ahead {
            Ahead::Next => fill(&mut self.next, |out| link.write_next_head(out)),
            Ahead::Nothing => Ok(()),
        }
    }

    /// All parts of a request with a body of known length.
    pub fn around<'a>(&'a self, body: &'a [u8]) -> [&'a [u8]; 4] {
        [&self.head, body, &self.next, b""]
    }
}

impl<T: Transport> Line<T> {
    pub(crate) async fn open(mut link: Link) -> io::Result<Self> {
        let transport = T::open(link.api()).await?;
        link.connected();
        Ok(Self { link, transport, heads: Heads::default() })
    }

    pub(crate) fn close(&mut self) {
        self.transport.close();
        self.link.disconnect();
    }

    /// Makes a connection if need be, and a head that goes out with what is written next.
    pub(crate) async fn begin(&mut self, request: &Request<'_>, body: Body) -> Result<Exchange<io::Error>, Ended> {
        let mut exchange = Exchange::new(request.verb(), body);
        self.transport.go_on(&mut self.link, &mut exchange, &mut Vec::new()).await?;
        self.heads.write(&mut self.link, &mut exchange, request, Ahead::Nothing)?;
        Ok(exchange)
    }

    /// Writes a piece of a streamed body with what frames it, behind the head if that has not gone out.
    pub(crate) async fn write(
        &mut self,
        before: &[u8],
        piece: &[u8],
        after: &[u8],
    ) -> Result<(), Unwritten<io::Error>> {
        let written = self.transport.write([&self.heads.head, before, piece, after]).await;
        self.heads.head.clear();
        written
    }

    /// Collects the reply to a streamed body in `reply`.
    pub(crate) async fn conclude(
        &mut self,
        mut exchange: Exchange<io::Error>,
        sent: Result<(), Unwritten<io::Error>>,
        reply: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        exchange.sent(sent);
        self.transport.go_on(&mut self.link, &mut exchange, reply).await.map(|_| ())
    }
}

/// Makes a buffer `len` bytes long, which takes no more room than that.
pub fn grow(buf: &mut Vec<u8>, len: usize) {
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
