//! What comes before the first event, and after the last.

use std::process::exit;
use std::time::{Duration, SystemTime};

use async_signal::{Signal, Signals};
use lambwire::{
    Context, ErrorReport, INITIALIZATION_TYPE_VARIABLE, Message, NO_EVENTS, ReceiveError, Reply, Request, SNAP_START,
};
use smol::stream::StreamExt;

use crate::runtime::Ahead;
use crate::{Error, Failure, Runtime, panics};

/// What is left of the time for an invocation: nothing, if its deadline has passed; `None`, if it has none.
pub fn remaining(context: &Context<'_>) -> Option<Duration> {
    context.remaining(SystemTime::UNIX_EPOCH.elapsed().ok()?)
}

/// Whether Lambda wants to take a snapshot before the first event: [`Runtime::restore`] then lets it.
pub fn is_snap_start() -> bool {
    std::env::var(INITIALIZATION_TYPE_VARIABLE).is_ok_and(|value| value == SNAP_START)
}

impl Runtime {
    /// Does what has to be done before the first event. If that fails, or panics, it is reported to the Runtime API and
    /// on stderr, and the process exits with 1.
    pub async fn init<T>(&mut self, init: impl Future<Output = Result<T, Failure>>) -> T {
        match panics::caught(&self.link, None, init).await {
            Ok(made) => made,
            Err(failure) => self.give_up(&failure, Request::InitError).await,
        }
    }

    /// Tells that the function could not start. The process is expected to end afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`Invocation::fail`](crate::Invocation::fail).
    pub async fn init_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        self.report(report, Request::InitError, Ahead::Nothing).await
    }

    /// Lets Lambda take its snapshot, where [`is_snap_start`] says that it wants one: runs `before`, waits until
    /// the execution environment has been restored, connects anew, and runs `after`, for what has to be unique or fresh.
    /// If either fails, or panics, that is reported and the process exits with 1.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub async fn restore(
        &mut self,
        before: impl Future<Output = Result<(), Failure>>,
        after: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Error> {
        self.init(before).await;
        self.tell(&Request::RestoreNext, b"", Ahead::Nothing).await?;
        self.disconnect();
        if let Err(failure) = panics::caught(&self.link, None, after).await {
            self.give_up(&failure, Request::RestoreError).await
        }
        Ok(())
    }

    async fn give_up<'f>(&mut self, failure: &'f Failure, request: fn(lambwire::Fault<'f>) -> Request<'f>) -> ! {
        eprintln!("lambwire: {}: {}", failure.error_type, failure.message);
        if let Err(error) = self.report(&failure.report(), request, Ahead::Nothing).await {
            eprintln!("lambwire: {error}");
        }
        exit(1)
    }
}

/// Has SIGTERM sent to this process before it is ended, which Lambda does for those that register as an extension.
///
/// To be had before the first event is asked for, and kept until the end.
pub struct Sigterm {
    signals: Signals,
    /// Here stands the question for an event, which gets no reply.
    _runtime: Runtime,
}

impl Sigterm {
    /// Registers with the Runtime API at `api`. Where that has no extensions, as in some emulators, the signal can be
    /// waited for all the same.
    ///
    /// # Errors
    ///
    /// Those of [`Invocation::respond`](crate::Invocation::respond), and [`Error::Transport`] if the signal cannot be had.
    pub async fn register(api: &str) -> Result<Self, Error> {
        let signals = Signals::new([Signal::Term]).map_err(Error::Transport)?;
        let mut runtime = Runtime::connect(api).await?;
        match runtime.register().await {
            Ok(()) | Err(Error::Refused(_)) => Ok(Self { signals, _runtime: runtime }),
            Err(error) => Err(error),
        }
    }

    /// Waits for the signal. The process has to end by itself then, within half a second.
    pub async fn received(&mut self) {
        self.signals.next().await;
    }
}

impl Runtime {
    async fn register(&mut self) -> Result<(), Error> {
        let mut buf = Vec::new();
        self.exchange(&Request::Register { name: "lambwire" }, NO_EVENTS, Ahead::Nothing, &mut buf).await?;
        let Message { head: Reply::Registered { id }, .. } = self.link.reply().read(&buf)? else {
            return Err(ReceiveError::NoExtensionId.into());
        };
        self.ask_and_leave(&Request::ExtensionNext { id }).await
    }
}
