//! An event, and its answer.

use std::ops::Deref;

use lambwire::{ErrorReport, Prelude};

use crate::Error;
use crate::transport::{Transport, now};

/// An event, and the duty to answer it: once.
///
/// It has three parts, which are there by [`Deref`]: `payload`, the event as it came; `context`, who asks, until when and
/// on whose behalf; and `headers`, all of them as they came.
#[must_use = "an invocation that is not answered times out"]
pub struct Invocation<'r, 'b>(pub(crate) lambwire_runtime::Invocation<'r, 'b, Transport>);

impl<'r, 'b> Deref for Invocation<'r, 'b> {
    type Target = lambwire_runtime::Invocation<'r, 'b, Transport>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
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
    ///
    /// [`SendError::PayloadTooLarge`]: lambwire::SendError::PayloadTooLarge
    /// [`SendError::Unsendable`]: lambwire::SendError::Unsendable
    pub fn respond_as(mut self, content_type: &str, body: &[u8]) -> Result<(), Error> {
        let told = now(self.0.tell(content_type, body));
        self.0.told(told)
    }

    /// Answers with an error.
    ///
    /// A report that is longer than Lambda takes is shortened: first its stack trace goes, then the end of its message.
    ///
    /// # Errors
    ///
    /// As those of [`respond_as`](Self::respond_as).
    pub fn fail(self, report: &ErrorReport<'_>) -> Result<(), Error> {
        now(self.0.fail(report))
    }

    /// An answer that is sent as it comes about. Nothing is sent before its first piece.
    pub fn stream(self, content_type: &str) -> Stream<'r, 'b> {
        Stream(self.0.stream(content_type))
    }

    /// A streamed answer to HTTP: status and headers first, then the body.
    ///
    /// # Errors
    ///
    /// As those of [`Stream::write`], and [`SendError::OutTooSmall`](lambwire::SendError::OutTooSmall) for a prelude that
    /// is too long: the invocation has then been answered with an error that says so.
    pub fn stream_http(self, prelude: &Prelude<'_>) -> Result<Stream<'r, 'b>, Error> {
        now(self.0.stream_http(prelude)).map(Stream)
    }
}

/// A streamed answer under way. One that is dropped is cut off, and the next exchange has a new connection.
#[must_use = "a stream that is not finished is cut off"]
pub struct Stream<'r, 'b>(lambwire_runtime::Stream<'r, 'b, Transport>);

impl Stream<'_, '_> {
    /// Sends a piece, and returns when the socket has taken it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] if the Runtime API has refused the stream meanwhile, [`Error::Transport`] if the connection
    /// was lost: the stream is over then. [`SendError::Unsendable`](lambwire::SendError::Unsendable) if the media type
    /// cannot be sent: [`fail`](Self::fail) still answers the invocation.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        now(self.0.write(piece))
    }

    /// Ends the answer.
    ///
    /// # Errors
    ///
    /// As those of [`Invocation::respond_as`].
    pub fn finish(self) -> Result<(), Error> {
        now(self.0.finish())
    }

    /// Ends the answer with an error, and what was sent before is void. If nothing was, the invocation is answered with
    /// an error, as [`Invocation::fail`] does it.
    ///
    /// # Errors
    ///
    /// As those of [`Invocation::respond_as`].
    pub fn fail(self, report: &ErrorReport<'_>) -> Result<(), Error> {
        now(self.0.fail(report))
    }
}
