//! What comes before the first event, and after the last.

use std::process::exit;
use std::time::{Duration, SystemTime};

use lambwire::{
    Context, ErrorReport, INITIALIZATION_TYPE_VARIABLE, Message, NO_EVENTS, ReceiveError, Reply, Request, SNAP_START,
};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

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
    pub fn init<T>(&mut self, init: impl FnOnce() -> Result<T, Failure>) -> T {
        panics::caught(&self.link, None, init).unwrap_or_else(|failure| self.give_up(&failure, Request::InitError))
    }

    /// Tells that the function could not start. The process is expected to end afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`Invocation::fail`](crate::Invocation::fail).
    pub fn init_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        self.report(report, Request::InitError, Ahead::Nothing)
    }

    /// Lets Lambda take its snapshot, where [`is_snap_start`] says that it wants one: runs `before`, waits until
    /// the execution environment has been restored, connects anew, and runs `after`, for what has to be unique or fresh.
    /// If either fails, or panics, that is reported and the process exits with 1.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub fn restore(
        &mut self,
        before: impl FnOnce() -> Result<(), Failure>,
        after: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Error> {
        self.init(before);
        self.tell(&Request::RestoreNext, b"", Ahead::Nothing)?;
        self.disconnect();
        if let Err(failure) = panics::caught(&self.link, None, after) {
            self.give_up(&failure, Request::RestoreError)
        }
        Ok(())
    }

    fn give_up<'f>(&mut self, failure: &'f Failure, request: fn(lambwire::Fault<'f>) -> Request<'f>) -> ! {
        eprintln!("lambwire: {}: {}", failure.error_type, failure.message);
        if let Err(error) = self.report(&failure.report(), request, Ahead::Nothing) {
            eprintln!("lambwire: {error}");
        }
        exit(1)
    }
}

/// Has SIGTERM sent to this process before it is ended, which Lambda does for those that register as an extension, and
/// runs `finish` when it comes, on a thread of its own; then the process exits with 0. Lambda leaves it half a second.
///
/// To be called before the first event is asked for. Where the Runtime API at `api` has no extensions, as in some
/// emulators, the signal is waited for all the same.
///
/// # Errors
///
/// Those of [`Invocation::respond`](crate::Invocation::respond), and [`Error::Transport`] if the signal cannot be had.
pub fn on_sigterm(api: &str, finish: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let mut signals = Signals::new([SIGTERM]).map_err(Error::Transport)?;
    let mut runtime = Runtime::connect(api)?;
    match runtime.register() {
        Ok(()) | Err(Error::Refused(_)) => {}
        Err(error) => return Err(error),
    }
    std::thread::spawn(move || {
        signals.forever().next();
        finish();
        // The question for an event, which gets no reply, has to stand till here.
        drop(runtime);
        exit(0)
    });
    Ok(())
}

impl Runtime {
    fn register(&mut self) -> Result<(), Error> {
        let mut buf = Vec::new();
        self.exchange(&Request::Register { name: "lambwire" }, NO_EVENTS, Ahead::Nothing, &mut buf)?;
        let Message { head: Reply::Registered { id }, .. } = self.link.reply().read(&buf)? else {
            return Err(ReceiveError::NoExtensionId.into());
        };
        self.ask_and_leave(&Request::ExtensionNext { id })
    }
}
