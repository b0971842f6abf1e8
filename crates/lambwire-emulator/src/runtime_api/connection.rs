//! A connection from the runtime: [`lambwire::Server`] with a socket and a buffer.

use std::future;
use std::io::{self, IoSlice};

use hyper::body::Bytes;
use lambwire::{Body, Event, ReceiveError, Reply, SendError, Server, StreamError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::request::Asked;
use crate::answer::Reported;
use crate::limits;
use crate::queue::Piece;

/// Size of the buffer at first, in bytes. It grows for heads and trailers that are longer, to what the core takes.
const INPUT_BYTES: usize = 16 * 1024;

/// Size of the buffer while a large body comes, in bytes.
const LARGE_INPUT_BYTES: usize = 256 * 1024;

/// Size in bytes of the buffer for the head of a reply, at first. Most heads have about 400.
const HEAD_BYTES: usize = 1024;

/// A connection from the runtime.
pub(crate) struct Connection {
    stream: TcpStream,
    server: Server,
    input: Vec<u8>,
    /// What of the input has not been received.
    start: usize,
    end: usize,
    /// Replies that are written before anything is waited for: a 202 goes with the invocation behind it.
    output: Vec<u8>,
}

/// Why a connection ends before its time.
#[derive(Debug)]
pub(crate) enum Lost {
    Io(io::Error),
    Receive(ReceiveError),
    Send(SendError),
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Collected {
    Whole {
        body: Vec<u8>,
        /// What trailers say that tell of a stream which failed on the way.
        failure: Option<Reported>,
    },
    /// It is larger than was asked for, and has been thrown away.
    TooLarge,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, server: Server::new(), input: vec![0; INPUT_BYTES], start: 0, end: 0, output: Vec::new() }
    }

    /// Waits for the head of the next request; `None` if none comes.
    pub(crate) async fn request(&mut self) -> Result<Option<Asked>, Lost> {
        self.shrink();
        while self.server.is_open() {
            let received = self.server.receive(self.input.get(self.start..self.end).unwrap_or_default())?;
            if let Event::Head { head, headers, .. } = received.event {
                let asked = Asked::new(&head, headers);
                self.start += received.used;
                return Ok(Some(asked));
            }
            if self.read().await? == 0 {
                self.server.receive_eof()?;
            }
        }
        self.flush().await?;
        Ok(None)
    }

    /// Gives leave to send the body, if the runtime waits for it.
    pub(crate) async fn welcome_body(&mut self) -> Result<(), Lost> {
        if self.expects_continue() {
            let mut head = [0; HEAD_BYTES];
            let len = self.server.send_continue(&mut head)?;
            self.output.extend_from_slice(head.get(..len).unwrap_or_default());
        }
        Ok(())
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.server.expects_continue()
    }

    /// Receives the body, and hands on each piece of it as it comes: nothing more is read while the other end has enough.
    /// That it has gone changes nothing. What exceeds `limit` bytes is thrown away, as by [`body`](Self::body).
    pub(crate) async fn body_to(&mut self, limit: u64, to: &mpsc::Sender<Piece>) -> Result<Collected, Lost> {
        let mut total: u64 = 0;
        loop {
            let received = self.server.receive(self.input.get(self.start..self.end).unwrap_or_default())?;
            self.start += received.used;
            match received.event {
                Event::Data(data) => {
                    total = total.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    if total <= limit {
                        let _ = to.send(Piece::Data(Bytes::copy_from_slice(data))).await;
                    }
                    if total > limit.saturating_add(limits::DISCARDED_BYTES) {
                        return Ok(Collected::TooLarge);
                    }
                }
                Event::End { .. } if total > limit => return Ok(Collected::TooLarge),
                Event::End { trailers } => {
                    let failure = StreamError::find(trailers).map(|error| stream_failure(&error));
                    return Ok(Collected::Whole { body: Vec::new(), failure });
                }
                _ => self.read_more().await?,
            }
        }
    }

    /// Reads more of a body.
    async fn read_more(&mut self) -> Result<(), Lost> {
        if self.read().await? == 0 {
            self.server.receive_eof()?;
            return Err(Lost::Receive(ReceiveError::CutShort));
        }
        Ok(())
    }

    /// Receives the body. What exceeds `limit` bytes is thrown away, up to [`DISCARDED_BYTES`](limits::DISCARDED_BYTES).
    pub(crate) async fn body(&mut self, limit: u64) -> Result<Collected, Lost> {
        let mut body = Vec::new();
        let mut total: u64 = 0;
        loop {
            let received = self.server.receive(self.input.get(self.start..self.end).unwrap_or_default())?;
            self.start += received.used;
            match received.event {
                Event::Data(data) => {
                    total = total.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    if total <= limit {
                        body.extend_from_slice(data);
                    } else {
                        body = Vec::new();
                    }
                    if total > limit.saturating_add(limits::DISCARDED_BYTES) {
                        return Ok(Collected::TooLarge);
                    }
                }
                Event::End { .. } if total > limit => return Ok(Collected::TooLarge),
                Event::End { trailers } => {
                    let failure = StreamError::find(trailers).map(|error| stream_failure(&error));
                    return Ok(Collected::Whole { body, failure });
                }
                _ => self.read_more().await?,
            }
        }
    }

    /// Sends a reply with another header.
    pub(crate) async fn reply_with(
        &mut self,
        reply: &Reply<'_>,
        (name, value): (&str, &str),
        body: &[u8],
    ) -> Result<(), Lost> {
        let start = self.output.len();
        self.reply(reply, body).await?;
        // Behind the status line; small as it is, the reply has not been written.
        let line = self.output.get(start..).unwrap_or_default().iter().position(|byte| *byte == b'\n');
        if let Some(end) = line {
            let at = start + end + 1;
            self.output.splice(at..at, format!("{name}: {value}\r\n").into_bytes());
        }
        Ok(())
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
            match self.server.send(reply, framing, head) {
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
        self.server.frame(body.len())?;
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
        self.make_room();
        while self.end < self.input.len() {
            match self.stream.read(self.input.get_mut(self.end..).unwrap_or_default()).await {
                Ok(len) if len > 0 => self.end += len,
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
            while discarded < limits::DISCARDED_BYTES {
                match self.stream.read(&mut self.input).await {
                    Ok(len) if len > 0 => discarded += u64::try_from(len).unwrap_or(u64::MAX),
                    _ => return,
                }
            }
        };
        // A peer that goes on sending is left alone.
        let _ = timeout(limits::LINGER, drained).await;
    }

    /// Reads what there is into the buffer, and gives back how much.
    async fn read(&mut self) -> Result<usize, Lost> {
        self.flush().await?;
        self.make_room();
        if self.end == self.input.len() {
            // Bounded by the core, which takes no longer head, chunk line or trailers.
            self.input.resize(self.end * 2, 0);
        }
        let len = self.stream.read(self.input.get_mut(self.end..).unwrap_or_default()).await?;
        self.end += len;
        if self.end == self.input.len() && self.start == 0 && (INPUT_BYTES..LARGE_INPUT_BYTES).contains(&len) {
            // There is more: it is read in fewer pieces.
            self.input.resize(LARGE_INPUT_BYTES, 0);
        }
        Ok(len)
    }

    /// Gives back what a large message has taken.
    fn shrink(&mut self) {
        self.make_room();
        if self.input.len() > INPUT_BYTES && self.end <= INPUT_BYTES {
            self.input.truncate(INPUT_BYTES);
            self.input.shrink_to_fit();
        }
        if self.output.is_empty() && self.output.capacity() > INPUT_BYTES {
            self.output = Vec::new();
        }
    }

    /// Moves what has not been received to the front.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Writes all replies, and `body` behind them.
    async fn write_with(&mut self, body: &[u8]) -> Result<(), Lost> {
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
    Reported::Error {
        error_type: str::from_utf8(error.error_type)
            .ok()
            .filter(|error_type| !error_type.is_empty())
            .map(str::to_owned),
        report: error.report(&mut room).unwrap_or_default().to_vec(),
    }
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
            Self::Send(error) => error.fmt(f),
        }
    }
}
