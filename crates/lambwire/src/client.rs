//! A runtime's end of a connection: whose turn it is, and what the bytes say.

use crate::endpoint::Endpoint;
use crate::error::{ReceiveError, SendError};
use crate::event::{Event, ParsedHead, Received, Role};
use crate::field::{HeaderIndex, checked_error_type, write_error_trailers};
use crate::limits;
use crate::message::{Mode, Reply, Request, RequestKind};
use crate::wire::body::{Body, BodyEvent, BodyReader};
use crate::wire::head::{Framing, Head};
use crate::wire::outgoing::{Frame, Outgoing, write_framing};
use crate::wire::scan::Scan;
use crate::wire::writer::Writer;

/// The first word of it is what AWS's platform logs call the runtime's release.
const USER_AGENT: &str = concat!("\r\nUser-Agent: lambwire/", env!("CARGO_PKG_VERSION"), "\r\n");

/// A runtime's end of one connection to the Runtime API.
///
/// It holds no bytes of any message and does no I/O: [`send`](Self::send), [`frame`](Self::frame) and
/// [`finish`](Self::finish) say what to write, [`receive`](Self::receive) says what was read. One request is under way
/// at a time, but for one: as soon as an answer to an invocation is wholly written, [`Request::Next`] may be sent
/// behind it, and the replies come in order.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
    outgoing: Outgoing,
    /// Whether the request that is being written has announced error trailers.
    trailers_announced: bool,
    /// Requests without their whole reply, the older first.
    in_flight: [Option<RequestKind>; 2],
    incoming: Incoming,
    /// Whether the connection survives the exchange.
    reusable: bool,
    failed: Option<ReceiveError>,
}

/// What the head of a request announces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Announced {
    pub(crate) kind: RequestKind,
    pub(crate) body: Body,
    /// Most bytes that the body may have.
    pub(crate) limit: u64,
    pub(crate) has_trailers: bool,
}

#[derive(Clone, Copy, Debug)]
enum Incoming {
    Head { scan: Scan, interims: u8 },
    Body(BodyReader),
}

impl Incoming {
    const START: Self = Self::Head { scan: Scan::new(), interims: 0 };
}

impl Client {
    /// A client for a new connection to `api`, the value of `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidEndpoint`] if that is no address.
    pub fn new(api: &str) -> Result<Self, SendError> {
        Endpoint::new(api).map(Self::at)
    }

    /// A client for a new connection to this address.
    pub fn at(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            outgoing: Outgoing::Idle,
            trailers_announced: false,
            in_flight: [None; 2],
            incoming: Incoming::START,
            reusable: true,
            failed: None,
        }
    }

    /// A client for another connection to the same place.
    pub fn reconnected(&self) -> Self {
        Self::at(self.endpoint.clone())
    }

    /// Where to connect to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether a request can be sent: the connection is new, or its last exchange went well to its end.
    ///
    /// This is the only test for reuse. A transport that connects anew whenever it is false is right after errors,
    /// early refusals, `Connection: close`, and exchanges that were given up half way.
    pub fn is_ready(&self) -> bool {
        self.is_open() && self.outgoing.is_idle() && self.in_flight[0].is_none()
    }

    /// Whether the connection can carry another message, once it is that one's turn.
    pub(crate) fn is_open(&self) -> bool {
        self.reusable && self.failed.is_none()
    }

    /// The request whose reply comes next.
    pub fn in_flight(&self) -> Option<RequestKind> {
        self.in_flight[0]
    }

    /// Writes the head of a request into `out` and returns its length. The body follows, piece by piece, through
    /// [`frame`](Self::frame) and [`finish`](Self::finish), unless it has no bytes.
    ///
    /// # Errors
    ///
    /// [`SendError::PayloadTooLarge`] for a body over [`PAYLOAD_BYTES`](limits::PAYLOAD_BYTES) or
    /// [`ERROR_BYTES`](limits::ERROR_BYTES), and others; nothing has been sent then, and nothing has changed.
    pub fn send(&mut self, request: &Request<'_>, body: Body, out: &mut [u8]) -> Result<usize, SendError> {
        self.check_state(request.kind())?;
        let announced = Announced::new(request, body)?;
        let len = self.write_head(request, body, out)?;
        self.put_in_flight(announced);
        Ok(len)
    }

    /// Writes the head of a request into `out`, the same whenever it is sent, and returns its length.
    pub(crate) fn write_head(&self, request: &Request<'_>, body: Body, out: &mut [u8]) -> Result<usize, SendError> {
        let mut writer = Writer::new(out);
        request.write_line(&mut writer, self.endpoint.prefix());
        writer.put(b" HTTP/1.1\r\nHost: ");
        writer.put(self.endpoint.authority().as_bytes());
        writer.put(USER_AGENT.as_bytes());
        request.write_headers(&mut writer)?;
        if !request.kind().is_idempotent() {
            write_framing(&mut writer, body);
        }
        writer.put(b"\r\n");
        writer.finish(limits::REQUEST_HEAD_BYTES)
    }

    /// Begins a request, whose head goes out on this connection.
    pub(crate) fn begin_request(&mut self, announced: Announced) -> Result<(), SendError> {
        self.check_state(announced.kind)?;
        self.put_in_flight(announced);
        Ok(())
    }

    fn put_in_flight(&mut self, announced: Announced) {
        self.outgoing = Outgoing::new(announced.body, announced.limit);
        self.trailers_announced = announced.has_trailers;
        match &mut self.in_flight {
            [first @ None, _] => *first = Some(announced.kind),
            [_, second] => *second = Some(announced.kind),
        }
    }

    /// The connection is of no more use.
    pub(crate) fn close(&mut self) {
        self.reusable = false;
    }

    fn check_state(&self, kind: RequestKind) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        let is_turn = match self.in_flight {
            [None, _] => true,
            [Some(first), None] => first.completes_invocation() && kind == RequestKind::Next,
            [Some(_), Some(_)] => false,
        };
        if is_turn && self.outgoing.is_idle() { Ok(()) } else { Err(SendError::InvalidState) }
    }

    /// Says what to write before and after the next `len` bytes of the body. An empty piece takes nothing.
    ///
    /// # Errors
    ///
    /// [`SendError::WrongLength`] or [`SendError::PayloadTooLarge`] if these are too many.
    pub fn frame(&mut self, len: usize) -> Result<Frame, SendError> {
        self.outgoing.frame(len)
    }

    /// Ends the body: writes what is due behind it, which only a chunked one has, and returns its length.
    ///
    /// # Errors
    ///
    /// [`SendError::WrongLength`] if fewer bytes were framed than announced.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, SendError> {
        self.outgoing.finish(out, |_| ())
    }

    /// Ends a streamed response that failed on the way, with trailers that carry the error's type and its `report`
    /// (JSON, sent as base64).
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidState`] if no streamed response is under way; [`SendError::InvalidValue`] if the type cannot
    /// stand in a trailer; [`SendError::HeadTooLong`] if the section would be longer than
    /// [`TRAILERS_BYTES`](limits::TRAILERS_BYTES).
    pub fn finish_with_error(&mut self, error_type: &str, report: &[u8], out: &mut [u8]) -> Result<usize, SendError> {
        if !self.trailers_announced || self.outgoing.is_idle() {
            return Err(SendError::InvalidState);
        }
        let error_type = checked_error_type(error_type)?;
        self.outgoing.finish(out, |writer| write_error_trailers(writer, error_type, report))
    }

    /// Takes a chunked body for ended: its last chunk goes out.
    pub(crate) fn end_body(&mut self) {
        self.outgoing = Outgoing::Idle;
    }

    /// Takes the next step off the front of `input`, which begins with what earlier calls have not used.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`]: the reply cannot be understood in one way. Every later call gives the same error.
    pub fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i, Reply<'i>>, ReceiveError> {
        if matches!(self.incoming, Incoming::Body(_)) {
            let (used, piece) = self.read_body(input)?;
            return Ok(Received { used, event: piece.into() });
        }
        let mut index = HeaderIndex::default();
        let Some(parsed) = self.begin_message(input, &mut index)? else {
            let event = if self.in_flight().is_some() { Event::NeedInput } else { Event::Paused };
            return Ok(Received { used: 0, event });
        };
        let event = match parsed.body {
            None => Event::Interim,
            Some(body) => {
                let fields = index.fields(input);
                let head = self.sticky(|_| Reply::read(parsed.kind, parsed.status, &fields, parsed.headers))?;
                Event::Head { head, body, headers: parsed.headers }
            }
        };
        Ok(Received { used: parsed.used, event })
    }

    /// Makes an error last.
    fn sticky<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, ReceiveError>) -> Result<T, ReceiveError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        step(self).inspect_err(|error| self.failed = Some(*error))
    }

    /// Takes in what a head says of turns and framing, and says how the body behind it is framed; `None` if the head is
    /// an interim one.
    fn begin(&mut self, status: u16, framing: Framing) -> Result<Option<Body>, ReceiveError> {
        // RFC 9110, section 15.2: interim replies are to be read and put aside, all but a switch of protocols.
        if status == 101 {
            return Err(ReceiveError::BadStatus(status));
        }
        match &mut self.incoming {
            Incoming::Head { interims, .. } if status < 200 => {
                *interims += 1;
                return if *interims > limits::INTERIM_REPLIES { Err(ReceiveError::TooManyInterims) } else { Ok(None) };
            }
            _ => {}
        }
        let body = reply_body(status, framing);
        // A reply to a request that is not wholly written is a refusal: what is left of it never goes out.
        let is_early = !self.outgoing.is_idle();
        self.reusable &= !(framing.close || is_early || body == Body::UntilClose);
        self.incoming = Incoming::Body(BodyReader::new(body));
        Ok(Some(body))
    }

    /// Reports that the connection has closed, with everything before it received. It cannot be used again, whatever
    /// this returns; a body that ends with the connection ends in the next call of [`receive`](Self::receive).
    ///
    /// # Errors
    ///
    /// [`ReceiveError::NoReply`] if a reply was due of which no byte had come, [`ReceiveError::CutShort`] if it closed
    /// inside a reply.
    pub fn receive_eof(&mut self) -> Result<(), ReceiveError> {
        self.reusable = false;
        self.sticky(|client| match &mut client.incoming {
            Incoming::Body(reader) => reader.end(),
            Incoming::Head { .. } if client.in_flight[0].is_none() => Ok(()),
            Incoming::Head { scan, .. } if scan.is_untouched() => Err(ReceiveError::NoReply),
            Incoming::Head { .. } => Err(ReceiveError::CutShort),
        })
    }
}

impl Announced {
    /// What the head of a [`Request::Next`] announces.
    pub(crate) const NEXT: Self = Self { kind: RequestKind::Next, body: Body::Exact(0), limit: 0, has_trailers: false };

    /// What the head of this request announces, if it may have this body.
    pub(crate) fn new(request: &Request<'_>, body: Body) -> Result<Self, SendError> {
        let has_trailers = matches!(request, Request::Response { mode: Mode::Streaming, .. });
        Ok(Self { kind: request.kind(), body, limit: check_body(request, body)?, has_trailers })
    }
}

impl Role for Client {
    fn begin_message<'i>(
        &mut self,
        input: &'i [u8],
        index: &mut HeaderIndex,
    ) -> Result<Option<ParsedHead<'i>>, ReceiveError> {
        self.sticky(|client| {
            let (Incoming::Head { scan, .. }, Some(kind)) = (&mut client.incoming, client.in_flight[0]) else {
                return if input.is_empty() { Ok(None) } else { Err(ReceiveError::Unsolicited) };
            };
            if !client.reusable {
                return Err(ReceiveError::NoReply);
            }
            let has_values = kind.is_idempotent() || kind == RequestKind::Register;
            let mut record = move |name: &[u8], value: &[u8]| has_values && index.record(input, name, value);
            let Some(head) = Head::reply(scan, input, &mut record)? else {
                return Ok(None);
            };
            let status = head.line.status;
            let body = client.begin(status, head.framing)?;
            Ok(Some(ParsedHead { used: head.len, body, headers: head.headers, kind, status }))
        })
    }

    fn read_body<'i>(&mut self, input: &'i [u8]) -> Result<(usize, BodyEvent<'i>), ReceiveError> {
        self.sticky(|client| {
            let Incoming::Body(reader) = &mut client.incoming else {
                return Ok((0, BodyEvent::NeedInput));
            };
            let (used, piece) = reader.next(input)?;
            if matches!(piece, BodyEvent::End(_)) {
                client.incoming = Incoming::START;
                client.in_flight = [client.in_flight[1], None];
            }
            Ok((used, piece))
        })
    }
}

/// Whether this request may have this body, and how large it may become.
fn check_body(request: &Request<'_>, body: Body) -> Result<u64, SendError> {
    if matches!(request, Request::Other { .. } | Request::Response { mode: Mode::Unknown, .. }) {
        return Err(SendError::ReceiveOnly);
    }
    let (is_fit, limit) = match (request, body) {
        _ if request.kind().is_idempotent() => (body == Body::Exact(0), 0),
        (Request::Response { mode: Mode::Streaming, .. }, _) => (body == Body::Chunked, u64::MAX),
        (Request::Response { .. }, _) => (body != Body::UntilClose, limits::PAYLOAD_BYTES),
        _ => (body != Body::UntilClose, limits::ERROR_BYTES),
    };
    match body {
        _ if !is_fit => Err(SendError::InvalidBody),
        Body::Exact(bytes) if bytes > limit => Err(SendError::PayloadTooLarge { bytes, limit }),
        _ => Ok(limit),
    }
}

/// How the body of a final reply is framed (RFC 9112, section 6.3; a runtime asks with GET and POST only).
fn reply_body(status: u16, framing: Framing) -> Body {
    match framing {
        _ if matches!(status, 204 | 304) => Body::Exact(0),
        Framing { chunked: true, .. } => Body::Chunked,
        Framing { length: Some(length), .. } => Body::Exact(length),
        _ => Body::UntilClose,
    }
}
