//! One connection of a runtime.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use lambwire::{
    ACCEPTED_BODY, ApiError, Body, ExtensionId, MessageReader, Progress, ReceiveError, Reply, RequestKind, SendError,
    Server,
};
use rustix::net::{RecvFlags, recv, sockopt::set_socket_linger};

use crate::event::Event;
use crate::fault::Fault;
use crate::request::RecordedRequest;
use crate::state::{NextReply, Shared};

/// Bytes that a buffer has at first; it grows.
const BUFFER_BYTES: usize = 16 * 1024;

/// Room for the head of a reply, in bytes.
const HEAD_BYTES: usize = lambwire::limits::REPLY_HEAD_BYTES;

/// What extensions are called here. There is one for each runtime at most, and nothing happens to it.
const EXTENSION_ID: &[u8] = b"00000000-0000-4000-8000-000000000000";

/// A stream of bytes, on loopback or in memory.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Ends both directions.
    fn close(&self) {
        // It may have ended.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    fn reset(&self) {
        if let Self::Tcp(stream) = self {
            // It may have ended.
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
    }

    /// Whether the other end has closed it, and nothing is left to be read.
    fn has_ended(&self) -> bool {
        let peek = |stream: &dyn AsFd| recv(stream.as_fd(), &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        let peeked = match self {
            Self::Tcp(stream) => peek(stream),
            Self::Unix(stream) => peek(stream),
        };
        matches!(peeked, Ok((0, _))) || peeked.is_err_and(|error| error != rustix::io::Errno::WOULDBLOCK)
    }

    fn read(&self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => (&*stream).read(space),
            Self::Unix(stream) => (&*stream).read(space),
        }
    }

    fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => (&*stream).write_all(bytes),
            Self::Unix(stream) => (&*stream).write_all(bytes),
        }
    }
}

/// Serves a connection until it ends. How it ends is the runtime's affair, or that of a fault.
pub(crate) fn serve(stream: Stream, number: usize, shared: &Shared) {
    if let Stream::Tcp(stream) = &stream {
        // Which costs speed alone.
        let _ = stream.set_nodelay(true);
    }
    let mut connection = Connection { stream, number, server: Server::new(), shared };
    // Whoever waits for what did not come says so.
    let _ = connection.run();
    connection.stream.close();
}

struct Connection<'s> {
    stream: Stream,
    number: usize,
    server: Server,
    shared: &'s Shared,
}

impl Connection<'_> {
    fn run(&mut self) -> io::Result<()> {
        let mut reader = MessageReader::new();
        let mut buf = vec![0; BUFFER_BYTES];
        while let Some(request) = self.receive(&mut reader, &mut buf)? {
            let goes_on = match request.kind {
                RequestKind::Next => self.hand_out(request)?,
                RequestKind::RestoreNext => self.restore(request)?,
                RequestKind::ExtensionNext => {
                    self.shared.record(request);
                    // While it is open, the extension takes part.
                    self.shared.wait_for_end(|| self.stream.has_ended());
                    false
                }
                _ => self.take(request)?,
            };
            if !goes_on || !self.server.is_open() {
                break;
            }
        }
        Ok(())
    }

    /// Waits for a request, `None` if none comes.
    fn receive(&mut self, reader: &mut MessageReader, buf: &mut Vec<u8>) -> io::Result<Option<RecordedRequest>> {
        loop {
            match reader.receive_request(&mut self.server, buf) {
                Ok(Progress::Complete(whole)) => {
                    let message = whole.read(&self.server, buf).map_err(io::Error::other)?;
                    return Ok(Some(RecordedRequest::new(&message, self.number)));
                }
                Ok(Progress::NeedSpace { total }) => buf.resize(total, 0),
                Ok(Progress::NeedInput) => match self.stream.read(reader.space(buf))? {
                    0 => {
                        self.server.receive_eof().map_err(io::Error::other)?;
                        return Ok(None);
                    }
                    len => reader.filled(len),
                },
                Err(error) => {
                    self.refuse(error)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Says that a request is not understood.
    fn refuse(&mut self, error: ReceiveError) -> io::Result<()> {
        self.shared.misunderstood(error);
        let reply = self.reply(&Reply::Rejected { status: error.status_hint() }, b"").map_err(io::Error::other)?;
        self.stream.write_all(&reply)
    }

    /// Waits for an event, and sends it.
    fn hand_out(&mut self, request: RecordedRequest) -> io::Result<bool> {
        self.shared.record(request);
        let fault = self.shared.fault_of_next();
        if matches!(fault, Some(Fault::NothingYet | Fault::Reject(_) | Fault::Raw(_) | Fault::Close | Fault::Reset)) {
            return self.send(Ok(Vec::new()), fault);
        }
        match self.shared.hand_out(|| self.stream.has_ended()) {
            NextReply::Event(event) => {
                let reply = self.invocation(&event);
                if matches!(fault, Some(Fault::CloseAfter(_))) {
                    self.shared.take_back(*event);
                }
                self.send(reply, fault)
            }
            NextReply::Gone => Ok(false),
            NextReply::End => self.send(Ok(Vec::new()), Some(Fault::Reject(ApiError::InternalServerError))),
        }
    }

    fn restore(&mut self, request: RecordedRequest) -> io::Result<bool> {
        self.shared.record(request);
        self.shared.wait_for_restore(|| self.stream.has_ended());
        let reply = self.reply(&Reply::Restored, b"");
        self.send(reply, None)
    }

    /// Takes an answer, a report, or a registration.
    fn take(&mut self, request: RecordedRequest) -> io::Result<bool> {
        let (kind, is_answer) = (request.kind, request.is_answer());
        let is_taken = self.shared.record(request);
        let fault = if is_answer { self.shared.fault_of_answer() } else { None };
        let reply = match (kind, is_taken) {
            (RequestKind::Register, _) => match ExtensionId::new(EXTENSION_ID) {
                Ok(id) => self.reply(&Reply::Registered { id }, b"{}"),
                Err(error) => Err(error),
            },
            (RequestKind::Other, _) => self.refusal(ApiError::NotFound),
            (_, true) => self.reply(&Reply::Accepted, ACCEPTED_BODY),
            (_, false) => self.refusal(ApiError::InvalidRequestId),
        };
        self.send(reply, fault)
    }

    fn invocation(&mut self, event: &Event) -> Result<Vec<u8>, SendError> {
        self.reply(&Reply::Invocation(event.context()?), event.payload())
    }

    fn refusal(&mut self, error: ApiError<'_>) -> Result<Vec<u8>, SendError> {
        let mut body = vec![0; HEAD_BYTES];
        let len = error.write(&mut body)?;
        self.reply(&error.reply(), &body[..len])
    }

    fn reply(&mut self, reply: &Reply<'_>, body: &[u8]) -> Result<Vec<u8>, SendError> {
        let mut bytes = vec![0; HEAD_BYTES];
        let len = self.server.send(reply, Body::Exact(body.len() as u64), &mut bytes)?;
        self.server.frame(body.len())?;
        bytes.truncate(len);
        bytes.extend_from_slice(body);
        Ok(bytes)
    }

    /// Sends a reply, or what a fault makes of it. Whether the connection goes on.
    fn send(&mut self, reply: Result<Vec<u8>, SendError>, fault: Option<Fault>) -> io::Result<bool> {
        let reply = match &fault {
            Some(Fault::NothingYet) => self.reply(&Reply::NothingYet, b""),
            Some(Fault::Reject(error)) => self.refusal(*error),
            _ => reply,
        };
        let reply = reply.map_err(io::Error::other)?;
        match fault {
            Some(Fault::Close) => return Ok(false),
            Some(Fault::Reset) => {
                self.stream.reset();
                return Ok(false);
            }
            Some(Fault::CloseAfter(len)) => {
                self.stream.write_all(reply.get(..len).unwrap_or(&reply))?;
                return Ok(false);
            }
            Some(Fault::Segments(len)) => {
                for segment in reply.chunks(len.max(1)) {
                    self.stream.write_all(segment)?;
                }
            }
            Some(Fault::Interim) => self.stream.write_all(&[b"HTTP/1.1 100 Continue\r\n\r\n", &*reply].concat())?,
            Some(Fault::Raw(bytes)) => {
                self.stream.write_all(&bytes)?;
                // The request that these answer is over, whatever they say.
                self.server = Server::new();
            }
            _ => self.stream.write_all(&reply)?,
        }
        Ok(true)
    }
}
