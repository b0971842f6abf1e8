//! One whole message in one lent buffer: the loop that every transport would write, without the reading.

use core::ops::Range;

use crate::client::Client;
use crate::context::Context;
use crate::error::ReceiveError;
use crate::field::Spans;
use crate::message::{Reply, Request, Verb};
use crate::refusal::Rejection;
use crate::server::Server;
use crate::wire::body::{Body, Piece};
use crate::wire::head::method_and_target;
use crate::wire::headers::Headers;

/// Collects one message after another in a buffer that the caller lends.
///
/// Read into [`space`](Self::space), say how much with [`filled`](Self::filled), and ask
/// [`receive_reply`](Self::receive_reply) or [`receive_request`](Self::receive_request), until the message is whole.
/// A body of known length stays where it was read; chunks are closed up in place. Bytes behind the message, which a
/// request ahead brings, are kept for the next. The buffer may be moved and enlarged between calls; what is in it
/// must not change.
#[derive(Clone, Debug, Default)]
pub struct Inbox {
    /// Length of the head, once that is whole. It stands at the front of the buffer.
    head: Option<usize>,
    /// Length of the body so far, which stands behind the head.
    body: usize,
    /// Where the bytes begin that have not been received. Before it, behind the body, is what chunks left.
    received: usize,
    /// Where the free part of the buffer begins.
    filled: usize,
    /// Where the header lines begin.
    headers: usize,
    fields: Spans,
    /// What the reply answers, and with which status.
    verb: Verb,
    status: u16,
    /// The message is whole; the next call begins another.
    whole: bool,
    /// Where its trailers begin and end.
    trailers: (usize, usize),
}

/// How far an [`Inbox`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress<W> {
    /// The message is whole, and can be read out of the buffer until the next call.
    Whole(W),
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
pub struct WholeReply {
    place: Place,
    fields: Spans,
    verb: Verb,
    status: u16,
}

/// A request that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WholeRequest {
    place: Place,
    fields: Spans,
}

/// A whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

impl WholeReply {
    /// Whether it says [`Reply::NothingYet`].
    pub fn is_nothing_yet(&self) -> bool {
        Reply::is_nothing_yet(self.verb, self.status)
    }

    /// Whether it says [`Reply::Refused`].
    pub fn is_refusal(&self) -> bool {
        Reply::is_refusal(self.verb, self.status)
    }

    /// The rejection that it is, if it is one, with the reason that stands in its body.
    pub fn rejection<'b>(&self, buf: &'b [u8]) -> Option<Rejection<&'b [u8]>> {
        self.is_refusal().then(|| Rejection::new(self.verb, self.status, self.place.body(buf)))
    }

    /// Reads the message out of the buffer that it was collected in.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::NoRequestId`], [`ReceiveError::BadRequestId`] or [`ReceiveError::TwoRequestIds`] for an
    /// invocation that cannot be answered.
    pub fn read<'b>(&self, buf: &'b [u8]) -> Result<Message<'b, Reply<'b>>, ReceiveError> {
        let fields = self.fields.fields(self.place.head(buf));
        Ok(self.place.message(buf, Reply::read(self.verb, self.status, &fields)?))
    }
}

impl WholeRequest {
    /// Reads the message out of the buffer that it was collected in.
    pub fn read<'b>(&self, server: &Server, buf: &'b [u8]) -> Message<'b, Request<'b>> {
        let head = self.place.head(buf);
        let fields = self.fields.fields(head);
        self.place.message(buf, Request::read(method_and_target(head), &fields, server.prefix()))
    }
}

/// Where the parts of a message stand in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    headers: usize,
    body: usize,
    body_end: usize,
    trailers: usize,
    trailers_end: usize,
}

impl Place {
    fn head<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        buf.get(..self.body).unwrap_or_default()
    }

    fn body<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        buf.get(self.body..self.body_end).unwrap_or_default()
    }

    fn message<'b, H>(&self, buf: &'b [u8], head: H) -> Message<'b, H> {
        let part = |start, end| buf.get(start..end).unwrap_or_default();
        Message {
            head,
            // Behind the header lines stands the empty one.
            headers: Headers::new(part(self.headers, self.body.saturating_sub(2))),
            body: self.body(buf),
            trailers: Headers::new(part(self.trailers, self.trailers_end)),
        }
    }
}

/// Either end, as far as collecting a message goes.
pub(crate) trait End {
    /// Takes the head in that `input` begins with, and where its values stand into `spans`; `None` if it is not whole, or not due.
    fn begin_message<'i>(&mut self, input: &'i [u8], spans: &mut Spans) -> Result<Option<Begun<'i>>, ReceiveError>;

    fn read_body<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Piece<'i>), ReceiveError>;
}

/// A head that was taken in.
pub(crate) struct Begun<'i> {
    /// Its length in bytes.
    pub(crate) used: usize,
    /// How the body behind it is framed; `None` behind an interim reply.
    pub(crate) body: Option<Body>,
    pub(crate) headers: Headers<'i>,
    /// What a reply answers.
    pub(crate) verb: Verb,
    /// The status of a reply.
    pub(crate) status: u16,
}

impl Inbox {
    /// An inbox without a message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to read to: what is free of the buffer.
    pub fn space<'b>(&self, buf: &'b mut [u8]) -> &'b mut [u8] {
        buf.get_mut(self.filled..).unwrap_or_default()
    }

    /// An inbox that begins with the first `filled` bytes of the buffer that it is lent.
    pub(crate) fn with_filled(filled: usize) -> Self {
        Self { filled, ..Self::default() }
    }

    /// What stands behind the whole message in its buffer; `None` if that is another one.
    pub(crate) fn rest<'b>(&self, buf: &'b [u8]) -> Option<&'b [u8]> {
        buf.get(if self.whole { self.received } else { 0 }..self.filled)
    }

    /// Whether `buf` is shorter than what was read into it.
    pub(crate) fn is_beyond(&self, buf: &[u8]) -> bool {
        buf.len() < self.filled
    }

    /// The body of the reply that is whole.
    pub(crate) fn body<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        self.place().body(buf)
    }

    /// The invocation whose head has been received.
    pub(crate) fn context<'b>(&self, buf: &'b [u8]) -> Option<Context<'b>> {
        let fields = self.fields.fields(buf.get(..self.head?)?);
        match Reply::read(self.verb, self.status, &fields) {
            Ok(Reply::Invocation(context)) => Some(context),
            _ => None,
        }
    }

    /// Tells that `len` bytes were read into [`space`](Self::space).
    pub fn filled(&mut self, len: usize) {
        self.filled = self.filled.saturating_add(len);
    }

    /// Takes what stands behind the whole message out of its buffer. The inbox begins the next message with these bytes,
    /// and expects them at the front of the buffer that it is lent next.
    pub fn take_rest<'b>(&mut self, buf: &'b [u8]) -> &'b [u8] {
        let rest = if self.whole { self.received } else { 0 }..self.filled;
        *self = Self { filled: rest.len(), ..Self::default() };
        buf.get(rest).unwrap_or_default()
    }

    /// Whether no byte is here that belongs to a message still to be given.
    pub fn is_empty(&self) -> bool {
        self.filled == if self.whole { self.received } else { 0 }
    }

    /// Goes on with the reply that `client` waits for. Interim replies are passed over.
    ///
    /// # Errors
    ///
    /// Those of [`Client::receive`], but for those of a request id, which reading the reply gives.
    pub fn receive_reply(&mut self, client: &mut Client, buf: &mut [u8]) -> Result<Progress<WholeReply>, ReceiveError> {
        Ok(match self.collect(client, buf)? {
            Progress::NeedInput => Progress::NeedInput,
            Progress::NeedSpace { total } => Progress::NeedSpace { total },
            Progress::Whole(()) => Progress::Whole(self.reply()),
        })
    }

    /// The reply that is whole.
    pub(crate) fn reply(&self) -> WholeReply {
        let (place, fields) = (self.place(), self.fields);
        WholeReply { place, fields, verb: self.verb, status: self.status }
    }

    /// Where the parts of the message stand that is whole.
    fn place(&self) -> Place {
        let body = self.head.unwrap_or_default();
        let (trailers, trailers_end) = self.trailers;
        Place { headers: self.headers, body, body_end: body + self.body, trailers, trailers_end }
    }

    /// The status of that.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Goes on with the next request to `server`. To be asked when the reply to the one before is wholly written: one that
    /// was sent ahead is not looked at earlier.
    ///
    /// # Errors
    ///
    /// Those of [`Server::receive`].
    pub fn receive_request(
        &mut self,
        server: &mut Server,
        buf: &mut [u8],
    ) -> Result<Progress<WholeRequest>, ReceiveError> {
        Ok(match self.collect(server, buf)? {
            Progress::NeedInput => Progress::NeedInput,
            Progress::NeedSpace { total } => Progress::NeedSpace { total },
            Progress::Whole(()) => Progress::Whole(WholeRequest { place: self.place(), fields: self.fields }),
        })
    }

    /// Goes on with the next message from either end.
    pub(crate) fn collect(&mut self, end: &mut impl End, buf: &mut [u8]) -> Result<Progress<()>, ReceiveError> {
        if buf.len() < self.filled {
            return Ok(Progress::NeedSpace { total: self.filled });
        }
        if self.whole {
            self.drop_received(buf);
        }
        while self.head.is_none() {
            let input = buf.get(..self.filled).unwrap_or_default();
            let Some(begun) = end.begin_message(input, &mut self.fields)? else {
                // What was seen of a head that is not whole is seen again.
                self.fields = Spans::default();
                return Ok(self.need_more(buf.len()));
            };
            self.received = begun.used;
            let Some(body) = begun.body else {
                self.drop_received(buf);
                continue;
            };
            self.head = Some(begun.used);
            // The header lines end where the empty line begins.
            self.headers = begun.used.saturating_sub(2 + begun.headers.len());
            (self.verb, self.status) = (begun.verb, begun.status);
            if let Some(total) = total_beyond(self.received, body, buf.len()) {
                return Ok(Progress::NeedSpace { total });
            }
        }
        let body = self.head.unwrap_or_default();
        let Some(trailers) = self.collect_body(end, body, buf)? else {
            return Ok(self.need_more(buf.len()));
        };
        self.whole = true;
        self.trailers = (trailers.start, trailers.end);
        Ok(Progress::Whole(()))
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
        end: &mut impl End,
        begin: usize,
        buf: &mut [u8],
    ) -> Result<Option<Range<usize>>, ReceiveError> {
        loop {
            let (used, piece) = end.read_body(buf.get(self.received..self.filled).unwrap_or_default())?;
            self.received += used;
            match piece {
                Piece::Data(data) => {
                    let len = data.len();
                    close_up(buf, begin + self.body, self.received - len, self.received);
                    self.body += len;
                }
                Piece::End(trailers) => {
                    // The lines stand before the empty line that ends the section.
                    let end = self.received.saturating_sub(2);
                    return Ok(Some(end.saturating_sub(trailers.len())..end));
                }
                Piece::NeedInput => {
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
    if let Some(region) = buf.get_mut(at..to)
        && let Some(gap) = from.checked_sub(at)
        && (1..=region.len()).contains(&gap)
    {
        region.copy_within(gap.., 0);
    }
}

/// How long a message is in all, if that is known and more than there is space for.
fn total_beyond(head: usize, body: Body, space: usize) -> Option<usize> {
    let Body::Exact(body) = body else { return None };
    let total = usize::try_from(body).unwrap_or(usize::MAX).saturating_add(head);
    (total > space).then_some(total)
}
