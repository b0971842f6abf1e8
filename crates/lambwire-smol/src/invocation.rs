//! The loop's second half: an event, and its answer.

use lambwire::{
    Body, Client, Context, ErrorReport, HTTP_INTEGRATION, Headers, Mode, PRELUDE_SEPARATOR, Prelude, Request,
    SendError, limits,
};

use crate::link::fill;
use crate::{Error, Runtime};

/// Type of the report that answers for a response that is too large to be sent, as AWS names it.
const TOO_LARGE: &str = "Function.ResponseSizeTooLarge";

/// Type of the report that answers for a response that cannot be sent for another reason.
const UNSENDABLE: &str = "Function.UnsendableResponse";

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
    pub async fn respond(self, body: &[u8]) -> Result<(), Error> {
        self.respond_as("application/json", body).await
    }

    /// Answers with a body of the media type `content_type`.
    ///
    /// # Errors
    ///
    /// [`SendError::PayloadTooLarge`] if the body is larger than Lambda takes, [`SendError::Unsendable`] if the media
    /// type cannot be sent: the invocation has then been answered with an error that says so. [`Error::Refused`] if the Runtime API did not take the answer. Others if the
    /// connection was lost and it is not known what became of the answer. The invocation is over in every case; whether
    /// the loop should be as well, says [`is_fatal`](lambwire::Error::is_fatal).
    pub async fn respond_as(self, content_type: &str, body: &[u8]) -> Result<(), Error> {
        let verdict = self.runtime.tell(&response(&self.context, content_type, Mode::Buffered), body).await;
        if let Err(Error::Send(error)) = verdict {
            self.own_up(error).await?;
        }
        verdict
    }

    /// Answers with an error.
    ///
    /// A report that is longer than Lambda takes is shortened: first its stack trace goes, then the end of its message.
    ///
    /// # Errors
    ///
    /// As those of [`respond_as`](Self::respond_as).
    pub async fn fail(self, report: &ErrorReport<'_>) -> Result<(), Error> {
        let Context { request_id: id, invocation_id, .. } = self.context;
        self.runtime.report(report, |fault| Request::Error { id, invocation_id, fault }).await
    }

    /// An answer that is sent as it comes about. Nothing is sent before its first piece.
    pub fn stream(self, content_type: &str) -> Stream<'r, 'b> {
        Stream { invocation: self, content_type: content_type.into(), has_begun: false }
    }

    /// A streamed answer to HTTP: status and headers first, then the body.
    ///
    /// # Errors
    ///
    /// As those of [`Stream::write`], and [`SendError::OutTooSmall`] for a prelude that is too long: the invocation
    /// has then been answered with an error that says so.
    pub async fn stream_http(self, prelude: &Prelude<'_>) -> Result<Stream<'r, 'b>, Error> {
        let mut json = Vec::new();
        if let Err(error) = fill(&mut json, |json| prelude.write(json)) {
            self.own_up(error).await?;
            return Err(error.into());
        }
        let mut stream = self.stream(HTTP_INTEGRATION);
        stream.write(&json).await?;
        stream.write(&PRELUDE_SEPARATOR).await?;
        Ok(stream)
    }

    /// Answers with the error that kept the answer from being sent.
    async fn own_up(self, error: SendError) -> Result<(), Error> {
        let is_too_large = matches!(error, SendError::PayloadTooLarge { .. });
        let error_type = if is_too_large { TOO_LARGE } else { UNSENDABLE };
        self.fail(&ErrorReport::new(error_type, &error.to_string())).await
    }
}

fn response<'a>(context: &Context<'a>, content_type: &'a str, mode: Mode) -> Request<'a> {
    let Context { request_id: id, invocation_id, .. } = *context;
    Request::Response { id, invocation_id, content_type: Some(content_type), mode }
}

/// A streamed answer under way. One that is dropped is cut off, and the next exchange has a new connection; so it is if
/// the future of one of its methods is dropped.
#[must_use = "a stream that is not finished is cut off"]
pub struct Stream<'r, 'b> {
    invocation: Invocation<'r, 'b>,
    content_type: String,
    has_begun: bool,
}

impl Stream<'_, '_> {
    /// Sends a piece, and returns when the socket has taken it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the Runtime API has refused the stream meanwhile, [`Error::Transport`] if the connection
    /// was lost: the stream is over then. [`SendError::Unsendable`] if the media type cannot be sent:
    /// [`fail`](Self::fail) still answers the invocation.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.begin().await?;
        let link = &mut self.invocation.runtime.link;
        let frame = link.client.frame(piece.len())?;
        match link.write(frame.before(), piece, frame.after()).await {
            Ok(()) => Ok(()),
            sent => self.invocation.runtime.conclude(sent).await,
        }
    }

    /// Ends the answer.
    ///
    /// # Errors
    ///
    /// As those of [`Invocation::respond_as`].
    pub async fn finish(mut self) -> Result<(), Error> {
        if let Err(error) = self.begin().await {
            if let Error::Send(error) = error {
                self.invocation.own_up(error).await?;
            }
            return Err(error);
        }
        self.end(|client, end| client.finish(end)).await
    }

    /// Ends the answer with an error, and what was sent before is void. If nothing was, the invocation is answered with
    /// an error, as [`Invocation::fail`] does it.
    ///
    /// # Errors
    ///
    /// As those of [`Invocation::respond_as`].
    pub async fn fail(self, report: &ErrorReport<'_>) -> Result<(), Error> {
        if !self.has_begun {
            return self.invocation.fail(report).await;
        }
        let report = report.fit(limits::STREAM_ERROR_BYTES);
        let mut json = Vec::new();
        fill(&mut json, |json| report.write(json))?;
        self.end(|client, end| client.finish_with_error(report.header_type(), &json, end)).await
    }

    /// Makes the head ready, which goes out with the first bytes behind it.
    async fn begin(&mut self) -> Result<(), Error> {
        if !self.has_begun {
            let request = response(&self.invocation.context, &self.content_type, Mode::Streaming);
            self.invocation.runtime.link.begin(&request, Body::Chunked).await?;
            self.has_begun = true;
        }
        Ok(())
    }

    async fn end(self, finish: impl Fn(&mut Client, &mut [u8]) -> Result<usize, SendError>) -> Result<(), Error> {
        let runtime = self.invocation.runtime;
        let mut end = Vec::new();
        fill(&mut end, |end| finish(&mut runtime.link.client, end))?;
        let sent = runtime.link.write(b"", &end, b"").await;
        runtime.conclude(sent).await
    }
}
