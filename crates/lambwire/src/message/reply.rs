//! What the Runtime API says to a runtime, and what a status means.

use crate::context::Context;
use crate::error::{ReceiveError, SendError};
use crate::extension::{self, ExtensionId};
use crate::field::{Field, IndexedHeaders, put, put_others};
use crate::message::RequestKind;
use crate::wire::headers::{Header, Headers, is_sendable};
use crate::wire::writer::Writer;

/// Says which method a path has.
const ALLOW: &str = "Allow";

/// What the Runtime API says to a runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply<'a> {
    /// An invocation; the event is the body.
    Invocation(Context<'a>),
    /// No invocation as yet: ask again, after a pause. Emulators answer so (204, 408); AWS's servers wait.
    NothingYet,
    /// The execution environment has been restored.
    Restored,
    /// The response or the report was taken.
    Accepted,
    /// The extension takes part.
    Registered {
        /// Names it from here on.
        id: ExtensionId<'a>,
    },
    /// An event for an extension; the body says which.
    ExtensionEvent {
        /// Names the event. AWS's emulator gives none to the shutdown.
        id: Option<&'a [u8]>,
    },
    /// What [`Request::Other`](crate::Request::Other) asked for. Sent only.
    Other {
        /// Written as they stand, in this order.
        headers: &'a [Header<'a>],
    },
    /// It was not; the body says why, mostly as JSON. [`Rejection`](crate::Rejection) reads it. To `next`, the statuses
    /// 204 and 408 are received as [`NothingYet`](Self::NothingYet).
    Rejected {
        /// The status of the reply.
        status: u16,
    },
    /// Nor was it, for its method: 405, with the header `Allow` that RFC 9110, section 15.5.6, asks for. Without that it is
    /// [`Rejected`](Self::Rejected).
    MethodNotAllowed {
        /// The method that the path has.
        allow: &'a str,
    },
}

impl<'a> Reply<'a> {
    /// Reads the reply to `kind` out of a status, and the values and headers of a head.
    #[inline]
    pub(crate) fn read(
        kind: RequestKind,
        status: u16,
        fields: &IndexedHeaders<'_, 'a>,
        headers: Headers<'a>,
    ) -> Result<Self, ReceiveError> {
        Ok(match kind {
            _ if Self::is_nothing_yet(kind, status) => Self::NothingYet,
            _ if Self::is_rejection(kind, status) => match allowed(status, headers) {
                Some(allow) => Self::MethodNotAllowed { allow },
                None => Self::Rejected { status },
            },
            RequestKind::Next => Self::Invocation(Context::read(fields)?),
            RequestKind::RestoreNext => Self::Restored,
            RequestKind::Register => Self::Registered { id: ExtensionId::read(fields)? },
            RequestKind::ExtensionNext => Self::ExtensionEvent { id: extension::event_id(headers) },
            _ => Self::Accepted,
        })
    }

    pub(crate) fn is_nothing_yet(kind: RequestKind, status: u16) -> bool {
        kind.is_idempotent() && matches!(status, 204 | 408)
    }

    pub(crate) fn is_rejection(kind: RequestKind, status: u16) -> bool {
        let is_yes = if kind == RequestKind::Next { status == 200 } else { (200..=299).contains(&status) };
        !is_yes && !Self::is_nothing_yet(kind, status)
    }

    /// Whether this may only say that an answer had arrived before: what a repeated answer gets.
    ///
    /// AWS's server answers the second with 403, or with 400 once the invocation is over.
    pub(crate) fn is_of_repeat(kind: RequestKind, status: u16) -> bool {
        kind.completes_invocation() && matches!(status, 400 | 403)
    }

    /// The status that says this.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invocation(_) | Self::Restored | Self::Registered { .. } => 200,
            Self::ExtensionEvent { .. } | Self::Other { .. } => 200,
            Self::NothingYet => 204,
            Self::Accepted => 202,
            Self::Rejected { status } => *status,
            Self::MethodNotAllowed { .. } => 405,
        }
    }

    /// Writes the headers that the message itself has.
    pub(crate) fn write_headers(&self, writer: &mut Writer<'_>) -> Result<(), SendError> {
        match self {
            Self::Invocation(context) => context.write(writer),
            Self::Accepted | Self::Rejected { .. } => put(writer, Field::ContentType, Some(b"application/json")),
            Self::Registered { id } => {
                put(writer, Field::ContentType, Some(b"application/json"))?;
                put(writer, Field::ExtensionId, Some(id.as_bytes()))
            }
            Self::MethodNotAllowed { allow } => write_allow(allow, writer),
            Self::ExtensionEvent { id } => {
                put(writer, Field::ContentType, Some(b"application/json"))?;
                extension::write_event_id(*id, writer)
            }
            Self::Other { headers } => put_others(writer, headers),
            Self::NothingYet | Self::Restored => Ok(()),
        }
    }
}

/// The method that a refusal allows. It is no [`Field`]: the values of a reply to an answer are not indexed.
#[cold]
#[inline(never)]
fn allowed(status: u16, headers: Headers<'_>) -> Option<&str> {
    let allow = headers.get(ALLOW).filter(|allow| status == 405 && !allow.is_empty())?;
    core::str::from_utf8(allow).ok()
}

#[cold]
#[inline(never)]
fn write_allow(allow: &str, writer: &mut Writer<'_>) -> Result<(), SendError> {
    if !is_sendable(allow.as_bytes()) {
        return Err(SendError::InvalidValue("allowed method"));
    }
    writer.header(ALLOW, allow.as_bytes());
    Ok(())
}
