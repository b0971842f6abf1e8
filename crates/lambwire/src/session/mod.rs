//! A runtime's whole conversation with the Runtime API: what is sent again, when, and when no more.

mod reply;

use core::time::Duration;

use crate::client::{Announced, Client};
use crate::endpoint::Endpoint;
use crate::error::{ReceiveError, SendError};
use crate::field::{checked_error_type, write_error_trailers};
use crate::message::{Request, RequestKind};
use crate::reader::MessageReader;
use crate::retry::Retries;
use crate::wire::body::Body;
use crate::wire::outgoing::{Frame, write_last_chunk};

/// A runtime's whole conversation with the Runtime API, over one connection at a time.
///
/// It starts disconnected, holds no socket, no clock and no byte of a message, and says what to do: start a request, take a
/// [`turn`](Self::turn), and perform the [`Action`](crate::Action)s of that. What holds when a connection is lost:
///
/// - `next` is sent again on another connection, as long as [`BACK_OFF`](crate::limits::BACK_OFF) lasts. The Runtime API then
///   gives the same event again.
/// - A response or an error is sent again if nothing of it was written; once, if all of it was and no byte came back. The
///   Runtime API takes no invocation's response twice, so a rejection of the second may mean that the first had arrived:
///   it counts as success. A response of which part was written is lost.
/// - A stream is sent again only if nothing was written, not even of its first piece.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) client: Client,
    pub(crate) reader: MessageReader,
    pub(crate) stage: Stage,
    /// The request under way.
    pub(crate) request: Announced,
    /// Length of its head; 0 once that was written with the first piece of a stream.
    pub(crate) head_len: usize,
    /// Length of the head of the pipelined `next`, behind the other in one buffer; 0 without one.
    pub(crate) next_len: usize,
    /// Length of the end of a stream, once that is written into the caller's buffer.
    pub(crate) end_len: Option<usize>,
    /// What goes around the body, or the part of it that this turn sends.
    pub(crate) frame: Frame,
    /// Bytes that this turn writes in all, and without the pipelined `next`.
    pub(crate) total: usize,
    request_len: usize,
    /// Bytes of this turn written to this connection.
    pub(crate) written: usize,
    retries: Retries,
}

/// Whether `next` is sent behind a response, in the same write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pipelining {
    /// It is sent when the response is accepted.
    #[default]
    Off,
    /// It is sent with the response, and its reply comes behind that to the response (RFC 9112, section 9.3.2).
    Next,
}

/// Where a turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No request is under way.
    Idle,
    /// A request is to be sent, again or for the first time.
    Start,
    /// A connection is being made.
    Connecting,
    /// The request is being written.
    Writing,
    /// All is written, or as much as could be, and the reply is being read.
    Reading,
    /// Nothing happens before the request is sent again.
    Pausing(Duration),
    /// A piece of a stream is written, and the next one is due.
    Streaming,
    /// The turn is over.
    Done(Outcome),
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The reply is here, and says yes.
    Accepted,
    /// The reply is here, and says no.
    Rejected,
    /// What was to be done is done, and there is no reply to it.
    Sent,
    /// The connection failed; the caller knows how.
    Disconnected,
    /// What was received cannot be understood.
    Unreadable(ReceiveError),
    /// The session was not used as it is meant to be.
    Misused(SendError),
}

/// What the buffer for the reply needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// More bytes.
    Input,
    /// To be this long.
    Space(usize),
    /// Nothing: the stage has changed.
    Nothing,
}

impl Session {
    /// A session with the Runtime API at `api`, the value of `AWS_LAMBDA_RUNTIME_API`. It starts disconnected.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidEndpoint`] if that is no address.
    pub fn new(api: &str) -> Result<Self, SendError> {
        Endpoint::new(api).map(Self::at)
    }

    /// A session with the Runtime API at this address. It starts disconnected.
    pub fn at(endpoint: Endpoint) -> Self {
        let mut client = Client::at(endpoint);
        client.close();
        Self {
            client,
            reader: MessageReader::new(),
            stage: Stage::Idle,
            request: Announced::NEXT,
            head_len: 0,
            next_len: 0,
            end_len: None,
            frame: Frame::NONE,
            total: 0,
            request_len: 0,
            written: 0,
            retries: Retries::default(),
        }
    }

    /// Where to connect to.
    pub fn endpoint(&self) -> &Endpoint {
        self.client.endpoint()
    }

    /// Starts making a connection, if there is none. Its [turn](Self::turn) has no head, no body and no reply.
    pub fn start_connect(&mut self) {
        self.begin(Announced::NEXT, 0, 0);
    }

    /// Starts a request other than [`Request::Next`]: writes its head into `heads`, with that of the pipelined `next` behind
    /// it. Both have to stay there until the request is over; a [turn](Self::turn) sends them with the body, at every try.
    ///
    /// A body is [`Body::Exact`], and the turn takes all of it, or [`Body::Chunked`], and each turn takes a piece until
    /// [`finish`](Self::finish). What was started before and never came to its end is given up with its connection.
    ///
    /// # Errors
    ///
    /// [`SendError::BufferTooSmall`] if `heads` is, [`SendError::InvalidState`] for [`Request::Next`] or for a stream with
    /// pipelining, and those of [`Client::send`]: nothing has changed then.
    pub fn start(
        &mut self,
        request: &Request<'_>,
        body: Body,
        pipelining: Pipelining,
        heads: &mut [u8],
    ) -> Result<(), SendError> {
        if *request == Request::Next || pipelining == Pipelining::Next && !may_pipeline(request, body) {
            return Err(SendError::InvalidState);
        }
        self.write_heads(request, body, pipelining, heads)
    }

    /// Starts the request for the next invocation: writes its head into `heads`, though it may have been pipelined, since the
    /// connection may be lost. Its turn is [`turn_next`](Self::turn_next).
    ///
    /// # Errors
    ///
    /// [`SendError::BufferTooSmall`] if `heads` is: nothing has changed then.
    pub fn start_next(&mut self, heads: &mut [u8]) -> Result<(), SendError> {
        self.write_heads(&Request::Next, Body::Exact(0), Pipelining::Off, heads)
    }

    fn write_heads(
        &mut self,
        request: &Request<'_>,
        body: Body,
        pipelining: Pipelining,
        heads: &mut [u8],
    ) -> Result<(), SendError> {
        let announced = Announced::new(request, body)?;
        let head_len = self.client.write_head(request, body, heads)?;
        let mut next_len = 0;
        if pipelining == Pipelining::Next {
            let behind = heads.get_mut(head_len..).ok_or(SendError::BufferTooSmall { needed: head_len })?;
            let next = self.client.write_head(&Request::Next, Body::Exact(0), behind);
            next_len = next.map_err(|error| error.behind(head_len))?;
        }
        self.begin(announced, head_len, next_len);
        Ok(())
    }

    fn begin(&mut self, request: Announced, head_len: usize, next_len: usize) {
        // What was given up half way has left something on the connection.
        if !matches!(self.stage, Stage::Idle | Stage::Start | Stage::Done(_)) {
            self.client.close();
        }
        self.stage = Stage::Start;
        (self.request, self.head_len, self.next_len) = (request, head_len, next_len);
        self.end_len = None;
        self.written = 0;
        self.retries = Retries::default();
    }

    /// Ends a streamed response: writes its end into `out`, which the next [turn](Self::turn) sends as its body, and
    /// returns its length. A response that failed on the way ends with trailers, which carry the error's type and its
    /// report (JSON, sent as base64); what was sent before is void then.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidState`] if no piece is due, or for an error of a response that is not streamed;
    /// [`SendError::InvalidValue`] if the type cannot stand in a trailer; [`SendError::HeadTooLong`] for trailers longer than
    /// [`TRAILERS_BYTES`](crate::limits::TRAILERS_BYTES). Nothing has changed then.
    pub fn finish(&mut self, error: Option<(&str, &[u8])>, out: &mut [u8]) -> Result<usize, SendError> {
        if !self.is_streaming() || error.is_some() && !self.request.has_trailers {
            return Err(SendError::InvalidState);
        }
        let len = match error {
            None => write_last_chunk(out, |_| ())?,
            Some((error_type, report)) => {
                let error_type = checked_error_type(error_type)?;
                write_last_chunk(out, |writer| write_error_trailers(writer, error_type, report))?
            }
        };
        self.end_len = Some(len);
        Ok(len)
    }

    /// Gives up the connection, as is due after the execution environment was restored from a snapshot. The next request
    /// makes another.
    pub fn disconnect(&mut self) {
        self.client.close();
    }

    /// Whether a stream is under way, and waits for its next piece or its end.
    pub fn is_streaming(&self) -> bool {
        let is_due = matches!(self.stage, Stage::Start | Stage::Streaming) && self.end_len.is_none();
        is_due && self.request.body == Body::Chunked
    }

    /// Whether the `next` that is due was sent behind a response, on this connection.
    pub(crate) fn is_pipelined(&self) -> bool {
        let is_in_flight = self.client.in_flight() == Some(RequestKind::Next);
        is_in_flight && self.request.kind == RequestKind::Next && self.client.is_open()
    }

    /// Decides how the request goes out. `last` begins the reply to one that was pipelined.
    pub(crate) fn depart(&mut self, body_len: usize, last: &[u8], buf: &mut [u8]) -> Need {
        if self.head_len == 0 && self.client.is_open() {
            self.stage = Stage::Done(Outcome::Sent);
        } else if self.is_pipelined() {
            let Some(front) = buf.get_mut(..last.len()) else {
                return Need::Space(last.len());
            };
            front.copy_from_slice(last);
            self.reader = MessageReader::with_filled(last.len());
            (self.written, self.request_len, self.total) = (self.head_len, self.head_len, self.head_len);
            self.stage = Stage::Reading;
        } else if !self.client.is_ready() {
            self.client.close();
            self.stage = Stage::Connecting;
        } else {
            self.stage = Stage::Writing;
            self.reader = MessageReader::new();
            if let Err(error) = self.begin_request(body_len) {
                self.misused(error);
            }
        }
        Need::Nothing
    }

    fn begin_request(&mut self, body_len: usize) -> Result<(), SendError> {
        self.client.begin_request(self.request)?;
        self.frame_part(body_len)?;
        if self.next_len > 0 {
            self.client.begin_request(Announced::NEXT)?;
        }
        Ok(())
    }

    /// Frames what this turn sends of a body.
    pub(crate) fn frame_part(&mut self, len: usize) -> Result<(), SendError> {
        self.written = 0;
        self.frame = match self.end_len {
            None => self.client.frame(len)?,
            Some(_) => {
                self.client.end_body();
                Frame::NONE
            }
        };
        self.request_len = self.head_len + self.frame.before().len() + len + self.frame.after().len();
        self.total = self.request_len + self.next_len;
        Ok(())
    }

    /// Goes on when all is written.
    pub(crate) fn wrote(&mut self) {
        self.stage = match self.request {
            // It wants no event, so no reply comes.
            Announced { kind: RequestKind::ExtensionNext, .. } => Stage::Done(Outcome::Sent),
            Announced { body: Body::Chunked, .. } if self.end_len.is_none() => {
                self.head_len = 0;
                Stage::Streaming
            }
            _ => Stage::Reading,
        };
    }

    pub(crate) fn connected(&mut self) {
        self.client = self.client.reconnected();
        self.stage = Stage::Start;
    }

    /// Ends the turn with an error of the caller.
    #[cold]
    pub(crate) fn misused(&mut self, error: SendError) {
        self.client.close();
        self.stage = Stage::Done(Outcome::Misused(error));
    }
}

/// Whether `next` may be sent behind this, before the reply to this has come.
fn may_pipeline(request: &Request<'_>, body: Body) -> bool {
    request.kind().completes_invocation() && matches!(body, Body::Exact(_))
}
