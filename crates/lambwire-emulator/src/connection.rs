//! A connection from the runtime: [`lambwire::Server`] with a socket and a buffer.

use std::io::{self, IoSlice};
use std::net::TcpStream;

use lambwire::{
    Body, ErrorHeaders, Event, InvocationId, Mode, ReceiveError, Reply, Request, RequestKind, SendError, Server,
    StreamError,
};
use smol::future;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, Timer};

use crate::answer::Reported;
use crate::limits;

/// Size of the buffer at first, in bytes. It grows for heads and trailers that are longer, to what the core takes.
const INPUT_BYTES: usize = 16 * 1024;

/// Size in bytes of the buffer for the head of a reply, at first. Most heads have about 400.
const HEAD_BYTES: usize = 1024;

/// A connection from the runtime.
pub(crate) struct Connection {
    stream: Async<TcpStream>,
    server: Server,
    input: Vec<u8>,
    /// What of the input has not been received.
    start: usize,
    end: usize,
}

/// Why a connection ends before its time.
#[derive(Debug)]
pub(crate) enum Lost {
    Io(io::Error),
    Receive(ReceiveError),
    Send(SendError),
}

/// What the head of a request asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    Next,
    Answer { id: String, nonce: Option<Vec<u8>>, mode: Mode, kind: Kind },
    InitError { error_type: Option<String> },
    Register,
    ExtensionNext { id: Vec<u8> },
    Other { what: String },
}

/// What a runtime answers with.
#[derive(Debug)]
pub(crate) enum Kind {
    Response { content_type: Option<String> },
    Error { error_type: Option<String> },
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
    pub(crate) fn new(stream: Async<TcpStream>) -> Self {
        Self { stream, server: Server::new(), input: vec![0; INPUT_BYTES], start: 0, end: 0 }
    }

    /// Waits for the head of the next request; `None` if none comes.
    pub(crate) async fn request(&mut self) -> Result<Option<Asked>, Lost> {
        while self.server.is_open() {
            let received = self.server.receive(self.input.get(self.start..self.end).unwrap_or_default())?;
            if let Event::Head { head, .. } = received.event {
                let asked = Asked::new(&head);
                self.start += received.used;
                return Ok(Some(asked));
            }
            if self.read().await? == 0 {
                self.server.receive_eof()?;
            }
        }
        Ok(None)
    }

    /// Gives leave to send the body, if the runtime waits for it.
    pub(crate) async fn welcome_body(&mut self) -> Result<(), Lost> {
        if self.expects_continue() {
            let mut head = [0; HEAD_BYTES];
            let len = self.server.send_continue(&mut head)?;
            self.write(head.get(..len).unwrap_or_default(), &[]).await?;
        }
        Ok(())
    }

    pub(crate) fn expects_continue(&self) -> bool {
        self.server.expects_continue()
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
                _ => {
                    if self.read().await? == 0 {
                        self.server.receive_eof()?;
                        return Err(Lost::Receive(ReceiveError::CutShort));
                    }
                }
            }
        }
    }

    /// Sends a reply, head and body in one write.
    pub(crate) async fn reply(&mut self, reply: &Reply<'_>, body: &[u8]) -> Result<(), Lost> {
        let mut head = vec![0; HEAD_BYTES];
        let mut body = body;
        let len = loop {
            let framing = Body::Exact(u64::try_from(body.len()).unwrap_or(u64::MAX));
            match self.server.send(reply, framing, &mut head) {
                Ok(len) => break len,
                Err(SendError::BufferTooSmall { needed }) if needed > head.len() => head.resize(needed, 0),
                // To a HEAD request.
                Err(SendError::InvalidBody) if !body.is_empty() => body = &[],
                Err(error) => return Err(error.into()),
            }
        };
        // A body of known length has nothing before or behind it.
        self.server.frame(body.len())?;
        self.write(head.get(..len).unwrap_or_default(), body).await
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
            let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
            while discarded < limits::DISCARDED_BYTES {
                match self.stream.read(&mut self.input).await {
                    Ok(len) if len > 0 => discarded += u64::try_from(len).unwrap_or(u64::MAX),
                    _ => return,
                }
            }
        };
        let patience = async {
            Timer::after(limits::LINGER).await;
        };
        future::or(drained, patience).await;
    }

    /// Reads what there is into the buffer, and gives back how much.
    async fn read(&mut self) -> Result<usize, Lost> {
        self.make_room();
        if self.end == self.input.len() {
            // Bounded by the core, which takes no longer head, chunk line or trailers.
            self.input.resize(self.end * 2, 0);
        }
        let len = self.stream.read(self.input.get_mut(self.end..).unwrap_or_default()).await?;
        self.end += len;
        Ok(len)
    }

    /// Moves what has not been received to the front.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    async fn write(&mut self, head: &[u8], body: &[u8]) -> Result<(), Lost> {
        let mut slices = [IoSlice::new(head), IoSlice::new(body)];
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let len = self.stream.write_vectored(rest).await?;
            if len == 0 {
                return Err(Lost::Io(io::ErrorKind::WriteZero.into()));
            }
            IoSlice::advance_slices(&mut rest, len);
        }
        Ok(())
    }
}

impl Asked {
    fn new(request: &Request<'_>) -> Self {
        let error_type = |headers: &ErrorHeaders<'_>| headers.error_type.map(str::to_owned);
        let nonce = |id: &Option<InvocationId<'_>>| id.map(|id| id.as_bytes().to_vec());
        match request {
            Request::Next => Self::Next,
            Request::Response { id, invocation_id, content_type, mode } => Self::Answer {
                id: id.as_str().to_owned(),
                nonce: nonce(invocation_id),
                mode: *mode,
                kind: Kind::Response { content_type: content_type.map(str::to_owned) },
            },
            Request::Error { id, invocation_id, headers } => Self::Answer {
                id: id.as_str().to_owned(),
                nonce: nonce(invocation_id),
                mode: Mode::Buffered,
                kind: Kind::Error { error_type: error_type(headers) },
            },
            Request::InitError(headers) => Self::InitError { error_type: error_type(headers) },
            Request::Register { .. } => Self::Register,
            Request::ExtensionNext { id } => Self::ExtensionNext { id: id.as_bytes().to_vec() },
            Request::Other { method, target } => Self::Other { what: format!("{method} {target}") },
            // SnapStart has nothing to restore here, and AWS's emulator does not know these without a flag, either.
            request => Self::Other { what: request.kind().to_string() },
        }
    }
}

impl Kind {
    pub(crate) fn verb(&self) -> RequestKind {
        match self {
            Self::Response { .. } => RequestKind::Response,
            Self::Error { .. } => RequestKind::Error,
        }
    }

    /// The answer, with its body.
    pub(crate) fn with(self, body: Vec<u8>) -> Reported {
        match self {
            Self::Response { content_type } => Reported::Response { content_type, body },
            Self::Error { error_type } => Reported::Error { error_type, report: body },
        }
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
