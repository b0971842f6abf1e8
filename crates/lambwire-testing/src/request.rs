//! What a runtime has sent.

use std::borrow::Cow;
use std::fmt;

use lambwire::{Excerpt, Message, Mode, Request, RequestKind, StreamError};

/// A request of a runtime, wholly received.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// What it is: [`RequestKind::Response`] and [`RequestKind::Error`] answer an invocation.
    pub kind: RequestKind,
    /// The invocation that it answers.
    pub request_id: Option<String>,
    /// The nonce that it sends back.
    pub invocation_id: Option<String>,
    /// Whether a response is streamed.
    pub is_streamed: bool,
    /// Type of the error that it reports, be it behind a stream.
    pub error_type: Option<String>,
    /// Report of the error, be it behind a stream: JSON.
    pub report: Option<Vec<u8>>,
    /// Its body: what the handler has returned, or the report.
    pub body: Vec<u8>,
    /// Its headers, in the order in which they came. A name has the case in which it was sent.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Headers behind its body, as they came.
    pub trailers: Vec<(String, Vec<u8>)>,
    /// The connection on which it came, counted from 0.
    pub connection: usize,
}

impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            request_id,
            invocation_id,
            is_streamed,
            error_type,
            report,
            body,
            headers,
            trailers,
            connection,
        } = self;
        f.debug_struct("RecordedRequest")
            .field("kind", kind)
            .field("request_id", request_id)
            .field("invocation_id", invocation_id)
            .field("is_streamed", is_streamed)
            .field("error_type", error_type)
            .field("report", &report.as_deref().map(Excerpt))
            .field("body", &Excerpt(body))
            .field("headers", &shown(headers))
            .field("trailers", &shown(trailers))
            .field("connection", connection)
            .finish()
    }
}

impl RecordedRequest {
    pub(crate) fn new(message: &Message<'_, Request<'_>>, connection: usize) -> Self {
        let lines = |headers: lambwire::Headers<'_>| {
            headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect()
        };
        let mut recorded = Self {
            kind: message.head.kind(),
            body: message.body.to_vec(),
            headers: lines(message.headers),
            trailers: lines(message.trailers),
            connection,
            ..Self::default()
        };
        let nonce = match message.head {
            Request::Response { id, invocation_id, mode, .. } => {
                recorded.request_id = Some(id.to_string());
                recorded.is_streamed = mode == Mode::Streaming;
                invocation_id
            }
            Request::Error { id, invocation_id, headers } => {
                recorded.request_id = Some(id.to_string());
                recorded.reports(headers.error_type);
                invocation_id
            }
            Request::InitError(headers) | Request::RestoreError(headers) => {
                recorded.reports(headers.error_type);
                None
            }
            _ => None,
        };
        recorded.invocation_id = nonce.map(|nonce| String::from_utf8_lossy(nonce.as_bytes()).into_owned());
        if let Some(error) = StreamError::find(message.trailers) {
            recorded.error_type = Some(String::from_utf8_lossy(error.error_type).into_owned());
            // What base64 says takes less room than it.
            let mut room = vec![0; recorded.trailers.iter().map(|(_, value)| value.len()).sum()];
            recorded.report = error.report(&mut room).map(<[u8]>::to_vec);
        }
        recorded
    }

    fn reports(&mut self, error_type: Option<&str>) {
        self.error_type = error_type.map(str::to_owned);
        self.report = Some(self.body.clone());
    }

    pub(crate) fn is_answer(&self) -> bool {
        matches!(self.kind, RequestKind::Response | RequestKind::Error)
    }

    /// Whether it reports an error, be it behind a stream.
    pub fn is_error(&self) -> bool {
        self.error_type.is_some() || self.report.is_some()
    }

    /// The value of the first header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }

    /// Its body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The report of an error as text, which is empty where there is none.
    pub fn report_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.report.as_deref().unwrap_or_default())
    }
}

/// Headers whose values are text.
fn shown(headers: &[(String, Vec<u8>)]) -> Vec<(&str, Excerpt<'_>)> {
    headers.iter().map(|(name, value)| (&**name, Excerpt(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_be_read_where_an_assertion_shows_it() {
        let request = RecordedRequest {
            body: b"plain \"words\"".to_vec(),
            headers: vec![("Content-Type".to_owned(), b"text/plain".to_vec())],
            report: Some(b"why".to_vec()),
            ..RecordedRequest::default()
        };
        let text = format!("{request:?}");
        for part in [r#"body: "plain \"words\"""#, r#"("Content-Type", "text/plain")"#, r#"report: Some("why")"#] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
