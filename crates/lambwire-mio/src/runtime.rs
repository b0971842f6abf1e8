//! The loop: wait for an invocation, have a handler respond, again and again.

use std::process::exit;

use lambwire::{Context, ErrorReport, Message, Pipelining, Request, RequestKind};
use lambwire_runtime::{Conversation, Duty, catch};

use crate::socket::{Socket, drive, send};
use crate::{Error, Failure, Invocation, Response};

/// A runtime: a connection to the Runtime API, and another one when it breaks.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) conversation: Conversation,
    pub(crate) socket: Option<Socket>,
    /// Whether [`serve`](Self::serve) sends `next` behind each response, in the same write. It does at first; there are servers
    /// that take no request before they have replied to the last.
    pub pipelining: Pipelining,
    /// What [`serve`](Self::serve) calls with the X-Ray trace header of each invocation before its handler; nothing at first.
    ///
    /// AWS's runtimes put that into the variable [`_X_AMZN_TRACE_ID`](lambwire::ENV_TRACE_ID), where X-Ray's clients look for
    /// it. Changing the environment is `unsafe` in Rust, since another thread may read it meanwhile, and only the program
    /// knows whether one does: so it is the program that does it, here, or nobody.
    pub on_trace_id: fn(Option<&str>),
    /// What [`next`](Self::next) calls before it reads, with whether it has part of an invocation; nothing at first.
    ///
    /// A process that is to end has to answer an invocation of which it has a part, and need not wait for one that has not
    /// begun to come.
    pub on_read: fn(bool),
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
    /// [`Error::Send`] if that is no address, [`Error::Transport`] if nobody listens there, though it was tried for
    /// [two seconds](lambwire::limits::BACK_OFF).
    pub fn connect(api: &str) -> Result<Self, Error> {
        Self::open(Conversation::new(api)?)
    }

    fn open(mut conversation: Conversation) -> Result<Self, Error> {
        let mut socket = None;
        send(&mut socket, conversation.connect())?;
        Ok(Self { conversation, socket, pipelining: Pipelining::Next, on_trace_id: |_| (), on_read: |_| () })
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
            let mut exchange = self.conversation.next(buf)?;
            drive(&mut self.socket, &mut exchange, self.on_read);
            if exchange.turn.oversized().is_none() {
                let (context, Message { body: payload, headers, .. }) = exchange.invocation()?;
                return Ok(Invocation { runtime: self, pipelining: Pipelining::Off, context, payload, headers });
            }
            buf = exchange.turn.into_buffer();
            match send(&mut self.socket, self.conversation.refuse_event(buf)) {
                Err(error) if error.is_fatal() => return Err(error),
                _ => {}
            }
        }
    }

    /// Handles one invocation after another, until an error ends it, which it returns.
    ///
    /// Each response and the request for the next event go out in one write. A response that could not be delivered is
    /// logged to stderr, and the loop continues; [`serve_observed`](Self::serve_observed) lets you see it. A handler that
    /// panics has failed, and the report says with what and where: a hook for panics, which calls the one before it, is
    /// set for the process. Where a panic ends the process (`panic = "abort"`) the hook sends the report itself, and exits
    /// with 101.
    ///
    /// A closure is best written in place, where the compiler knows what it gets; a `fn` has the signature
    /// `fn(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>`.
    ///
    /// JSON is the handler's own; an error on the way is a failure. (`examples/hello` borrows from the event.)
    ///
    /// ```no_run
    /// # fn run() -> Result<(), lambwire_mio::Error> {
    /// let mut runtime = lambwire_mio::Runtime::from_env()?;
    /// Err(runtime.serve(|event, _| {
    ///     let event: serde_json::Value = serde_json::from_slice(event)?;
    ///     Ok(serde_json::json!({ "hello": event["name"] }).to_string().into())
    /// }))
    /// # }
    /// ```
    pub fn serve(
        &mut self,
        handler: impl for<'e> FnMut(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
    ) -> Error {
        self.serve_observed(handler, |context, error| eprintln!("{}: {error:#}", context.request_id))
    }

    /// [`serve`](Self::serve), which calls `observe` when a response could not be delivered, and continues.
    pub fn serve_observed(
        &mut self,
        mut handler: impl for<'e> FnMut(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
        mut observe: impl FnMut(&Context<'_>, &Error),
    ) -> Error {
        let mut buf = Vec::new();
        loop {
            let handled = self.next(&mut buf).and_then(|invocation| {
                let Invocation { ref runtime, context, payload, .. } = invocation;
                (runtime.on_trace_id)(context.trace_id);
                let response = catch(|| runtime.duty(Some(&context)), || handler(payload, &context));
                let invocation = Invocation { pipelining: runtime.pipelining, ..invocation };
                let answered = match response {
                    Ok(response) => invocation.respond(response),
                    Err(failure) => invocation.fail(&failure.report()),
                };
                match answered {
                    Err(error) if error.is_fatal() => return Err(error),
                    Err(error) => observe(&context, &error),
                    Ok(()) => {}
                }
                Ok(())
            });
            if let Err(error) = handled {
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
    pub fn init_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        send(&mut self.socket, self.conversation.report(report, Request::InitError, Pipelining::Off))
    }

    /// Reports that the function cannot be used after it was restored. The process is expected to end afterwards.
    pub fn restore_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        send(&mut self.socket, self.conversation.report(report, Request::RestoreError, Pipelining::Off))
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
        self.restore_next()?;
        self.try_or_exit(after, RequestKind::RestoreError);
        Ok(())
    }

    /// Says that the snapshot can be taken, and waits until the execution environment has been restored: what
    /// [`restore`](Self::restore) does between the two. The next request makes a new connection.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub fn restore_next(&mut self) -> Result<(), Error> {
        send(&mut self.socket, self.conversation.request(&Request::RestoreNext, b""))?;
        self.conversation.disconnect();
        Ok(())
    }

    fn try_or_exit<T>(&mut self, act: impl FnOnce() -> Result<T, Failure>, request: RequestKind) -> T {
        let failure = match catch(|| self.duty(None), act) {
            Ok(value) => return value,
            Err(failure) => failure,
        };
        if let Err(error) = send(&mut self.socket, self.conversation.give_up(&failure, request)) {
            eprintln!("lambwire: {error:#}");
        }
        exit(1)
    }

    /// What to do about a panic that ends the process.
    pub(crate) fn duty(&self, context: Option<&Context<'_>>) -> Duty {
        Duty::new(self.conversation.endpoint(), context, |exchange| send(&mut None, exchange))
    }
}
