//! Where the answer to one event goes.

use lambwire_mio::lambwire::{HTTP_INTEGRATION, PRELUDE_SEPARATOR, RequestKind};
use lambwire_mio::{Error, Invocation, Stream};
use rustix::stdio::stdout;

use crate::console::{self, Level};
use crate::failure::Failure;
use crate::log;
use crate::shutdown;

/// Media type of an answer in pieces that says none.
const STREAM_TYPE: &str = "application/octet-stream";

/// The duty to answer an event: once.
pub(crate) enum Answer<'r, 'b> {
    /// To Lambda.
    Lambda(Box<Invocation<'r, 'b>>),
    /// To Lambda, in pieces, of which some may have gone out.
    Streaming(Box<Stream<'r, 'b>>),
    /// To standard output, where pieces of it may be.
    Console { has_begun: bool },
    /// Done. `is_success` says whether it was an answer, and not an error; `has_asked`, whether it has taken the request for
    /// the next event along.
    Given { is_success: bool, has_asked: bool },
}

impl Answer<'_, '_> {
    /// Answers with JSON.
    pub(crate) fn respond(&mut self, body: &[u8]) -> Result<(), Error> {
        match self.take(true) {
            Self::Lambda(invocation) => self.and_next(*invocation).respond(body),
            _ => self.print(&[body, b"\n"]),
        }
    }

    /// Has what is to follow in pieces be of this media type, unless it has begun.
    pub(crate) fn begin(&mut self, media: &str) {
        if let Self::Lambda(_) = self
            && let Self::Lambda(invocation) = self.take(true)
        {
            *self = Self::Streaming(Box::new(invocation.stream(media)));
        }
    }

    /// Answers with status and headers; the body is to follow in pieces.
    pub(crate) fn begin_http(&mut self, prelude: &[u8]) -> Result<(), Error> {
        self.begin(HTTP_INTEGRATION);
        // One after the other: `cargo lambda` wants them in a chunk each.
        self.write(prelude)?;
        self.write(&PRELUDE_SEPARATOR)
    }

    /// Answers with a piece.
    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<(), Error> {
        self.begin(STREAM_TYPE);
        match self {
            Self::Streaming(stream) => stream.write(piece),
            _ => {
                *self = Self::Console { has_begun: true };
                self.print(&[piece])
            }
        }
    }

    /// Ends an answer in pieces. It may have none.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.begin(STREAM_TYPE);
        match self.take(true) {
            Self::Streaming(stream) => stream.finish(),
            _ => self.print(&[b"\n"]),
        }
    }

    /// Answers with an error, or ends an answer with it.
    pub(crate) fn fail(&mut self, failure: &Failure) -> Result<(), Error> {
        let this = self.take(false);
        failure.report(|report| match this {
            Self::Lambda(invocation) => self.and_next(*invocation).fail(report),
            Self::Streaming(stream) => stream.fail(report),
            _ => {
                let mut json = vec![0; report.json_len()];
                report.write(&mut json).map_err(|error| Error::Send { request: RequestKind::Error, error })?;
                // What failed after its first piece is on a line of its own.
                let before: &[u8] = if matches!(this, Self::Console { has_begun: true }) { b"\n" } else { b"" };
                self.print(&[before, &json, b"\n"])
            }
        })
    }

    fn take(&mut self, is_success: bool) -> Self {
        std::mem::replace(self, Self::Given { is_success, has_asked: false })
    }

    /// To standard output. If that takes nothing, the answer is none, and there is nobody else who could hear of it.
    fn print(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        if let Err(error) = parts.iter().try_for_each(|part| log::write_all(stdout(), part)) {
            console::say(Level::Error, None, format_args!("cannot write the answer to standard output: {error}"));
            *self = Self::Given { is_success: false, has_asked: false };
        }
        Ok(())
    }

    /// Has the answer take the request for the next event along, unless that would be lost.
    fn and_next<'r, 'b>(&mut self, invocation: Invocation<'r, 'b>) -> Invocation<'r, 'b> {
        if shutdown::is_ending() {
            return invocation;
        }
        if let Self::Given { has_asked, .. } = self {
            *has_asked = true;
        }
        invocation.pipelined()
    }
}
