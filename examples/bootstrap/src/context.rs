//! The context of an invocation, as JSON on one line.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use lambwire_mio::lambwire::Context;

use crate::json;

/// What a handler learns of its function, which the environment says once and for all.
#[derive(Default)]
pub(crate) struct Function {
    name: Option<String>,
    version: Option<String>,
    memory_mb: Option<String>,
    log_group: Option<String>,
    log_stream: Option<String>,
}

/// What stands for a key.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Number(u64),
    /// What somebody else says is JSON: passed on as such, or as a string if it is none.
    Foreign(&'a str),
}

impl Function {
    pub(crate) fn from_env() -> Self {
        let [name, version, memory_mb, log_group, log_stream] = VARIABLES.map(|name| env::var(name).ok());
        Self { name, version, memory_mb, log_group, log_stream }
    }

    /// Where nobody says it, a handler that is invoked by hand finds what the emulator would say.
    pub(crate) fn or_by_hand(mut self) -> Self {
        let name = self.name.get_or_insert_with(|| "function".to_owned());
        self.log_group.get_or_insert_with(|| format!("/aws/lambda/{name}"));
        self.version.get_or_insert_with(|| "$LATEST".to_owned());
        self.memory_mb.get_or_insert_with(|| "128".to_owned());
        self
    }

    /// The name of the function that is invoked, as callers have it.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:012345678912:function:{}", region(), self.name.as_deref().unwrap_or("function"))
    }

    /// Variables that a function finds on Lambda.
    pub(crate) fn variables(&self, root: &Path) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![("LAMBDA_TASK_ROOT", root.into()), ("TZ", ":UTC".into())];
        let own = [&self.name, &self.version, &self.memory_mb, &self.log_group, &self.log_stream];
        for (name, value) in VARIABLES.into_iter().zip(own) {
            if let Some(value) = value {
                variables.push((name, value.into()));
            }
        }
        for name in REGIONS {
            variables.push((name, region().into()));
        }
        variables
    }

    /// Replaces what is in `line` by the context: one line.
    pub(crate) fn write_context<'a>(&'a self, context: &Context<'a>, line: &mut Vec<u8>) {
        let own = |value: &'a Option<String>| value.as_deref().map(Value::Text);
        let trace_id = context.trace_id.map(Value::Text);
        // Each key with what stands before and behind it: one piece instead of three, for every event.
        // `trace_id` stands before the values that others have written, so that a shell can find it.
        let fields = [
            (r#"{"function_name":"#, own(&self.name)),
            (r#","function_version":"#, own(&self.version)),
            (r#","invoked_function_arn":"#, context.invoked_function_arn.map(Value::Text)),
            (r#","memory_limit_in_mb":"#, own(&self.memory_mb)),
            (r#","aws_request_id":"#, Some(Value::Text(context.request_id.as_str()))),
            (r#","log_group_name":"#, own(&self.log_group)),
            (r#","log_stream_name":"#, own(&self.log_stream)),
            (r#","deadline_ms":"#, context.deadline_ms.map(Value::Number)),
            (r#","trace_id":"#, trace_id),
            (r#","x_amzn_trace_id":"#, trace_id),
            (r#","tenant_id":"#, context.tenant_id.map(Value::Text)),
            (r#","identity":"#, context.cognito_identity_json.map(Value::Foreign)),
            (r#","client_context":"#, context.client_context_json.map(Value::Foreign)),
        ];
        line.clear();
        for (key, value) in fields {
            line.extend_from_slice(key.as_bytes());
            match value {
                None => line.extend_from_slice(b"null"),
                Some(Value::Number(number)) => line.extend_from_slice(number.to_string().as_bytes()),
                Some(Value::Foreign(text)) if json::is_json(text) => line.extend_from_slice(text.as_bytes()),
                Some(Value::Text(text) | Value::Foreign(text)) => json::write_string(line, text),
            }
        }
        line.extend_from_slice(b"}\n");
    }
}

/// Where the environment says what there is to know of a function, in the order of that.
const VARIABLES: [&str; 5] = [
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
];

/// Where it says the region.
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

fn region() -> String {
    let set = REGIONS.into_iter().find_map(|name| env::var(name).ok().filter(|set| !set.is_empty()));
    set.unwrap_or_else(|| "us-east-1".to_owned())
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
        let mut line = b"of the last event".to_vec();
        function.write_context(&context, &mut line);
        let expected = r#"{"function_name":"f","function_version":"$LATEST","invoked_function_arn":null,"memory_limit_in_mb":"128","aws_request_id":"id","log_group_name":"/aws/lambda/f","log_stream_name":null,"deadline_ms":7,"trace_id":"Root=1","x_amzn_trace_id":"Root=1","tenant_id":null,"identity":"not \"json\"","client_context":{"custom":{"a":1}}}"#;
        assert_eq!(String::from_utf8_lossy(&line), format!("{expected}\n"));
    }
}
