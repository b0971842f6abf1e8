//! Extensions inside the runtime's process, which get no events: who has one gets SIGTERM before the end.

use lambwire::ApiError;
use serde_json::Value;
use uuid::Uuid;

/// What a process has registered.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    /// The id of them all: as none gets an event, nothing depends on which of them asks.
    id: Option<String>,
    is_closed: bool,
}

impl Extensions {
    /// Whether there is one.
    pub(crate) fn are_there(&self) -> bool {
        self.id.is_some()
    }

    /// From here on none is taken.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Takes one, and gives its id. `wish` is the body of its request.
    pub(crate) fn register(&mut self, wish: &[u8]) -> Result<String, ApiError<'static>> {
        if self.is_closed {
            return Err(ApiError::RegistrationClosed);
        }
        // AWS's Go client asks for `null`.
        let is_for_none = serde_json::from_slice(wish).is_ok_and(|wish: Value| match &wish["events"] {
            Value::Null => wish.is_object(),
            events => events.as_array().is_some_and(Vec::is_empty),
        });
        if !is_for_none {
            return Err(ApiError::InvalidEventType);
        }
        Ok(self.id.get_or_insert_with(|| Uuid::new_v4().to_string()).clone())
    }

    /// Lets one that has this id wait for an event.
    pub(crate) fn wait(&self, id: &[u8]) -> Result<(), ApiError<'static>> {
        let is_known = self.id.as_ref().is_some_and(|known| known.as_bytes() == id);
        if is_known { Ok(()) } else { Err(ApiError::InvalidExtensionId) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_that_wants_no_events_is_taken_before_the_first_invocation_is_asked_for() {
        let mut extensions = Extensions::default();
        assert_eq!(extensions.wait(b""), Err(ApiError::InvalidExtensionId));
        for wish in ["", "{", "[]", "null", r#"{"events":["INVOKE"]}"#, r#"{"events":["SHUTDOWN"]}"#, r#"{"events":1}"#]
        {
            assert_eq!(extensions.register(wish.as_bytes()), Err(ApiError::InvalidEventType), "{wish}");
        }
        assert!(!extensions.are_there());
        for wish in [lambwire::NO_EVENTS, br#"{"events":null}"#, b"{}"] {
            let id = extensions.register(wish).unwrap();
            assert_eq!(extensions.wait(id.as_bytes()), Ok(()));
        }
        assert!(extensions.are_there());
        assert_eq!(extensions.wait(b"another"), Err(ApiError::InvalidExtensionId));
        extensions.close();
        assert_eq!(extensions.register(lambwire::NO_EVENTS), Err(ApiError::RegistrationClosed));
    }
}
