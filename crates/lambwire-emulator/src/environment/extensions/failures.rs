//! Extensions that cannot start, or go on, and what that is for the callers of their environment.

use super::{Extensions, Refusal, State, transition};
use crate::answer::{Complaint, Failure};
use crate::exit::Exit;

impl Extensions {
    /// The extension of this id says that it cannot start, or go on. In the latter case what counts is that its process
    /// ends.
    pub(crate) fn fail(
        &mut self,
        id: &[u8],
        error_type: Option<&str>,
        report: &[u8],
        is_init: bool,
    ) -> Result<(), Refusal> {
        let extension = self.find(id)?;
        if error_type.is_none_or(str::is_empty) {
            let message = "Lambda-Extension-Function-Error-Type not found";
            return Err(Refusal::new("Extension.MissingHeader", message));
        }
        let (is_due, to) = if is_init {
            (matches!(extension.state, State::Registered | State::InitError), State::InitError)
        } else {
            (extension.state != State::InitError, State::ExitError)
        };
        if !is_due {
            return Err(transition(extension.state.name(), to.name(), &extension.id));
        }
        extension.state = to;
        // The first counts.
        extension.complaint.get_or_insert_with(|| Complaint::new(error_type, report));
        Ok(())
    }

    /// The first of those who cannot start, with its error.
    pub(super) fn init_error(&self) -> Option<(&str, &Complaint)> {
        let extension = self.list.iter().find(|extension| extension.state == State::InitError)?;
        extension.complaint.as_ref().map(|complaint| (&*extension.name, complaint))
    }

    /// What it is for the callers of the environment that an extension cannot start, if one has said so.
    pub(crate) fn init_failure(&self) -> Option<Failure> {
        let (name, complaint) = self.init_error()?;
        let error_type = self.error_type("Extension.InitError", complaint);
        Some(Failure::ExtensionFailed { error_type, reason: format!("extension {name}: {complaint}") })
    }

    /// What it is for them that the process of the extension of this name has ended.
    pub(crate) fn failure(&self, name: &str, exit: Exit) -> Failure {
        let extension = self.list.iter().find(|extension| extension.name == name);
        let complaint = extension.filter(|extension| extension.state == State::ExitError);
        match complaint.and_then(|extension| extension.complaint.as_ref()) {
            Some(complaint) => {
                let error_type = self.error_type("Extension.ExitError", complaint);
                Failure::ExtensionFailed { error_type, reason: exit.status() }
            }
            None => self.init_failure().unwrap_or(Failure::ExtensionCrashed(exit)),
        }
    }

    /// The type of a failure for callers: on managed instances a reported error keeps its own.
    fn error_type(&self, usual: &str, complaint: &Complaint) -> String {
        if self.is_managed { complaint.error_type.clone() } else { usual.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::ConnectionId;
    use crate::environment::extensions::tests::{BOTH, NONE, with_external};

    #[test]
    fn an_id_has_to_be_known_and_a_failure_to_have_a_type() {
        let mut extensions = with_external();
        let id = extensions.register("one.sh", BOTH).unwrap();
        let nobody = b"01234567-89ab-cdef-0123-456789abcdef";
        for (id, error_type) in [
            (&b""[..], "Extension.MissingExtensionIdentifier"),
            (b"nobody", "Extension.InvalidExtensionIdentifier"),
            (nobody, "Extension.UnknownExtensionIdentifier"),
        ] {
            assert_eq!(extensions.next(id, ConnectionId(1)).unwrap_err().error_type, error_type);
        }
        let id = id.as_bytes();
        assert_eq!(extensions.fail(id, None, b"", true).unwrap_err().error_type, "Extension.MissingHeader");
        assert_eq!(extensions.next(id, ConnectionId(1)), Ok(None));
        let refusal = extensions.fail(id, Some("Extension.X"), b"", true).unwrap_err();
        assert!(refusal.message.starts_with("State transition from Ready to InitError failed"), "{}", refusal.message);
        for error_type in ["Extension.X", "Extension.Y"] {
            assert_eq!(extensions.fail(id, Some(error_type), b"", false), Ok(()));
        }
        let exit = Exit::Code(1);
        assert_eq!(extensions.failure("one.sh", exit).error_type(), "Extension.ExitError");
        assert_eq!(extensions.failure("two.sh", exit).error_type(), "Extension.Crash");
        extensions.is_managed = true;
        assert_eq!(extensions.failure("one.sh", exit).error_type(), "Extension.X");
        let refusal = extensions.next(id, ConnectionId(1)).unwrap_err();
        assert!(refusal.message.starts_with("State transition from ExitError to Ready failed"), "{}", refusal.message);
    }

    #[test]
    fn one_that_cannot_start_keeps_the_start_from_its_end() {
        let mut extensions = with_external();
        let one = extensions.register("one.sh", BOTH).unwrap();
        let inside = extensions.register("inside", NONE).unwrap();
        extensions.next(one.as_bytes(), ConnectionId(1)).unwrap();
        assert!(extensions.are_ready() && extensions.init_failure().is_none());
        for report in [&br#"{"errorMessage":"no key"}"#[..], b"again"] {
            assert_eq!(extensions.fail(inside.as_bytes(), Some("Extension.NoKey"), report, true), Ok(()));
        }
        assert!(!extensions.are_ready());
        for (is_managed, error_type) in [(false, "Extension.InitError"), (true, "Extension.NoKey")] {
            extensions.is_managed = is_managed;
            let failure = extensions.init_failure().unwrap();
            assert_eq!(extensions.failure("inside", Exit::Code(1)), failure);
            assert_eq!(failure.error_type(), error_type);
            assert_eq!(failure.message("i"), "RequestId: i Error: extension inside: Extension.NoKey: no key");
        }
        let refusal = extensions.fail(inside.as_bytes(), Some("Extension.X"), b"", false).unwrap_err();
        assert!(refusal.message.starts_with("State transition from InitError to ExitError failed"));
    }
}
