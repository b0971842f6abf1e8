//! One connection to a server that errs.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire::{ACCEPTED_BODY, Body, Context, RequestId, RequestKind, SendError, Server, StreamError};
use rustix::net::sockopt;

use super::record::RecordedRequest;
use super::script::{Action, Plan, Reply, Trigger};
use super::shared::Shared;
use crate::incoming::{BodyStep, Incoming};

/// Bytes that are read at a time.
const INPUT_BYTES: usize = 64 * 1024;

/// Most bytes of a body that are kept: as many as Lambda takes of a buffered response.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
const KEPT_BYTES: usize = PAYLOAD_BYTES as usize;

/// Room for the head of a reply, in bytes.
const HEAD_BYTES: usize = 4096;

/// Serves a connection by the script, until it ends.
pub(crate) fn converse(stream: Arc<TcpStream>, shared: &Shared) {
    let mut conversation = Conversation { stream, incoming: Incoming::new(INPUT_BYTES), shared };
    if let Err(error) = conversation.run() {
        log::debug!("a connection of the runtime is lost: {error}");
    }
}

struct Conversation<'s> {
    stream: Arc<TcpStream>,
    incoming: Incoming,
    shared: &'s Shared,
}

/// What an act leaves of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Open,
    Closed,
}

impl Conversation<'_> {
    fn run(&mut self) -> io::Result<()> {
        // Every write is to be a segment.
        self.stream.set_nodelay(true)?;
        while let Some(mut seen) = self.head()? {
            let plan = self.shared.plan(seen.kind).unwrap_or_else(|| well_meant(seen.kind));
            let received = self.body(plan.trigger, &mut seen);
            self.shared.see(seen);
            received?;
            for act in plan.acts {
                if self.act(act)? == Left::Closed {
                    return Ok(());
                }
            }
            if !self.incoming.server.is_open() {
                return Ok(());
            }
            // What was said as bytes has passed this one by.
            self.incoming.server = Server::new();
        }
        Ok(())
    }

    /// Waits for the head of the next request; `None` if none comes.
    fn head(&mut self) -> io::Result<Option<RecordedRequest>> {
        loop {
            let seen = self.incoming.head(|head, _| RecordedRequest::new(head)).map_err(io::Error::other)?;
            if seen.is_some() || !self.read()? {
                return Ok(seen);
            }
        }
    }

    /// Receives as much of the body as is wanted.
    fn body(&mut self, trigger: Trigger, seen: &mut RecordedRequest) -> io::Result<()> {
        let wanted = match trigger {
            Trigger::Head => return Ok(()),
            Trigger::Body(bytes) => bytes,
            Trigger::Whole => u64::MAX,
        };
        let mut total: u64 = 0;
        while total < wanted {
            match self.incoming.body().map_err(io::Error::other)? {
                Some(BodyStep::Data(data)) => {
                    total = total.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
                    let room = KEPT_BYTES.saturating_sub(seen.body.len());
                    seen.body.extend_from_slice(data.get(..room).unwrap_or(data));
                }
                Some(BodyStep::End(trailers)) => {
                    if let Some(error) = StreamError::find(trailers) {
                        seen.error_type = Some(String::from_utf8_lossy(error.error_type).into_owned());
                    }
                    seen.is_whole = true;
                    return Ok(());
                }
                None => {
                    self.read()?;
                }
            }
        }
        Ok(())
    }

    fn act(&mut self, act: Action) -> io::Result<Left> {
        match act {
            Action::Reply(say) => {
                let bytes = self.bytes(say)?;
                self.write(&bytes)?;
            }
            Action::Pieces { say, len, pause } => {
                for piece in self.bytes(say)?.chunks(len.max(1)) {
                    self.write(piece)?;
                    thread::sleep(pause);
                }
            }
            Action::Part { say, len } => {
                let bytes = self.bytes(say)?;
                self.write(bytes.get(..len).unwrap_or(&bytes))?;
            }
            Action::Pause(pause) => thread::sleep(pause),
            Action::Hold => self.shared.hold(),
            Action::HalfClose => self.stream.shutdown(Shutdown::Write)?,
            Action::Close => return Ok(Left::Closed),
            Action::Reset => {
                sockopt::set_socket_linger(&*self.stream, Some(Duration::ZERO))?;
                return Ok(Left::Closed);
            }
            Action::Drain => return self.drain(),
            Action::Silence => {
                self.shared.idle();
                return self.drain();
            }
            Action::RefuseConnections(refusing) => self.shared.refuse_connections(refusing),
        }
        Ok(Left::Open)
    }

    fn drain(&mut self) -> io::Result<Left> {
        self.incoming.discard();
        while (&*self.stream).read(self.incoming.space())? > 0 {}
        Ok(Left::Closed)
    }

    /// The bytes that say this.
    fn bytes(&mut self, say: Reply) -> io::Result<Vec<u8>> {
        match say {
            Reply::Raw(bytes) => Ok(bytes),
            Reply::NothingYet => self.reply(&lambwire::Reply::NothingYet, b"", None),
            Reply::Accepted => self.reply(&lambwire::Reply::Accepted, ACCEPTED_BODY, None),
            Reply::Rejected { status, body } => self.reply(&lambwire::Reply::Rejected { status }, &body, None),
            Reply::Invocation { id, event, chunk } => match RequestId::new(&id) {
                Ok(id) => self.reply(&lambwire::Reply::Invocation(Context::new(id)), &event, chunk),
                Err(error) => Err(io::Error::other(error)),
            },
        }
        .map_err(|error| {
            log::error!("the script cannot be followed: {error}");
            error
        })
    }

    fn reply(&mut self, reply: &lambwire::Reply<'_>, body: &[u8], chunk: Option<usize>) -> io::Result<Vec<u8>> {
        self.try_reply(reply, body, chunk).map_err(io::Error::other)
    }

    fn try_reply(
        &mut self,
        reply: &lambwire::Reply<'_>,
        body: &[u8],
        chunk: Option<usize>,
    ) -> Result<Vec<u8>, SendError> {
        let framing = match chunk {
            Some(_) => Body::Chunked,
            None => Body::Exact(u64::try_from(body.len()).unwrap_or(u64::MAX)),
        };
        let mut room = [0; HEAD_BYTES];
        let len = self.incoming.server.send(reply, framing, &mut room)?;
        let mut bytes = room.get(..len).unwrap_or_default().to_vec();
        for piece in body.chunks(chunk.unwrap_or(usize::MAX).max(1)) {
            let frame = self.incoming.server.frame(piece.len())?;
            bytes.extend([frame.before(), piece, frame.after()].concat());
        }
        let len = self.incoming.server.finish(&mut room)?;
        bytes.extend_from_slice(room.get(..len).unwrap_or_default());
        Ok(bytes)
    }

    /// Reads what there is, and says whether the connection goes on.
    fn read(&mut self) -> io::Result<bool> {
        let len = (&*self.stream).read(self.incoming.space())?;
        self.incoming.filled(len).map_err(io::Error::other)?;
        Ok(len > 0)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&*self.stream).write_all(bytes)
    }
}

/// What becomes of a request of which the script says nothing.
fn well_meant(kind: RequestKind) -> Plan {
    match kind {
        RequestKind::Next => Plan::new([Action::Silence]),
        _ => Plan::new([Action::Reply(Reply::Accepted)]),
    }
}
