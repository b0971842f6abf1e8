//! What a caller hands in, and what the runtime gets of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lambwire::{Context, InvocationId, RequestId, SendError};
use uuid::Uuid;

use crate::limits;

/// An event for the function, with what comes along with it. Any text or bytes are one by `into`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub(crate) payload: Vec<u8>,
    pub(crate) function_arn: Option<Arc<str>>,
    pub(crate) trace_id: Option<String>,
    pub(crate) client_context: Option<String>,
    pub(crate) cognito_identity: Option<String>,
    pub(crate) tenant_id: Option<String>,
    pub(crate) wants_tail: bool,
    pub(crate) timeout: Option<Duration>,
    /// The id that the caller wishes for.
    pub(crate) request_id: Option<String>,
}

impl Event {
    /// An event of these bytes, which are mostly JSON and may be anything.
    pub fn new(payload: impl Into<Vec<u8>>) -> Self {
        Self { payload: payload.into(), ..Self::default() }
    }

    /// The ARN by which the function is invoked. Without it, one is made of the function's name.
    #[must_use]
    pub fn function_arn(mut self, arn: impl Into<String>) -> Self {
        self.function_arn = Some(arn.into().into());
        self
    }

    /// The X-Ray trace header, passed on as it is. Without it, one is made that is not sampled.
    #[must_use]
    pub fn trace_id(mut self, trace_id: impl Into<String>) -> Self {
        self.trace_id = Some(trace_id.into());
        self
    }

    /// The client context: one line of JSON, not encoded.
    #[must_use]
    pub fn client_context(mut self, json: impl Into<String>) -> Self {
        self.client_context = Some(json.into());
        self
    }

    /// The Cognito identity: one line of JSON.
    #[must_use]
    pub fn cognito_identity(mut self, json: impl Into<String>) -> Self {
        self.cognito_identity = Some(json.into());
        self
    }

    /// The tenant, as functions with tenant isolation have it.
    #[must_use]
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.tenant_id = Some(tenant_id.into());
        self
    }

    /// How long this event may take, if that is less than any may: for tests of what happens then, which need not hurry all
    /// other events.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Has the answer come with the [end of the log](crate::Answer::log_tail), when the invocation is over.
    #[must_use]
    pub fn log_tail(mut self) -> Self {
        self.wants_tail = true;
        self
    }
}

impl<P: Into<Vec<u8>>> From<P> for Event {
    fn from(payload: P) -> Self {
        Self::new(payload)
    }
}

/// An event that has become an invocation: it has an id, and everything in it can be sent.
#[derive(Debug)]
pub(crate) struct Invocation {
    id: Arc<str>,
    event: Event,
    /// Nonce of the attempt.
    nonce: Arc<str>,
    created_at: Instant,
    version: Arc<str>,
}

impl Invocation {
    /// Makes an invocation of an event, with `function_arn` if it names none, of this version of the function.
    ///
    /// # Errors
    ///
    /// What of the event cannot be sent to a runtime.
    pub(crate) fn new(
        mut event: Event,
        function_arn: &Arc<str>,
        version: Arc<str>,
        now_ms: u64,
    ) -> Result<Self, SendError> {
        // What the emulator has made itself can be sent.
        let is_bare = event.function_arn.is_none()
            && [&event.trace_id, &event.client_context, &event.cognito_identity, &event.tenant_id]
                .into_iter()
                .all(Option::is_none);
        event.function_arn.get_or_insert_with(|| Arc::clone(function_arn));
        event.trace_id.get_or_insert_with(|| new_trace_id(now_ms / 1000));
        let wished = event.request_id.take().filter(|id| RequestId::new(id).is_ok());
        let id = wished.map_or_else(new_id, Into::into);
        let invocation = Self { id, event, nonce: new_id(), created_at: Instant::now(), version };
        if !is_bare {
            invocation.context(u64::MAX)?.validate()?;
        }
        Ok(invocation)
    }

    /// The same for another try.
    pub(crate) fn again(&self) -> Self {
        let (id, version) = (Arc::clone(&self.id), Arc::clone(&self.version));
        Self { id, event: self.event.clone(), nonce: new_id(), created_at: Instant::now(), version }
    }

    /// The version of the function that is executed: there is one alone, whichever the caller names.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn created_at(&self) -> Instant {
        self.created_at
    }

    pub(crate) fn nonce(&self) -> &Arc<str> {
        &self.nonce
    }

    pub(crate) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.event.payload
    }

    pub(crate) fn event(&self) -> &Event {
        &self.event
    }

    /// What the runtime gets along with the payload, of an invocation that times out then (milliseconds since the Unix
    /// epoch).
    pub(crate) fn context(&self, deadline_ms: u64) -> Result<Context<'_>, SendError> {
        let mut context = Context::new(RequestId::new(&self.id)?);
        context.deadline_ms = Some(deadline_ms);
        context.invoked_function_arn = self.event.function_arn.as_deref();
        context.trace_id = self.event.trace_id.as_deref();
        context.client_context_json = self.event.client_context.as_deref();
        context.cognito_identity_json = self.event.cognito_identity.as_deref();
        context.tenant_id = self.event.tenant_id.as_deref();
        context.invocation_id = Some(InvocationId::new(self.nonce.as_bytes())?);
        Ok(context)
    }
}

/// A random UUID, without asking the kernel for chance each time.
pub(crate) fn new_id<I: for<'i> From<&'i str>>() -> I {
    let random = fastrand::u128(..).to_ne_bytes();
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    I::from(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}

/// Whether a caller's trace header is one: `;` between parts, each `Name=value`, and among them one `Root` that is an id
/// (AWS X-Ray, "Tracing header"). Whatever else it has is passed on. X-Ray's own clients begin a new trace where it is none.
pub(crate) fn is_trace_header(text: &str) -> bool {
    let is_text = text.len() <= limits::TRACE_HEADER_BYTES && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let parts = || text.split(';').filter(|part| !part.is_empty()).map(|part| part.trim().split_once('='));
    let mut roots = parts().flatten().filter(|(name, _)| *name == "Root");
    let root = roots.next();
    is_text
        && parts().all(|part| part.is_some())
        && root.is_some_and(|(_, id)| is_trace_id(id))
        && roots.next().is_none()
}

/// Whether this is the version 1, seconds since the Unix epoch, and chance.
fn is_trace_id(text: &str) -> bool {
    let is_hex = |part: &str, len| part.len() == len && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut parts = text.split('-');
    parts.next() == Some("1")
        && parts.next().is_some_and(|part| is_hex(part, 8))
        && parts.next().is_some_and(|part| is_hex(part, 24))
        && parts.next().is_none()
}

/// A trace header as X-Ray has it: version, seconds since the Unix epoch, and chance.
pub(crate) fn new_trace_id(now_s: u64) -> String {
    let (mut root, mut parent) = ([0; HEX_BYTES], [0; HEX_BYTES]);
    let root = hex((u128::from(now_s) << 96) | (fastrand::u128(..) >> 32), &mut root);
    let (seconds, chance) = root.split_at(8);
    let (parent, _) = hex(fastrand::u128(..), &mut parent).split_at(16);
    ["Root=1-", seconds, "-", chance, ";Parent=", parent, ";Sampled=0"].concat()
}

const HEX_BYTES: usize = uuid::fmt::Simple::LENGTH;

/// A number in hexadecimal digits, as a UUID has them: formatting macros take six times as long.
fn hex(number: u128, buf: &mut [u8; HEX_BYTES]) -> &str {
    Uuid::from_u128(number).simple().encode_lower(buf)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn;
    use lambwire::Field;

    const ARN: &str = "arn:aws:lambda:us-east-1:012345678912:function:f";

    #[test]
    fn an_invocation_has_an_id_an_arn_and_a_trace() {
        let invocation = Invocation::new(Event::new("{}"), &ARN.into(), arn::LATEST.into(), 1_700_000_000_000).unwrap();
        let context = invocation.context(0).unwrap();
        assert_eq!(context.request_id.as_str().len(), 36);
        assert_eq!(context.invoked_function_arn, Some(ARN));
        let trace = context.trace_id.unwrap();
        assert!(trace.ends_with(";Sampled=0"), "{trace}");
        let lengths: Vec<usize> = trace.split(['-', ';', '=']).map(str::len).collect();
        assert_eq!(lengths, [4, 1, 8, 24, 6, 16, 7, 1]);
        assert!(trace.starts_with("Root=1-6553f100-"), "{trace}");
    }

    #[test]
    fn a_trace_header_is_one_with_a_root() {
        const ID: &str = "1-5759e988-bd862e3fe1be46a994272793";
        let filled = |len: usize| format!("Root={ID};{}", "a=".repeat(len)).split_at(len).0.to_owned();
        for (text, expected) in [
            (format!("Root={ID}"), true),
            (format!("Root={ID};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5"), true),
            (format!("Self=1-67891234-12456789abcdef012345678;Root={ID}; Other=a=b"), true),
            (new_trace_id(1_700_000_000), true),
            (String::new(), false),
            ("no trace".to_owned(), false),
            ("Parent=53995c3f42cd8ad8;Sampled=1".to_owned(), false),
            (format!("Root={ID};Root={ID}"), false),
            (format!("Root={ID};"), true),
            (format!("Root={ID};Sampled"), false),
            (format!("root={ID}"), false),
            (format!("Root={ID}0"), false),
            (format!("Root={ID}-0"), false),
            ("Root=2-5759e988-bd862e3fe1be46a994272793".to_owned(), false),
            ("Root=1-5759e98g-bd862e3fe1be46a994272793".to_owned(), false),
            (format!("Root={ID};A=\u{fc}"), false),
            (format!("Root={ID};A=\tb"), false),
            (filled(limits::TRACE_HEADER_BYTES - 1), true),
            (filled(limits::TRACE_HEADER_BYTES), true),
            (filled(limits::TRACE_HEADER_BYTES + 1), false),
        ] {
            assert_eq!(is_trace_header(&text), expected, "{text}");
        }
    }

    #[test]
    fn an_id_that_is_wished_for_is_had_if_it_can_be_sent() {
        let mut event = Event::new("");
        event.request_id = Some("11111111-2222".to_owned());
        assert_eq!(
            &**Invocation::new(event.clone(), &ARN.into(), arn::LATEST.into(), 0).unwrap().id(),
            "11111111-2222"
        );
        event.request_id = Some("a/b".to_owned());
        assert_eq!(Invocation::new(event, &ARN.into(), arn::LATEST.into(), 0).unwrap().id().len(), 36);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_name() {
        for (event, field) in [
            (Event::new("").client_context("{\n}"), Field::ClientContext),
            (Event::new("").tenant_id("a\r\nb: c"), Field::TenantId),
            (Event::new("").trace_id(" "), Field::TraceId),
            (Event::new("").function_arn(""), Field::InvokedFunctionArn),
            (Event::new("").cognito_identity("\0"), Field::CognitoIdentity),
        ] {
            assert_eq!(
                Invocation::new(event, &ARN.into(), arn::LATEST.into(), 0).err(),
                Some(SendError::InvalidValue(field.label()))
            );
        }
        let long = "x".repeat(lambwire::limits::REPLY_HEAD_BYTES);
        assert!(matches!(
            Invocation::new(Event::new("").tenant_id(long), &ARN.into(), arn::LATEST.into(), 0),
            Err(SendError::HeadTooLong { .. })
        ));
    }
}
