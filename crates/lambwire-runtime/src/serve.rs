//! The loop that people want: a handler, its answers, and the next event.

use std::convert::Infallible;

use lambwire::Context;

use crate::answer::Body;
use crate::line::{Ahead, Ended};
use crate::{Answer, Error, Failure, Invocation, Pieces, Runtime, Stream, Transport};

impl<T: Transport> Runtime<T> {
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
        mut handler: impl for<'e> AsyncFnMut(&'e [u8], &Context<'e>) -> Result<Answer<'e, T::Pieces<'e>>, Failure>,
        mut observe: impl FnMut(&Context<'_>, &Error),
    ) -> Result<Infallible, Error> {
        let mut buf = Vec::new();
        loop {
            self.next(&mut buf).await?.handle(&mut handler, &mut observe, || true).await?;
        }
    }
}

impl<'b, T: Transport> Invocation<'_, 'b, T> {
    /// Has `handler` answer, as [`Runtime::serve`] does it. The next event is asked for ahead only if `goes_on` says, once
    /// the handler is done, that it will be handled, too.
    ///
    /// # Errors
    ///
    /// Any of an answer that [is fatal](lambwire::Error::is_fatal).
    pub async fn handle(
        self,
        mut handler: impl AsyncFnMut(&'b [u8], &Context<'b>) -> Result<Answer<'b, T::Pieces<'b>>, Failure>,
        mut observe: impl FnMut(&Context<'_>, &Error),
        goes_on: impl FnOnce() -> bool,
    ) -> Result<(), Error> {
        let Self { runtime, context, payload, .. } = self;
        let answer = runtime.caught(Some(&context), handler(payload, &context)).await;
        let ahead = if goes_on() { runtime.ahead } else { Ahead::Nothing };
        let told = match answer {
            Ok(Answer { content_type, body: Body::Pieces { first, rest } }) => {
                pour(first, rest, Stream::new(runtime, context, &content_type)).await
            }
            Ok(Answer { content_type, body: Body::Whole(body) }) => {
                runtime.respond(&context, &content_type, &body, ahead).await
            }
            Err(failure) => runtime.fail(&context, &failure.report(), ahead).await,
        };
        match runtime.told(told) {
            Err(error) if error.is_fatal() => return Err(error),
            Err(error) => observe(&context, &error),
            Ok(()) => {}
        }
        Ok(())
    }
}

/// Streams all pieces, and the end of them, whatever that is.
async fn pour<T: Transport>(
    mut first: Option<Vec<u8>>,
    mut rest: impl Pieces,
    mut stream: Stream<'_, '_, T>,
) -> Result<(), Ended> {
    loop {
        let piece = match first.take() {
            Some(first) => Ok(Some(first)),
            None => stream.runtime.caught(Some(&stream.context), async { rest.next().await.transpose() }).await,
        };
        match piece {
            Ok(Some(piece)) => match stream.put(&piece).await {
                // What kept the first piece from being sent still has to be said.
                Err(Ended::Unsent(_)) => return stream.end().await,
                written => written?,
            },
            Ok(None) => return stream.end().await,
            Err(failure) => return stream.end_with(&failure.report()).await,
        }
    }
}
