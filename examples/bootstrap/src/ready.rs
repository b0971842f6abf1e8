//! What a worker asks for when it says that it is ready.

use std::fmt;

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

/// What a worker asks for. Nothing, where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// Its handler wants to hear by SIGTERM that the end is near.
    pub(crate) sigterm: bool,
    /// It takes an event without a body as it is.
    pub(crate) bytes: bool,
    /// It has hooks for what comes before a snapshot and after a restore.
    pub(crate) snapshot: bool,
    /// How many events it takes at a time. Nothing is one.
    pub(crate) concurrency: usize,
}

impl Wishes {
    /// Reads the body of a `ready` frame. Members that mean nothing here are left alone.
    pub(crate) fn read(json: &[u8]) -> Result<Self, serde_json_core::de::Error> {
        if json.is_empty() {
            return Ok(Self::default());
        }
        // Not that of serde_json, which brings 10 KB for numbers and nested values that are not asked for here.
        let mut deserializer = serde_json_core::de::Deserializer::new(json, None);
        let wishes = deserializer.deserialize_map(Self::default())?;
        deserializer.end()?;
        Ok(wishes)
    }
}

impl<'de> Visitor<'de> for Wishes {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "sigterm" => self.sigterm = map.next_value()?,
                "bytes" => self.bytes = map.next_value()?,
                "concurrency" => self.concurrency = map.next_value()?,
                "snapshot" => self.snapshot = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read() {
        let read = |json: &str| Wishes::read(json.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(read(""), Ok(Wishes::default()));
        assert_eq!(read("{}"), Ok(Wishes::default()));
        let all = Wishes { sigterm: true, bytes: true, snapshot: true, concurrency: 3 };
        assert_eq!(read(r#"{"sigterm":true,"new":[1],"bytes":true,"snapshot":true,"concurrency":3}"#), Ok(all));
        for bad in ["[]", "{", r#"{"sigterm":1}"#, r#"{"concurrency":-1}"#, "{} {}"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
