//! The loop: ask for an invocation, again if need be, and have a handler answer it.

use std::convert::Infallible;

use lambwire::{Context, ErrorReport};

use crate::transport::{Transport, now};
use crate::{Answer, Error, Failure, Invocation};

/// A runtime: a connection to the Runtime API, which is made anew when it breaks.
pub struct Runtime(pub(crate) lambwire_runtime::Runtime<Transport>);

impl Runtime {
    /// Connects to the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if the variable is not set, or nobody listens there.
    pub fn from_env() -> Result<Self, Error> {
        now(lambwire_runtime::Runtime::from_env()).map(Self)
    }

    /// Connects to the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`SendError::BadApi`](lambwire::SendError::BadApi) if that is no address, [`Error::Transport`] if nobody listens
    /// there.
    pub fn connect(api: &str) -> Result<Self, Error> {
        now(lambwire_runtime::Runtime::connect(api)).map(Self)
    }

    /// Waits for the next invocation, for as long as it takes. Its parts are borrowed from `buf`, which grows as
    /// needed and is best used again.
    ///
    /// A connection that turns out dead, as it does after the process was frozen, is made anew a few times.
    ///
    /// # Errors
    ///
    /// Any is a reason to end the process: the Runtime API cannot be reached, cannot be understood, or refuses.
    pub fn next<'r, 'b>(&'r mut self, buf: &'b mut Vec<u8>) -> Result<Invocation<'r, 'b>, Error> {
        let asked = now(self.0.ask(buf));
        self.0.asked(asked, buf).map(Invocation)
    }

    /// Whether [`serve`](Self::serve) asks for the next invocation in one write with an answer, as it does unless told
    /// otherwise: for servers that cannot take a request before they have replied to the last.
    pub fn set_one_ahead(&mut self, is_ahead: bool) {
        self.0.set_one_ahead(is_ahead);
    }

    /// Handles one invocation after another, until an error ends it.
    ///
    /// An answer and the question for the next event go out in one write, so that nothing is waited for in between. An
    /// answer that comes to nothing is told to `observe`, and the loop goes on. A handler that panics has failed, and
    /// the report says with what and where: a hook for panics, which calls the one before it, is set for the process.
    /// Where a panic ends the process (`panic = "abort"`) the hook sends the report itself, and exits with 101.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next), and any of an answer that [is fatal](lambwire::Error::is_fatal).
    pub fn serve(
        &mut self,
        mut handler: impl for<'e> FnMut(&'e [u8], &Context<'e>) -> Result<Answer<'e>, Failure>,
        observe: impl FnMut(&Context<'_>, &Error),
    ) -> Result<Infallible, Error> {
        now(self.0.serve(async |event, context| handler(event, context), observe))
    }

    /// Does what has to be done before the first event. If that fails, or panics, it is reported to the Runtime API and
    /// on stderr, and the process exits with 1.
    pub fn init<T>(&mut self, init: impl FnOnce() -> Result<T, Failure>) -> T {
        now(self.0.init(async { init() }))
    }

    /// Tells that the function could not start. The process is expected to end afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`Invocation::fail`].
    pub fn init_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        now(self.0.init_error(report))
    }

    /// Lets Lambda take its snapshot, where [`is_snap_start`](crate::is_snap_start) says that it wants one: runs
    /// `before`, waits until the execution environment has been restored, connects anew, and runs `after`, for what has
    /// to be unique or fresh. If either fails, or panics, that is reported and the process exits with 1.
    ///
    /// # Errors
    ///
    /// Those of [`next`](Self::next).
    pub fn restore(
        &mut self,
        before: impl FnOnce() -> Result<(), Failure>,
        after: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Error> {
        now(self.0.restore(async { before() }, async { after() }))
    }
}
