//! One request and its reply, over as many connections as it takes: what is tried again, when, and when no more.

use core::time::Duration;

use crate::api::Api;
use crate::client::Client;
use crate::error::{Error, ReceiveError, SendError};
use crate::inbox::{Inbox, Progress, WholeReply};
use crate::limits;
use crate::message::{Reply, Request, Verb};
use crate::refusal::Refusal;
use crate::wire::body::Body;

/// A runtime's way to the Runtime API: one connection at a time, and the next one when it broke.
///
/// It begins without a connection. The connection itself is the caller's, who does what an [`Exchange`] says.
#[derive(Clone, Debug)]
pub struct Link {
    client: Client,
    inbox: Inbox,
    is_connected: bool,
    /// Length of the last body that was to go out, if it was known.
    body_bytes: Option<u64>,
}

impl Link {
    /// A link to `api`, the value of `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`SendError::BadApi`] if that is no address.
    pub fn new(api: &str) -> Result<Self, SendError> {
        Ok(Self { client: Client::new(api)?, inbox: Inbox::new(), is_connected: false, body_bytes: None })
    }

    /// Where to connect to.
    pub fn api(&self) -> &Api {
        self.client.api()
    }

    /// The end of the connection that there is, for the pieces of a streamed body.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// Tells that there is a connection, which is new.
    pub fn connected(&mut self) {
        let client = self.client.reconnected();
        *self = Self { client, inbox: Inbox::new(), is_connected: true, body_bytes: None };
    }

    /// Tells that there is no connection any more.
    pub fn disconnect(&mut self) {
        self.is_connected = false;
    }

    /// Writes the head of a [`Request::Next`] into `out`, which is to go out in one with an answer of known length, behind
    /// its body, and returns its length. The exchange of that `Next` comes right after that of the answer.
    ///
    /// # Errors
    ///
    /// Those of [`Client::send`].
    pub fn write_next_head(&mut self, out: &mut [u8]) -> Result<usize, SendError> {
        self.client.send(&Request::Next, Body::Exact(0), out)
    }

    /// The reply that is whole.
    pub fn reply(&self) -> WholeReply {
        self.inbox.reply().to(self.body_bytes)
    }

    /// Where to read to: what is free of the buffer that the reply is collected in.
    pub fn space<'b>(&self, buf: &'b mut [u8]) -> &'b mut [u8] {
        self.inbox.space(buf)
    }

    /// The bytes behind the last reply, which a request ahead brings: the reply to that one begins with them. They are
    /// to be put at the front of the buffer for it.
    pub fn take_rest<'b>(&mut self, buf: &'b [u8]) -> &'b [u8] {
        if self.client.awaits().is_none() {
            return &[];
        }
        self.inbox.take_rest(buf)
    }

    /// Whether a request can go out on the connection.
    fn is_ready(&self) -> bool {
        self.is_connected && self.client.is_ready() && self.inbox.is_empty()
    }

    /// Whether this has been sent already, behind an answer.
    fn was_sent_ahead(&self, verb: Verb) -> bool {
        self.is_connected && verb == Verb::Next && self.client.awaits() == Some(verb)
    }
}

/// One request and its reply, over as many connections as it takes.
///
/// Ask [`step`](Self::step) what to do, do it, say how it went, and ask again, until the reply is whole. What holds for
/// a request whose connection was lost:
///
/// - A question is asked again, as long as [`BACK_OFF`](limits::BACK_OFF) lasts. The Runtime API gives the same event
///   again.
/// - An answer or a report is given again if nothing of it went out; once, if all of it did and no byte came back. The
///   Runtime API takes no invocation's answer twice, so that a refusal of the second may mean that the first had arrived:
///   that counts as success. One of which part went out is reported as lost, and so is a stream, whose bytes are gone.
#[derive(Debug)]
pub struct Exchange<E> {
    verb: Verb,
    body: Body,
    stage: Stage<E>,
    /// How many of [`BACK_OFF`](limits::BACK_OFF) have been used up.
    tries: usize,
    /// Bytes of the request that have to go out before it can be answered.
    request_bytes: u64,
    /// The connection was lost once when all had gone out.
    may_have_arrived: bool,
}

/// What an [`Exchange`] wants done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Close the connection, if there is one, and open another to [`Link::api`]; say how that went with
    /// [`connected`](Exchange::connected).
    Connect,
    /// Wait so long.
    Pause(Duration),
    /// Write what [`write_head`](Exchange::write_head) gives and the body behind it; say how that went with
    /// [`sent`](Exchange::sent).
    Send,
    /// Read into [`Link::space`]; say how that went with [`received`](Exchange::received).
    Receive,
    /// Make the buffer so many bytes long.
    Grow {
        /// Its new length in bytes.
        total: usize,
    },
    /// Nothing: the [reply](Link::reply) is whole. It can be read until the next step of any exchange.
    Done,
    /// Nothing: the reply is whole, and says no. [`WholeReply::refusal`] reads it.
    Refused,
}

/// A write that ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritten<E> {
    /// Bytes that went out before.
    pub written: u64,
    /// What ended it.
    pub error: E,
}

#[derive(Debug)]
enum Stage<E> {
    /// No byte of this try has gone out.
    Start,
    /// All bytes have gone out, or as many as could. A server that hung up may have said why before.
    Sent(Option<Unwritten<E>>),
    /// The connection was lost.
    Lost { went_out: WentOut, why: Lost<E> },
}

/// Why an exchange came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost<E> {
    /// The connection failed, and trying again did not help, or is not allowed.
    Transport(E),
    /// What was received cannot be understood.
    Receive(ReceiveError),
}

impl<E> From<Lost<E>> for Error<E> {
    fn from(why: Lost<E>) -> Self {
        match why {
            Lost::Transport(error) => Self::Transport(error),
            Lost::Receive(error) => Self::Receive(error),
        }
    }
}

/// How much of a request went out before the connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WentOut {
    Nothing,
    Part,
    /// All, and no byte of a reply came back.
    All,
    /// All, and part of a reply came back.
    Answered,
}

impl<E> Exchange<E> {
    /// An exchange of a request of this kind, which has such a body. A [`Request::Next`] that was sent ahead is not sent
    /// again.
    pub fn new(verb: Verb, body: Body) -> Self {
        Self { verb, body, stage: Stage::Start, tries: 0, request_bytes: 0, may_have_arrived: false }
    }

    /// What to do next. The reply is collected in `buf`, which may be moved between steps.
    ///
    /// # Errors
    ///
    /// [`Lost`] if the exchange came to nothing, and trying again is no use. It is over then.
    pub fn step(&mut self, link: &mut Link, buf: &mut [u8]) -> Result<Step, Lost<E>> {
        loop {
            match core::mem::replace(&mut self.stage, Stage::Start) {
                Stage::Start if link.was_sent_ahead(self.verb) => self.stage = Stage::Sent(None),
                Stage::Start if link.is_ready() => return Ok(Step::Send),
                Stage::Start => {
                    link.is_connected = false;
                    return Ok(Step::Connect);
                }
                Stage::Sent(unsent) => {
                    if let Some(step) = self.receive(link, unsent, buf)? {
                        return Ok(step);
                    }
                }
                Stage::Lost { went_out, why } => {
                    link.is_connected = false;
                    match self.pause_before_again(went_out) {
                        None => return Err(why),
                        Some(Duration::ZERO) => {}
                        Some(pause) => return Ok(Step::Pause(pause)),
                    }
                }
            }
        }
    }

    /// Tells how [`Step::Connect`] went.
    pub fn connected(&mut self, link: &mut Link, result: Result<(), E>) {
        match result {
            Ok(()) => link.connected(),
            Err(error) => self.stage = Stage::Lost { went_out: WentOut::Nothing, why: Lost::Transport(error) },
        }
    }

    /// Writes the head of `request`, the same at every try, into `out`, for [`Step::Send`], and returns its length. The bytes of a body of known
    /// length follow as they are. A chunked one follows through [`Client::frame`] and [`Client::finish`] of
    /// [`Link::client`].
    ///
    /// # Errors
    ///
    /// Those of [`Client::send`].
    pub fn write_head(&mut self, link: &mut Link, request: &Request<'_>, out: &mut [u8]) -> Result<usize, SendError> {
        let head = link.client.send(request, self.body, out)?;
        link.inbox = Inbox::new();
        self.request_bytes = head as u64;
        link.body_bytes = None;
        if let Body::Exact(len) = self.body {
            link.body_bytes = Some(len);
            link.client.frame(usize::try_from(len).unwrap_or(usize::MAX))?;
            self.request_bytes += len;
        }
        Ok(head)
    }

    /// Tells how [`Step::Send`] went, with all that was to be written.
    pub fn sent(&mut self, result: Result<(), Unwritten<E>>) {
        self.stage = Stage::Sent(result.err());
    }

    /// Tells how [`Step::Receive`] went: how many bytes came, 0 at the end of the connection.
    pub fn received(&mut self, link: &mut Link, result: Result<usize, E>) {
        let failure = match result {
            Ok(0) => link.client.receive_eof().err().map(Lost::Receive),
            Ok(len) => {
                link.inbox.filled(len);
                None
            }
            Err(error) => Some(Lost::Transport(error)),
        };
        if let Some(why) = failure
            && let Stage::Sent(unsent) = core::mem::replace(&mut self.stage, Stage::Start)
        {
            self.stage = self.lost(unsent, link.inbox.is_empty(), why);
        }
    }

    /// Goes on with the reply. `None` if the next step has to be thought about.
    fn receive(
        &mut self,
        link: &mut Link,
        unsent: Option<Unwritten<E>>,
        buf: &mut [u8],
    ) -> Result<Option<Step>, Lost<E>> {
        let step = match link.inbox.collect(&mut link.client, buf) {
            Ok(Progress::Whole(())) => return Ok(self.conclude(link, unsent)),
            Ok(Progress::NeedInput) => Step::Receive,
            Ok(Progress::NeedSpace { total }) => {
                Step::Grow { total: roomier(buf.len(), total).map_err(Lost::Receive)? }
            }
            Err(error) => {
                link.is_connected = false;
                return Err(Lost::Receive(error));
            }
        };
        self.stage = Stage::Sent(unsent);
        Ok(Some(step))
    }

    fn conclude(&mut self, link: &mut Link, unsent: Option<Unwritten<E>>) -> Option<Step> {
        let status = link.inbox.status();
        // Bytes behind the reply answer nothing that was asked, unless a request went ahead.
        let is_due = link.inbox.is_empty() || link.client.awaits().is_some();
        link.is_connected &= unsent.is_none() && link.client.is_open() && is_due;
        let unsent = unsent.filter(|unsent| self.is_cut(unsent));
        if Reply::is_refusal(self.verb, status) {
            // To an answer that may have arrived, one of these says that it had.
            let is_of_repeat = self.may_have_arrived && Refusal::is_of_a_repeat(self.verb, status);
            return Some(if is_of_repeat { Step::Done } else { Step::Refused });
        }
        // What says yes to half a request is not to be believed.
        if unsent.is_some() {
            self.stage = self.lost(unsent, false, Lost::Receive(ReceiveError::CutShort));
            return None;
        }
        if Reply::is_nothing_yet(self.verb, status) {
            self.tries = 0;
            return Some(Step::Pause(limits::NOTHING_YET_PAUSE));
        }
        Some(Step::Done)
    }

    /// What becomes of a try whose connection was lost. If not all went out, the reason for that counts.
    #[cold]
    fn lost(&self, unsent: Option<Unwritten<E>>, is_silent: bool, why: Lost<E>) -> Stage<E> {
        match unsent {
            Some(unsent) if self.is_cut(&unsent) => {
                let went_out = if unsent.written == 0 { WentOut::Nothing } else { WentOut::Part };
                Stage::Lost { went_out, why: Lost::Transport(unsent.error) }
            }
            _ => Stage::Lost { went_out: if is_silent { WentOut::All } else { WentOut::Answered }, why },
        }
    }

    /// Whether the write ended inside of the request, and not behind it in one that was to go ahead.
    fn is_cut(&self, unsent: &Unwritten<E>) -> bool {
        self.body == Body::Chunked || unsent.written < self.request_bytes
    }

    /// How long to wait before the next try, if there is to be one.
    #[cold]
    fn pause_before_again(&mut self, went_out: WentOut) -> Option<Duration> {
        let may_repeat = match went_out {
            _ if self.verb.is_question() => true,
            // Nothing of a stream is kept for a second time, once its first piece is given.
            _ if self.body == Body::Chunked && self.request_bytes > 0 => false,
            WentOut::Nothing => true,
            WentOut::All => !core::mem::replace(&mut self.may_have_arrived, true),
            WentOut::Part | WentOut::Answered => false,
        };
        let pause = limits::BACK_OFF.get(self.tries).copied();
        self.tries += 1;
        pause.filter(|_| may_repeat)
    }
}

/// How long a buffer of `len` bytes should become, of which `total` bytes are the least.
fn roomier(len: usize, total: usize) -> Result<usize, ReceiveError> {
    if total > limits::MESSAGE_BYTES {
        return Err(ReceiveError::PayloadTooLarge { limit: limits::PAYLOAD_BYTES });
    }
    Ok((len + len.clamp(FIRST_SPACE, LARGEST_STEP)).min(limits::MESSAGE_BYTES).max(total))
}

/// First size of a buffer, in bytes. Most messages fit.
const FIRST_SPACE: usize = 8 * 1024;

/// Most by which a buffer grows when the length of a message is not known, in bytes.
const LARGEST_STEP: usize = 256 * 1024;
