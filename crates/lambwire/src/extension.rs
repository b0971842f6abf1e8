//! As much of the Extensions API as a runtime needs: an extension inside its own process, which wants no events.
//!
//! Lambda ends a process with SIGKILL, at once, unless an extension is registered: then SIGTERM comes first, and half a
//! second of time (AWS Lambda Developer Guide, `runtimes-extensions-api`). Two requests are all it takes, before the first
//! [`Request::Next`](crate::Request::Next): [`Register`](crate::Request::Register), and
//! [`ExtensionNext`](crate::Request::ExtensionNext), to which no reply ever comes. AWS's Go client does the same.

use core::fmt;

use crate::error::{ReceiveError, SendError};
use crate::field::{EXTENSION_EVENT_ID, Field, IndexedHeaders, put_others};
use crate::wire::headers::{Header, Headers, is_sendable};
use crate::wire::writer::Writer;

pub(crate) const REGISTER: &str = "/2020-01-01/extension/register";
pub(crate) const EVENT_NEXT: &str = "/2020-01-01/extension/event/next";

/// The body of [`Request::Register`](crate::Request::Register): no events. An extension inside the runtime's process may
/// not ask for that of the shutdown.
pub const NO_EVENTS: &[u8] = br#"{"events":[]}"#;

/// Names an extension that has registered: opaque bytes that are sent back as they came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExtensionId<'a>(&'a [u8]);

impl<'a> ExtensionId<'a> {
    /// Checks that `id` can be sent in a header.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidValue`] if it is empty, or has control characters or white space around it.
    pub fn new(id: &'a [u8]) -> Result<Self, SendError> {
        if is_sendable(id) { Ok(Self(id)) } else { Err(SendError::InvalidValue(Field::ExtensionId.label())) }
    }

    pub(crate) fn read(fields: &IndexedHeaders<'_, 'a>) -> Result<Self, ReceiveError> {
        fields.raw(Field::ExtensionId).map(Self).ok_or(ReceiveError::NoExtensionId)
    }

    /// The id as it came.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// The id of the event that a reply brings; one that is empty is as good as absent.
#[cold]
pub(crate) fn event_id(headers: Headers<'_>) -> Option<&[u8]> {
    headers.get(EXTENSION_EVENT_ID).filter(|id| !id.is_empty())
}

#[cold]
pub(crate) fn write_event_id(id: Option<&[u8]>, writer: &mut Writer<'_>) -> Result<(), SendError> {
    id.map_or(Ok(()), |value| put_others(writer, &[Header { name: EXTENSION_EVENT_ID, value }]))
}

impl fmt::Debug for ExtensionId<'_> {
    /// As text, which it is on AWS.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtensionId(\"{}\")", self.0.escape_ascii())
    }
}
