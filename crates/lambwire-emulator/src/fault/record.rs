//! What came of the runtime.

use std::fmt;

use lambwire::{Excerpt, Request, RequestId, RequestKind};

/// A request that came.
#[derive(Clone, PartialEq, Eq)]
pub struct RecordedRequest {
    /// What it is.
    pub kind: RequestKind,
    /// The invocation that it answers.
    pub id: Option<String>,
    /// The type of the error that it reports, if it does, be it behind a stream.
    pub error_type: Option<String>,
    /// Its body as far as it came, and of that no more than Lambda takes of a buffered response.
    pub body: Vec<u8>,
    /// Whether it was received to its end.
    pub is_whole: bool,
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("error_type", &self.error_type)
            .field("body", &Excerpt(&self.body))
            .field("is_whole", &self.is_whole)
            .finish()
    }
}

impl RecordedRequest {
    pub(super) fn new(request: &Request<'_>) -> Self {
        let (id, error_type) = match request {
            Request::Response { id, .. } => (Some(id), None),
            Request::Error { id, headers, .. } => (Some(id), headers.error_type),
            Request::InitError(headers) => (None, headers.error_type),
            _ => (None, None),
        };
        Self {
            kind: request.kind(),
            id: id.map(RequestId::to_string),
            error_type: error_type.map(str::to_owned),
            body: Vec::new(),
            is_whole: false,
        }
    }
}
