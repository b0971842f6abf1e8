//! The loop's first half: ask for an invocation.

use std::io;

use lambwire::{API_VARIABLE, Body, ErrorReport, Fault, Link, Message, ReceiveError, Reply, Request, limits};

use crate::line::{Ahead, Ended, Line, fill};
use crate::{Error, Invocation, Transport};

/// A runtime: a connection to the Runtime API, which is made anew when it breaks.
pub struct Runtime<T> {
    pub(crate) line: Line<T>,
    /// Room for replies other than invocations.
    pub(crate) reply: Vec<u8>,
    /// What [`serve`](Self::serve) sends behind an answer.
    pub(crate) ahead: Ahead,
}

impl<T: Transport> Runtime<T> {
    /// Connects to the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if the variable is not set, or nobody listens there.
    pub async fn from_env() -> Result<Self, Error> {
        let missing = |_| io::Error::new(io::ErrorKind::NotFound, format!("{API_VARIABLE} is not set"));
        Self::connect(&std::env::var(API_VARIABLE).map_err(missing).map_err(Error::Transport)?).await
    }

    /// Connects to the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`SendError::BadApi`](lambwire::SendError::BadApi) if that is no address, [`Error::Transport`] if nobody listens
    /// there.
    pub async fn connect(api: &str) -> Result<Self, Error> {
        Self::open(Link::new(api)?).await
    }

    pub(crate) async fn open(link: Link) -> Result<Self, Error> {
        let line = Line::open(link).await.map_err(Error::Transport)?;
        Ok(Self { line, reply: Vec::new(), ahead: Ahead::Next })
    }

    /// Waits for the next invocation, for as long as it takes. Its parts are borrowed from `buf`, which grows as
    /// needed and is best used again.
    ///
    /// A connection that turns out dead, as it does after the process was frozen, is made anew a few times.
    ///
    /// If the future is dropped, so is the connection, with an invocation that may have been on its way.
    ///
    /// # Errors
    ///
    /// Any is a reason to end the process: the Runtime API cannot be reached, cannot be understood, or refuses.
    pub async fn next<'r, 'b>(&'r mut self, buf: &'b mut Vec<u8>) -> Result<Invocation<'r, 'b, T>, Error> {
        let asked = self.ask(buf).await;
        self.asked(asked, buf)
    }

    /// The first half of [`next`](Self::next), which waits, for transports whose futures are done at once.
    ///
    /// # Errors
    ///
    /// [`Ended`], to be handed to [`asked`](Self::asked).
    #[doc(hidden)]
    pub async fn ask(&mut self, buf: &mut Vec<u8>) -> Result<(), Ended> {
        let rest = self.line.link.take_rest(&self.reply);
        if !rest.is_empty() {
            buf.resize(buf.len().max(rest.len()), 0);
            buf[..rest.len()].copy_from_slice(rest);
        }
        T::exchange(&mut self.line, &Request::Next, b"", Ahead::Nothing, buf).await
    }

    /// The second half of [`next`](Self::next), which reads what the first has brought.
    ///
    /// # Errors
    ///
    /// As those of [`next`](Self::next).
    #[doc(hidden)]
    pub fn asked<'r, 'b>(
        &'r mut self,
        asked: Result<(), Ended>,
        buf: &'b [u8],
    ) -> Result<Invocation<'r, 'b, T>, Error> {
        asked.map_err(|ended| self.error(ended, buf))?;
        let Message { head: Reply::Invocation(context), body: payload, headers, .. } =
            self.line.link.reply().read(buf)?
        else {
            return Err(ReceiveError::NoRequestId.into());
        };
        Ok(Invocation { runtime: self, context, payload, headers })
    }

    /// Sends a request whose reply says no more than yes or no.
    pub(crate) async fn tell(&mut self, request: &Request<'_>, body: &[u8], ahead: Ahead) -> Result<(), Ended> {
        T::exchange(&mut self.line, request, body, ahead, &mut self.reply).await
    }

    /// What was [told](Self::tell), or why not.
    pub(crate) fn told(&self, told: Result<(), Ended>) -> Result<(), Error> {
        told.map_err(|ended| self.error(ended, &self.reply))
    }

    /// Sends the report of a failure, shortened to what Lambda takes.
    pub(crate) async fn report<'a>(
        &mut self,
        report: &ErrorReport<'a>,
        request: impl FnOnce(Fault<'a>) -> Request<'a>,
        ahead: Ahead,
    ) -> Result<(), Ended> {
        let report = report.fit(limits::ERROR_BYTES);
        let mut json = Vec::new();
        fill(&mut json, |json| report.write(json))?;
        self.tell(&request(report.fault()), &json, ahead).await
    }

    /// Sends a request whose reply is not waited for.
    pub(crate) async fn ask_and_leave(&mut self, request: &Request<'_>) -> Result<(), Error> {
        self.line.begin(request, Body::Exact(0)).await.map_err(|ended| self.error(ended, b""))?;
        self.line.write(b"", b"", b"").await.map_err(|unwritten| Error::Transport(unwritten.error))
    }

    /// Why an exchange came to nothing, whose reply was collected in `buf`.
    #[cold]
    pub(crate) fn error(&self, ended: Ended, buf: &[u8]) -> Error {
        match ended {
            Ended::Lost(lost) => lost.into(),
            Ended::Unsent(error) => error.into(),
            Ended::Refused => self.line.link.reply().refusal(buf).map_or(ReceiveError::NoReply.into(), Error::Refused),
        }
    }
}
