//! What a handler says.

use std::borrow::Cow;

use lambwire::{ErrorReport, HTTP_INTEGRATION, PRELUDE_SEPARATOR, Prelude, SendError};

use crate::line::fill;

/// What a handler has to say, which may be borrowed from the event. Bytes and text become JSON by `into`.
pub struct Answer<'e, P> {
    pub(crate) content_type: Cow<'e, str>,
    pub(crate) body: Body<'e, P>,
}

pub(crate) enum Body<'e, P> {
    Whole(Cow<'e, [u8]>),
    Pieces { first: Option<Vec<u8>>, rest: P },
}

impl<'e, P> Answer<'e, P> {
    /// A body of the media type `content_type`.
    pub fn new(content_type: impl Into<Cow<'e, str>>, body: impl Into<Cow<'e, [u8]>>) -> Self {
        Self { content_type: content_type.into(), body: Body::Whole(body.into()) }
    }

    /// A body that is sent piece by piece as it comes about. One that fails on the way arrives as failed.
    pub fn stream(content_type: impl Into<Cow<'e, str>>, pieces: impl Into<P>) -> Self {
        Self { content_type: content_type.into(), body: Body::Pieces { first: None, rest: pieces.into() } }
    }

    /// A streamed answer to HTTP: status and headers first, then the body.
    ///
    /// # Errors
    ///
    /// [`SendError::OutTooSmall`] for a prelude that is too long.
    pub fn stream_http(prelude: &Prelude<'_>, pieces: impl Into<P>) -> Result<Self, SendError> {
        let body = Body::Pieces { first: Some(opening(prelude)?), rest: pieces.into() };
        Ok(Self { content_type: HTTP_INTEGRATION.into(), body })
    }
}

/// What a streamed answer to HTTP begins with.
pub(crate) fn opening(prelude: &Prelude<'_>) -> Result<Vec<u8>, SendError> {
    let mut opening = Vec::new();
    fill(&mut opening, |json| prelude.write(json))?;
    opening.extend(PRELUDE_SEPARATOR);
    Ok(opening)
}

impl<'e, P> From<&'e [u8]> for Answer<'e, P> {
    fn from(json: &'e [u8]) -> Self {
        Self::new("application/json", json)
    }
}

impl<P> From<Vec<u8>> for Answer<'_, P> {
    fn from(json: Vec<u8>) -> Self {
        Self::new("application/json", json)
    }
}

impl<P> From<String> for Answer<'_, P> {
    fn from(json: String) -> Self {
        json.into_bytes().into()
    }
}

/// Why a handler has no answer. Any error becomes one by `?`, of the type `Function.HandlerError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Type of the error, such as `Function.BadEvent`.
    pub error_type: String,
    /// What happened, for people.
    pub message: String,
}

impl Failure {
    pub(crate) fn report(&self) -> ErrorReport<'_> {
        ErrorReport::new(&self.error_type, &self.message)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error_type: "Function.HandlerError".into(), message: error.to_string() }
    }
}
