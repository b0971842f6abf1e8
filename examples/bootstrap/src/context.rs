//! The context of an invocation, as JSON on one line.

use std::env;

use lambwire_mio::lambwire::Context;
use serde::Serialize;
use serde_json::value::RawValue;

/// What a handler is told of its function, which the environment says once and for all.
pub(crate) struct Function {
    name: Option<String>,
    version: Option<String>,
    memory_mb: Option<String>,
    log_group: Option<String>,
    log_stream: Option<String>,
}

/// In this order: `trace_id` stands before the values that others have written, so that a shell can find it.
#[derive(Serialize)]
struct Fields<'a> {
    function_name: Option<&'a str>,
    function_version: Option<&'a str>,
    invoked_function_arn: Option<&'a str>,
    memory_limit_in_mb: Option<&'a str>,
    aws_request_id: &'a str,
    log_group_name: Option<&'a str>,
    log_stream_name: Option<&'a str>,
    deadline_ms: Option<u64>,
    trace_id: Option<&'a str>,
    x_amzn_trace_id: Option<&'a str>,
    tenant_id: Option<&'a str>,
    identity: Option<Foreign<'a>>,
    client_context: Option<Foreign<'a>>,
}

/// What somebody else says is JSON: passed on as such, or as a string if it is none.
#[derive(Serialize)]
#[serde(untagged)]
enum Foreign<'a> {
    Json(&'a RawValue),
    Text(&'a str),
}

impl<'a> Foreign<'a> {
    fn new(text: &'a str) -> Self {
        serde_json::from_str(text).map_or(Self::Text(text), Self::Json)
    }
}

impl Function {
    pub(crate) fn from_env() -> Self {
        let variable = |name| env::var(name).ok();
        Self {
            name: variable("AWS_LAMBDA_FUNCTION_NAME"),
            version: variable("AWS_LAMBDA_FUNCTION_VERSION"),
            memory_mb: variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
            log_group: variable("AWS_LAMBDA_LOG_GROUP_NAME"),
            log_stream: variable("AWS_LAMBDA_LOG_STREAM_NAME"),
        }
    }

    /// One line.
    pub(crate) fn context_line(&self, context: &Context<'_>) -> Vec<u8> {
        let fields = Fields {
            function_name: self.name.as_deref(),
            function_version: self.version.as_deref(),
            invoked_function_arn: context.invoked_function_arn,
            memory_limit_in_mb: self.memory_mb.as_deref(),
            aws_request_id: context.request_id.as_str(),
            log_group_name: self.log_group.as_deref(),
            log_stream_name: self.log_stream.as_deref(),
            deadline_ms: context.deadline_ms,
            trace_id: context.trace_id,
            x_amzn_trace_id: context.trace_id,
            tenant_id: context.tenant_id,
            identity: context.cognito_identity_json.map(Foreign::new),
            client_context: context.client_context_json.map(Foreign::new),
        };
        // Writing strings and numbers to a vector does not fail.
        let mut line = serde_json::to_vec(&fields).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lambwire_mio::lambwire::RequestId;

    #[test]
    fn a_context_is_one_line_with_every_key() {
        let text = |text: &str| Some(text.to_owned());
        let function = Function {
            name: text("f"),
            version: text("$LATEST"),
            memory_mb: text("128"),
            log_group: text("/aws/lambda/f"),
            log_stream: None,
        };
        let mut context = Context::new(RequestId::new("id").unwrap());
        context.deadline_ms = Some(7);
        context.trace_id = Some("Root=1");
        context.client_context_json = Some(r#"{"custom":{"a":1}}"#);
        context.cognito_identity_json = Some("not \"json\"");
        let line = function.context_line(&context);
        let expected = r#"{"function_name":"f","function_version":"$LATEST","invoked_function_arn":null,"memory_limit_in_mb":"128","aws_request_id":"id","log_group_name":"/aws/lambda/f","log_stream_name":null,"deadline_ms":7,"trace_id":"Root=1","x_amzn_trace_id":"Root=1","tenant_id":null,"identity":"not \"json\"","client_context":{"custom":{"a":1}}}"#;
        assert_eq!(String::from_utf8_lossy(&line), format!("{expected}\n"));
    }
}
