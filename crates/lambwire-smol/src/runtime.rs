//! The loop: wait for an invocation, have a handler respond, again and again.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::process::exit;
use std::task::Poll;

use lambwire::{Context, ErrorReport, Message, Pipelining, Request, RequestKind};
use lambwire_runtime::{Conversation, Duty, catch};

use crate::socket::{Socket, drive, send};
use crate::{Error, Failure, Handling, Invocation, Response};

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
}

impl Runtime {
    /// Connects to the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if the variable is not set, and those of [`connect`](Self::connect).
    pub async fn from_env() -> Result<Self, Error> {
        Self::open(Conversation::from_env()?).await
    }

    /// Connects to the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if that is no address, [`Error::Transport`] if nobody listens there, though it was tried for
    /// [two seconds](lambwire::limits::BACK_OFF).
    pub async fn connect(api: &str) -> Result<Self, Error> {
        Self::open(Conversation::new(api)?).await
    }

    async fn open(mut conversation: Conversation) -> Result<Self, Error> {
        let mut socket = None;
        send(&mut socket, conversation.connect()).await?;
        Ok(Self { conversation, socket, pipelining: Pipelining::Next, on_trace_id: |_| () })
    }

    /// Waits for the next invocation, for as long as it takes. Its parts are borrowed from `buf`, which grows as
    /// needed and is best used again.
    ///
    /// A connection that turns out dead, as it does after the process was frozen, is replaced a few times. An invocation
    /// whose event is larger than Lambda's limit is answered with an error, and the next one waited for. If the future is
    /// dropped, so is the connection, with an invocation that may have been on its way.
    ///
    /// # Errors
    ///
    /// Any is a reason to end the process: the Runtime API cannot be reached, cannot be understood, or refuses.
    pub async fn next<'r, 'b>(&'r mut self, mut buf: &'b mut Vec<u8>) -> Result<Invocation<'r, 'b>, Error> {
        loop {
            let mut exchange = self.conversation.next(buf)?;
            drive(&mut self.socket, &mut exchange).await;
            if exchange.turn.oversized().is_none() {
                let (context, Message { body: payload, headers, .. }) = exchange.invocation()?;
                return Ok(Invocation { runtime: self, pipelining: Pipelining::Off, context, payload, headers });
            }
            buf = exchange.turn.into_buffer();
            match send(&mut self.socket, self.conversation.refuse_event(buf)).await {
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
    /// `async fn(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>`.
    pub async fn serve(
        &mut self,
        handler: impl for<'e> AsyncFnMut(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
    ) -> Error {
        self.serve_observed(handler, |context, error| eprintln!("{}: {error:#}", context.request_id)).await
    }

    /// [`serve`](Self::serve), which calls `observe` when a response could not be delivered, and continues.
    pub async fn serve_observed(
        &mut self,
        mut handler: impl for<'e> AsyncFnMut(&'e [u8], &Context<'e>) -> Result<Response<'e>, Failure>,
        mut observe: impl FnMut(&Context<'_>, &Error),
    ) -> Error {
        let mut buf = Vec::new();
        let served: Result<Infallible, Error> = async {
            loop {
                let invocation = self.next(&mut buf).await?;
                let Invocation { context, payload, .. } = invocation;
                let response = invocation.handled(handler(payload, &context)).await;
                invocation.answer(response, &mut observe).await?;
            }
        }
        .await;
        let Err(error) = served;
        error
    }

    /// [`serve_observed`](Self::serve_observed), with a future that is `Send`: for an executor of several threads. The handler
    /// puts its own into a box, as Rust cannot say yet of all futures of an async closure that they are `Send`.
    ///
    /// ```
    /// use lambwire_smol::{Error, Handling, Runtime, lambwire::Context};
    ///
    /// fn shout<'e>(event: &'e [u8], _: &Context<'e>) -> Handling<'e> {
    ///     Box::pin(async move { Ok(event.to_ascii_uppercase().into()) })
    /// }
    ///
    /// async fn serve() -> Result<Error, Error> {
    ///     let mut runtime = Runtime::from_env().await?;
    ///     Ok(runtime.serve_send(shout, |_, error| eprintln!("{error:#}")).await)
    /// }
    /// # assert!(smol::block_on(smol::spawn(serve())).is_err());
    /// ```
    pub async fn serve_send(
        &mut self,
        mut handler: impl for<'e> FnMut(&'e [u8], &Context<'e>) -> Handling<'e> + Send,
        mut observe: impl FnMut(&Context<'_>, &Error) + Send,
    ) -> Error {
        let mut buf = Vec::new();
        let served: Result<Infallible, Error> = async {
            loop {
                let invocation = self.next(&mut buf).await?;
                let Invocation { context, payload, .. } = invocation;
                let response = invocation.handled(async { handler(payload, &context).await }).await;
                invocation.answer(response, &mut observe).await?;
            }
        }
        .await;
        let Err(error) = served;
        error
    }

    /// Does what has to be done before the first event. If that fails, or panics, it is reported to the Runtime API and
    /// on stderr, and the process exits with 1.
    pub async fn init<T>(&mut self, init: impl Future<Output = Result<T, Failure>>) -> T {
        self.try_or_exit(init, RequestKind::InitError).await
    }

    /// Reports that the function could not start. The process is expected to end afterwards.
    pub async fn init_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        send(&mut self.socket, self.conversation.report(report, Request::InitError, Pipelining::Off)).await
    }

    /// Reports that the function cannot be used after it was restored. The process is expected to end afterwards.
    pub async fn restore_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        send(&mut self.socket, self.conversation.report(report, Request::RestoreError, Pipelining::Off)).await
    }

    /// Lets Lambda take its snapshot, where [`is_snap_start`](crate::is_snap_start) says that it wants one: runs
    /// `before`, waits until the execution environment has been restored, and runs `after`, for what has to be unique or
    /// fresh; the next request makes a new connection. If either fails, or panics, that is reported and the process exits
    /// with 1.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub async fn restore(
        &mut self,
        before: impl Future<Output = Result<(), Failure>>,
        after: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Error> {
        self.try_or_exit(before, RequestKind::InitError).await;
        self.restore_next().await?;
        self.try_or_exit(after, RequestKind::RestoreError).await;
        Ok(())
    }

    /// Says that the snapshot can be taken, and waits until the execution environment has been restored: what
    /// [`restore`](Self::restore) does between the two. The next request makes a new connection.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub async fn restore_next(&mut self) -> Result<(), Error> {
        send(&mut self.socket, self.conversation.request(&Request::RestoreNext, b"")).await?;
        self.conversation.disconnect();
        Ok(())
    }

    async fn try_or_exit<T>(&mut self, act: impl Future<Output = Result<T, Failure>>, request: RequestKind) -> T {
        let failure = match self.caught(None, act).await {
            Ok(value) => return value,
            Err(failure) => failure,
        };
        if let Err(error) = send(&mut self.socket, self.conversation.give_up(&failure, request)).await {
            eprintln!("lambwire: {error:#}");
        }
        exit(1)
    }

    /// What to do about a panic that ends the process.
    fn duty(&self, context: Option<&Context<'_>>) -> Duty {
        Duty::new(self.conversation.endpoint(), context, |exchange| smol::block_on(send(&mut None, exchange)))
    }

    /// Awaits what `act` says, and takes a panic on the way for a failure.
    pub(crate) async fn caught<V>(
        &self,
        context: Option<&Context<'_>>,
        act: impl Future<Output = Result<V, Failure>>,
    ) -> Result<V, Failure> {
        let mut act = pin!(act);
        // Other invocations have their turns on this thread between two polls.
        poll_fn(|cx| match catch(|| self.duty(context), || Ok(act.as_mut().poll(cx))) {
            Ok(polled) => polled,
            Err(failure) => Poll::Ready(Err(failure)),
        })
        .await
    }
}
