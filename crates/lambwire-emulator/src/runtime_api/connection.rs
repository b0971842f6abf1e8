//! A connection from the runtime: [`lambwire::Server`] with a socket and its buffers.

use std::future;
use std::io::{self, IoSlice};

use hyper::body::Bytes;
use lambwire::{Body, Headers, ReceiveError, Reply, Request, SendError, StreamError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::answer::{Reported, UNKNOWN};
use crate::incoming::{BodyStep, Incoming};
use crate::json;
use crate::limits;
use crate::queue::{Outlet, Piece};

/// Size of the buffer at first, in bytes, and of the largest reply that is put off.
const INPUT_BYTES: usize = 16 * 1024;

/// Size in bytes of the buffer for the head of a reply, at first. Most heads have about 400.
const HEAD_BYTES: usize = 1024;

/// A connection from the runtime.
pub(crate) struct Connection {
    stream: TcpStream,
    incoming: Incoming,
    /// Replies that are written before anything is waited for: a 202 goes with the invocation behind it.
    output: Vec<u8>,
}

/// Why a connection ends before its time.
#[derive(Debug)]
pub(crate) enum Lost {
    Io(io::Error),
    Receive(ReceiveError),
    /// What comes after so many bytes of a body is none of it.
    ReceiveBody {
        error: ReceiveError,
        received: u64,
    },
    Send(SendError),
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Collected {
    Whole {
        /// Empty if it has been handed on.
        body: Vec<u8>,
        /// How long it is, in bytes.
        len: u64,
        /// What trailers say that tell of a stream which failed on the way.
        failure: Option<Reported>,
    },
    /// It is larger than was asked for, and has been thrown away.
    TooLarge,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, incoming: Incoming::new(INPUT_BYTES), output: Vec::new() }
    }

    /// Waits for the head of the next request, of which `read` keeps what it needs; `None` if none comes.
    pub(crate) async fn request<T>(
        &mut self,
        mut read: impl FnMut(&Request<'_>, Headers<'_>) -> T,
    ) -> Result<Option<T>, Lost> {
        self.shrink();
        while self.incoming.server.is_open() {
            let asked = self.incoming.head(&mut read)?;
            if asked.is_some() {
                return Ok(asked);
            }
            self.read().await?;
        }
        self.flush().await?;
        Ok(None)
    }

    /// Gives leave to send the body, if the runtime waits for it.
    pub(crate) async fn welcome_body(&mut self) -> Result<(), Lost> {
        if self.expects_continue() {
            let mut head = [0; HEAD_BYTES];
            let len = self.incoming.server.send_continue(&mut head)?;
            self.output.extend_from_slice(head.get(..len).unwrap_or_default());
        }
        Ok(())
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.incoming.server.expects_continue()
    }

    /// Receives the body, and keeps it, or hands on each piece of it as it comes: nothing more is read while the other end
    /// has enough, and that it has gone, or the invocation is over, changes nothing. What exceeds `limit` bytes is thrown away, up to
    /// [`DISCARDED_BYTES`](limits::DISCARDED_BYTES).
    pub(crate) async fn body(&mut self, limit: u64, mut to: Option<&mut Outlet>) -> Result<Collected, Lost> {
        let mut body = Vec::new();
        let mut total: u64 = 0;
        loop {
            let step = self.incoming.body().map_err(|error| Lost::ReceiveBody { error, received: total })?;
            let Some(step) = step else {
                self.read().await?;
                continue;
            };
            match step {
                BodyStep::Data(data) => {
                    total = total.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    match &mut to {
                        _ if total > limit => body = Vec::new(),
                        Some(to) => to.send(Piece::Data(Bytes::copy_from_slice(data))).await,
                        None => body.extend_from_slice(data),
                    }
                    if total > limit.saturating_add(limits::DISCARDED_BYTES) {
                        return Ok(Collected::TooLarge);
                    }
                }
                BodyStep::End(_) if total > limit => return Ok(Collected::TooLarge),
                BodyStep::End(trailers) => {
                    let failure = StreamError::find(trailers).map(|error| stream_failure(&error));
                    return Ok(Collected::Whole { body, len: total, failure });
                }
            }
        }
    }

    /// Sends a reply: it is written with what stands before it, now if it is large, else before anything is waited for.
    pub(crate) async fn reply(&mut self, reply: &Reply<'_>, body: &[u8]) -> Result<(), Lost> {
        let start = self.output.len();
        let mut body = body;
        let mut room = HEAD_BYTES;
        let len = loop {
            self.output.resize(start + room, 0);
            let head = self.output.get_mut(start..).unwrap_or_default();
            let framing = Body::Exact(u64::try_from(body.len()).unwrap_or(u64::MAX));
            match self.incoming.server.send(reply, framing, head) {
                Ok(len) => break len,
                Err(SendError::BufferTooSmall { needed }) if needed > room => room = needed,
                // To a HEAD request.
                Err(SendError::InvalidBody) if !body.is_empty() => body = &[],
                Err(error) => {
                    self.output.truncate(start);
                    return Err(error.into());
                }
            }
        };
        self.output.truncate(start + len);
        // A body of known length has nothing before or behind it.
        self.incoming.server.frame(body.len())?;
        if body.len() <= INPUT_BYTES {
            self.output.extend_from_slice(body);
            return Ok(());
        }
        self.write_with(body).await
    }

    /// Writes the replies that have not been written.
    pub(crate) async fn flush(&mut self) -> Result<(), Lost> {
        if self.output.is_empty() { Ok(()) } else { self.write_with(&[]).await }
    }

    /// Waits until the runtime has closed the connection. What it sends before that is kept, as far as there is room.
    pub(crate) async fn closed(&mut self) {
        while !self.incoming.free().is_empty() {
            match self.stream.read(self.incoming.free()).await {
                Ok(len) if len > 0 && self.incoming.filled(len).is_ok() => {}
                _ => return,
            }
        }
        future::pending().await
    }

    /// Ends the connection so that the last reply arrives: a socket that is closed with input unread may take back what
    /// it has sent (RFC 9112, section 9.6).
    pub(crate) async fn linger(mut self) {
        let drained = async {
            let mut discarded: u64 = 0;
            let _ = self.flush().await;
            let _ = self.stream.shutdown().await;
            self.incoming.discard();
            while discarded < limits::DISCARDED_BYTES {
                match self.stream.read(self.incoming.space()).await {
                    Ok(len) if len > 0 => discarded += u64::try_from(len).unwrap_or(u64::MAX),
                    _ => return,
                }
            }
        };
        // A peer that goes on sending is left alone.
        let _ = timeout(limits::LINGER, drained).await;
    }

    /// Reads what there is.
    async fn read(&mut self) -> Result<(), Lost> {
        self.flush().await?;
        let len = self.stream.read(self.incoming.space()).await?;
        Ok(self.incoming.filled(len)?)
    }

    /// Gives back what a large message has taken.
    fn shrink(&mut self) {
        self.incoming.shrink();
        if self.output.is_empty() && self.output.capacity() > INPUT_BYTES {
            self.output = Vec::new();
        }
    }

    /// Writes all replies, and `body` behind them.
    async fn write_with(&mut self, body: &[u8]) -> Result<(), Lost> {
        if body.is_empty() {
            self.stream.write_all(&self.output).await?;
            self.output.clear();
            return Ok(());
        }
        let mut slices = [IoSlice::new(&self.output), IoSlice::new(body)];
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let len = self.stream.write_vectored(rest).await?;
            if len == 0 {
                return Err(Lost::Io(io::ErrorKind::WriteZero.into()));
            }
            IoSlice::advance_slices(&mut rest, len);
        }
        self.output.clear();
        Ok(())
    }
}

fn stream_failure(error: &StreamError<'_>) -> Reported {
    let mut room = vec![0; lambwire::limits::TRAILERS_BYTES];
    let error_type = str::from_utf8(error.error_type).ok().filter(|error_type| !error_type.is_empty());
    let report = error.report(&mut room).map_or_else(
        || {
            let message = "The trailer Lambda-Runtime-Function-Error-Body is no base64";
            json::object(&[("errorType", error_type.unwrap_or(UNKNOWN)), ("errorMessage", message)]).into_bytes()
        },
        <[u8]>::to_vec,
    );
    Reported::Error { error_type: error_type.map(str::to_owned), report }
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReceiveError> for Lost {
    fn from(error: ReceiveError) -> Self {
        Self::Receive(error)
    }
}

impl From<SendError> for Lost {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Receive(error) => error.fmt(f),
            Self::ReceiveBody { error, received } => write!(f, "{error}, after {received} bytes of the body"),
            Self::Send(error) => error.fmt(f),
        }
    }
}
