//! What a connection returns when bytes are put into it.

use crate::error::ReceiveError;
use crate::field::HeaderIndex;
use crate::message::RequestKind;
use crate::wire::body::{Body, BodyEvent};
use crate::wire::headers::Headers;

/// What the front of the input was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
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

/// Either end, as far as collecting a message goes.
pub(crate) trait Role {
    /// Takes the head in that `input` begins with, and where its values stand into `index`; `None` if it is not whole, or not due.
    fn begin_message<'i>(
        &mut self,
        input: &'i [u8],
        index: &mut HeaderIndex,
    ) -> Result<Option<ParsedHead<'i>>, ReceiveError>;

    fn read_body<'i>(&mut self, input: &'i [u8]) -> Result<(usize, BodyEvent<'i>), ReceiveError>;
}

/// A head that was taken in.
pub(crate) struct ParsedHead<'i> {
    /// Its length in bytes.
    pub(crate) used: usize,
    /// How the body behind it is framed; `None` behind an interim reply.
    pub(crate) body: Option<Body>,
    pub(crate) headers: Headers<'i>,
    /// What a reply answers.
    pub(crate) kind: RequestKind,
    /// The status of a reply.
    pub(crate) status: u16,
}
