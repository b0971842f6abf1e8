//! The context of an invocation, as JSON on one line.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use lambwire_mio::lambwire::Context;

use crate::json;

/// What a handler learns of its function, which the environment says once and for all.
pub(crate) struct Function {
    /// The values of [`VARIABLES`].
    own: [Option<String>; 5],
    /// What that makes of every context: what stands before the value of its ARN, of its request id and of its deadline.
    same: [Vec<u8>; 3],
}

/// What stands for a key.
#[derive(Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Number(u64),
    /// What somebody else says is JSON: passed on as such, or as a string if it is none.
    Foreign(&'a str),
    /// It is written elsewhere.
    Other,
}

impl Function {
    pub(crate) fn from_env() -> Self {
        Self::new(VARIABLES.map(|name| env::var(name).ok()))
    }

    fn new(own: [Option<String>; 5]) -> Self {
        let [name, version, memory_mb, log_group, log_stream] =
            own.each_ref().map(|value| value.as_deref().map(Value::Text));
        // Each key with what stands before and behind it: one piece instead of three.
        let fields: [&[Field<'_>]; 3] = [
            &[
                (br#"{"function_name":"#, name),
                (br#","function_version":"#, version),
                (br#","invoked_function_arn":"#, Some(Value::Other)),
            ],
            &[(br#","memory_limit_in_mb":"#, memory_mb), (br#","aws_request_id":"#, Some(Value::Other))],
            &[
                (br#","log_group_name":"#, log_group),
                (br#","log_stream_name":"#, log_stream),
                (br#","deadline_ms":"#, Some(Value::Other)),
            ],
        ];
        let same = fields.map(|fields| {
            let mut piece = Vec::new();
            write_fields(&mut piece, fields);
            piece
        });
        Self { own, same }
    }

    /// Where nobody says it, a handler that is invoked by hand finds what the emulator would say.
    pub(crate) fn or_by_hand(self) -> Self {
        let [mut name, mut version, mut memory_mb, mut log_group, log_stream] = self.own;
        let called = name.get_or_insert_with(|| "function".to_owned());
        log_group.get_or_insert_with(|| format!("/aws/lambda/{called}"));
        version.get_or_insert_with(|| "$LATEST".to_owned());
        memory_mb.get_or_insert_with(|| "128".to_owned());
        Self::new([name, version, memory_mb, log_group, log_stream])
    }

    /// The name of the function that is invoked, as callers have it.
    pub(crate) fn arn(&self) -> String {
        let [name, ..] = &self.own;
        format!("arn:aws:lambda:{}:012345678912:function:{}", region(), name.as_deref().unwrap_or("function"))
    }

    /// Variables that a function finds on Lambda.
    pub(crate) fn variables(&self, root: &Path) -> Vec<(&'static str, OsString)> {
        let mut variables = vec![("LAMBDA_TASK_ROOT", root.into()), ("TZ", ":UTC".into())];
        for (name, value) in VARIABLES.into_iter().zip(&self.own) {
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
    pub(crate) fn write_context(&self, context: &Context<'_>, line: &mut Vec<u8>) {
        let [before_arn, before_id, before_deadline] = &self.same;
        let trace_id = context.trace_id.map(Value::Text);
        line.clear();
        // `trace_id` stands before the values that others have written, so that a shell can find it.
        let fields: [Field<'_>; 8] = [
            (before_arn, context.invoked_function_arn.map(Value::Text)),
            (before_id, Some(Value::Text(context.request_id.as_str()))),
            (before_deadline, context.deadline_ms.map(Value::Number)),
            (br#","trace_id":"#, trace_id),
            (br#","x_amzn_trace_id":"#, trace_id),
            (br#","tenant_id":"#, context.tenant_id.map(Value::Text)),
            (br#","identity":"#, context.cognito_identity_json.map(Value::Foreign)),
            (br#","client_context":"#, context.client_context_json.map(Value::Foreign)),
        ];
        write_fields(line, &fields);
        line.extend_from_slice(b"}\n");
    }
}

/// What stands before a value, with the key, and the value.
type Field<'a> = (&'a [u8], Option<Value<'a>>);

fn write_fields(line: &mut Vec<u8>, fields: &[Field<'_>]) {
    for &(before, value) in fields {
        line.extend_from_slice(before);
        match value {
            None => line.extend_from_slice(b"null"),
            Some(Value::Other) => {}
            // Writing to a vector does not fail.
            Some(Value::Number(number)) => drop(write!(line, "{number}")),
            Some(Value::Foreign(text)) if json::is_json(text) => line.extend_from_slice(text.as_bytes()),
            Some(Value::Text(text) | Value::Foreign(text)) => json::write_string(line, text),
        }
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
        let function = Function::new([text("f"), text("$LATEST"), text("128"), text("/aws/lambda/f"), None]);
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
