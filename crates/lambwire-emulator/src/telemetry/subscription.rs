//! What a subscriber of the Telemetry API asks for (AWS, "Telemetry API reference").

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

/// Bounds of what is collected before it is sent, and what holds where nothing is said.
const ITEMS: (RangeInclusive<u64>, u64) = (1000..=10_000, 1000);
const BYTES: (RangeInclusive<u64>, u64) = (262_144..=1_048_576, 262_144);
const TIMEOUT_MS: (RangeInclusive<u64>, u64) = (25..=30_000, 1000);

const SCHEMAS: [&str; 3] = ["2022-07-01", "2022-12-13", "2025-01-29"];

/// The only schema on managed instances.
const MANAGED_SCHEMA: &str = "2025-01-29";

/// The name by which AWS has an extension say where it listens.
const HOST: &str = "sandbox.localdomain";

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
    pub(crate) kinds: Vec<Kind>,
    pub(crate) destination: Destination,
    pub(crate) max_items: usize,
    pub(crate) max_bytes: usize,
    pub(crate) timeout: Duration,
}

impl Subscription {
    /// Reads the body of a subscription.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub(crate) fn read(body: &[u8], is_managed: bool) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(body).map_err(|error| format!("failed to parse JSON: {error}"))?;
        let schema = body.get("schemaVersion").and_then(Value::as_str).unwrap_or_default();
        let is_known = if is_managed { schema == MANAGED_SCHEMA } else { SCHEMAS.contains(&schema) };
        if !is_known {
            let known = if is_managed { MANAGED_SCHEMA.to_owned() } else { SCHEMAS.join(", ") };
            return Err(invalid("/schemaVersion", &format!("is none of {known}")));
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
            kinds: kinds(&body)?,
            max_items: size(bounded("maxItems", ITEMS)?),
            max_bytes: size(bounded("maxBytes", BYTES)?),
            timeout: Duration::from_millis(bounded("timeoutMs", TIMEOUT_MS)?),
            destination: destination(body.get("destination").unwrap_or(&Value::Null))?,
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

fn destination(destination: &Value) -> Result<Destination, String> {
    match destination.get("protocol").and_then(Value::as_str) {
        Some("TCP") => {
            let port = destination.get("port").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
            let port = port.filter(|port| *port > 0).ok_or_else(|| invalid("/destination/port", "is no port"))?;
            Ok(Destination::Tcp { port })
        }
        Some("HTTP") => {
            let address = destination.get("URI").and_then(Value::as_str).unwrap_or_default();
            let address: hyper::Uri = address.parse().map_err(|_| invalid("/destination/URI", "is no URI"))?;
            if address.host() != Some(HOST) {
                return Err(format!("Invalid destination: destination.URI host must be {HOST}"));
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

    fn read(body: &Value, is_managed: bool) -> Result<Subscription, String> {
        Subscription::read(body.to_string().as_bytes(), is_managed)
    }

    #[test]
    fn a_subscription_is_read_with_what_holds_where_nothing_is_said() {
        let subscription = read(&body(), false).unwrap();
        assert_eq!(subscription.kinds, [Kind::Platform, Kind::Function, Kind::Extension]);
        assert_eq!(subscription.destination, Destination::Http { port: 4243 });
        assert_eq!(subscription.timeout, Duration::from_millis(100));
        let mut bare = body();
        bare["buffering"] = Value::Null;
        bare["destination"] = json!({"protocol": "TCP", "port": 80});
        let subscription = read(&bare, false).unwrap();
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
                assert_eq!(read(&body, false).is_ok(), range.contains(&number), "{name} {number}");
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
            let refused = read(&body, false).unwrap_err();
            assert!(refused.contains(place), "{refused}");
        }
        assert!(Subscription::read(b"{", false).unwrap_err().starts_with("failed to parse JSON"));
        assert!(read(&body(), true).unwrap_err().contains("2025-01-29"), "managed instances have one schema");
    }
}
