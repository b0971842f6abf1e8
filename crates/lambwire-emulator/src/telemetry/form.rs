//! The form in which subscribers have records. They are made as the Telemetry API has them, with each line as text.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::Kind;

/// What a subscriber gets of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The record as it is made.
    Made,
    /// The same, but that a line which is an object of JSON is one in it.
    Objects,
    /// What the Logs API has in its place (AWS, "Using the Lambda Logs API").
    Logs {
        /// Whether it tells when the runtime is done, which its first schema does not.
        has_runtime_done: bool,
    },
}

/// The one record of the platform that is for subscribers of the Logs API alone.
pub(super) const LOGS_SUBSCRIPTION: &str = "platform.logsSubscription";

impl Form {
    /// Hands on a record in this form: none, or one, or two.
    pub(super) fn hand_on(self, kind: Kind, record: &str, mut to: impl FnMut(Cow<'_, str>)) {
        match (self, kind) {
            (Self::Objects, Kind::Function | Kind::Extension) => {
                to(with_object(record).map_or(record.into(), Into::into));
            }
            (Self::Logs { has_runtime_done }, Kind::Platform) => {
                let made: Value = serde_json::from_str(record).unwrap_or_default();
                for (name, record) in logs(&made, has_runtime_done) {
                    to(json!({ "time": made["time"], "type": name, "record": record }).to_string().into());
                }
            }
            (Self::Made | Self::Objects, Kind::Platform) if record.contains(LOGS_SUBSCRIPTION) => {}
            _ => to(record.into()),
        }
    }
}

/// The record of a line that is an object of JSON, with that.
fn with_object(record: &str) -> Option<String> {
    let mut made: Value = serde_json::from_str(record).ok()?;
    let line = made["record"].as_str().filter(|line| line.trim_start().starts_with('{'))?;
    let object: Map<String, Value> = serde_json::from_str(line).ok()?;
    made["record"] = object.into();
    Some(made.to_string())
}

/// What the Logs API says in place of a record of the platform.
fn logs(made: &Value, has_runtime_done: bool) -> Vec<(&str, Value)> {
    let record = &made["record"];
    let id = &record["requestId"];
    match made["type"].as_str().unwrap_or_default() {
        name @ "platform.start" => vec![(name, json!({ "requestId": id, "version": record["version"] }))],
        name @ "platform.runtimeDone" if has_runtime_done => {
            // It knows of no errors, but of failures.
            let status = if record["status"] == "error" { json!("failure") } else { record["status"].clone() };
            vec![(name, json!({ "requestId": id, "status": status }))]
        }
        name @ "platform.report" => vec![
            ("platform.end", json!({ "requestId": id })),
            (name, json!({ "requestId": id, "metrics": record["metrics"] })),
        ],
        name @ ("platform.extension" | "platform.logsDropped" | LOGS_SUBSCRIPTION) => vec![(name, record.clone())],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::made;

    /// The types and the records that come of one.
    fn handed_on(form: Form, kind: Kind, name: &str, record: &Value) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        form.hand_on(kind, &made(name, record), |record| {
            let mut record: Value = serde_json::from_str(&record).unwrap();
            assert!(record["time"].is_string(), "{record}");
            all.push((record["type"].as_str().unwrap().to_owned(), record["record"].take()));
        });
        all
    }

    #[test]
    fn a_line_that_is_an_object_is_one_where_that_is_wished() {
        for (line, object) in [
            (r#"{"level":"INFO"}"#, json!({ "level": "INFO" })),
            (r#" {"a":1}"#, json!({ "a": 1 })),
            ("[1]", json!("[1]")),
            ("1", json!("1")),
            ("{", json!("{")),
            ("", json!("")),
        ] {
            for (form, expected) in [
                (Form::Made, json!(line)),
                (Form::Objects, object),
                (Form::Logs { has_runtime_done: true }, json!(line)),
            ] {
                for kind in [Kind::Function, Kind::Extension] {
                    let all = handed_on(form, kind, kind.name(), &json!(line));
                    assert_eq!(all, [(kind.name().to_owned(), expected.clone())], "{form:?}");
                }
            }
        }
    }

    #[test]
    fn the_logs_api_has_records_of_its_own() {
        let logs = |name: &str, record: Value, has_runtime_done| {
            let all = handed_on(Form::Logs { has_runtime_done }, Kind::Platform, name, &record);
            all.into_iter().map(|(name, record)| format!("{name} {record}")).collect::<Vec<_>>()
        };
        let start = json!({ "requestId": "i", "version": "7", "tracing": {} });
        assert_eq!(logs("platform.start", start, true), [r#"platform.start {"requestId":"i","version":"7"}"#]);
        let done = json!({ "requestId": "i", "status": "error", "spans": [] });
        assert_eq!(
            logs("platform.runtimeDone", done.clone(), true),
            [r#"platform.runtimeDone {"requestId":"i","status":"failure"}"#]
        );
        assert!(logs("platform.runtimeDone", done, false).is_empty());
        let report = json!({ "requestId": "i", "status": "success", "metrics": { "durationMs": 1.5 } });
        assert_eq!(
            logs("platform.report", report, false),
            [r#"platform.end {"requestId":"i"}"#, r#"platform.report {"metrics":{"durationMs":1.5},"requestId":"i"}"#]
        );
        for name in ["platform.initStart", "platform.telemetrySubscription", "platform.initReport"] {
            assert!(logs(name, json!({}), true).is_empty(), "{name}");
        }
        for form in [Form::Made, Form::Objects] {
            assert!(handed_on(form, Kind::Platform, LOGS_SUBSCRIPTION, &json!({})).is_empty());
        }
    }
}
