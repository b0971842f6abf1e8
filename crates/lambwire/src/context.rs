//! What comes with an event: who asked, until when, on whose behalf.

use core::fmt;
use core::time::Duration;

use crate::client_context::{ClientContext, CognitoIdentity};
use crate::error::{ReceiveError, SendError};
use crate::field::{Field, IndexedHeaders, put};
use crate::limits;
use crate::wire::headers::{decimal, is_sendable};
use crate::wire::lines::{consists_of, table};
use crate::wire::writer::{Writer, in_base};

/// What comes with an event. Borrowed from the head of the reply that brought it.
///
/// Only the request id is always there. Each of the others is missing, or empty, on some server; a value that is not
/// UTF-8 reads as absent here and stays readable as raw bytes in the headers of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context<'a> {
    /// Names the invocation; the answer goes to it.
    pub request_id: RequestId<'a>,
    /// When the invocation times out, in milliseconds since the Unix epoch: no earlier than
    /// [`FIRST_DEADLINE_MS`](limits::FIRST_DEADLINE_MS), so that a duration, as `cargo lambda` sends it, is not taken for it.
    pub deadline_ms: Option<u64>,
    /// ARN of the function as it was invoked, with version or alias if the caller named one.
    pub invoked_function_arn: Option<&'a str>,
    /// X-Ray trace header, such as `Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1`: opaque, to be passed on.
    pub trace_id: Option<&'a str>,
    /// JSON that the caller sent along, as text; [`client_context`](Self::client_context) looks into it.
    pub client_context_json: Option<&'a str>,
    /// JSON that names the Cognito identity, as text; [`cognito_identity`](Self::cognito_identity) looks into it.
    pub cognito_identity_json: Option<&'a str>,
    /// The tenant, for functions with tenant isolation.
    pub tenant_id: Option<&'a str>,
    /// Nonce of this attempt (AWS, since July 2026). It is sent back with the answer.
    pub invocation_id: Option<InvocationId<'a>>,
}

impl<'a> Context<'a> {
    /// A context of nothing but a request id, for servers to fill in.
    pub fn new(request_id: RequestId<'a>) -> Self {
        Self {
            request_id,
            deadline_ms: None,
            invoked_function_arn: None,
            trace_id: None,
            client_context_json: None,
            cognito_identity_json: None,
            tenant_id: None,
            invocation_id: None,
        }
    }

    /// What is left of the time for this invocation, at `now`, which is counted from the Unix epoch: nothing, if the
    /// deadline has passed. `None` if there is no deadline.
    pub fn remaining(&self, now: Duration) -> Option<Duration> {
        self.deadline_ms.map(|deadline_ms| Duration::from_millis(deadline_ms).saturating_sub(now))
    }

    /// The client context, if there is one. Whatever its JSON is like, looking into it fails nothing.
    pub fn client_context(&self) -> Option<ClientContext<'a>> {
        self.client_context_json.map(ClientContext::new)
    }

    /// The Cognito identity, if there is one. Whatever its JSON is like, looking into it fails nothing.
    pub fn cognito_identity(&self) -> Option<CognitoIdentity<'a>> {
        self.cognito_identity_json.map(CognitoIdentity::new)
    }

    pub(crate) fn read(fields: &IndexedHeaders<'_, 'a>) -> Result<Self, ReceiveError> {
        Ok(Self {
            request_id: RequestId::read(fields)?,
            deadline_ms: fields.raw(Field::DeadlineMs).and_then(decimal).filter(is_instant),
            invoked_function_arn: fields.text(Field::InvokedFunctionArn),
            trace_id: fields.text(Field::TraceId),
            client_context_json: fields.text(Field::ClientContext),
            cognito_identity_json: fields.text(Field::CognitoIdentity),
            tenant_id: fields.text(Field::TenantId),
            invocation_id: fields.raw(Field::InvocationId).map(InvocationId),
        })
    }

    /// Checks that every value can be sent, as it is before an invocation is handed out.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidValue`] names the first that cannot; [`SendError::HeadTooLong`] if all of them are longer than a
    /// head may be.
    pub fn validate(&self) -> Result<(), SendError> {
        let mut writer = Writer::new(&mut []);
        self.write(&mut writer)?;
        match writer.finish(limits::REPLY_HEAD_BYTES) {
            Err(SendError::BufferTooSmall { .. }) => Ok(()),
            checked => checked.map(|_| ()),
        }
    }

    /// Writes the headers in the order of AWS's server, which sorts them.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) -> Result<(), SendError> {
        if !self.deadline_ms.as_ref().is_none_or(is_instant) {
            return Err(SendError::InvalidValue(Field::DeadlineMs.label()));
        }
        let mut digits = [0; 20];
        let deadline = self.deadline_ms.map(|deadline| {
            let start = in_base(10, deadline, &mut digits);
            digits.get(start..).unwrap_or_default()
        });
        put(writer, Field::ContentType, Some(b"application/json"))?;
        put(writer, Field::RequestId, Some(self.request_id.as_str().as_bytes()))?;
        put(writer, Field::TenantId, self.tenant_id.map(str::as_bytes))?;
        put(writer, Field::ClientContext, self.client_context_json.map(str::as_bytes))?;
        put(writer, Field::CognitoIdentity, self.cognito_identity_json.map(str::as_bytes))?;
        put(writer, Field::DeadlineMs, deadline)?;
        InvocationId::write(self.invocation_id, writer);
        put(writer, Field::InvokedFunctionArn, self.invoked_function_arn.map(str::as_bytes))?;
        put(writer, Field::TraceId, self.trace_id.map(str::as_bytes))
    }
}

/// Whether this can be a deadline.
fn is_instant(deadline_ms: &u64) -> bool {
    *deadline_ms >= limits::FIRST_DEADLINE_MS
}

/// The name of an invocation: a UUID on AWS, opaque here. It can stand in a path as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId<'a>(&'a str);

/// The characters of a path segment (RFC 3986, section 3.3: `pchar` without escapes).
const SEGMENT: [bool; 256] = table(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@");

impl<'a> RequestId<'a> {
    /// Reads the id out of the values of a head: every invocation must have one.
    pub(crate) fn read(fields: &IndexedHeaders<'_, 'a>) -> Result<Self, ReceiveError> {
        if fields.has_two_request_ids() {
            return Err(ReceiveError::TwoRequestIds);
        }
        let raw = fields.raw(Field::RequestId).ok_or(ReceiveError::NoRequestId)?;
        let text = core::str::from_utf8(raw).map_err(|_| ReceiveError::BadRequestId)?;
        Self::new(text).map_err(|_| ReceiveError::BadRequestId)
    }

    /// Checks that `id` is one segment of a path, as RFC 3986 has it, without escapes.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidValue`] if it is empty, longer than [`REQUEST_ID_BYTES`](limits::REQUEST_ID_BYTES), `.` or
    /// `..`, or has a character that would need an escape.
    pub fn new(id: &'a str) -> Result<Self, SendError> {
        let fits = (1..=limits::REQUEST_ID_BYTES).contains(&id.len());
        if fits && consists_of(id.as_bytes(), &SEGMENT) && id != "." && id != ".." {
            Ok(Self(id))
        } else {
            Err(SendError::InvalidValue(Field::RequestId.label()))
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// The nonce of one attempt at an invocation: opaque bytes that are sent back as they came. An answer with another
/// one is refused with 410.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InvocationId<'a>(&'a [u8]);

impl<'a> InvocationId<'a> {
    /// Checks that `id` can be sent in a header.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidValue`] if it is empty, or has control characters or white space around it.
    pub fn new(id: &'a [u8]) -> Result<Self, SendError> {
        if is_sendable(id) { Ok(Self(id)) } else { Err(SendError::InvalidValue(Field::InvocationId.label())) }
    }

    pub(crate) fn write(id: Option<Self>, writer: &mut Writer<'_>) {
        if let Some(Self(id)) = id {
            writer.header(Field::InvocationId.header_name(), id);
        }
    }

    /// The nonce as it came.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for InvocationId<'_> {
    /// As text, which it is on AWS.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvocationId(\"{}\")", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_leaves_time_until_it_has_passed() {
        let first = limits::FIRST_DEADLINE_MS;
        for (deadline_ms, now_ms, left_ms) in [
            (None, 0, None),
            (Some(first), first - 1, Some(1)),
            (Some(first), first, Some(0)),
            (Some(first), first + 1, Some(0)),
            (Some(u64::MAX), u64::MAX - 7, Some(7)),
        ] {
            let context = Context { deadline_ms, ..Context::new(RequestId("a")) };
            let left = context.remaining(Duration::from_millis(now_ms));
            assert_eq!(left, left_ms.map(Duration::from_millis), "{deadline_ms:?} at {now_ms}");
        }
    }

    #[test]
    fn a_deadline_before_the_first_is_not_sent() {
        let first = limits::FIRST_DEADLINE_MS;
        for deadline_ms in [600_000, first - 1, first, first + 1] {
            let context = Context { deadline_ms: Some(deadline_ms), ..Context::new(RequestId("a")) };
            assert_eq!(context.validate().is_ok(), deadline_ms >= first, "{deadline_ms}");
        }
    }

    #[test]
    fn a_request_id_is_one_path_segment() {
        for id in ["8476a536-e9f4-11e8-9739-2dfe598c3fcd", "a", "...", "id:with@sub-delims!$&'()*+,;=~"] {
            assert_eq!(RequestId::new(id).map(|id| id.as_str()), Ok(id));
        }
        for id in ["", ".", "..", "a/b", "../x", "a b", "a?b", "a#b", "a%20b", "a\r\nb", "a\0", "é"] {
            assert_eq!(RequestId::new(id), Err(SendError::InvalidValue(Field::RequestId.label())), "{id:?}");
        }
    }

    #[test]
    fn a_request_id_at_the_limit_passes_and_one_byte_more_does_not() {
        for len in [limits::REQUEST_ID_BYTES - 1, limits::REQUEST_ID_BYTES, limits::REQUEST_ID_BYTES + 1] {
            assert_eq!(RequestId::new(&"x".repeat(len)).is_ok(), len <= limits::REQUEST_ID_BYTES);
        }
    }

    #[test]
    fn an_invocation_id_cannot_inject_a_line() {
        assert!(InvocationId::new(b"\xff opaque \x80").is_ok());
        for id in [&b""[..], b" a", b"a\r\nb", b"a\0"] {
            assert_eq!(InvocationId::new(id), Err(SendError::InvalidValue(Field::InvocationId.label())));
        }
    }

    #[test]
    fn a_nonce_is_shown_as_text() {
        assert_eq!(std::format!("{:?}", InvocationId(b"7f-\xff\"")), r#"InvocationId("7f-\xff\"")"#);
    }
}
