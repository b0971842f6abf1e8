//! A session with the buffers that it works in.

use std::io::{self, ErrorKind};

use lambwire::{
    Body, Context, ENV_RUNTIME_API, Endpoint, ErrorHeaders, ErrorReport, Message, Mode, NO_EVENTS, Pipelining,
    ReceiveError, Reply, Request, RequestKind, SendError, Session, limits,
};

use crate::{Error, Exchange, Failure};

/// A [`Session`] with the buffers that it works in: what is the same over every connection.
///
/// Each method starts a request and returns the [`Exchange`] that sends it, or [`Error::Send`] if it cannot be sent.
#[derive(Debug)]
pub struct Conversation {
    pub(crate) session: Session,
    /// The heads of requests.
    heads: Vec<u8>,
    /// An error report, or the end of a stream.
    pub(crate) out: Vec<u8>,
    /// Replies other than invocations.
    reply: Vec<u8>,
}

impl Conversation {
    /// A conversation with the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if the variable is not set, [`Error::Send`] if it is no address.
    pub fn from_env() -> Result<Self, Error> {
        let missing = |_| {
            io::Error::new(
                ErrorKind::NotFound,
                format!("{ENV_RUNTIME_API} is not set: Lambda sets it, and so does lambwire-emulator"),
            )
        };
        let api = std::env::var(ENV_RUNTIME_API).map_err(missing);
        Self::new(&api.map_err(|error| Error::Transport { request: RequestKind::Next, error })?)
    }

    /// A conversation with the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if that is no address.
    pub fn new(api: &str) -> Result<Self, Error> {
        Endpoint::new(api).map(Self::at).map_err(unsendable(RequestKind::Next))
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
    pub fn connect(&mut self) -> Result<Exchange<'_, '_>, Error> {
        self.session.start_connect();
        self.exchange(RequestKind::Next, b"")
    }

    /// The next request makes a connection of its own, as is due after a restore.
    pub fn disconnect(&mut self) {
        self.session.disconnect();
    }

    /// Asks for the next invocation, which is collected in `buf`.
    pub fn next<'c, 'b>(&'c mut self, buf: &'b mut Vec<u8>) -> Result<Exchange<'c, 'b>, Error> {
        let Self { session, heads, reply, .. } = self;
        let started = fill(heads, |heads| session.start_next(heads).map(|()| heads.len()));
        let turn = started.and_then(|()| session.turn_next(heads, reply, buf));
        turn.map(Exchange::new).map_err(unsendable(RequestKind::Next))
    }

    /// Answers the invocation whose event, in `buf`, [is too large](lambwire::Turn::oversized), with an error.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the last exchange did not end so.
    pub fn refuse_event(&mut self, buf: &[u8]) -> Result<Exchange<'_, '_>, Error> {
        let context = self.session.oversized(buf).ok_or(SendError::InvalidState);
        let message = format!("the event is larger than {} bytes", limits::PAYLOAD_BYTES);
        let report = ErrorReport::new("Function.EventTooLarge", &message);
        self.fail(&context.map_err(unsendable(RequestKind::Error))?, &report, Pipelining::Off)
    }

    /// Sends a request with a body of known length.
    pub fn request<'c>(&'c mut self, request: &Request<'_>, body: &'c [u8]) -> Result<Exchange<'c, 'c>, Error> {
        let started = self.start(request, Body::Exact(body.len() as u64), Pipelining::Off);
        started.map_err(unsendable(request.kind()))?;
        self.exchange(request.kind(), body)
    }

    /// Responds to an invocation. A response that cannot be sent is replaced by an error that says so.
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
    ) -> Result<Exchange<'c, 'c>, Error> {
        let request = Request::response(context, content_type, Mode::Buffered);
        match self.start(&request, Body::Exact(body.len() as u64), pipelining) {
            Ok(()) => self.exchange(RequestKind::Response, body),
            Err(error) => self.fail_with(context, error, pipelining),
        }
    }

    /// Answers an invocation with an error. A report that is longer than Lambda takes is shortened.
    pub fn fail(
        &mut self,
        context: &Context<'_>,
        report: &ErrorReport<'_>,
        pipelining: Pipelining,
    ) -> Result<Exchange<'_, '_>, Error> {
        self.report(report, |headers| Request::error(context, headers), pipelining)
    }

    /// Answers with the error that keeps a response from being sent.
    pub(crate) fn fail_with(
        &mut self,
        context: &Context<'_>,
        error: SendError,
        pipelining: Pipelining,
    ) -> Result<Exchange<'_, '_>, Error> {
        let report = error.to_string();
        let exchange = self.fail(context, &ErrorReport::new(error.report_type(), &report), pipelining)?;
        Ok(Exchange { unsendable: Some(error), ..exchange })
    }

    /// Sends the report of a failure, shortened to what Lambda takes.
    pub fn report<'a>(
        &mut self,
        report: &ErrorReport<'a>,
        request: impl FnOnce(ErrorHeaders<'a>) -> Request<'a>,
        pipelining: Pipelining,
    ) -> Result<Exchange<'_, '_>, Error> {
        let report = report.fit(limits::ERROR_BYTES);
        let request = request(report.error_headers());
        let written = fill(&mut self.out, |json| report.write(json));
        let started = written.and_then(|()| self.start(&request, Body::Exact(self.out.len() as u64), pipelining));
        started.map_err(unsendable(request.kind()))?;
        self.exchange_out(request.kind())
    }

    /// Reports, to the Runtime API and on stderr, the failure that keeps the function from starting, or from going on after
    /// a restore.
    pub fn give_up(&mut self, failure: &Failure, request: RequestKind) -> Result<Exchange<'_, '_>, Error> {
        eprintln!("lambwire: {}: {}", failure.error_type, failure.message);
        let after_restore = request == RequestKind::RestoreError;
        let request = if after_restore { Request::RestoreError } else { Request::InitError };
        self.report(&failure.report(), request, Pipelining::Off)
    }

    /// Registers as an extension, which Lambda sends SIGTERM to before the end. [`extension_next`](Self::extension_next)
    /// has to follow, with the reply, which is collected in `buf`.
    pub fn register<'c, 'b>(&'c mut self, buf: &'b mut Vec<u8>) -> Result<Exchange<'c, 'b>, Error> {
        let request = Request::Register { name: "lambwire" };
        let started = self.start(&request, Body::Exact(NO_EVENTS.len() as u64), Pipelining::Off);
        let turn = started.and_then(|()| self.session.turn(&self.heads, NO_EVENTS, buf));
        turn.map(Exchange::new).map_err(unsendable(request.kind()))
    }

    /// Asks for the event of the extension that `registered` is. None ever comes, but while this connection stands, the
    /// extension takes part: it is good for nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::Receive`] if that is no registration, [`Error::Send`] if this cannot be sent.
    pub fn extension_next(&mut self, registered: &Message<'_, Reply<'_>>) -> Result<Exchange<'_, '_>, Error> {
        let Reply::Registered { id } = registered.head else {
            return Err(Error::Receive { request: RequestKind::Register, error: ReceiveError::NoExtensionId });
        };
        self.request(&Request::ExtensionNext { id }, b"")
    }

    pub(crate) fn start(&mut self, request: &Request<'_>, body: Body, pipelining: Pipelining) -> Result<(), SendError> {
        let Self { session, heads, .. } = self;
        fill(heads, |heads| session.start(request, body, pipelining, heads).map(|()| heads.len()))
    }

    pub(crate) fn exchange<'c>(&'c mut self, kind: RequestKind, body: &'c [u8]) -> Result<Exchange<'c, 'c>, Error> {
        self.session.turn(&self.heads, body, &mut self.reply).map(Exchange::new).map_err(unsendable(kind))
    }

    /// The same, with the body that was written into `out`.
    pub(crate) fn exchange_out(&mut self, kind: RequestKind) -> Result<Exchange<'_, '_>, Error> {
        self.session.turn(&self.heads, &self.out, &mut self.reply).map(Exchange::new).map_err(unsendable(kind))
    }
}

/// Makes an error of what keeps a request from being sent.
pub(crate) fn unsendable(request: RequestKind) -> impl Fn(SendError) -> Error {
    move |error| Error::Send { request, error }
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
