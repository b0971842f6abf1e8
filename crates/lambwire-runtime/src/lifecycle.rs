//! What comes before the first event, and after the last.

use std::process::exit;
use std::time::{Duration, SystemTime};

use lambwire::{
    Context, ErrorReport, INITIALIZATION_TYPE_VARIABLE, Message, NO_EVENTS, ReceiveError, Reply, Request, SNAP_START,
};

use crate::line::{Ahead, Ended};
use crate::{Error, Failure, Runtime, Transport};

/// What is left of the time for an invocation: nothing, if its deadline has passed; `None`, if it has none.
pub fn remaining(context: &Context<'_>) -> Option<Duration> {
    context.remaining(SystemTime::UNIX_EPOCH.elapsed().ok()?)
}

/// Whether Lambda wants to take a snapshot before the first event: [`Runtime::restore`] then lets it.
pub fn is_snap_start() -> bool {
    std::env::var(INITIALIZATION_TYPE_VARIABLE).is_ok_and(|value| value == SNAP_START)
}

impl<T: Transport> Runtime<T> {
    /// Does what has to be done before the first event. If that fails, or panics, it is reported to the Runtime API and
    /// on stderr, and the process exits with 1.
    pub async fn init<V>(&mut self, init: impl Future<Output = Result<V, Failure>>) -> V {
        match self.caught(None, init).await {
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
        let told = self.report(report, Request::InitError, Ahead::Nothing).await;
        self.told(told)
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
        let told = self.tell(&Request::RestoreNext, b"", Ahead::Nothing).await;
        self.told(told)?;
        self.line.close();
        if let Err(failure) = self.caught(None, after).await {
            self.give_up(&failure, Request::RestoreError).await
        }
        Ok(())
    }

    async fn give_up<'f>(&mut self, failure: &'f Failure, request: fn(lambwire::Fault<'f>) -> Request<'f>) -> ! {
        eprintln!("lambwire: {}: {}", failure.error_type, failure.message);
        let told = self.report(&failure.report(), request, Ahead::Nothing).await;
        if let Err(error) = self.told(told) {
            eprintln!("lambwire: {error}");
        }
        exit(1)
    }

    /// Registers as an extension, which Lambda sends SIGTERM to before the end, for as long as this connection stands: it
    /// is good for nothing else then. Where the Runtime API has no extensions, as in some emulators, nothing comes of it.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub async fn register(&mut self) -> Result<(), Error> {
        let mut buf = Vec::new();
        let register = Request::Register { name: "lambwire" };
        match T::exchange(&mut self.line, &register, NO_EVENTS, Ahead::Nothing, &mut buf).await {
            Err(Ended::Refused) => return Ok(()),
            registered => registered.map_err(|ended| self.error(ended, &buf))?,
        }
        let Message { head: Reply::Registered { id }, .. } = self.line.link.reply().read(&buf)? else {
            return Err(ReceiveError::NoExtensionId.into());
        };
        self.ask_and_leave(&Request::ExtensionNext { id }).await
    }
}
