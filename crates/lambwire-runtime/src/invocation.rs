//! The loop's second half: an event, and its answer.

use std::io;

use lambwire::{
    Body, Client, Context, ErrorReport, Exchange, HTTP_INTEGRATION, Headers, Mode, Prelude, Request, SendError, limits,
};

use crate::answer::opening;
use crate::line::{Ahead, Ended, fill};
use crate::{Error, Runtime, Transport};

/// An event, and the duty to answer it: once.
#[must_use = "an invocation that is not answered times out"]
pub struct Invocation<'r, 'b, T> {
    pub(crate) runtime: &'r mut Runtime<T>,
    /// Who asks, until when, on whose behalf.
    pub context: Context<'b>,
    /// The event, as it came.
    pub payload: &'b [u8],
    /// All headers of the event, as they came.
    pub headers: Headers<'b>,
}

impl<'r, 'b, T: Transport> Invocation<'r, 'b, T> {
    /// Answers with JSON.
    ///
    /// # Errors
    ///
    /// Those of [`respond_as`](Self::respond_as).
    pub async fn respond(self, body: &[u8]) -> Result<(), Error> {
        self.respond_as("application/json", body).await
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
    pub async fn respond_as(mut self, content_type: &str, body: &[u8]) -> Result<(), Error> {
        let told = self.tell(content_type, body).await;
        self.told(told)
    }

    /// The first half of [`respond_as`](Self::respond_as), which waits, for transports whose futures are done at once.
    ///
    /// # Errors
    ///
    /// [`Ended`], to be handed to [`told`](Self::told).
    #[doc(hidden)]
    pub async fn tell(&mut self, content_type: &str, body: &[u8]) -> Result<(), Ended> {
        self.runtime.respond(&self.context, content_type, body, Ahead::Nothing).await
    }

    /// The second half of [`respond_as`](Self::respond_as), which reads what the first has brought.
    ///
    /// # Errors
    ///
    /// As those of [`respond_as`](Self::respond_as).
    #[doc(hidden)]
    pub fn told(self, told: Result<(), Ended>) -> Result<(), Error> {
        self.runtime.told(told)
    }

    /// Answers with an error.
    ///
    /// A report that is longer than Lambda takes is shortened: first its stack trace goes, then the end of its message.
    ///
    /// # Errors
    ///
    /// As those of [`respond_as`](Self::respond_as).
    pub async fn fail(self, report: &ErrorReport<'_>) -> Result<(), Error> {
        let told = self.runtime.fail(&self.context, report, Ahead::Nothing).await;
        self.runtime.told(told)
    }

    /// An answer that is sent as it comes about. Nothing is sent before its first piece.
    pub fn stream(self, content_type: &str) -> Stream<'r, 'b, T> {
        Stream::new(self.runtime, self.context, content_type)
    }

    /// A streamed answer to HTTP: status and headers first, then the body.
    ///
    /// # Errors
    ///
    /// As those of [`Stream::write`], and [`SendError::OutTooSmall`] for a prelude that is too long: the invocation
    /// has then been answered with an error that says so.
    pub async fn stream_http(self, prelude: &Prelude<'_>) -> Result<Stream<'r, 'b, T>, Error> {
        let opening = match opening(prelude) {
            Ok(opening) => opening,
            Err(error) => {
                let told = self.runtime.own_up(&self.context, error, Ahead::Nothing).await;
                self.runtime.told(told)?;
                return Err(error.into());
            }
        };
        let mut stream = self.stream(HTTP_INTEGRATION);
        stream.write(&opening).await?;
        Ok(stream)
    }
}

impl<T: Transport> Runtime<T> {
    pub(crate) async fn respond(
        &mut self,
        context: &Context<'_>,
        content_type: &str,
        body: &[u8],
        ahead: Ahead,
    ) -> Result<(), Ended> {
        let told = self.tell(&Request::response(context, content_type, Mode::Buffered), body, ahead).await;
        if let Err(Ended::Unsent(error)) = told {
            self.own_up(context, error, ahead).await?;
        }
        told
    }

    pub(crate) async fn fail(
        &mut self,
        context: &Context<'_>,
        report: &ErrorReport<'_>,
        ahead: Ahead,
    ) -> Result<(), Ended> {
        self.report(report, |fault| Request::error(context, fault), ahead).await
    }

    /// Answers with the error that kept the answer from being sent.
    async fn own_up(&mut self, context: &Context<'_>, error: SendError, ahead: Ahead) -> Result<(), Ended> {
        self.fail(context, &ErrorReport::new(error.report_type(), &error.to_string()), ahead).await
    }
}

/// A streamed answer under way. One that is dropped is cut off, and the next exchange has a new connection; so it is if
/// the future of one of its methods is dropped.
#[must_use = "a stream that is not finished is cut off"]
pub struct Stream<'r, 'b, T> {
    pub(crate) runtime: &'r mut Runtime<T>,
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

impl<'r, 'b, T: Transport> Stream<'r, 'b, T> {
    pub(crate) fn new(runtime: &'r mut Runtime<T>, context: Context<'b>, content_type: &str) -> Self {
        Self { runtime, context, content_type: content_type.into(), stage: Stage::Start }
    }

    /// Sends a piece, and returns when the socket has taken it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the Runtime API has refused the stream meanwhile, [`Error::Transport`] if the connection
    /// was lost: the stream is over then. [`SendError::Unsendable`] if the media type cannot be sent:
    /// [`fail`](Self::fail) still answers the invocation.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        let told = self.put(piece).await;
        self.runtime.told(told)
    }

    /// Ends the answer.
    ///
    /// # Errors
    ///
    /// As those of [`Invocation::respond_as`].
    pub async fn finish(mut self) -> Result<(), Error> {
        let told = self.end().await;
        self.runtime.told(told)
    }

    /// Ends the answer with an error, and what was sent before is void. If nothing was, the invocation is answered with
    /// an error, as [`Invocation::fail`] does it.
    ///
    /// # Errors
    ///
    /// As those of [`Invocation::respond_as`].
    pub async fn fail(mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        let told = self.end_with(report).await;
        self.runtime.told(told)
    }

    pub(crate) async fn put(&mut self, piece: &[u8]) -> Result<(), Ended> {
        let exchange = self.take_begun().await?;
        let frame = self.runtime.line.link.client().frame(piece.len())?;
        match self.runtime.line.write(frame.before(), piece, frame.after()).await {
            Ok(()) => {
                self.stage = Stage::Begun(exchange);
                Ok(())
            }
            sent => self.runtime.line.conclude(exchange, sent, &mut self.runtime.reply).await,
        }
    }

    pub(crate) async fn end(&mut self) -> Result<(), Ended> {
        match self.take_begun().await {
            Err(Ended::Unsent(error)) if matches!(self.stage, Stage::Start) => {
                self.runtime.own_up(&self.context, error, Ahead::Nothing).await?;
                Err(error.into())
            }
            exchange => self.conclude(exchange?, |client, end| client.finish(end)).await,
        }
    }

    pub(crate) async fn end_with(&mut self, report: &ErrorReport<'_>) -> Result<(), Ended> {
        if matches!(self.stage, Stage::Start) {
            return self.runtime.fail(&self.context, report, Ahead::Nothing).await;
        }
        let exchange = self.take_begun().await?;
        let report = report.fit(limits::STREAM_ERROR_BYTES);
        let mut json = Vec::new();
        fill(&mut json, |json| report.write(json))?;
        self.conclude(exchange, |client, end| client.finish_with_error(report.header_type(), &json, end)).await
    }

    /// The exchange, begun if it has not, to be put back if it goes on.
    async fn take_begun(&mut self) -> Result<Exchange<io::Error>, Ended> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Begun(exchange) => Ok(exchange),
            Stage::Over => Err(SendError::Closed.into()),
            Stage::Start => {
                let request = Request::response(&self.context, &self.content_type, Mode::Streaming);
                self.runtime.line.begin(&request, Body::Chunked).await.inspect_err(|ended| {
                    if matches!(ended, Ended::Unsent(_)) {
                        self.stage = Stage::Start;
                    }
                })
            }
        }
    }

    async fn conclude(
        &mut self,
        exchange: Exchange<io::Error>,
        finish: impl Fn(&mut Client, &mut [u8]) -> Result<usize, SendError>,
    ) -> Result<(), Ended> {
        let mut end = Vec::new();
        fill(&mut end, |end| finish(self.runtime.line.link.client(), end))?;
        let sent = self.runtime.line.write(b"", &end, b"").await;
        self.runtime.line.conclude(exchange, sent, &mut self.runtime.reply).await
    }
}
