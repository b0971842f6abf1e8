//! One whole message in one lent buffer: the loop that every transport would write, without the reading.

use core::ops::Range;

use crate::api_error::Rejection;
use crate::client::Client;
use crate::context::Context;
use crate::error::ReceiveError;
use crate::event::Role;
use crate::field::HeaderIndex;
use crate::message::{Reply, Request, RequestKind};
use crate::server::Server;
use crate::wire::body::{Body, BodyEvent};
use crate::wire::head::method_and_target;
use crate::wire::headers::Headers;

/// Collects one message after another in a buffer that the caller lends.
///
/// Read into [`space`](Self::space), say how much with [`filled`](Self::filled), and ask
/// [`receive_reply`](Self::receive_reply) or [`receive_request`](Self::receive_request), until the message is whole.
/// A body of known length stays where it was read; chunks are closed up in place. Bytes behind the message, which a
/// pipelined request brings, are kept for the next. The buffer may be moved and enlarged between calls; what is in it
/// must not change.
#[derive(Clone, Debug, Default)]
pub struct MessageReader {
    /// Length of the head, which stands at the front of the buffer; 0 until that is whole.
    head: usize,
    /// Length of the body so far, which stands behind the head.
    body: usize,
    /// Where the bytes begin that have not been received. Before it, behind the body, is what chunks left.
    received: usize,
    /// Where the free part of the buffer begins.
    filled: usize,
    /// Where the header lines begin.
    headers: usize,
    index: HeaderIndex,
    /// What the reply answers, and with which status.
    kind: RequestKind,
    status: u16,
    /// The message is whole; the next call begins another.
    is_complete: bool,
    /// Where its trailers begin and end.
    trailers: (usize, usize),
}

/// How far a [`MessageReader`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress<W> {
    /// The message is whole, and can be read out of the buffer until the next call.
    Complete(W),
    /// Part of the message is here: read more.
    NeedInput,
    /// Part of the message is here, and the buffer is too small for it.
    NeedSpace {
        /// The least that the buffer has to be, in bytes.
        total: usize,
    },
}

/// A reply that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompleteReply {
    layout: Layout,
    index: HeaderIndex,
    kind: RequestKind,
    status: u16,
}

/// A request that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompleteRequest {
    layout: Layout,
    index: HeaderIndex,
}

/// A whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message<'b, H> {
    /// What it says.
    pub head: H,
    /// All its headers, as they came.
    pub headers: Headers<'b>,
    /// Its body: the event, the response or the report.
    pub body: &'b [u8],
    /// Headers that came behind a chunked body; mostly none.
    pub trailers: Headers<'b>,
}

impl CompleteReply {
    /// Whether it says [`Reply::NothingYet`].
    pub fn is_nothing_yet(&self) -> bool {
        Reply::is_nothing_yet(self.kind, self.status)
    }

    /// Whether it says [`Reply::Rejected`] or [`Reply::MethodNotAllowed`].
    pub fn is_rejection(&self) -> bool {
        Reply::is_rejection(self.kind, self.status)
    }

    /// The rejection that it is, if it is one, with the reason that stands in its body. The buffer is the one that it was
    /// collected in.
    pub fn rejection<'b>(&self, buf: &'b [u8]) -> Option<Rejection<&'b [u8]>> {
        let body = buf.get(self.layout.body..self.layout.body_end)?;
        self.is_rejection().then(|| Rejection::new(self.kind, self.status, body))
    }

    /// Reads the message out of the buffer that it was collected in.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::NoRequestId`], [`ReceiveError::BadRequestId`] or [`ReceiveError::TwoRequestIds`] for an
    /// invocation that cannot be answered; [`ReceiveError::OtherBuffer`] if that is seen to be another buffer.
    pub fn read<'b>(&self, buf: &'b [u8]) -> Result<Message<'b, Reply<'b>>, ReceiveError> {
        self.layout.message(buf, |head, headers| Reply::read(self.kind, self.status, &self.index.fields(head), headers))
    }
}

impl CompleteRequest {
    /// Reads the message out of the buffer that it was collected in.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::OtherBuffer`] if that is seen to be another one.
    pub fn read<'b>(&self, server: &Server, buf: &'b [u8]) -> Result<Message<'b, Request<'b>>, ReceiveError> {
        let read = |head| Request::read(method_and_target(head), &self.index.fields(head), server.prefix());
        self.layout.message(buf, |head, _| Ok(read(head)))
    }
}

/// Where the parts of a message stand in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    headers: usize,
    body: usize,
    body_end: usize,
    trailers: usize,
    trailers_end: usize,
}

impl Layout {
    /// The message, whose head `read` reads.
    fn message<'b, H>(
        &self,
        buf: &'b [u8],
        read: impl FnOnce(&'b [u8], Headers<'b>) -> Result<H, ReceiveError>,
    ) -> Result<Message<'b, H>, ReceiveError> {
        let part = |start, end| buf.get(start..end).ok_or(ReceiveError::OtherBuffer);
        let head = part(0, self.body)?;
        // A head ends with an empty line, and its header lines before that.
        let (lines, _) = head.split_last_chunk::<2>().ok_or(ReceiveError::OtherBuffer)?;
        if !head.ends_with(b"\r\n\r\n") {
            return Err(ReceiveError::OtherBuffer);
        }
        let headers = Headers::new(lines.get(self.headers..).ok_or(ReceiveError::OtherBuffer)?);
        Ok(Message {
            head: read(head, headers)?,
            headers,
            body: part(self.body, self.body_end)?,
            trailers: Headers::new(part(self.trailers, self.trailers_end)?),
        })
    }
}

impl MessageReader {
    /// A reader without a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to read to: what is free of the buffer. Nothing is, if it is shorter than what was read into it, which the next
    /// call says.
    pub fn space<'b>(&self, buf: &'b mut [u8]) -> &'b mut [u8] {
        buf.get_mut(self.filled..).unwrap_or_default()
    }

    /// A reader that begins with the first `filled` bytes of the buffer that it is lent.
    pub(crate) fn with_filled(filled: usize) -> Self {
        Self { filled, ..Self::default() }
    }

    /// What stands behind the whole message in its buffer; `None` if that is another one.
    pub(crate) fn rest<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        buf.get(if self.is_complete { self.received } else { 0 }..self.filled)
    }

    /// Whether no byte was read since it was made.
    pub(crate) fn is_new(&self) -> bool {
        self.filled == 0
    }

    /// Whether `buf` is shorter than what was read into it.
    pub(crate) fn is_beyond(&self, buf: &[u8]) -> bool {
        buf.len() < self.filled
    }

    /// The body of the reply that is whole.
    pub(crate) fn body<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        buf.get(self.head..self.head + self.body)
    }

    /// The invocation whose head has been received.
    #[cold]
    #[inline(never)]
    pub(crate) fn context<'b>(&self, buf: &'b [u8]) -> Option<Context<'b>> {
        let fields = self.index.fields(buf.get(..self.head).filter(|head| !head.is_empty())?);
        match Reply::read(self.kind, self.status, &fields, Headers::default()) {
            Ok(Reply::Invocation(context)) => Some(context),
            _ => None,
        }
    }

    /// Reports that `len` bytes were read into [`space`](Self::space).
    pub fn filled(&mut self, len: usize) {
        self.filled = self.filled.saturating_add(len);
    }

    /// Takes what stands behind the whole message out of its buffer; `None` if that is seen to be another one. The reader
    /// begins the next message with these bytes, and expects them at the front of the buffer that it is lent next.
    pub fn take_rest<'b>(&mut self, buf: &'b [u8]) -> Option<&'b [u8]> {
        let rest = self.rest(buf)?;
        *self = Self::with_filled(rest.len());
        Some(rest)
    }

    /// Whether no byte is here that belongs to a message still to be given.
    pub fn is_empty(&self) -> bool {
        self.filled == if self.is_complete { self.received } else { 0 }
    }

    /// Goes on with the reply that `client` waits for. Interim replies are passed over.
    ///
    /// # Errors
    ///
    /// Those of [`Client::receive`], but for those of a request id, which reading the reply gives.
    pub fn receive_reply(
        &mut self,
        client: &mut Client,
        buf: &mut [u8],
    ) -> Result<Progress<CompleteReply>, ReceiveError> {
        Ok(match self.collect(client, buf)? {
            Progress::NeedInput => Progress::NeedInput,
            Progress::NeedSpace { total } => Progress::NeedSpace { total },
            Progress::Complete(()) => Progress::Complete(self.reply()),
        })
    }

    /// The reply that is whole.
    pub(crate) fn reply(&self) -> CompleteReply {
        let (layout, index) = (self.layout(), self.index);
        CompleteReply { layout, index, kind: self.kind, status: self.status }
    }

    /// Where the parts of the message stand that is whole.
    fn layout(&self) -> Layout {
        let body = self.head;
        let (trailers, trailers_end) = self.trailers;
        Layout { headers: self.headers, body, body_end: body + self.body, trailers, trailers_end }
    }

    /// The status of that.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Goes on with the next request to `server`. To be asked when the reply to the one before is wholly written: one that
    /// was pipelined is not looked at earlier.
    ///
    /// # Errors
    ///
    /// Those of [`Server::receive`].
    pub fn receive_request(
        &mut self,
        server: &mut Server,
        buf: &mut [u8],
    ) -> Result<Progress<CompleteRequest>, ReceiveError> {
        Ok(match self.collect(server, buf)? {
            Progress::NeedInput => Progress::NeedInput,
            Progress::NeedSpace { total } => Progress::NeedSpace { total },
            Progress::Complete(()) => Progress::Complete(CompleteRequest { layout: self.layout(), index: self.index }),
        })
    }

    /// Goes on with the next message from either end.
    pub(crate) fn collect(&mut self, end: &mut impl Role, buf: &mut [u8]) -> Result<Progress<()>, ReceiveError> {
        if buf.len() < self.filled {
            return Ok(Progress::NeedSpace { total: self.filled });
        }
        if self.is_complete {
            self.drop_received(buf);
        }
        while self.head == 0 {
            let input = buf.get(..self.filled).ok_or(ReceiveError::OtherBuffer)?;
            let Some(parsed) = end.begin_message(input, &mut self.index)? else {
                // What was seen of a head that is not whole is seen again.
                self.index = HeaderIndex::default();
                return Ok(self.need_more(buf.len()));
            };
            self.received = parsed.used;
            let Some(body) = parsed.body else {
                self.drop_received(buf);
                continue;
            };
            self.head = parsed.used;
            // The header lines end where the empty line begins.
            self.headers = parsed.used.saturating_sub(2 + parsed.headers.len());
            (self.kind, self.status) = (parsed.kind, parsed.status);
            if let Some(total) = total_beyond(self.received, body, buf.len()) {
                return Ok(Progress::NeedSpace { total });
            }
        }
        let Some(trailers) = self.collect_body(end, self.head, buf)? else {
            return Ok(self.need_more(buf.len()));
        };
        self.is_complete = true;
        self.trailers = (trailers.start, trailers.end);
        Ok(Progress::Complete(()))
    }

    /// Moves what has not been received to the front of the buffer, where the next message begins.
    fn drop_received(&mut self, buf: &mut [u8]) {
        close_up(buf, 0, self.received, self.filled);
        *self = Self { filled: self.filled - self.received, ..Self::default() };
    }

    /// Receives what there is of the body, which begins at `begin`. When the message is whole, gives the place of its
    /// trailers.
    fn collect_body(
        &mut self,
        end: &mut impl Role,
        begin: usize,
        buf: &mut [u8],
    ) -> Result<Option<Range<usize>>, ReceiveError> {
        loop {
            let (used, piece) = end.read_body(buf.get(self.received..self.filled).ok_or(ReceiveError::OtherBuffer)?)?;
            self.received += used;
            match piece {
                BodyEvent::Data(data) => {
                    let len = data.len();
                    close_up(buf, begin + self.body, self.received - len, self.received);
                    self.body += len;
                }
                BodyEvent::End(trailers) => {
                    // The lines stand before the empty line that ends the section.
                    let end = self.received.saturating_sub(2);
                    return Ok(Some(end.saturating_sub(trailers.len())..end));
                }
                BodyEvent::NeedInput => {
                    let gap = self.received - (begin + self.body);
                    if gap > 0 && self.filled == buf.len() {
                        close_up(buf, begin + self.body, self.received, self.filled);
                        self.received -= gap;
                        self.filled -= gap;
                    }
                    return Ok(None);
                }
            }
        }
    }

    fn need_more<W>(&self, space: usize) -> Progress<W> {
        if self.filled < space { Progress::NeedInput } else { Progress::NeedSpace { total: space.saturating_add(1) } }
    }
}

/// Moves `buf[from..to]` down to `at`.
fn close_up(buf: &mut [u8], at: usize, from: usize, to: usize) {
    if at == from {
        return;
    }
    let region = buf.get_mut(at..to).unwrap_or_default();
    let gap = from.saturating_sub(at).min(region.len());
    region.copy_within(gap.., 0);
}

/// How long a message is in all, if that is known and more than there is space for.
fn total_beyond(head: usize, body: Body, space: usize) -> Option<usize> {
    let Body::Exact(body) = body else { return None };
    let total = usize::try_from(body).unwrap_or(usize::MAX).saturating_add(head);
    (total > space).then_some(total)
}
