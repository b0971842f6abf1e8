//! Why a request failed.

use core::{error, fmt};

use crate::api_error::Rejection;
use crate::error::{ReceiveError, SendError};
use crate::message::RequestKind;

/// Why a request failed, for a transport whose own errors are of type `E`, and a rejection whose body is kept in
/// `B`.
///
/// As text, each says what happened to which request; what lies below is its [source](error::Error::source). `{:#}` writes
/// both.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<E, B> {
    /// The connection failed, and trying again did not help, or is not allowed.
    Transport {
        /// What was to be sent, or was sent.
        request: RequestKind,
        /// What the transport says.
        error: E,
    },
    /// What was to be sent cannot be.
    Send {
        /// What that is.
        request: RequestKind,
        /// Why not.
        error: SendError,
    },
    /// What was received cannot be understood.
    Receive {
        /// What was sent.
        request: RequestKind,
        /// Why not.
        error: ReceiveError,
    },
    /// The Runtime API said no.
    Rejected(Rejection<B>),
}

impl<E, B> Error<E, B> {
    /// The request that failed.
    pub fn request(&self) -> RequestKind {
        match self {
            Self::Transport { request, .. } | Self::Send { request, .. } | Self::Receive { request, .. } => *request,
            Self::Rejected(rejection) => rejection.kind(),
        }
    }

    /// Whether the loop should end.
    ///
    /// Any error of `next` is fatal: it was retried as often as helps. One of a response or an error is about that
    /// invocation alone, unless it [is a rejection](Rejection::is_fatal) which says that the execution environment is
    /// broken.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Rejected(rejection) => rejection.is_fatal(),
            error => !error.request().completes_invocation(),
        }
    }

    /// The same, of other types.
    pub fn map<F, C>(self, transport: impl FnOnce(E) -> F, body: impl FnOnce(B) -> C) -> Error<F, C> {
        match self {
            Self::Transport { request, error } => Error::Transport { request, error: transport(error) },
            Self::Send { request, error } => Error::Send { request, error },
            Self::Receive { request, error } => Error::Receive { request, error },
            Self::Rejected(rejection) => Error::Rejected(rejection.map(body)),
        }
    }
}

impl<E: fmt::Display, B: AsRef<[u8]>> fmt::Display for Error<E, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause: &dyn fmt::Display = match self {
            Self::Transport { request, error } => {
                write!(f, "{request}: connection to the Runtime API failed")?;
                error
            }
            Self::Send { request, error } => {
                write!(f, "{request} cannot be sent")?;
                error
            }
            Self::Receive { request, error } => {
                write!(f, "reply to {request} cannot be understood")?;
                error
            }
            Self::Rejected(rejection) => return rejection.fmt(f),
        };
        if f.alternate() { write!(f, ": {cause:#}") } else { Ok(()) }
    }
}

impl<E: error::Error + 'static, B: AsRef<[u8]> + fmt::Debug> error::Error for Error<E, B> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Transport { error, .. } => Some(error),
            Self::Send { error, .. } => Some(error),
            Self::Receive { error, .. } => Some(error),
            Self::Rejected(_) => None,
        }
    }
}
