//! The Runtime API's end of a connection: whose turn it is, and what the bytes say.

use crate::endpoint::Endpoint;
use crate::error::{ReceiveError, SendError};
use crate::event::{Event, ParsedHead, Received, Role};
use crate::field::HeaderIndex;
use crate::limits;
use crate::message::{Reply, Request, RequestKind};
use crate::wire::body::{Body, BodyEvent, BodyReader};
use crate::wire::head::{Framing, Head, RequestLine};
use crate::wire::outgoing::{Frame, Outgoing, write_framing};
use crate::wire::scan::Scan;
use crate::wire::writer::Writer;

/// The Runtime API's end of one connection from a runtime.
///
/// The same kinds as [`Client`](crate::Client), the other way round: [`receive`](Self::receive) gives a request, then
/// [`send`](Self::send), [`frame`](Self::frame) and [`finish`](Self::finish) say what to write in reply. A request that
/// was pipelined waits in the input until the reply before it is wholly written.
#[derive(Clone, Debug)]
pub struct Server {
    prefix: Option<Endpoint>,
    incoming: Incoming,
    outgoing: Outgoing,
    /// The reply that is due has begun.
    replying: bool,
    request: RequestFacts,
    /// No request is taken any more.
    closing: bool,
    failed: Option<ReceiveError>,
}

#[derive(Clone, Copy, Debug)]
enum Incoming {
    Head(Scan),
    Body(BodyReader),
    /// The request is whole; its reply is not.
    Whole,
}

/// What a request's head says of its reply.
#[derive(Clone, Copy, Debug, Default)]
struct RequestFacts {
    expects_continue: bool,
    is_head: bool,
    is_http_1_0: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// A server for a new connection.
    pub fn new() -> Self {
        Self {
            prefix: None,
            incoming: Incoming::Head(Scan::new()),
            outgoing: Outgoing::Idle,
            replying: false,
            request: RequestFacts::default(),
            closing: false,
            failed: None,
        }
    }

    /// A server for a new connection to `api`, whose path prefix every request has to have.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidEndpoint`] if that is no address.
    pub fn at(api: &str) -> Result<Self, SendError> {
        Ok(Self { prefix: Some(Endpoint::new(api)?), ..Self::new() })
    }

    /// Whether the connection takes another request, now or after the reply that is due.
    pub fn is_open(&self) -> bool {
        !self.closing && self.failed.is_none()
    }

    /// Whether the client waits for leave to send the body; [`send_continue`](Self::send_continue) gives it.
    pub fn expects_continue(&self) -> bool {
        let is_due = self.request.expects_continue && !self.replying && self.failed.is_none();
        is_due && matches!(self.incoming, Incoming::Body(_))
    }

    /// Writes the interim reply `100 Continue` and returns its length.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidState`] if nobody waits for it.
    pub fn send_continue(&mut self, out: &mut [u8]) -> Result<usize, SendError> {
        if !self.expects_continue() {
            return Err(SendError::InvalidState);
        }
        let mut writer = Writer::new(out);
        writer.put(b"HTTP/1.1 100 Continue\r\n\r\n");
        let len = writer.finish(limits::REPLY_HEAD_BYTES)?;
        self.request.expects_continue = false;
        Ok(len)
    }

    /// Takes the next step off the front of `input`, which begins with what earlier calls have not used.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`]: the request cannot be understood in one way. Every later call gives the same error; one
    /// [`Reply::Rejected`] may still be sent, with the [status](ReceiveError::status_hint) that says why.
    pub fn receive<'i>(&mut self, input: &'i [u8]) -> Result<Received<'i, Request<'i>>, ReceiveError> {
        if matches!(self.incoming, Incoming::Body(_)) {
            let (used, piece) = self.read_body(input)?;
            return Ok(Received { used, event: piece.into() });
        }
        let mut index = HeaderIndex::default();
        let Some((parsed, body)) = self.begin_request(input, &mut index)? else {
            let event = if self.awaits_request() { Event::NeedInput } else { Event::Paused };
            return Ok(Received { used: 0, event });
        };
        let bytes = input.get(..parsed.len).unwrap_or(input);
        let head = Request::read(parsed.line, &index.fields(bytes), self.prefix());
        Ok(Received { used: parsed.len, event: Event::Head { head, body, headers: parsed.headers } })
    }

    /// Reads the head of the request that is due, if it is whole, and says which body follows.
    fn begin_request<'i>(
        &mut self,
        input: &'i [u8],
        index: &mut HeaderIndex,
    ) -> Result<Option<(Head<'i, RequestLine<'i>>, Body)>, ReceiveError> {
        self.sticky(|server| {
            let scan = match &mut server.incoming {
                Incoming::Head(scan) if !server.closing => scan,
                _ => return Ok(None),
            };
            let mut record = |name: &[u8], value: &[u8]| index.record(input, name, value);
            let Some(head) = Head::request(scan, input, &mut record)? else {
                return Ok(None);
            };
            let body = server.begin(head.line.method, head.framing)?;
            Ok(Some((head, body)))
        })
    }

    fn awaits_request(&self) -> bool {
        matches!(self.incoming, Incoming::Head(_)) && !self.closing
    }

    /// Makes an error last.
    fn sticky<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, ReceiveError>) -> Result<T, ReceiveError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        step(self).inspect_err(|error| self.failed = Some(*error))
    }

    /// Takes in what a head says of turns and framing.
    fn begin(&mut self, method: &str, framing: Framing) -> Result<Body, ReceiveError> {
        // RFC 9112, section 3.2: one host in HTTP/1.1, and never two.
        if framing.hosts > 1 || framing.hosts == 0 && !framing.is_http_1_0 {
            return Err(ReceiveError::BadHost);
        }
        // RFC 9112, section 6.3: a request that announces no body has none.
        let body = if framing.chunked { Body::Chunked } else { Body::Exact(framing.length.unwrap_or(0)) };
        self.request = RequestFacts {
            // RFC 9110, section 10.1.1: the expectation is ignored in HTTP/1.0.
            expects_continue: framing.expects_continue && !framing.is_http_1_0,
            is_head: method == "HEAD",
            is_http_1_0: framing.is_http_1_0,
        };
        self.closing = framing.close;
        self.incoming = Incoming::Body(BodyReader::new(body));
        Ok(body)
    }

    pub(crate) fn prefix(&self) -> &str {
        self.prefix.as_ref().map_or("", Endpoint::prefix)
    }

    /// Reports that the connection has closed, with everything before it received.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::CutShort`] if it closed inside a request.
    pub fn receive_eof(&mut self) -> Result<(), ReceiveError> {
        self.closing = true;
        self.sticky(|server| match &mut server.incoming {
            Incoming::Head(scan) if !scan.is_untouched() => Err(ReceiveError::CutShort),
            Incoming::Body(reader) => reader.end(),
            Incoming::Head(_) | Incoming::Whole => Ok(()),
        })
    }

    /// Writes the head of the reply that is due into `out` and returns its length. The body follows, piece by piece,
    /// through [`frame`](Self::frame) and [`finish`](Self::finish), unless it has no bytes.
    ///
    /// A reply to a request that is not wholly received closes the connection after it. To HTTP/1.0, a chunked body is
    /// sent without chunks and ends with the connection.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidState`] if no reply is due; [`SendError::InvalidBody`] for a body of [`Reply::NothingYet`], or to
    /// a HEAD request; [`SendError::InvalidStatus`] for a refusal with a status that is none; nothing has changed then.
    pub fn send(&mut self, reply: &Reply<'_>, body: Body, out: &mut [u8]) -> Result<usize, SendError> {
        if self.replying || matches!(self.incoming, Incoming::Head(_)) && self.failed.is_none() {
            return Err(SendError::InvalidState);
        }
        match *reply {
            Reply::Rejected { status } if !(300..=599).contains(&status) => {
                return Err(SendError::InvalidStatus(status));
            }
            _ => {}
        }
        let bodiless = self.request.is_head || matches!(reply, Reply::NothingYet | Reply::Rejected { status: 304 });
        if bodiless && body != Body::Exact(0) {
            return Err(SendError::InvalidBody);
        }
        let body = if body == Body::Chunked && self.request.is_http_1_0 { Body::UntilClose } else { body };
        // Or one that cannot be understood, which is never whole.
        let is_early = !matches!(self.incoming, Incoming::Whole);
        let close = self.closing || is_early || body == Body::UntilClose;
        let mut writer = Writer::new(out);
        writer.put(b"HTTP/1.1 ");
        writer.decimal(u64::from(reply.status()));
        writer.put(b" ");
        writer.put(reason(reply.status()).as_bytes());
        writer.put(b"\r\n");
        if close {
            writer.header("Connection", b"close");
        } else if self.request.is_http_1_0 {
            // RFC 9112, section 9.3: such a client waits for the end of the connection unless it learns otherwise.
            writer.header("Connection", b"keep-alive");
        }
        reply.write_headers(&mut writer)?;
        if !bodiless {
            write_framing(&mut writer, body);
        }
        writer.put(b"\r\n");
        let len = writer.finish(limits::REPLY_HEAD_BYTES)?;
        self.closing = close;
        self.outgoing = Outgoing::new(body, u64::MAX);
        self.replying = true;
        self.turn();
        Ok(len)
    }

    /// Says what to write before and after the next `len` bytes of the body. An empty piece takes nothing.
    ///
    /// # Errors
    ///
    /// [`SendError::WrongLength`] if these are more than were announced.
    pub fn frame(&mut self, len: usize) -> Result<Frame, SendError> {
        let frame = self.outgoing.frame(len);
        self.turn();
        frame
    }

    /// Ends the body: writes what is due behind it, which only a chunked one has, and returns its length.
    ///
    /// # Errors
    ///
    /// [`SendError::WrongLength`] if fewer bytes were framed than announced.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize, SendError> {
        let len = self.outgoing.finish(out, |_| ());
        self.turn();
        len
    }

    /// Begins the next exchange when both halves of this one are whole.
    fn turn(&mut self) {
        if self.replying && self.outgoing.is_idle() && matches!(self.incoming, Incoming::Whole) {
            self.replying = false;
            self.request = RequestFacts::default();
            self.incoming = Incoming::Head(Scan::new());
        }
    }
}

impl Role for Server {
    fn begin_message<'i>(
        &mut self,
        input: &'i [u8],
        index: &mut HeaderIndex,
    ) -> Result<Option<ParsedHead<'i>>, ReceiveError> {
        let begun = self.begin_request(input, index)?;
        Ok(begun.map(|(head, body)| ParsedHead {
            used: head.len,
            body: Some(body),
            headers: head.headers,
            kind: RequestKind::Other,
            status: 0,
        }))
    }

    fn read_body<'i>(&mut self, input: &'i [u8]) -> Result<(usize, BodyEvent<'i>), ReceiveError> {
        self.sticky(|server| {
            let Incoming::Body(reader) = &mut server.incoming else {
                return Ok((0, BodyEvent::NeedInput));
            };
            let (used, piece) = reader.next(input)?;
            if matches!(piece, BodyEvent::End(_)) {
                server.incoming = Incoming::Whole;
                server.turn();
            }
            Ok((used, piece))
        })
    }
}

/// The phrase that goes with a status (RFC 9110, section 15); clients ignore it.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}
