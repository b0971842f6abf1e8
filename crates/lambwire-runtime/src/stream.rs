//! A streamed response, piece by piece.

use lambwire::{
    Body, Context, ErrorReport, HTTP_INTEGRATION, Mode, PRELUDE_SEPARATOR, Pipelining, Prelude, Request, RequestKind,
    SendError, limits,
};

use crate::conversation::{fill, unsendable};
use crate::{Conversation, Error, Exchange};

/// A streamed response under way. Nothing is sent before its first piece. One that cannot be sent, since its media type fits no
/// header, is replaced by an error that says so.
///
/// One that was rejected or lost, or whose exchange was given up, is over: [`SendError::Closed`].
#[derive(Debug)]
pub struct Streaming<'b> {
    /// The invocation that it answers.
    pub context: Context<'b>,
    content_type: String,
    is_begun: bool,
}

impl<'b> Streaming<'b> {
    /// A response of this media type to the invocation of this context.
    pub fn new(context: Context<'b>, content_type: &str) -> Self {
        Self { context, content_type: content_type.into(), is_begun: false }
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
    ) -> Result<(Self, Exchange<'c, 'c>), Error> {
        let mut streaming = Self::new(context, HTTP_INTEGRATION);
        let exchange = match opening(prelude) {
            Ok(opening) => {
                conversation.out = opening;
                streaming.send(conversation, |conversation| conversation.exchange_out(RequestKind::Response))?
            }
            Err(error) => conversation.fail_with(&context, error, Pipelining::Off)?,
        };
        Ok((streaming, exchange))
    }

    /// Sends a piece.
    pub fn piece<'c>(
        &mut self,
        conversation: &'c mut Conversation,
        piece: &'c [u8],
    ) -> Result<Exchange<'c, 'c>, Error> {
        self.send(conversation, |conversation| conversation.exchange(RequestKind::Response, piece))
    }

    /// Ends the response.
    pub fn finish<'c>(&mut self, conversation: &'c mut Conversation) -> Result<Exchange<'c, 'c>, Error> {
        self.send(conversation, |conversation| end(conversation, None))
    }

    /// Ends the response with an error, and what was sent before is void. If nothing was, the invocation is answered with an
    /// error alone.
    pub fn fail<'c>(
        &mut self,
        conversation: &'c mut Conversation,
        report: &ErrorReport<'_>,
    ) -> Result<Exchange<'c, 'c>, Error> {
        if !self.is_begun {
            return conversation.fail(&self.context, report, Pipelining::Off);
        }
        self.send(conversation, |conversation| end(conversation, Some(report.fit(limits::STREAM_ERROR_BYTES))))
    }

    /// Starts the response, if it has not been, and sends `part` of it. One that cannot be started is replaced by an error
    /// that says so.
    fn send<'c>(
        &mut self,
        conversation: &'c mut Conversation,
        part: impl FnOnce(&'c mut Conversation) -> Result<Exchange<'c, 'c>, Error>,
    ) -> Result<Exchange<'c, 'c>, Error> {
        if !std::mem::replace(&mut self.is_begun, true) {
            let request = Request::response(&self.context, &self.content_type, Mode::Streaming);
            if let Err(error) = conversation.start(&request, Body::Chunked, Pipelining::Off) {
                return conversation.fail_with(&self.context, error, Pipelining::Off);
            }
        } else if !conversation.session.is_streaming() {
            return Err(Error::Send { request: RequestKind::Response, error: SendError::Closed });
        }
        part(conversation)
    }
}

fn end<'c>(conversation: &'c mut Conversation, report: Option<ErrorReport<'_>>) -> Result<Exchange<'c, 'c>, Error> {
    let Conversation { session, out, .. } = conversation;
    let mut json = Vec::new();
    let mut write = || {
        let Some(report) = &report else {
            return fill(out, |out| session.finish(None, out));
        };
        fill(&mut json, |json| report.write(json))?;
        fill(out, |out| session.finish(Some((report.header_type(), &json)), out))
    };
    write().map_err(unsendable(RequestKind::Response))?;
    conversation.exchange_out(RequestKind::Response)
}

/// What a streamed response to HTTP begins with.
pub(crate) fn opening(prelude: &Prelude<'_>) -> Result<Vec<u8>, SendError> {
    let mut opening = Vec::new();
    fill(&mut opening, |json| prelude.write(json))?;
    opening.extend(PRELUDE_SEPARATOR);
    Ok(opening)
}
