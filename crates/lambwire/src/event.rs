//! What a connection gives back when bytes are put into it.

use crate::wire::body::{Body, BodyEvent};
use crate::wire::headers::Headers;

/// What the front of the input was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Received<'i, H> {
    /// How many bytes of the input it took: the caller puts the rest, and what comes after it, into the next call.
    pub used: usize,
    /// What they say.
    pub event: Event<'i, H>,
}

/// One step of a message. Everything in it is borrowed from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'i, H> {
    /// The input holds no whole step behind what was used: call again with the rest, and more bytes behind it.
    NeedInput,
    /// Nothing is to be received before this end has spoken.
    Paused,
    /// An interim reply (1xx): the real one follows.
    Interim,
    /// A message begins.
    Head {
        /// What it says.
        head: H,
        /// How its body is framed.
        body: Body,
        /// All its headers, as they came.
        headers: Headers<'i>,
    },
    /// The next bytes of the body.
    Data(&'i [u8]),
    /// The message is whole.
    End {
        /// Headers that came behind a chunked body; mostly none.
        trailers: Headers<'i>,
    },
}

impl<'i, H> From<BodyEvent<'i>> for Event<'i, H> {
    fn from(piece: BodyEvent<'i>) -> Self {
        match piece {
            BodyEvent::NeedInput => Self::NeedInput,
            BodyEvent::Data(data) => Self::Data(data),
            BodyEvent::End(trailers) => Self::End { trailers },
        }
    }
}
