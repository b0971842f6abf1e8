//! The loop that people want: a handler, its answers, and the next event.

use std::borrow::Cow;
use std::convert::Infallible;

use std::pin::Pin;

use lambwire::{Context, ErrorReport, HTTP_INTEGRATION, PRELUDE_SEPARATOR, Prelude, SendError};
use smol::stream::{self, StreamExt};

use crate::runtime::{Ahead, fill};
use crate::{Error, Runtime, Stream, panics};

/// What a handler has to say, which may be borrowed from the event. Bytes and text become JSON by `into`.
pub struct Answer<'e> {
    content_type: Cow<'e, str>,
    body: Body<'e>,
}

enum Body<'e> {
    Whole(Cow<'e, [u8]>),
    Pieces(Pieces<'e>),
}

type Pieces<'e> = Pin<Box<dyn stream::Stream<Item = Result<Vec<u8>, Failure>> + 'e>>;

impl<'e> Answer<'e> {
    /// A body of the media type `content_type`.
    pub fn new(content_type: impl Into<Cow<'e, str>>, body: impl Into<Cow<'e, [u8]>>) -> Self {
        Self { content_type: content_type.into(), body: Body::Whole(body.into()) }
    }

    /// A body that is sent piece by piece as it comes about. One that fails on the way arrives as failed.
    pub fn stream(
        content_type: impl Into<Cow<'e, str>>,
        pieces: impl stream::Stream<Item = Result<Vec<u8>, Failure>> + 'e,
    ) -> Self {
        Self { content_type: content_type.into(), body: Body::Pieces(Box::pin(pieces)) }
    }

    /// A streamed answer to HTTP: status and headers first, then the body.
    ///
    /// # Errors
    ///
    /// [`SendError::OutTooSmall`] for a prelude that is too long.
    pub fn stream_http(
        prelude: &Prelude<'_>,
        pieces: impl stream::Stream<Item = Result<Vec<u8>, Failure>> + 'e,
    ) -> Result<Self, SendError> {
        let mut first = Vec::new();
        fill(&mut first, |json| prelude.write(json))?;
        first.extend(PRELUDE_SEPARATOR);
        Ok(Self::stream(HTTP_INTEGRATION, stream::once(Ok(first)).chain(pieces)))
    }
}

impl<'e> From<&'e [u8]> for Answer<'e> {
    fn from(json: &'e [u8]) -> Self {
        Self::new("application/json", json)
    }
}

impl From<Vec<u8>> for Answer<'_> {
    fn from(json: Vec<u8>) -> Self {
        Self::new("application/json", json)
    }
}

impl From<String> for Answer<'_> {
    fn from(json: String) -> Self {
        json.into_bytes().into()
    }
}

/// Why a handler has no answer. Any error becomes one by `?`, of the type `Function.HandlerError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Type of the error, such as `Function.BadEvent`.
    pub error_type: String,
    /// What happened, for people.
    pub message: String,
}

impl Failure {
    pub(crate) fn report(&self) -> ErrorReport<'_> {
        ErrorReport::new(&self.error_type, &self.message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error_type: "Function.HandlerError".into(), message: error.to_string() }
    }
}

impl Runtime {
    /// Whether [`serve`](Self::serve) asks for the next invocation in one write with an answer, as it does unless told
    /// otherwise: for servers that cannot take a request before they have replied to the last.
    pub fn set_one_ahead(&mut self, is_ahead: bool) {
        self.ahead = if is_ahead { Ahead::Next } else { Ahead::Nothing };
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
    pub async fn serve(
        &mut self,
        handler: impl for<'e> AsyncFn(&'e [u8], &Context<'e>) -> Result<Answer<'e>, Failure>,
        observe: impl Fn(&Context<'_>, &Error),
    ) -> Result<Infallible, Error> {
        let mut buf = Vec::new();
        loop {
            let invocation = self.next(&mut buf).await?;
            let (payload, context) = (invocation.payload, invocation.context);
            let handled = handler(payload, &context);
            let answer = panics::caught(&invocation.runtime.link, Some(&context), handled).await;
            let verdict = match answer {
                Ok(Answer { content_type, body: Body::Pieces(pieces) }) => {
                    pour(pieces, invocation.stream(&content_type)).await
                }
                Ok(Answer { content_type, body: Body::Whole(body) }) => {
                    self.respond(&context, &content_type, &body, self.ahead).await
                }
                Err(failure) => self.fail(&context, &failure.report(), self.ahead).await,
            };
            match verdict {
                Err(error) if error.is_fatal() => return Err(error),
                Err(error) => observe(&context, &error),
                Ok(()) => {}
            }
        }
    }
}

/// Streams all pieces, and the end of them, whatever that is.
async fn pour(mut pieces: Pieces<'_>, mut stream: Stream<'_, '_>) -> Result<(), Error> {
    loop {
        let next = async { pieces.next().await.transpose() };
        match panics::caught(&stream.runtime.link, Some(&stream.context), next).await {
            Ok(Some(piece)) => match stream.write(&piece).await {
                // What kept the first piece from being sent still has to be said.
                Err(Error::Send(_)) => return stream.finish().await,
                written => written?,
            },
            Ok(None) => return stream.finish().await,
            Err(failure) => return stream.fail(&failure.report()).await,
        }
    }
}
