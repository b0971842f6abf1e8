//! The loop's second half: an event, and its answer.

use std::io;

use lambwire::{
    Body, Client, Context, ErrorReport, Exchange, HTTP_INTEGRATION, Headers, Mode, PRELUDE_SEPARATOR, Prelude, Request,
    SendError, limits,
};

use crate::runtime::{Ahead, fill};
use crate::{Error, Runtime};

/// An event, and the duty to answer it: once.
#[must_use = "an invocation that is not answered times out"]
pub struct Invocation<'r, 'b> {
    pub(crate) runtime: &'r mut Runtime,
    /// Who asks, until when, on whose behalf.
    pub context: Context<'b>,
    /// The event, as it came.
    pub payload: &'b [u8],
    /// All headers of the event, as they came.
    pub headers: Headers<'b>,
}

impl<'r, 'b> Invocation<'r, 'b> {
    /// Answers with JSON.
    ///
    /// # Errors
    ///
    /// Those of [`respond_as`](Self::respond_as).
    pub fn respond(self, body: &[u8]) -> Result<(), Error> {
        self.respond_as("application/json", body)
    }

    /// Answers with a body of the media type `content_type`.
    ///
    /// # Errors
    ///
    /// [`SendError::PayloadTooLarge`] if the body is larger than Lambda takes, [`SendError::Unsendable`] if the media
    /// type cannot be sent: the invocation has then been answered with an error that says so. [`Error::Refused`] if the
    /// Runtime API did not take the answer. Others if the connection was lost and it is not known what became of the
    /// answer. The invocation is over in every case; whether the loop should be as well, says
    /// [`is_fatal`](lambwire::Error::is_fatal).
    pub fn respond_as(self, content_type: &str, body: &[u8]) -> Result<(), Error> {
        self.runtime.respond(&self.context, content_type, body, Ahead::Nothing)
    }

    /// Answers with an error.
    ///
    /// A report that is longer than Lambda takes is shortened: first its stack trace goes, then the end of its message.
    ///
    /// # Errors
    ///
    /// As those of [`respond_as`](Self::respond_as).
    pub fn fail(self, report: &ErrorReport<'_>) -> Result<(), Error> {
        self.runtime.fail(&self.context, report, Ahead::Nothing)
    }

    /// An answer that is sent as it comes about. Nothing is sent before its first piece.
    pub fn stream(self, content_type: &str) -> Stream<'r, 'b> {
        let Self { runtime, context, .. } = self;
        Stream { runtime, context, content_type: content_type.into(), stage: Stage::Start }
    }

    /// A streamed answer to HTTP: status and headers first, then the body.
    ///
    /// # Errors
    ///
    /// As those of [`Stream::write`], and [`SendError::OutTooSmall`] for a prelude that is too long: the invocation
    /// has then been answered with an error that says so.
    pub fn stream_http(self, prelude: &Prelude<'_>) -> Result<Stream<'r, 'b>, Error> {
        let mut json = Vec::new();
        if let Err(error) = fill(&mut json, |json| prelude.write(json)) {
            self.runtime.own_up(&self.context, error, Ahead::Nothing)?;
            return Err(error.into());
        }
        json.extend(PRELUDE_SEPARATOR);
        let mut stream = self.stream(HTTP_INTEGRATION);
        stream.write(&json)?;
        Ok(stream)
    }
}

impl Runtime {
    pub(crate) fn respond(
        &mut self,
        context: &Context<'_>,
        content_type: &str,
        body: &[u8],
        ahead: Ahead,
    ) -> Result<(), Error> {
        let verdict = self.tell(&Request::response(context, content_type, Mode::Buffered), body, ahead);
        if let Err(Error::Send(error)) = verdict {
            self.own_up(context, error, ahead)?;
        }
        verdict
    }

    pub(crate) fn fail(&mut self, context: &Context<'_>, report: &ErrorReport<'_>, ahead: Ahead) -> Result<(), Error> {
        self.report(report, |fault| Request::error(context, fault), ahead)
    }

    /// Answers with the error that kept the answer from being sent.
    fn own_up(&mut self, context: &Context<'_>, error: SendError, ahead: Ahead) -> Result<(), Error> {
        self.fail(context, &ErrorReport::new(error.report_type(), &error.to_string()), ahead)
    }
}

/// A streamed answer under way. One that is dropped is cut off, and the next exchange has a new connection.
#[must_use = "a stream that is not finished is cut off"]
pub struct Stream<'r, 'b> {
    pub(crate) runtime: &'r mut Runtime,
    pub(crate) context: Context<'b>,
    content_type: String,
    stage: Stage,
}

enum Stage {
    /// Nothing has been sent.
    Start,
    Begun(Exchange<io::Error>),
    /// Refused or lost.
    Over,
}

impl Stream<'_, '_> {
    /// Sends a piece, and returns when the socket has taken it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the Runtime API has refused the stream meanwhile, [`Error::Transport`] if the connection
    /// was lost: the stream is over then. [`SendError::Unsendable`] if the media type cannot be sent:
    /// [`fail`](Self::fail) still answers the invocation.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        let exchange = self.take_begun()?;
        let frame = self.runtime.link.client().frame(piece.len())?;
        match self.runtime.write(frame.before(), piece, frame.after()) {
            Ok(()) => {
                self.stage = Stage::Begun(exchange);
                Ok(())
            }
            sent => self.runtime.conclude(exchange, sent),
        }
    }

    /// Ends the answer.
    ///
    /// # Errors
    ///
    /// As those of [`Invocation::respond_as`].
    pub fn finish(mut self) -> Result<(), Error> {
        match self.take_begun() {
            Err(Error::Send(error)) if matches!(self.stage, Stage::Start) => {
                self.runtime.own_up(&self.context, error, Ahead::Nothing)?;
                Err(error.into())
            }
            exchange => self.end(exchange?, |client, end| client.finish(end)),
        }
    }

    /// Ends the answer with an error, and what was sent before is void. If nothing was, the invocation is answered with
    /// an error, as [`Invocation::fail`] does it.
    ///
    /// # Errors
    ///
    /// As those of [`Invocation::respond_as`].
    pub fn fail(mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        if matches!(self.stage, Stage::Start) {
            return self.runtime.fail(&self.context, report, Ahead::Nothing);
        }
        let exchange = self.take_begun()?;
        let report = report.fit(limits::STREAM_ERROR_BYTES);
        let mut json = Vec::new();
        fill(&mut json, |json| report.write(json))?;
        self.end(exchange, |client, end| client.finish_with_error(report.header_type(), &json, end))
    }

    /// The exchange, begun if it has not, to be put back if it goes on.
    fn take_begun(&mut self) -> Result<Exchange<io::Error>, Error> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begun(exchange) => Ok(exchange),
            Stage::Over => Err(SendError::Closed.into()),
            Stage::Start => {
                let request = Request::response(&self.context, &self.content_type, Mode::Streaming);
                self.runtime.begin(&request, Body::Chunked).inspect_err(|error| {
                    if matches!(error, Error::Send(_)) {
                        self.stage = Stage::Start;
                    }
                })
            }
        }
    }

    fn end(
        self,
        exchange: Exchange<io::Error>,
        finish: impl Fn(&mut Client, &mut [u8]) -> Result<usize, SendError>,
    ) -> Result<(), Error> {
        let mut end = Vec::new();
        fill(&mut end, |end| finish(self.runtime.link.client(), end))?;
        let sent = self.runtime.write(b"", &end, b"");
        self.runtime.conclude(exchange, sent)
    }
}
