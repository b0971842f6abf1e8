//! A streamed response, piece by piece.

use lambwire::{
    Body, Context, ErrorReport, HTTP_INTEGRATION, Mode, PRELUDE_SEPARATOR, Pipelining, Prelude, Request, RequestKind,
    SendError, limits,
};

use crate::Error;
use crate::conversation::{Conversation, Sending, fill};

/// A streamed response under way. Nothing is sent before its first piece.
#[derive(Debug)]
pub struct Streaming<'b> {
    /// The invocation that it answers.
    pub context: Context<'b>,
    content_type: String,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent.
    Start,
    /// Pieces were sent.
    Begun,
    /// It is being sent, or was rejected or lost meanwhile.
    Over,
}

impl<'b> Streaming<'b> {
    /// A response of this media type to the invocation of this context.
    pub fn new(context: Context<'b>, content_type: &str) -> Self {
        Self { context, content_type: content_type.into(), stage: Stage::Start }
    }

    /// A response to HTTP, and what it begins with: status and headers. If these cannot be sent, the error in its place.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if that cannot be sent.
    pub fn http<'c>(
        context: Context<'b>,
        prelude: &Prelude<'_>,
        conversation: &'c mut Conversation,
    ) -> Result<(Self, Sending<'c>), Error> {
        let mut streaming = Self::new(context, HTTP_INTEGRATION);
        match opening(prelude) {
            Ok(opening) => {
                conversation.out = opening;
                streaming.begin(conversation)?;
                streaming.stage = Stage::Over;
                Ok((streaming, conversation.turn_with_out(RequestKind::Response)?))
            }
            Err(error) => Ok((streaming, conversation.fail_with(&context, error, Pipelining::Off)?)),
        }
    }

    /// Sends a piece. Once it is sent, [`resume`](Self::resume) has to follow.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if it cannot be sent, and that it cannot if the stream is over. One that has not begun may still be
    /// [ended with an error](Self::fail).
    pub fn piece<'c>(&mut self, conversation: &'c mut Conversation, piece: &'c [u8]) -> Result<Sending<'c>, Error> {
        self.begin(conversation)?;
        self.stage = Stage::Over;
        conversation.turn(RequestKind::Response, piece)
    }

    /// Goes on after a piece that was sent.
    pub fn resume(&mut self) {
        self.stage = Stage::Begun;
    }

    /// Ends the response. One that cannot be sent is replaced by an error that says so.
    ///
    /// # Errors
    ///
    /// As those of [`piece`](Self::piece).
    pub fn finish<'c>(&mut self, conversation: &'c mut Conversation) -> Result<Sending<'c>, Error> {
        match self.begin(conversation) {
            Err(Error::Send { error, .. }) if self.stage == Stage::Start => {
                conversation.fail_with(&self.context, error, Pipelining::Off)
            }
            begun => {
                begun?;
                self.end(conversation, None)
            }
        }
    }

    /// Ends the response with an error, and what was sent before is void. If nothing was, the invocation is answered with an
    /// error alone.
    ///
    /// # Errors
    ///
    /// As those of [`piece`](Self::piece).
    pub fn fail<'c>(
        &mut self,
        conversation: &'c mut Conversation,
        report: &ErrorReport<'_>,
    ) -> Result<Sending<'c>, Error> {
        if self.stage == Stage::Start {
            return conversation.fail(&self.context, report, Pipelining::Off);
        }
        self.begin(conversation)?;
        self.end(conversation, Some(report.fit(limits::STREAM_ERROR_BYTES)))
    }

    /// Starts the response, if it has not been.
    fn begin(&mut self, conversation: &mut Conversation) -> Result<(), Error> {
        match self.stage {
            Stage::Begun => Ok(()),
            Stage::Over => Err(Error::Send { request: RequestKind::Response, error: SendError::Closed }),
            Stage::Start => {
                let request = Request::response(&self.context, &self.content_type, Mode::Streaming);
                conversation.start(&request, Body::Chunked, Pipelining::Off)
            }
        }
    }

    fn end<'c>(
        &mut self,
        conversation: &'c mut Conversation,
        report: Option<ErrorReport<'_>>,
    ) -> Result<Sending<'c>, Error> {
        self.stage = Stage::Over;
        let Conversation { session, out, .. } = conversation;
        let mut json = Vec::new();
        let mut write = || {
            let Some(report) = &report else {
                return fill(out, |out| session.finish(None, out));
            };
            fill(&mut json, |json| report.write(json))?;
            fill(out, |out| session.finish(Some((report.header_type(), &json)), out))
        };
        write().map_err(|error| Error::Send { request: RequestKind::Response, error })?;
        conversation.turn_with_out(RequestKind::Response)
    }
}

/// What a streamed response to HTTP begins with.
pub(crate) fn opening(prelude: &Prelude<'_>) -> Result<Vec<u8>, SendError> {
    let mut opening = Vec::new();
    fill(&mut opening, |json| prelude.write(json))?;
    opening.extend(PRELUDE_SEPARATOR);
    Ok(opening)
}
