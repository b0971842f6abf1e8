//! One turn of a session: what the caller has to do, and how it reports what came of that.

use core::time::Duration;

use crate::api_error::Rejection;
use crate::context::Context;
use crate::endpoint::Endpoint;
use crate::error::{ReceiveError, SendError};
use crate::failure::Error;
use crate::message::{Reply, RequestKind};
use crate::reader::Message;
use crate::session::{Need, Outcome, Session, Stage};
use crate::wire::body::Body;

/// One turn of a [`Session`]: a request, or a piece of a streamed one, and the reply if one is due.
///
/// Ask [`poll`](Self::poll) what to do, do it, report how it went, and ask again, until it says [`Action::Done`]. The buffer
/// for the reply is borrowed until then. A turn that is dropped before is given up, with its connection. `E` is the error of
/// the caller's transport.
///
/// A report that was not asked for is an error: the turn is over, and [`finish`](Self::finish) returns
/// [`SendError::InvalidState`].
#[derive(Debug)]
#[must_use = "a turn does nothing by itself"]
pub struct Turn<'s, 'b, B, E> {
    session: &'s mut Session,
    head: &'s [u8],
    body: &'s [u8],
    /// The head of the pipelined `next`.
    next: &'s [u8],
    /// Begins the reply to a `next` that was pipelined.
    last: &'s [u8],
    buf: &'b mut B,
    /// Why the connection failed: a new connection forgets it, a write that fails replaces it, a read that fails does not.
    failure: Option<E>,
}

/// What is to be done, and how to report it.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Action<'t> {
    /// Close the connection, if there is one, and open another: [`connected`](Turn::connected).
    Connect(&'t Endpoint),
    /// Wait so long: [`slept`](Turn::slept).
    Sleep(Duration),
    /// Write some of these parts, best in one call: [`written`](Turn::written). A write that has to wait waits for input as
    /// well, since the other end may be about to refuse the rest.
    Write([&'t [u8]; 4]),
    /// Read into this: [`read`](Turn::read).
    Read(&'t mut [u8]),
    /// Make [the buffer](Turn::buffer) so many bytes long, with what is in it. There is nothing to report.
    Grow(usize),
    /// Nothing: the turn is over, and [`finish`](Turn::finish) or [`accepted`](Turn::accepted) says how it ended.
    Done,
}

impl Session {
    /// Takes a turn with what was started: sends a body, a piece of one or its end, and collects the reply, if one is due, in
    /// `buf`. `heads` are those that were written at the start.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidState`] if nothing was started, or these are other heads; [`SendError::WrongLength`] for another
    /// body than was announced; [`SendError::PayloadTooLarge`] for a piece too many.
    pub fn turn<'s, 'b, B: AsMut<[u8]> + AsRef<[u8]>, E>(
        &'s mut self,
        heads: &'s [u8],
        body: &'s [u8],
        buf: &'b mut B,
    ) -> Result<Turn<'s, 'b, B, E>, SendError> {
        // Bytes of a pipelined reply would be lost.
        if self.request.kind == RequestKind::Next && self.head_len > 0 {
            return Err(SendError::InvalidState);
        }
        self.turn_with(heads, body, &[], buf)
    }

    #[inline]
    fn turn_with<'s, 'b, B, E>(
        &'s mut self,
        heads: &'s [u8],
        body: &'s [u8],
        last: &'s [u8],
        buf: &'b mut B,
    ) -> Result<Turn<'s, 'b, B, E>, SendError> {
        let (head, rest) = heads.split_at_checked(self.head_len).ok_or(SendError::InvalidState)?;
        let next = rest.get(..self.next_len).ok_or(SendError::InvalidState)?;
        let are_heads = [head, next].iter().all(|head| head.is_empty() || head.ends_with(b"\r\n\r\n"));
        if !matches!(self.stage, Stage::Start | Stage::Streaming) || !are_heads {
            return Err(SendError::InvalidState);
        }
        let given = body.len() as u64;
        let announced = match (self.request.body, self.end_len) {
            (Body::Exact(announced), _) => announced,
            (_, Some(end)) => end as u64,
            (_, None) if given > self.request.limit => {
                return Err(SendError::PayloadTooLarge { bytes: given, limit: self.request.limit });
            }
            (_, None) => given,
        };
        if given != announced {
            return Err(SendError::WrongLength { announced, given });
        }
        if self.stage == Stage::Streaming {
            self.frame_part(body.len())?;
            self.stage = Stage::Writing;
        }
        Ok(Turn { session: self, head, body, next, last, buf, failure: None })
    }

    /// Takes a turn for the next invocation, which is collected in `buf`. `last` is the buffer of the reply before: behind
    /// that, part of a pipelined reply may stand.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidState`] if [`start_next`](Self::start_next) has not been called, these are other heads, or `last`
    /// is another buffer.
    pub fn turn_next<'s, 'b, B: AsMut<[u8]> + AsRef<[u8]>, E>(
        &'s mut self,
        heads: &'s [u8],
        last: &'s [u8],
        buf: &'b mut B,
    ) -> Result<Turn<'s, 'b, B, E>, SendError> {
        if self.request.kind != RequestKind::Next {
            return Err(SendError::InvalidState);
        }
        let pipelined = if self.is_pipelined() { self.reader.rest(last) } else { Some(&[][..]) };
        self.turn_with(heads, &[], pipelined.ok_or(SendError::InvalidState)?, buf)
    }
}

impl<'b, B: AsMut<[u8]> + AsRef<[u8]>, E> Turn<'_, 'b, B, E> {
    /// What to do next: the same again until it is reported.
    pub fn poll(&mut self) -> Action<'_> {
        loop {
            let need = match self.session.stage {
                Stage::Start => self.session.depart(self.body.len(), self.last, self.buf.as_mut()),
                Stage::Reading => self.session.receive(self.buf.as_mut()),
                Stage::Writing if self.session.written == self.session.total => {
                    self.session.wrote();
                    Need::Nothing
                }
                Stage::Writing => return Action::Write(self.unwritten()),
                Stage::Connecting => return Action::Connect(self.session.endpoint()),
                Stage::Pausing(pause) => return Action::Sleep(pause),
                Stage::Idle | Stage::Streaming | Stage::Done(_) => return Action::Done,
            };
            match need {
                Need::Nothing => {}
                Need::Input => return Action::Read(self.session.reader.space(self.buf.as_mut())),
                Need::Space(len) => return Action::Grow(len),
            }
        }
    }

    fn unwritten(&self) -> [&[u8]; 4] {
        let frame = &self.session.frame;
        // No chunk goes before a pipelined request.
        let behind = if self.next.is_empty() { frame.after() } else { self.next };
        let mut parts = [self.head, frame.before(), self.body, behind];
        let mut written = self.session.written;
        if written == 0 {
            return parts;
        }
        for part in &mut parts {
            let len = written.min(part.len());
            *part = part.get(len..).unwrap_or(part);
            written -= len;
        }
        parts
    }

    /// Reports whether there is a connection, which is new.
    pub fn connected(&mut self, connected: Result<(), E>) {
        if self.session.stage != Stage::Connecting {
            return self.session.misused(SendError::InvalidState);
        }
        self.failure = connected.err();
        if self.failure.is_none() { self.session.connected() } else { self.session.not_connected() }
    }

    /// Reports that the time is over.
    pub fn slept(&mut self) {
        match self.session.stage {
            Stage::Pausing(_) => self.session.stage = Stage::Start,
            _ => self.session.misused(SendError::InvalidState),
        }
    }

    /// Reports how many bytes were written; `None` if there is something to read while the write waits. A connection that
    /// takes none has failed.
    pub fn written(&mut self, written: Result<Option<usize>, E>) {
        let left = self.session.total.saturating_sub(self.session.written);
        match (self.session.stage, written) {
            (Stage::Writing, Ok(Some(len))) if (1..=left).contains(&len) => self.session.written += len,
            (Stage::Writing, Ok(None)) => self.session.stage = Stage::Reading,
            // A server that hung up may have said why before.
            (Stage::Writing, Err(error)) => {
                self.failure = Some(error);
                self.session.stage = Stage::Reading;
            }
            _ => self.session.misused(SendError::InvalidState),
        }
    }

    /// Reports how many bytes were read, 0 at the end of the connection.
    pub fn read(&mut self, read: Result<usize, E>) {
        let space = self.session.reader.space(self.buf.as_mut()).len();
        match (self.session.stage, read) {
            (Stage::Reading, Ok(len)) if space > 0 && len <= space => self.session.read(len),
            (Stage::Reading, Err(error)) => {
                self.failure.get_or_insert(error);
                self.session.lost(Outcome::Disconnected);
            }
            _ => self.session.misused(SendError::InvalidState),
        }
    }

    /// Whether part of the reply has been received. A process that is to end need not wait for an invocation of which it has
    /// nothing.
    pub fn has_begun(&self) -> bool {
        match self.session.stage {
            Stage::Start => self.session.is_pipelined() && !self.last.is_empty(),
            Stage::Reading => !self.session.reader.is_new(),
            _ => false,
        }
    }

    /// The buffer for the reply, to make it longer. One that is handed back shorter than what is in it is an error.
    pub fn buffer(&mut self) -> &mut B {
        self.buf
    }

    /// The reply, in the buffer that it was collected in.
    ///
    /// # Errors
    ///
    /// [`Error`], by which the turn failed: [`Error::Transport`] with `None` if the other end spoke before all was
    /// written and said nothing against it. [`SendError::InvalidState`] if the turn is not over, or has no reply.
    pub fn finish(self) -> Result<Message<'b, Reply<'b>>, Error<Option<E>, &'b [u8]>> {
        let buf: &'b B = self.buf;
        match self.session.take_outcome() {
            Outcome::Accepted => self.session.message(buf.as_ref()),
            outcome => Err(self.session.error(outcome, buf.as_ref()).map(|()| self.failure, |reason| reason)),
        }
    }

    /// Whether the reply says yes, or what had to be done is done.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish), but that there need not be a reply.
    pub fn accepted(self) -> Result<(), Error<Option<E>, &'b [u8]>> {
        let buf: &'b B = self.buf;
        match self.session.take_outcome() {
            Outcome::Accepted | Outcome::Sent => Ok(()),
            outcome => Err(self.session.error(outcome, buf.as_ref()).map(|()| self.failure, |reason| reason)),
        }
    }

    /// The invocation that came with an event larger than [`PAYLOAD_BYTES`](crate::limits::PAYLOAD_BYTES), which is why the
    /// turn failed: it can be answered with an error.
    pub fn oversized(&self) -> Option<Context<'_>> {
        self.session.oversized(self.buf.as_ref())
    }

    /// Gives back the buffer of a turn that is over.
    pub fn into_buffer(self) -> &'b mut B {
        self.buf
    }
}

/// What came of a turn.
impl Session {
    /// The outcome of the turn, after which another request can be started.
    fn take_outcome(&mut self) -> Outcome {
        match self.stage {
            Stage::Done(outcome) => {
                self.stage = Stage::Idle;
                outcome
            }
            Stage::Streaming => Outcome::Sent,
            _ => Outcome::Misused(SendError::InvalidState),
        }
    }

    /// The error that goes with an outcome.
    #[cold]
    fn error<'b>(&self, outcome: Outcome, buf: &'b [u8]) -> Error<(), &'b [u8]> {
        let request = self.request.kind;
        match outcome {
            Outcome::Disconnected => Error::Transport { request, error: () },
            Outcome::Unreadable(error) => Error::Receive { request, error },
            Outcome::Misused(error) => Error::Send { request, error },
            Outcome::Rejected => match self.reader.body(buf) {
                Some(body) => Error::Rejected(self.rejection(body)),
                None => Error::Receive { request, error: ReceiveError::OtherBuffer },
            },
            // Nothing was said that could be read.
            Outcome::Accepted | Outcome::Sent => Error::Send { request, error: SendError::InvalidState },
        }
    }

    fn rejection<'b>(&self, body: &'b [u8]) -> Rejection<&'b [u8]> {
        let sent_bytes = match self.request.body {
            Body::Exact(len) if !self.request.kind.is_idempotent() => Some(len),
            _ => None,
        };
        Rejection::new(self.request.kind, self.reader.status(), body).of(sent_bytes)
    }

    /// The reply that is whole.
    fn message<'b, E>(&self, buf: &'b [u8]) -> Result<Message<'b, Reply<'b>>, Error<E, &'b [u8]>> {
        let receive = |error| Error::Receive { request: self.request.kind, error };
        self.reader.reply().read(buf).map_err(receive)
    }

    /// The invocation whose event, in `buf`, was larger than [`PAYLOAD_BYTES`](crate::limits::PAYLOAD_BYTES), which is why the last
    /// turn failed: it can be answered with an error.
    pub fn oversized<'b>(&self, buf: &'b [u8]) -> Option<Context<'b>> {
        let Stage::Done(Outcome::Unreadable(ReceiveError::PayloadTooLarge { .. })) = self.stage else {
            return None;
        };
        self.reader.context(buf)
    }
}
