//! A turn of a session, and what comes of it.

use std::io::{self, ErrorKind};

use lambwire::{Context, Message, ReceiveError, Reply, RequestKind, SendError, Turn};

use crate::Error;

/// A request on its way, and its reply.
#[derive(Debug)]
#[must_use = "nothing is sent before the turn is taken"]
pub struct Exchange<'c, 'b> {
    /// What is to be done for it.
    pub turn: Turn<'c, 'b, Vec<u8>, io::Error>,
    /// Why this is sent in place of a response.
    pub(crate) unsendable: Option<SendError>,
}

impl<'c, 'b> Exchange<'c, 'b> {
    pub(crate) fn new(turn: Turn<'c, 'b, Vec<u8>, io::Error>) -> Self {
        Self { turn, unsendable: None }
    }

    /// Performs [`Action::Grow`](lambwire::Action::Grow).
    pub fn grow(&mut self, len: usize) {
        let buf = self.turn.buffer();
        if len <= buf.capacity() {
            return buf.resize(len, 0);
        }
        // Large memory comes zeroed from the kernel, page by page as it is read into. `resize` would write all of it.
        let mut grown = vec![0; len];
        if let Some(begun) = grown.get_mut(..buf.len()) {
            begun.copy_from_slice(buf);
        }
        *buf = grown;
    }

    /// Whether the request was accepted, when the turn is over.
    ///
    /// # Errors
    ///
    /// [`Error`]; it is [`Error::Send`] if an error was sent in place of a response that cannot be.
    pub fn accepted(self) -> Result<(), Error> {
        self.turn.accepted().map_err(own)?;
        self.unsendable.map_or(Ok(()), |error| Err(Error::Send { request: RequestKind::Response, error }))
    }

    /// The reply, when the turn is over.
    pub fn reply(self) -> Result<Message<'b, Reply<'b>>, Error> {
        self.turn.finish().map_err(own)
    }

    /// The invocation that the reply to `next` brings, when the turn is over.
    pub fn invocation(self) -> Result<(Context<'b>, Message<'b, Reply<'b>>), Error> {
        let message = self.reply()?;
        match message.head {
            Reply::Invocation(context) => Ok((context, message)),
            _ => Err(Error::Receive { request: RequestKind::Next, error: ReceiveError::NoRequestId }),
        }
    }
}

/// The error with a reason for a connection that failed without one, and the reply of a rejection copied.
#[cold]
fn own(error: lambwire::Error<Option<io::Error>, &[u8]>) -> Error {
    error.map(|failure| failure.unwrap_or_else(|| ErrorKind::ConnectionAborted.into()), <[u8]>::to_vec)
}
