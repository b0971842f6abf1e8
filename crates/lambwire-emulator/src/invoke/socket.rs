//! The socket of a caller, which closes so that the last reply arrives.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::connections::Guest;
use crate::limits;

/// What is thrown away at a time, in bytes.
const DISCARDED_AT_ONCE: usize = 16 * 1024;

pub(super) struct Socket {
    stream: TcpStream,
    guest: Rc<Guest>,
    closing: Option<Closing>,
}

/// Nothing more is written, and what the other end still sends is thrown away: a socket that is closed with input unread
/// may take back what it has sent (RFC 9112, section 9.6).
struct Closing {
    patience: Pin<Box<Sleep>>,
    discarded: u64,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, guest: Rc<Guest>) -> Self {
        Self { stream, guest, closing: None }
    }
}

impl Closing {
    fn begin() -> Self {
        Self { patience: Box::pin(sleep(limits::LINGER)), discarded: 0 }
    }

    /// Throws away what comes, until that ends, is more than anybody sends by mistake, or does not come for a while.
    fn poll(&mut self, mut stream: Pin<&mut TcpStream>, context: &mut Context<'_>) -> Poll<()> {
        let mut room = [0; DISCARDED_AT_ONCE];
        while self.discarded < limits::DISCARDED_BYTES {
            let mut read = ReadBuf::new(&mut room);
            match stream.as_mut().poll_read(context, &mut read) {
                Poll::Ready(Ok(())) if !read.filled().is_empty() => {
                    self.discarded += u64::try_from(read.filled().len()).unwrap_or(u64::MAX);
                    self.patience.as_mut().reset(Instant::now() + limits::LINGER);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.patience.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let len = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buf))?;
        // At its end there is nothing more to come.
        self.guest.is_midway.set(buf.filled().len() > len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, guest, closing } = &mut *self;
        let mut stream = Pin::new(stream);
        if closing.is_none() {
            ready!(stream.as_mut().poll_shutdown(context))?;
        }
        if !guest.is_midway.get() {
            return Poll::Ready(Ok(()));
        }
        closing.get_or_insert_with(Closing::begin).poll(stream, context).map(Ok)
    }
}
