//! The loop: wait for an invocation, have a handler respond, again and again.

use std::process::exit;

use lambwire::{Chain, Context, ErrorReport, Pipelining, ReceiveError, Reply, Request, RequestKind};
use lambwire_runtime::{Conversation, Duty, InvocationIds, ResponseBody, Sending, Streaming, catch, error};

use crate::socket::{Socket, drive};
use crate::{Error, Failure, Invocation, Response};

/// A runtime: a connection to the Runtime API, and another one when it breaks.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) conversation: Conversation,
    pub(crate) socket: Option<Socket>,
    pipelining: Pipelining,
}

impl Runtime {
    /// Connects to the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if the variable is not set, and those of [`connect`](Self::connect).
    pub fn from_env() -> Result<Self, Error> {
        Self::open(Conversation::from_env()?)
    }

    /// Connects to the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidEndpoint`](lambwire::SendError::InvalidEndpoint) if that is no address, [`Error::Transport`] if nobody listens
    /// there, though it was tried for [two seconds](lambwire::limits::BACK_OFF).
    pub fn connect(api: &str) -> Result<Self, Error> {
        Self::open(Conversation::new(api)?)
    }

    fn open(conversation: Conversation) -> Result<Self, Error> {
        let mut runtime = Self { conversation, socket: None, pipelining: Pipelining::Next };
        send(&mut runtime.socket, runtime.conversation.connect())?;
        Ok(runtime)
    }

    /// Waits for the next invocation, for as long as it takes. Its parts are borrowed from `buf`, which grows as
    /// needed and is best used again.
    ///
    /// A connection that turns out dead, as it does after the process was frozen, is replaced a few times. An invocation
    /// whose event is larger than Lambda's limit is answered with an error, and the next one waited for.
    ///
    /// # Errors
    ///
    /// Any is a reason to end the process: the Runtime API cannot be reached, cannot be understood, or refuses.
    pub fn next<'r, 'b>(&'r mut self, mut buf: &'b mut Vec<u8>) -> Result<Invocation<'r, 'b>, Error> {
        loop {
            let mut turn = self.conversation.next(buf)?;
            let failure = drive(&mut self.socket, &mut turn);
            if let Some(oversized) = turn.oversized().as_ref().map(InvocationIds::of) {
                buf = turn.into_buffer();
                let report = lambwire_runtime::oversized();
                match self.fail(&oversized.context()?, &report, Pipelining::Off) {
                    Err(error) if error.is_fatal() => return Err(error),
                    _ => continue,
                }
            }
            let message = turn.finish().map_err(|failed| error(failed, failure))?;
            let Reply::Invocation(context) = message.head else {
                return Err(Error::Receive { request: RequestKind::Next, error: ReceiveError::NoRequestId });
            };
            let pipelining = Pipelining::Off;
            return Ok(Invocation {
                runtime: self,
                pipelining,
                context,
                payload: message.body,
                headers: message.headers,
            });
        }
    }

    /// Whether [`serve`](Self::serve) pipelines: sends `next` behind each response, in the same write. It does unless told
    /// otherwise, for servers that take no request before they have replied to the last.
    pub fn set_pipelining(&mut self, is_on: bool) {
        self.pipelining = if is_on { Pipelining::Next } else { Pipelining::Off };
    }

    /// Handles one invocation after another, until an error ends it, which it returns.
    ///
    /// Each response and the request for the next event go out in one write. A response that could not be delivered is
    /// logged to stderr, and the loop continues; [`serve_observed`](Self::serve_observed) lets you see it. A handler that
    /// panics has failed, and the report says with what and where: a hook for panics, which calls the one before it, is
    /// set for the process. Where a panic ends the process (`panic = "abort"`) the hook sends the report itself, and exits
    /// with 101.
    pub fn serve(
        &mut self,
        handler: impl for<'e> FnMut(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
    ) -> Error {
        self.serve_observed(handler, |context, error| eprintln!("{}: {}", context.request_id, Chain(error)))
    }

    /// [`serve`](Self::serve), which calls `observe` when a response could not be delivered, and continues.
    pub fn serve_observed(
        &mut self,
        mut handler: impl for<'e> FnMut(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
        mut observe: impl FnMut(&Context<'_>, &Error),
    ) -> Error {
        let mut buf = Vec::new();
        loop {
            let invocation = self.next(&mut buf);
            if let Err(error) = invocation.and_then(|invocation| invocation.handle(&mut handler, &mut observe)) {
                return error;
            }
        }
    }

    /// Does what has to be done before the first event. If that fails, or panics, it is reported to the Runtime API and
    /// on stderr, and the process exits with 1.
    pub fn init<T>(&mut self, init: impl FnOnce() -> Result<T, Failure>) -> T {
        self.try_or_exit(init, RequestKind::InitError)
    }

    /// Reports that the function could not start. The process is expected to end afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`Invocation::fail`].
    pub fn init_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        send(&mut self.socket, self.conversation.report(report, Request::InitError, Pipelining::Off))
    }

    /// Lets Lambda take its snapshot, where [`is_snap_start`](crate::is_snap_start) says that it wants one: runs
    /// `before`, waits until the execution environment has been restored, and runs `after`, for what has to be unique or
    /// fresh; the next request makes a new connection. If either fails, or panics, that is reported and the process exits
    /// with 1.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub fn restore(
        &mut self,
        before: impl FnOnce() -> Result<(), Failure>,
        after: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Error> {
        self.try_or_exit(before, RequestKind::InitError);
        send(&mut self.socket, self.conversation.request(&Request::RestoreNext, b""))?;
        self.conversation.disconnect();
        self.try_or_exit(after, RequestKind::RestoreError);
        Ok(())
    }

    fn try_or_exit<T>(&mut self, act: impl FnOnce() -> Result<T, Failure>, request: RequestKind) -> T {
        let failure = match catch(|| self.duty(None), act) {
            Ok(value) => return value,
            Err(failure) => failure,
        };
        if let Err(error) = send(&mut self.socket, self.conversation.give_up(&failure, request)) {
            eprintln!("lambwire: {}", Chain(&error));
        }
        exit(1)
    }

    /// Registers as an extension, for as long as this connection stands, which is good for nothing else then. Where the
    /// Runtime API has no extensions, as in some emulators, nothing comes of it.
    pub(crate) fn register(&mut self) -> Result<(), Error> {
        let mut buf = Vec::new();
        let mut turn = self.conversation.register(&mut buf)?;
        let failure = drive(&mut self.socket, &mut turn);
        match turn.finish().map_err(|failed| error(failed, failure)) {
            Err(Error::Rejected(_)) => Ok(()),
            registered => send(&mut self.socket, self.conversation.extension_next(&registered?)),
        }
    }

    pub(crate) fn fail(
        &mut self,
        context: &Context<'_>,
        report: &ErrorReport<'_>,
        pipelining: Pipelining,
    ) -> Result<(), Error> {
        send(&mut self.socket, self.conversation.fail(context, report, pipelining))
    }

    /// What to do about a panic that ends the process.
    fn duty(&self, context: Option<&Context<'_>>) -> Duty {
        Duty::new(self.conversation.endpoint(), context, |failure, duty| {
            let mut runtime = Self::open(Conversation::at(duty.endpoint.clone()))?;
            match &duty.invocation {
                Some(ids) => runtime.fail(&ids.context()?, &failure.report(), Pipelining::Off),
                None => runtime.init_error(&failure.report()),
            }
        })
    }
}

impl<'b> Invocation<'_, 'b> {
    fn handle(
        self,
        handler: &mut impl FnMut(&'b [u8], &Context<'b>) -> Result<Response<'b>, Failure>,
        observe: &mut impl FnMut(&Context<'_>, &Error),
    ) -> Result<(), Error> {
        let Self { runtime, context, payload, .. } = self;
        let pipelining = runtime.pipelining;
        let sent = match catch(|| runtime.duty(Some(&context)), || handler(payload, &context)) {
            Ok(Response { content_type, body: ResponseBody::Buffered(body) }) => {
                send(&mut runtime.socket, runtime.conversation.respond(&context, &content_type, &body, pipelining))
            }
            Ok(Response { content_type, body: ResponseBody::Pieces { opening, pieces } }) => {
                let pieces = opening.map(Ok).into_iter().chain(pieces.0);
                runtime.send_stream(Streaming::new(context, &content_type), pieces)
            }
            Err(failure) => runtime.fail(&context, &failure.report(), pipelining),
        };
        match sent {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => observe(&context, &error),
            Ok(()) => {}
        }
        Ok(())
    }
}

impl Runtime {
    /// Streams all pieces, and the end of them, whatever that is.
    fn send_stream(
        &mut self,
        mut streaming: Streaming<'_>,
        mut pieces: impl Iterator<Item = Result<Vec<u8>, Failure>>,
    ) -> Result<(), Error> {
        loop {
            let piece = catch(|| self.duty(Some(&streaming.context)), || pieces.next().transpose());
            let Self { conversation, socket, .. } = self;
            match piece {
                Ok(Some(piece)) => match send(socket, streaming.piece(conversation, &piece)) {
                    // What keeps the first piece from being sent still has to be said.
                    Err(Error::Send { .. }) => return send(socket, streaming.finish(conversation)),
                    sent => sent?,
                },
                Ok(None) => return send(socket, streaming.finish(conversation)),
                Err(failure) => return send(socket, streaming.fail(conversation, &failure.report())),
            }
            streaming.resume();
        }
    }
}

/// Sends a request, and waits for its reply.
pub(crate) fn send(socket: &mut Option<Socket>, sending: Result<Sending<'_>, Error>) -> Result<(), Error> {
    let mut sending = sending?;
    let failure = drive(socket, &mut sending.turn);
    sending.accepted(failure)
}
