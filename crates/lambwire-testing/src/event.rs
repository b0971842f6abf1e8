//! What a function is invoked with.

use std::sync::atomic::{AtomicU64, Ordering};

use lambwire::{Context, InvocationId, RequestId, SendError};

/// When an invocation times out unless a test says otherwise, in milliseconds since the Unix epoch: the start of 2100, so that
/// no test depends on the time of day.
pub const DEADLINE_MS: u64 = 4_102_444_800_000;

/// ARN of the function unless a test says otherwise.
pub const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:test";

/// An event, and what comes with it. Any text or bytes are one by `into`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    payload: Vec<u8>,
    request_id: String,
    invocation_id: Option<String>,
    deadline_ms: Option<u64>,
    function_arn: Option<String>,
    trace_id: Option<String>,
    client_context: Option<String>,
    cognito_identity: Option<String>,
    tenant_id: Option<String>,
}

impl Event {
    /// An event with this payload: JSON, mostly. It has a request id that no other event of this process has, the deadline
    /// [`DEADLINE_MS`] and the ARN [`FUNCTION_ARN`].
    pub fn new(payload: impl Into<Vec<u8>>) -> Self {
        static EVENTS: AtomicU64 = AtomicU64::new(1);
        let number = EVENTS.fetch_add(1, Ordering::Relaxed);
        Self {
            payload: payload.into(),
            request_id: format!("00000000-0000-4000-8000-{number:012x}"),
            invocation_id: None,
            deadline_ms: Some(DEADLINE_MS),
            function_arn: Some(FUNCTION_ARN.into()),
            trace_id: None,
            client_context: None,
            cognito_identity: None,
            tenant_id: None,
        }
    }

    /// Names the invocation.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = id.into();
        self
    }

    /// The nonce of this attempt, which a runtime sends back (AWS, since July 2026).
    #[must_use]
    pub fn invocation_id(mut self, nonce: impl Into<String>) -> Self {
        self.invocation_id = Some(nonce.into());
        self
    }

    /// When the invocation times out, in milliseconds since the Unix epoch; `None` for no deadline.
    #[must_use]
    pub fn deadline_ms(mut self, deadline: impl Into<Option<u64>>) -> Self {
        self.deadline_ms = deadline.into();
        self
    }

    /// ARN of the function as it is invoked; `None` for none.
    #[must_use]
    pub fn function_arn<'a>(mut self, arn: impl Into<Option<&'a str>>) -> Self {
        self.function_arn = arn.into().map(str::to_owned);
        self
    }

    /// X-Ray trace header.
    #[must_use]
    pub fn trace_id(mut self, trace_id: impl Into<String>) -> Self {
        self.trace_id = Some(trace_id.into());
        self
    }

    /// JSON that the caller sends along.
    #[must_use]
    pub fn client_context(mut self, json: impl Into<String>) -> Self {
        self.client_context = Some(json.into());
        self
    }

    /// JSON that names the Cognito identity.
    #[must_use]
    pub fn cognito_identity(mut self, json: impl Into<String>) -> Self {
        self.cognito_identity = Some(json.into());
        self
    }

    /// The tenant.
    #[must_use]
    pub fn tenant_id(mut self, tenant_id: impl Into<String>) -> Self {
        self.tenant_id = Some(tenant_id.into());
        self
    }

    pub(crate) fn id(&self) -> &str {
        &self.request_id
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What comes with it, or what of it cannot be sent.
    pub(crate) fn context(&self) -> Result<Context<'_>, SendError> {
        let mut context = Context::new(RequestId::new(&self.request_id)?);
        context.invocation_id = self.invocation_id.as_ref().map(|id| InvocationId::new(id.as_bytes())).transpose()?;
        context.deadline_ms = self.deadline_ms;
        context.invoked_function_arn = self.function_arn.as_deref();
        context.trace_id = self.trace_id.as_deref();
        context.client_context_json = self.client_context.as_deref();
        context.cognito_identity_json = self.cognito_identity.as_deref();
        context.tenant_id = self.tenant_id.as_deref();
        context.validate()?;
        Ok(context)
    }
}

impl<P: Into<Vec<u8>>> From<P> for Event {
    fn from(payload: P) -> Self {
        Self::new(payload)
    }
}
