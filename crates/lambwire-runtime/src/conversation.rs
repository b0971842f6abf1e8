//! A session with the buffers that it works in.

use std::io::{self, ErrorKind};

use lambwire::{
    Body, Context, ENV_RUNTIME_API, Endpoint, ErrorHeaders, ErrorReport, InvocationId, Message, Mode, NO_EVENTS,
    Pipelining, ReceiveError, Reply, Request, RequestId, RequestKind, SendError, Session, Turn, limits,
};

use crate::{Error, Failure};

/// A [`Session`] with the buffers that it works in: what is the same over every connection.
///
/// Each method starts a request and returns the turn that sends it.
#[derive(Debug)]
pub struct Conversation {
    pub(crate) session: Session,
    /// The heads of requests.
    pub(crate) heads: Vec<u8>,
    /// An error report, or the end of a stream.
    pub(crate) out: Vec<u8>,
    /// Replies other than invocations.
    pub(crate) reply: Vec<u8>,
}

/// A request on its way, whose reply says no more than yes or no.
#[derive(Debug)]
#[must_use = "nothing is sent before the turn is taken"]
pub struct Sending<'c> {
    /// What is to be done for it.
    pub turn: Turn<'c, 'c, Vec<u8>>,
    /// Why this is sent in place of something else.
    pub(crate) unsendable: Option<SendError>,
}

/// Both ids of an invocation, as long as they are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvocationIds {
    request_id: String,
    invocation_id: Option<Vec<u8>>,
}

impl Conversation {
    /// A conversation with the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if the variable is not set, [`Error::Send`] if it is no address.
    pub fn from_env() -> Result<Self, Error> {
        let missing = |_| io::Error::new(ErrorKind::NotFound, format!("{ENV_RUNTIME_API} is not set"));
        let api = std::env::var(ENV_RUNTIME_API).map_err(missing);
        Self::new(&api.map_err(|error| Error::Transport { request: RequestKind::Next, error })?)
    }

    /// A conversation with the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if that is no address.
    pub fn new(api: &str) -> Result<Self, Error> {
        Endpoint::new(api).map(Self::at).map_err(|error| Error::Send { request: RequestKind::Next, error })
    }

    /// A conversation with the Runtime API at this address.
    pub fn at(endpoint: Endpoint) -> Self {
        Self { session: Session::at(endpoint), heads: Vec::new(), out: Vec::new(), reply: Vec::new() }
    }

    /// Where the Runtime API is.
    pub fn endpoint(&self) -> &Endpoint {
        self.session.endpoint()
    }

    /// Makes a connection, if there is none.
    ///
    /// # Errors
    ///
    /// None is expected: those of [`Session::turn`].
    pub fn connect(&mut self) -> Result<Sending<'_>, Error> {
        self.session.start_connect();
        self.turn(RequestKind::Next, b"")
    }

    /// The next request makes a connection of its own, as is due after a restore.
    pub fn disconnect(&mut self) {
        self.session.disconnect();
    }

    /// Asks for the next invocation, which is collected in `buf`. The turn's
    /// [`finish`](lambwire::Turn::finish) reads it.
    ///
    /// # Errors
    ///
    /// None is expected: those of [`Session::turn_next`].
    pub fn next<'c, 'b>(&'c mut self, buf: &'b mut Vec<u8>) -> Result<Turn<'c, 'b, Vec<u8>>, Error> {
        let unsendable = |error| Error::Send { request: RequestKind::Next, error };
        fill(&mut self.heads, |heads| self.session.start_next(heads).map(|()| heads.len())).map_err(unsendable)?;
        self.session.turn_next(&self.heads, &self.reply, buf).map_err(unsendable)
    }

    /// Sends a request with a body of known length.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it cannot be sent.
    pub fn request<'c>(&'c mut self, request: &Request<'_>, body: &'c [u8]) -> Result<Sending<'c>, Error> {
        self.start(request, Body::Exact(body.len() as u64), Pipelining::Off)?;
        self.turn(request.kind(), body)
    }

    /// Responds to an invocation. What cannot be sent is replaced by an error that says so.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if that error cannot be sent.
    pub fn respond<'c>(
        &'c mut self,
        context: &Context<'_>,
        content_type: &str,
        body: &'c [u8],
        pipelining: Pipelining,
    ) -> Result<Sending<'c>, Error> {
        let request = Request::response(context, content_type, Mode::Buffered);
        match self.start(&request, Body::Exact(body.len() as u64), pipelining) {
            Ok(()) => self.turn(RequestKind::Response, body),
            Err(Error::Send { error, .. }) => self.fail_with(context, error, pipelining),
            Err(error) => Err(error),
        }
    }

    /// Answers an invocation with an error. A report that is longer than Lambda takes is shortened.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it cannot be sent.
    pub fn fail(
        &mut self,
        context: &Context<'_>,
        report: &ErrorReport<'_>,
        pipelining: Pipelining,
    ) -> Result<Sending<'_>, Error> {
        self.report(report, |headers| Request::error(context, headers), pipelining)
    }

    /// Answers with the error that keeps a response from being sent.
    pub(crate) fn fail_with(
        &mut self,
        context: &Context<'_>,
        error: SendError,
        pipelining: Pipelining,
    ) -> Result<Sending<'_>, Error> {
        let report = error.to_string();
        let sending = self.fail(context, &ErrorReport::new(error.report_type(), &report), pipelining)?;
        Ok(Sending { unsendable: Some(error), ..sending })
    }

    /// Sends the report of a failure, shortened to what Lambda takes.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it cannot be sent.
    pub fn report<'a>(
        &mut self,
        report: &ErrorReport<'a>,
        request: impl FnOnce(ErrorHeaders<'a>) -> Request<'a>,
        pipelining: Pipelining,
    ) -> Result<Sending<'_>, Error> {
        let report = report.fit(limits::ERROR_BYTES);
        let request = request(report.error_headers());
        let kind = request.kind();
        fill(&mut self.out, |json| report.write(json)).map_err(|error| Error::Send { request: kind, error })?;
        self.start(&request, Body::Exact(self.out.len() as u64), pipelining)?;
        self.turn_with_out(kind)
    }

    /// Reports, to the Runtime API and on stderr, the failure that keeps the function from starting, or from going on after
    /// a restore.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it cannot be sent.
    pub fn give_up(&mut self, failure: &Failure, request: RequestKind) -> Result<Sending<'_>, Error> {
        eprintln!("lambwire: {}: {}", failure.error_type, failure.message);
        let after_restore = request == RequestKind::RestoreError;
        let request = if after_restore { Request::RestoreError } else { Request::InitError };
        self.report(&failure.report(), request, Pipelining::Off)
    }

    /// Registers as an extension, which Lambda sends SIGTERM to before the end. [`extension_next`](Self::extension_next)
    /// has to follow, with the reply, which is collected in `buf`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it cannot be sent.
    pub fn register<'c, 'b>(&'c mut self, buf: &'b mut Vec<u8>) -> Result<Turn<'c, 'b, Vec<u8>>, Error> {
        self.start(&Request::Register { name: "lambwire" }, Body::Exact(NO_EVENTS.len() as u64), Pipelining::Off)?;
        let turn = self.session.turn(&self.heads, NO_EVENTS, buf);
        turn.map_err(|error| Error::Send { request: RequestKind::Register, error })
    }

    /// Asks for the event of the extension that `registered` is. None ever comes, but while this connection stands, the
    /// extension takes part: it is good for nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::Receive`] if that is no registration, [`Error::Send`] if this cannot be sent.
    pub fn extension_next(&mut self, registered: &Message<'_, Reply<'_>>) -> Result<Sending<'_>, Error> {
        let Reply::Registered { id } = registered.head else {
            return Err(Error::Receive { request: RequestKind::Register, error: ReceiveError::NoExtensionId });
        };
        self.request(&Request::ExtensionNext { id }, b"")
    }

    pub(crate) fn start(&mut self, request: &Request<'_>, body: Body, pipelining: Pipelining) -> Result<(), Error> {
        let started =
            fill(&mut self.heads, |heads| self.session.start(request, body, pipelining, heads).map(|()| heads.len()));
        started.map_err(|error| Error::Send { request: request.kind(), error })
    }

    pub(crate) fn turn<'c>(&'c mut self, request: RequestKind, body: &'c [u8]) -> Result<Sending<'c>, Error> {
        let turn = self.session.turn(&self.heads, body, &mut self.reply);
        turn.map(|turn| Sending { turn, unsendable: None }).map_err(|error| Error::Send { request, error })
    }

    /// The same, with the body that was written into `out`.
    pub(crate) fn turn_with_out(&mut self, request: RequestKind) -> Result<Sending<'_>, Error> {
        let turn = self.session.turn(&self.heads, &self.out, &mut self.reply);
        turn.map(|turn| Sending { turn, unsendable: None }).map_err(|error| Error::Send { request, error })
    }
}

impl Sending<'_> {
    /// What came of it. `failure` is what the transport says, if it has failed.
    ///
    /// # Errors
    ///
    /// [`Error`], as the turn has it; [`Error::Send`] if this was sent in place of a response that cannot be.
    pub fn accepted(self, failure: Option<io::Error>) -> Result<(), Error> {
        self.turn.accepted().map_err(|failed| error(failed, failure))?;
        self.unsendable.map_or(Ok(()), |error| Err(Error::Send { request: RequestKind::Response, error }))
    }
}

/// The error by which a turn came to nothing, with what the transport says.
#[cold]
pub fn error(failed: lambwire::Error<(), &[u8]>, failure: Option<io::Error>) -> Error {
    // A peer that spoke before all was written, and said nothing against it, has cut the request off.
    failed.map(|()| failure.unwrap_or_else(|| ErrorKind::ConnectionAborted.into()), <[u8]>::to_vec)
}

/// What an invocation is answered with whose event is larger than Lambda's limit.
pub fn oversized() -> ErrorReport<'static> {
    ErrorReport::new("Function.EventTooLarge", "the event is larger than 6291556 bytes")
}

impl InvocationIds {
    /// The ids of the invocation of this context.
    pub fn of(context: &Context<'_>) -> Self {
        let invocation_id = context.invocation_id.map(|id| id.as_bytes().to_vec());
        Self { request_id: context.request_id.as_str().to_owned(), invocation_id }
    }

    /// A context that has no more than these.
    ///
    /// # Errors
    ///
    /// None is expected: they were ids before.
    pub fn context(&self) -> Result<Context<'_>, Error> {
        let unsendable = |error| Error::Send { request: RequestKind::Error, error };
        let mut context = Context::new(RequestId::new(&self.request_id).map_err(unsendable)?);
        context.invocation_id = self.invocation_id.as_deref().map(InvocationId::new).transpose().map_err(unsendable)?;
        Ok(context)
    }
}

/// Replaces what is in `buf` by what `write` writes, in as much room as that takes.
pub(crate) fn fill(
    buf: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, SendError>,
) -> Result<(), SendError> {
    buf.resize(buf.capacity(), 0);
    let len = loop {
        match write(buf) {
            Err(SendError::BufferTooSmall { needed }) if needed > buf.len() => buf.resize(needed, 0),
            written => break written?,
        }
    };
    buf.truncate(len);
    Ok(())
}
