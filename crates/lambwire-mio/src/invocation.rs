//! An event, and the response to it.

use lambwire::{Context, ErrorReport, Headers, Pipelining, Prelude};
use lambwire_runtime::{ResponseBody, Streaming, catch};

use crate::socket::send;
use crate::{Error, Pieces, Response, Runtime};

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
    /// Has the response, or the error, take the request for the next event along in the same write, as
    /// [`Runtime::serve`] does. [`Runtime::next`] then reads what came. Streams are sent as they are.
    pub fn pipelined(mut self) -> Self {
        self.pipelining = Pipelining::Next;
        self
    }

    /// Responds. Bytes and text go as they stand, labelled as JSON, so they have to be JSON.
    /// [`Response::new`](lambwire_runtime::Response::new) has another media type, `Response::new("text/plain", "plain words")`,
    /// and [`Response::stream`](lambwire_runtime::Response::stream) pieces that are sent as they come about.
    ///
    /// This takes the invocation, so what goes into the response is taken from it before:
    ///
    /// ```
    /// use lambwire_mio::{Error, Failure, Runtime};
    ///
    /// fn echo(runtime: &mut Runtime, buf: &mut Vec<u8>) -> Result<(), Error> {
    ///     let invocation = runtime.next(buf)?;
    ///     let event = invocation.payload;
    ///     if event == b"null" {
    ///         return invocation.fail(&Failure::from("no event").report());
    ///     }
    ///     invocation.respond(event)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error`], which is about this invocation alone unless it [is fatal](Error::is_fatal). It is [`Error::Send`] for a
    /// response that is too large, or whose media type fits no header: the invocation has then been answered with an error
    /// that says so. Pieces that fail are no error here: they end the response as [`Stream::fail`] does.
    pub fn respond<'e>(self, response: impl Into<Response<'e>>) -> Result<(), Error> {
        let Response { content_type, body } = response.into();
        match body {
            ResponseBody::Buffered(body) => {
                let Runtime { conversation, socket, .. } = self.runtime;
                send(socket, conversation.respond(&self.context, &content_type, &body, self.pipelining))
            }
            ResponseBody::Pieces { opening, pieces } => self.stream(&content_type).send_all(opening, pieces),
        }
    }

    /// Answers with an error: `&Failure::from("why").report()`, say. A report that is longer than Lambda takes is shortened:
    /// first its stack trace goes, then the end of its message.
    ///
    /// # Errors
    ///
    /// [`Error`], which is about this invocation alone unless it [is fatal](Error::is_fatal).
    pub fn fail(self, report: &ErrorReport<'_>) -> Result<(), Error> {
        let Runtime { conversation, socket, .. } = self.runtime;
        send(socket, conversation.fail(&self.context, report, self.pipelining))
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
    pub fn stream_http(self, prelude: &Prelude<'_>) -> Result<Stream<'r, 'b>, Error> {
        let Runtime { conversation, socket, .. } = &mut *self.runtime;
        let (streaming, opening) = Streaming::http(self.context, prelude, conversation)?;
        send(socket, Ok(opening))?;
        Ok(Stream { runtime: self.runtime, streaming })
    }
}

/// A streamed response under way. One that is dropped is cut off, and the next request has a new connection.
#[derive(Debug)]
#[must_use = "a stream that is not finished is cut off"]
pub struct Stream<'r, 'b> {
    runtime: &'r mut Runtime,
    streaming: Streaming<'b>,
}

impl Stream<'_, '_> {
    /// Sends all pieces, and the end of them, whatever that is.
    fn send_all(mut self, opening: Option<Vec<u8>>, mut pieces: Pieces<'_>) -> Result<(), Error> {
        if let Some(opening) = opening {
            self.write(&opening)?;
        }
        loop {
            let context = &self.streaming.context;
            match catch(|| self.runtime.duty(Some(context)), || pieces.next().transpose()) {
                Ok(Some(piece)) => self.write(&piece)?,
                Ok(None) => return self.finish(),
                Err(failure) => return self.fail(&failure.report()),
            }
        }
    }

    /// Sends a piece, and returns when the socket has taken it.
    ///
    /// # Errors
    ///
    /// [`Error`], after which the stream is over. It is [`Error::Send`] for a media type that fits no header: the invocation
    /// has then been answered with an error that says so.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        let Runtime { conversation, socket, .. } = &mut *self.runtime;
        send(socket, self.streaming.piece(conversation, piece))
    }

    /// Ends the response.
    pub fn finish(mut self) -> Result<(), Error> {
        let Runtime { conversation, socket, .. } = self.runtime;
        send(socket, self.streaming.finish(conversation))
    }

    /// Ends the response with an error, and what was sent before is void. If nothing was, the invocation is answered with
    /// an error, as [`Invocation::fail`] does it.
    pub fn fail(mut self, report: &ErrorReport<'_>) -> Result<(), Error> {
        let Runtime { conversation, socket, .. } = self.runtime;
        send(socket, self.streaming.fail(conversation, report))
    }
}
