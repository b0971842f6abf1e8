//! An event, and the response to it.

use lambwire::{Context, ErrorReport, Headers, Pipelining, Prelude};
use lambwire_runtime::{ResponseBody, Streaming};
use smol::stream::StreamExt;

use crate::socket::send;
use crate::{Error, Failure, Pieces, Response, Runtime};

/// An event, and the duty to respond to it: once.
#[derive(Debug)]
#[must_use = "an invocation without a response times out"]
pub struct Invocation<'r, 'b> {
    pub(crate) runtime: &'r mut Runtime,
    pub(crate) pipelining: Pipelining,
    /// Who asks, until when, on whose behalf.
    pub context: Context<'b>,
    /// The event, as it came.
    pub payload: &'b [u8],
    /// All headers of the event, as they came.
    pub headers: Headers<'b>,
}

impl<'r, 'b> Invocation<'r, 'b> {
    /// Responds. Bytes and text go as they stand, labelled as JSON, so they have to be JSON.
    /// [`Response::new`](lambwire_runtime::Response::new) has another media type, `Response::new("text/plain", "plain words")`,
    /// and [`Response::stream`](lambwire_runtime::Response::stream) pieces that are sent as they come about.
    ///
    /// This takes the invocation, so what goes into the response is taken from it before:
    ///
    /// ```
    /// use lambwire_smol::{Error, Failure, Runtime};
    ///
    /// async fn echo(runtime: &mut Runtime, buf: &mut Vec<u8>) -> Result<(), Error> {
    ///     let invocation = runtime.next(buf).await?;
    ///     let event = invocation.payload;
    ///     if event == b"null" {
    ///         return invocation.fail(&Failure::from("no event").report()).await;
    ///     }
    ///     invocation.respond(event).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`], which is about this invocation alone unless it [is fatal](Error::is_fatal). It is [`Error::Send`] for a
    /// response that is too large, or whose media type fits no header: the invocation has then been answered with an error
    /// that says so. Pieces that fail are no error here: they end the response as [`Stream::fail`] does.
    pub async fn respond<'e>(self, response: impl Into<Response<'e>>) -> Result<(), Error> {
        let Response { content_type, body } = response.into();
        match body {
            ResponseBody::Buffered(body) => {
                let Runtime { conversation, socket, .. } = self.runtime;
                send(socket, conversation.respond(&self.context, &content_type, &body, self.pipelining)).await
            }
            ResponseBody::Pieces { opening, pieces } => self.stream(&content_type).send_all(opening, pieces).await,
        }
    }

    /// Answers with an error: `&Failure::from("why").report()`, say. A report that is longer than Lambda takes is shortened:
    /// first its stack trace goes, then the end of its message.
    ///
    /// # Errors
    ///
    /// [`Error`], which is about this invocation alone unless it [is fatal](Error::is_fatal).
    pub async fn fail(self, report: &ErrorReport<'_>) -> Result<(), Error> {
        let Runtime { conversation, socket, .. } = self.runtime;
        send(socket, conversation.fail(&self.context, report, self.pipelining)).await
    }

    /// A response that is sent as it comes about. Nothing is sent before its first piece.
    pub fn stream(self, content_type: &str) -> Stream<'r, 'b> {
        Stream { runtime: self.runtime, streaming: Streaming::new(self.context, content_type) }
    }

    /// A streamed response to HTTP: status and headers first, then the body.
    ///
    /// # Errors
    ///
    /// [`Error`]; it is [`Error::Send`] for a prelude that is too long.
    pub async fn stream_http(self, prelude: &Prelude<'_>) -> Result<Stream<'r, 'b>, Error> {
        let Runtime { conversation, socket, .. } = &mut *self.runtime;
        let (streaming, opening) = Streaming::http(self.context, prelude, conversation)?;
        send(socket, Ok(opening)).await?;
        Ok(Stream { runtime: self.runtime, streaming })
    }
}

/// What a loop does with an invocation.
impl Invocation<'_, '_> {
    /// Awaits its handler.
    pub(crate) async fn handled<V>(&self, handler: impl Future<Output = Result<V, Failure>>) -> Result<V, Failure> {
        (self.runtime.on_trace_id)(self.context.trace_id);
        self.runtime.caught(Some(&self.context), handler).await
    }

    /// Sends what its handler returned.
    pub(crate) async fn answer(
        self,
        response: Result<Response<'_>, Failure>,
        observe: &mut impl FnMut(&Context<'_>, &Error),
    ) -> Result<(), Error> {
        let this = Self { pipelining: self.runtime.pipelining, ..self };
        let context = this.context;
        let answered = match response {
            Ok(response) => this.respond(response).await,
            Err(failure) => this.fail(&failure.report()).await,
        };
        match answered {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => observe(&context, &error),
            Ok(()) => {}
        }
        Ok(())
    }
}

/// A streamed response under way. One that is dropped is cut off, and the next request has a new connection; so it is
/// if the future of one of its methods is dropped.
#[derive(Debug)]
#[must_use = "a stream that is not finished is cut off"]
pub struct Stream<'r, 'b> {
    runtime: &'r mut Runtime,
    streaming: Streaming<'b>,
}

impl Stream<'_, '_> {
    /// Sends all pieces, and the end of them, whatever that is.
    async fn send_all(mut self, opening: Option<Vec<u8>>, mut pieces: Pieces<'_>) -> Result<(), Error> {
        if let Some(opening) = opening {
            self.write(&opening).await?;
        }
        loop {
            let next = async { pieces.next().await.transpose() };
            match self.runtime.caught(Some(&self.streaming.context), next).await {
                Ok(Some(piece)) => self.write(&piece).await?,
                Ok(None) => return self.finish().await,
                Err(failure) => return self.fail(&failure.report()).await,
            }
        }
    }

    /// Sends a piece, and returns when the socket has taken it.
    ///
    /// # Errors
    ///
    /// [`Error`], after which the stream is over. It is [`Error::Send`] for a media type that fits no header: the invocation
    /// has then been answered with an error that says so.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        let Runtime { conversation, socket, .. } = &mut *self.runtime;
        send(socket, self.streaming.piece(conversation, piece)).await
    }

    /// Ends the response.
    pub async fn finish(mut self) -> Result<(), Error> {
        let Runtime { conversation, socket, .. } = self.runtime;
        send(socket, self.streaming.finish(conversation)).await
    }

    /// Ends the response with an error, and what was sent before is void. If nothing was, the invocation is answered with
    /// an error, as [`Invocation::fail`] does it.
    pub async fn fail(mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        let Runtime { conversation, socket, .. } = self.runtime;
        send(socket, self.streaming.fail(conversation, report)).await
    }
}
