//! What a subscriber asks for (AWS, "Telemetry API reference", "Using the Lambda Logs API").

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use super::form::Form;

/// Bounds of what is collected before it is sent, and what holds where nothing is said.
const ITEMS: (RangeInclusive<u64>, u64) = (1000..=10_000, 1000);
const BYTES: (RangeInclusive<u64>, u64) = (262_144..=1_048_576, 262_144);
const TIMEOUT_MS: (RangeInclusive<u64>, u64) = (25..=30_000, 1000);

/// The schemas of which a subscription names one. Only the last one is there on managed instances.
const SCHEMAS: [&str; 3] = [TEXT_SCHEMA, "2022-12-13", MANAGED_SCHEMA];
const MANAGED_SCHEMA: &str = "2025-01-29";

/// The schema in which all lines are text, also those of JSON (AWS, "Working with JSON and plain text log formats").
const TEXT_SCHEMA: &str = "2022-07-01";

/// Those of the Logs API, of which the first holds where none is named, and does not have the runtime be done.
const LOGS_SCHEMAS: [&str; 2] = [FIRST_LOGS_SCHEMA, "2021-03-18"];
const FIRST_LOGS_SCHEMA: &str = "2020-08-15";

/// The name by which AWS has an extension say where it listens, and that of the Logs API's early days.
const HOST: &str = "sandbox.localdomain";
const FIRST_LOGS_HOST: &str = "sandbox";

/// What is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Telemetry,
    /// The same on managed instances.
    ManagedTelemetry,
    Logs,
}

impl Api {
    fn schemas(self) -> &'static [&'static str] {
        match self {
            Self::Telemetry => &SCHEMAS,
            Self::ManagedTelemetry => &[MANAGED_SCHEMA],
            Self::Logs => &LOGS_SCHEMAS,
        }
    }

    /// The form of records in a schema, where lines of JSON may be objects or not.
    fn form(self, schema: &str, has_objects: bool) -> Form {
        match self {
            Self::Logs => Form::Logs { has_runtime_done: schema != FIRST_LOGS_SCHEMA },
            Self::Telemetry | Self::ManagedTelemetry if has_objects && schema != TEXT_SCHEMA => Form::Objects,
            Self::Telemetry | Self::ManagedTelemetry => Form::Made,
        }
    }

    fn hosts(self) -> &'static [&'static str] {
        if self == Self::Logs { &[HOST, FIRST_LOGS_HOST] } else { &[HOST] }
    }
}

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Platform,
    Function,
    Extension,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Function => "function",
            Self::Extension => "extension",
        }
    }
}

/// Where records are sent: a port of this machine, whatever the address says beside that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Http { port: u16 },
    Tcp { port: u16 },
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) api: Api,
    pub(crate) form: Form,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) destination: Destination,
    pub(crate) max_items: usize,
    pub(crate) max_bytes: usize,
    pub(crate) timeout: Duration,
}

impl Subscription {
    /// Reads the body of a subscription, by a function whose lines may be objects of JSON or not.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub(crate) fn read(api: Api, body: &[u8], has_objects: bool) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("failed to parse JSON: {error}"))?;
        let schema = body.get("schemaVersion").and_then(Value::as_str);
        let schema = schema.unwrap_or(if api == Api::Logs { FIRST_LOGS_SCHEMA } else { "" });
        if !api.schemas().contains(&schema) {
            return Err(invalid("/schemaVersion", &format!("is none of {}", api.schemas().join(", "))));
        }
        let buffering = body.get("buffering").cloned().unwrap_or_default();
        let bounded = |name: &str, (range, usual): (RangeInclusive<u64>, u64)| {
            let value = buffering.get(name).filter(|value| !value.is_null());
            let number = value.map_or(Some(usual), Value::as_u64).filter(|number| range.contains(number));
            let (least, most) = (range.start(), range.end());
            number.ok_or_else(|| invalid(&format!("/buffering/{name}"), &format!("is not from {least} to {most}")))
        };
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            api,
            form: api.form(schema, has_objects),
            kinds: kinds(&body)?,
            max_items: size(bounded("maxItems", ITEMS)?),
            max_bytes: size(bounded("maxBytes", BYTES)?),
            timeout: Duration::from_millis(bounded("timeoutMs", TIMEOUT_MS)?),
            destination: destination(body.get("destination").unwrap_or(&Value::Null), api.hosts())?,
        })
    }
}

fn kinds(body: &Value) -> Result<Vec<Kind>, String> {
    let types = body.get("types").and_then(Value::as_array).filter(|types| !types.is_empty());
    let types = types.ok_or_else(|| invalid("/types", "minimum 1 items required"))?;
    let kind = |name: &Value| {
        let all = [Kind::Platform, Kind::Function, Kind::Extension];
        let known = all.into_iter().find(|kind| name.as_str() == Some(kind.name()));
        known.ok_or_else(|| invalid("/types", &format!("{name} is none of platform, function, extension")))
    };
    types.iter().map(kind).collect()
}

fn destination(destination: &Value, hosts: &[&str]) -> Result<Destination, String> {
    match destination.get("protocol").and_then(Value::as_str) {
        Some("TCP") => {
            let port = destination.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
            let port = port.filter(|port| *port > 0).ok_or_else(|| invalid("/destination/port", "is no port"))?;
            Ok(Destination::Tcp { port })
        }
        Some("HTTP") => {
            let address = destination.get("URI").and_then(Value::as_str).unwrap_or_default();
            let address: hyper::Uri = address.parse().map_err(|_| invalid("/destination/URI", "is no URI"))?;
            if !address.host().is_some_and(|host| hosts.contains(&host)) {
                return Err(format!("Invalid destination: destination.URI host must be {}", hosts.join(" or ")));
            }
            Ok(Destination::Http { port: address.port_u16().unwrap_or(80) })
        }
        _ => Err(invalid("/destination/protocol", "is none of HTTP, TCP")),
    }
}

fn invalid(place: &str, why: &str) -> String {
    format!("schema validation error: '{place}' {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body() -> Value {
        json!({
            "schemaVersion": "2022-12-13",
            "types": ["platform", "function", "extension"],
            "buffering": {"maxItems": 1000, "maxBytes": 262_144, "timeoutMs": 100},
            "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:4243/a?b"},
        })
    }

    fn read(body: &Value, api: Api) -> Result<Subscription, String> {
        Subscription::read(api, body.to_string().as_bytes(), true)
    }

    #[test]
    fn each_schema_has_its_form() {
        for (api, schema, expected) in [
            (Api::Telemetry, json!("2022-07-01"), Some(Form::Made)),
            (Api::Telemetry, json!("2022-12-13"), Some(Form::Objects)),
            (Api::Telemetry, json!("2025-01-29"), Some(Form::Objects)),
            (Api::Telemetry, json!("2021-03-18"), None),
            (Api::Telemetry, Value::Null, None),
            (Api::ManagedTelemetry, json!("2025-01-29"), Some(Form::Objects)),
            (Api::ManagedTelemetry, json!("2022-12-13"), None),
            (Api::Logs, json!("2021-03-18"), Some(Form::Logs { has_runtime_done: true })),
            (Api::Logs, json!("2020-08-15"), Some(Form::Logs { has_runtime_done: false })),
            (Api::Logs, Value::Null, Some(Form::Logs { has_runtime_done: false })),
            (Api::Logs, json!("2022-07-01"), None),
        ] {
            let mut body = body();
            body["schemaVersion"] = schema;
            assert_eq!(read(&body, api).ok().map(|subscription| subscription.form), expected, "{api:?} {body}");
            // Where lines of JSON are text, they are so in each.
            let text = Subscription::read(api, body.to_string().as_bytes(), false);
            assert_ne!(text.ok().map(|subscription| subscription.form), Some(Form::Objects));
        }
        let mut body = body();
        body["destination"]["URI"] = "http://sandbox:1".into();
        body["schemaVersion"] = Value::Null;
        assert!(read(&body, Api::Logs).is_ok());
        body["schemaVersion"] = "2022-12-13".into();
        assert!(read(&body, Api::Telemetry).unwrap_err().ends_with("must be sandbox.localdomain"));
    }

    #[test]
    fn a_subscription_is_read_with_what_holds_where_nothing_is_said() {
        let subscription = read(&body(), Api::Telemetry).unwrap();
        assert_eq!(subscription.kinds, [Kind::Platform, Kind::Function, Kind::Extension]);
        assert_eq!(subscription.destination, Destination::Http { port: 4243 });
        assert_eq!(subscription.timeout, Duration::from_millis(100));
        let mut bare = body();
        bare["buffering"] = Value::Null;
        bare["destination"] = json!({"protocol": "TCP", "port": 80});
        let subscription = read(&bare, Api::Telemetry).unwrap();
        assert_eq!((subscription.max_items, subscription.max_bytes), (1000, 262_144));
        assert_eq!(subscription.timeout, Duration::from_secs(1));
        assert_eq!(subscription.destination, Destination::Tcp { port: 80 });
    }

    #[test]
    fn numbers_at_their_bounds_pass_and_those_beyond_do_not() {
        for (name, (range, _)) in [("maxItems", ITEMS), ("maxBytes", BYTES), ("timeoutMs", TIMEOUT_MS)] {
            let (least, most) = (*range.start(), *range.end());
            for number in [least - 1, least, least + 1, most - 1, most, most + 1] {
                let mut body = body();
                body["buffering"][name] = number.into();
                assert_eq!(read(&body, Api::Telemetry).is_ok(), range.contains(&number), "{name} {number}");
            }
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_its_place() {
        for (place, key, value) in [
            ("/schemaVersion", "schemaVersion", json!("2020-01-01")),
            ("/types", "types", json!([])),
            ("/types", "types", json!(["bogus"])),
            ("/destination/protocol", "destination", json!({"protocol": "http"})),
            ("/destination/port", "destination", json!({"protocol": "TCP", "port": 0})),
            ("/destination/port", "destination", json!({"protocol": "TCP", "port": 65_536})),
            ("sandbox.localdomain", "destination", json!({"protocol": "HTTP", "URI": "http://localhost:1"})),
        ] {
            let mut body = body();
            body[key] = value;
            let refused = read(&body, Api::Telemetry).unwrap_err();
            assert!(refused.contains(place), "{refused}");
        }
        assert!(Subscription::read(Api::Telemetry, b"{", true).unwrap_err().starts_with("failed to parse JSON"));
        assert!(
            read(&body(), Api::ManagedTelemetry).unwrap_err().contains("2025-01-29"),
            "managed instances have one schema"
        );
    }
}
