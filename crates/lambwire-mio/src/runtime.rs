//! The loop's first half: ask for an invocation, again if need be.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use lambwire::{API_VARIABLE, ErrorReport, Fault, Message, ReceiveError, Reply, Request, WholeReply, limits};

use crate::connection::Unwritten;
use crate::link::{Link, Lost, fill};
use crate::{Error, Invocation};

/// Waits before a connection is tried again; when they are used up, the error is given to the caller. In all about two
/// seconds: the Runtime API is on this machine, and a process that cannot reach it is started again.
const BACK_OFF: [Duration; 6] = [
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_millis(1200),
];

/// Wait before asking again when there was nothing yet.
const NOTHING_YET_PAUSE: Duration = Duration::from_millis(50);

/// A runtime: a connection to the Runtime API, which is made anew when it breaks.
pub struct Runtime {
    pub(crate) link: Link,
    /// Room for replies other than invocations.
    reply: Vec<u8>,
}

impl Runtime {
    /// Connects to the Runtime API that the environment names in `AWS_LAMBDA_RUNTIME_API`.
    ///
    /// # Errors
    ///
    /// [`Error::Transport`] if the variable is not set, or nobody listens there.
    pub fn from_env() -> Result<Self, Error> {
        let missing = |_| io::Error::new(io::ErrorKind::NotFound, format!("{API_VARIABLE} is not set"));
        Self::connect(&std::env::var(API_VARIABLE).map_err(missing).map_err(Error::Transport)?)
    }

    /// Connects to the Runtime API at `api`: `host:port`, or a URL.
    ///
    /// # Errors
    ///
    /// [`SendError::BadApi`](lambwire::SendError::BadApi) if that is no address, [`Error::Transport`] if nobody listens
    /// there.
    pub fn connect(api: &str) -> Result<Self, Error> {
        Ok(Self { link: Link::open(api)?, reply: Vec::new() })
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
        let whole = self.ask(buf)?;
        if let Some(refusal) = whole.refusal(buf) {
            return Err(refusal.into());
        }
        let Message { head: Reply::Invocation(context), body: payload, headers, .. } = whole.read(buf)? else {
            return Err(ReceiveError::NoRequestId.into());
        };
        Ok(Invocation { runtime: self, context, payload, headers })
    }

    /// Tells that the function could not start. The process is expected to end afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`Invocation::fail`].
    pub fn init_error(&mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        self.report(report, Request::InitError)
    }

    fn ask(&mut self, buf: &mut Vec<u8>) -> Result<WholeReply, Error> {
        let mut back_off = BACK_OFF.iter();
        loop {
            match self.link.exchange(&Request::Next, b"", buf) {
                Ok(whole) if whole.is_nothing_yet() => {
                    back_off = BACK_OFF.iter();
                    sleep(NOTHING_YET_PAUSE);
                }
                Ok(whole) => return Ok(whole),
                Err(lost) if lost.is_connection() => sleep(*back_off.next().ok_or(lost)?),
                Err(lost) => return Err(lost.into()),
            }
        }
    }

    /// Sends a request whose reply says no more than yes or no.
    pub(crate) fn tell(&mut self, request: &Request<'_>, body: &[u8]) -> Result<(), Error> {
        let mut reply = self.link.exchange(request, body, &mut self.reply);
        let is_repeat = reply.as_ref().is_err_and(Lost::may_have_arrived);
        if reply.as_ref().is_err_and(Lost::may_repeat) {
            reply = self.link.exchange(request, body, &mut self.reply);
        }
        match self.verdict(reply) {
            // The first try had got through after all.
            Err(Error::Refused(refusal)) if is_repeat && refusal.is_of_repeat() => Ok(()),
            verdict => verdict,
        }
    }

    /// Sends the report of a failure, shortened to what Lambda takes.
    pub(crate) fn report<'a>(
        &mut self,
        report: &ErrorReport<'a>,
        request: impl FnOnce(Fault<'a>) -> Request<'a>,
    ) -> Result<(), Error> {
        let report = report.fit(limits::ERROR_BYTES);
        let mut json = Vec::new();
        fill(&mut json, |json| report.write(json))?;
        self.tell(&request(Fault { error_type: Some(report.header_type()), xray_cause: None }), &json)
    }

    /// Collects the reply to what [`Link::write`] sent.
    pub(crate) fn conclude(&mut self, sent: Result<(), Unwritten>) -> Result<(), Error> {
        let reply = self.link.receive(sent, &mut self.reply);
        self.verdict(reply)
    }

    fn verdict(&self, reply: Result<WholeReply, Lost>) -> Result<(), Error> {
        match reply?.refusal(&self.reply) {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }
}
