//! What a handler returns.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::iter::successors;

use lambwire::{ErrorReport, Excerpt, HTTP_INTEGRATION, Prelude, SendError};

use crate::stream::opening;

/// What a handler responds with, which may be borrowed from the event.
///
/// What bytes and text become by `into` goes as it stands, labelled as JSON, so it has to be JSON. For what is none,
/// [`new`](Self::new) says the media type:
///
/// ```
/// type Response<'e> = lambwire_runtime::Response<'e, ()>;
///
/// assert_eq!(Response::from("\"as JSON\"").content_type, "application/json");
/// let text = Response::new("text/plain", "plain words");
/// assert_eq!(format!("{:?}", text.body), r#"Buffered("plain words")"#);
/// ```
#[derive(Debug)]
pub struct Response<'e, P> {
    /// Its media type.
    pub content_type: Cow<'e, str>,
    /// Its body.
    pub body: ResponseBody<'e, P>,
}

/// The body of a response.
pub enum ResponseBody<'e, P> {
    /// All of it.
    Buffered(Cow<'e, [u8]>),
    /// A stream.
    Pieces {
        /// Its first piece, if there is one before the others.
        opening: Option<Vec<u8>>,
        /// Its pieces, as they come about.
        pieces: P,
    },
}

impl<P> fmt::Debug for ResponseBody<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buffered(body) => f.debug_tuple("Buffered").field(&Excerpt(body)).finish(),
            Self::Pieces { opening, .. } => {
                let opening = opening.as_deref().map(Excerpt);
                f.debug_struct("Pieces").field("opening", &opening).finish_non_exhaustive()
            }
        }
    }
}

impl<'e, P> Response<'e, P> {
    /// A body of the media type `content_type`: bytes or text.
    pub fn new(content_type: impl Into<Cow<'e, str>>, body: impl Into<ResponseBody<'e, P>>) -> Self {
        Self { content_type: content_type.into(), body: body.into() }
    }

    /// A body that is sent piece by piece as it comes about. One that fails on the way arrives as failed.
    pub fn stream(content_type: impl Into<Cow<'e, str>>, pieces: P) -> Self {
        let body = ResponseBody::Pieces { opening: None, pieces };
        Self { content_type: content_type.into(), body }
    }

    /// A streamed response to HTTP: status and headers first, then the body.
    ///
    /// # Errors
    ///
    /// [`SendError::BufferTooSmall`] for a prelude that is too long.
    pub fn stream_http(prelude: &Prelude<'_>, pieces: P) -> Result<Self, SendError> {
        let body = ResponseBody::Pieces { opening: Some(opening(prelude)?), pieces };
        Ok(Self { content_type: HTTP_INTEGRATION.into(), body })
    }
}

impl<'e, P, B: Into<ResponseBody<'e, P>>> From<B> for Response<'e, P> {
    fn from(json: B) -> Self {
        Self::new("application/json", json)
    }
}

impl<'e, P> From<Cow<'e, [u8]>> for ResponseBody<'e, P> {
    fn from(bytes: Cow<'e, [u8]>) -> Self {
        Self::Buffered(bytes)
    }
}

impl<'e, P> From<&'e [u8]> for ResponseBody<'e, P> {
    fn from(bytes: &'e [u8]) -> Self {
        Self::Buffered(bytes.into())
    }
}

impl<'e, P, const N: usize> From<&'e [u8; N]> for ResponseBody<'e, P> {
    fn from(bytes: &'e [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl<P> From<Vec<u8>> for ResponseBody<'_, P> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Buffered(bytes.into())
    }
}

impl<'e, P> From<&'e str> for ResponseBody<'e, P> {
    fn from(text: &'e str) -> Self {
        text.as_bytes().into()
    }
}

impl<P> From<String> for ResponseBody<'_, P> {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

/// Why a handler has no response.
///
/// Text and any error become one by `?` and `into`, of the type `Function.HandlerError`: the message of an error has its
/// [sources](Error::source) behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Type of the error, such as `Function.BadEvent`.
    pub error_type: String,
    /// What happened, for people.
    pub message: String,
}

impl Failure {
    /// A failure of this type, such as `Function.BadEvent`.
    pub fn new(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self { error_type: error_type.into(), message: message.into() }
    }

    /// The report of it.
    pub fn report(&self) -> ErrorReport<'_> {
        ErrorReport::new(&self.error_type, &self.message)
    }
}

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let chain: Vec<String> = successors(Some(&*error), |&error| error.source()).map(ToString::to_string).collect();
        Self::new("Function.HandlerError", chain.join(": "))
    }
}
