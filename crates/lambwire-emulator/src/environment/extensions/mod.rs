//! The extensions of an environment: who has registered, for which events, and who is at work.
//!
//! What is refused, and how, is as with AWS's emulator in both its modes (RIE, `internal/lambda/core` and `rapi`).

use serde_json::Value;

use super::ConnectionId;
use crate::answer::Complaint;
use crate::event::new_id;
use crate::limits;

mod failures;

/// A request of an extension that is refused, with status 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error_type: &'static str,
    pub(crate) message: String,
}

impl Refusal {
    fn new(error_type: &'static str, message: impl Into<String>) -> Self {
        Self { error_type, message: message.into() }
    }
}

/// Something that an extension hears of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// An invocation begins.
    Invoke(super::Id),
    /// The environment ends, for this reason, and the extension is to be gone by then (milliseconds since the epoch).
    Shutdown { reason: ShutdownReason, deadline_ms: u64 },
}

/// Why an environment ends, in AWS's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownReason {
    Spindown,
    Timeout,
    Failure,
}

impl ShutdownReason {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spindown => "spindown",
            Self::Timeout => "timeout",
            Self::Failure => "failure",
        }
    }
}

/// The first requests of an extension, for which a start waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    Registration,
    Next,
}

/// How far an extension is. The name of a state stands in the refusals that it causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Registered,
    Ready,
    /// It has heard of something, and has not asked for more.
    Busy,
    InitError,
    ExitError,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Registered => "Registered",
            Self::Ready | Self::Busy => "Ready",
            Self::InitError => "InitError",
            Self::ExitError => "ExitError",
        }
    }
}

#[derive(Debug)]
struct Extension {
    id: String,
    name: String,
    wants_invoke: bool,
    wants_shutdown: bool,
    state: State,
    /// The error that it has reported.
    complaint: Option<Complaint>,
    waiting: Option<ConnectionId>,
    /// What it gets when it asks next.
    pending: Option<Notice>,
}

/// All extensions of an environment.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    list: Vec<Extension>,
    /// Names of those that have a process of their own, and are to register before the runtime is started.
    external: Vec<String>,
    is_closed: bool,
    is_managed: bool,
}

impl Extensions {
    pub(crate) fn new(is_managed: bool) -> Self {
        Self { is_managed, ..Self::default() }
    }

    /// Begins anew, with extensions of these names in processes of their own.
    pub(crate) fn reset(&mut self, external: Vec<String>) {
        *self = Self { external, is_managed: self.is_managed, ..Self::default() };
    }

    /// Whether there is one.
    pub(crate) fn are_there(&self) -> bool {
        !self.list.is_empty()
    }

    /// Whether there is one that has asked to hear of the end.
    pub(crate) fn want_shutdown(&self) -> bool {
        self.list.iter().any(|extension| extension.wants_shutdown)
    }

    /// From here on none is taken.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Whether all that have a process of their own have registered.
    pub(crate) fn have_registered(&self) -> bool {
        self.unregistered().next().is_none()
    }

    /// Those that have a process of their own and have not registered.
    fn unregistered(&self) -> impl Iterator<Item = &str> {
        let names = self.external.iter().map(String::as_str);
        names.filter(|name| self.awaited(name) == Some(Awaited::Registration))
    }

    /// The names that one may have meant that registers by another: while these are awaited, nothing else is running.
    pub(crate) fn meant(&self, name: &str) -> Option<String> {
        let is_known = self.external.iter().any(|external| external == name);
        (!is_known && !self.have_registered()).then(|| self.unregistered().collect::<Vec<_>>().join(", "))
    }

    /// Whether all that have a process of their own have come to their first `next`, and none cannot start.
    pub(crate) fn are_ready(&self) -> bool {
        self.init_error().is_none() && self.external.iter().all(|name| self.awaited(name).is_none())
    }

    /// What a start waits for that the extension of this name has not asked for, which has a process of its own.
    pub(crate) fn awaited(&self, name: &str) -> Option<Awaited> {
        match self.list.iter().find(|extension| extension.name == name) {
            None => Some(Awaited::Registration),
            Some(extension) => (extension.state == State::Registered).then_some(Awaited::Next),
        }
    }

    /// Whether one is at work for an invocation.
    pub(crate) fn are_busy(&self) -> bool {
        self.list.iter().any(|extension| extension.state == State::Busy && extension.wants_invoke)
    }

    /// Takes one, and gives its id. `wish` is the body of its request.
    pub(crate) fn register(&mut self, name: &str, wish: &[u8]) -> Result<String, Refusal> {
        if name.is_empty() {
            return Err(Refusal::new("Extension.InvalidExtensionName", "Empty extension name"));
        }
        let is_external = self.external.iter().any(|external| external == name);
        let known = self.list.iter().position(|extension| extension.name == name);
        if let Some(extension) = known.and_then(|at| self.list.get(at)).filter(|_| is_external) {
            return Err(transition(extension.state.name(), "Registered", name));
        }
        if self.is_closed {
            let message = "Extension registration closed already";
            return Err(Refusal::new("Extension.RegistrationClosed", message));
        }
        let (wants_invoke, wants_shutdown) = self.events(wish, is_external)?;
        if let Some(extension) = known.and_then(|at| self.list.get_mut(at)) {
            extension.wants_invoke = wants_invoke;
            return Ok(extension.id.clone());
        }
        if self.list.len() >= limits::EXTENSIONS {
            let message = format!("Extension limit ({}) reached", limits::EXTENSIONS);
            return Err(Refusal::new("Extension.TooManyExtensions", message));
        }
        let id: String = new_id();
        self.list.push(Extension {
            id: id.clone(),
            name: name.to_owned(),
            wants_invoke,
            wants_shutdown,
            state: State::Registered,
            complaint: None,
            waiting: None,
            pending: None,
        });
        Ok(id)
    }

    /// Whether INVOKE and SHUTDOWN are wished for.
    fn events(&self, wish: &[u8], is_external: bool) -> Result<(bool, bool), Refusal> {
        let format = || Refusal::new("InvalidRequestFormat", "unexpected end of JSON input");
        let invalid = |message: String| Refusal::new("Extension.InvalidEventType", message);
        let wish: Value = serde_json::from_slice(wish).map_err(|_| format())?;
        let events = match wish.get("events") {
            _ if !wish.is_object() => return Err(format()),
            // AWS's Go client asks for `null`.
            None | Some(Value::Null) => return Ok((false, false)),
            Some(events) => events.as_array().ok_or_else(format)?,
        };
        let names = events.iter().map(|event| event.as_str().unwrap_or_default());
        if let Some(unknown) = names.clone().find(|name| !matches!(*name, "INVOKE" | "SHUTDOWN")) {
            return Err(invalid(format!("{unknown}: ErrorInvalidEventType")));
        }
        let (invoke, shutdown) =
            (names.clone().any(|name| name == "INVOKE"), names.clone().any(|name| name == "SHUTDOWN"));
        if self.is_managed && !is_external && !events.is_empty() {
            return Err(invalid("No events allowed for internal extensions".to_owned()));
        }
        if self.is_managed && invoke {
            return Err(invalid("INVOKE: ErrorInvalidEventType".to_owned()));
        }
        if shutdown && !is_external {
            return Err(invalid("SHUTDOWN: ShutdownEventNotSupportedForInternalExtension".to_owned()));
        }
        Ok((invoke, shutdown))
    }

    /// The extension of this id asks for the next event: it gets what it has not heard, or waits.
    pub(crate) fn next(&mut self, id: &[u8], connection: ConnectionId) -> Result<Option<Notice>, Refusal> {
        let extension = self.find(id)?;
        if matches!(extension.state, State::InitError | State::ExitError) {
            return Err(transition(extension.state.name(), "Ready", &extension.id));
        }
        let notice = extension.pending.take();
        extension.state = if notice.is_some() { State::Busy } else { State::Ready };
        extension.waiting = notice.is_none().then_some(connection);
        Ok(notice)
    }

    /// This connection does not wait any more.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        for extension in &mut self.list {
            extension.waiting = extension.waiting.filter(|waiting| *waiting != connection);
        }
    }

    /// The names of all, with how far they are and the events that they want.
    pub(crate) fn names(&self) -> Vec<(&str, &'static str, Vec<&'static str>)> {
        let events = |extension: &Extension| {
            let wanted = [("INVOKE", extension.wants_invoke), ("SHUTDOWN", extension.wants_shutdown)];
            wanted.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(event, _)| event).collect()
        };
        // With AWS's emulator one is ready, too, that has not asked.
        let state = |extension: &Extension| match extension.state {
            State::Registered => State::Ready.name(),
            state => state.name(),
        };
        self.list.iter().map(|extension| (&*extension.name, state(extension), events(extension))).collect()
    }

    /// The name of the extension of this id.
    pub(crate) fn name(&mut self, id: &[u8]) -> Result<String, Refusal> {
        self.find(id).map(|extension| extension.name.clone())
    }

    /// Tells all of something who want to hear of it, and gives the connections that wait for it.
    pub(crate) fn notify(&mut self, notice: &Notice) -> Vec<ConnectionId> {
        let wants = |extension: &Extension| match notice {
            Notice::Invoke(_) => extension.wants_invoke,
            Notice::Shutdown { .. } => extension.wants_shutdown,
        };
        let mut waiting = Vec::new();
        for extension in self.list.iter_mut().filter(|extension| wants(extension)) {
            if matches!(extension.state, State::InitError | State::ExitError) {
                continue;
            }
            extension.state = State::Busy;
            match extension.waiting.take() {
                Some(connection) => waiting.push(connection),
                None => extension.pending = Some(notice.clone()),
            }
        }
        waiting
    }

    fn find(&mut self, id: &[u8]) -> Result<&mut Extension, Refusal> {
        if id.is_empty() {
            let message = "Missing Lambda-Extension-Identifier header";
            return Err(Refusal::new("Extension.MissingExtensionIdentifier", message));
        }
        let text = String::from_utf8_lossy(id).into_owned();
        if uuid::Uuid::try_parse(&text).is_err() {
            let message = "Invalid Lambda-Extension-Identifier";
            return Err(Refusal::new("Extension.InvalidExtensionIdentifier", message));
        }
        let found = self.list.iter_mut().find(|extension| extension.id == text);
        let unknown = || Refusal::new("Extension.UnknownExtensionIdentifier", format!("Unknown extension {text}"));
        found.ok_or_else(unknown)
    }
}

fn transition(from: &str, to: &str, who: &str) -> Refusal {
    let message = format!(
        "State transition from {from} to {to} failed for extension {who}. Error: State transition is not allowed"
    );
    Refusal::new("Extension.InvalidExtensionState", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const BOTH: &[u8] = br#"{"events":["INVOKE","SHUTDOWN"]}"#;
    pub(super) const NONE: &[u8] = br#"{"events":[]}"#;

    pub(super) fn with_external() -> Extensions {
        let mut extensions = Extensions::new(false);
        extensions.reset(vec!["one.sh".to_owned()]);
        extensions
    }

    #[track_caller]
    fn check_refused(extensions: &mut Extensions, name: &str, wish: &[u8], error_type: &str, message: &str) {
        let refusal = extensions.register(name, wish).unwrap_err();
        assert_eq!((refusal.error_type, refusal.message.as_str()), (error_type, message));
    }

    #[test]
    fn what_may_not_register_is_refused_in_the_words_of_aws() {
        let mut extensions = with_external();
        let format = ("InvalidRequestFormat", "unexpected end of JSON input");
        check_refused(&mut extensions, "", NONE, "Extension.InvalidExtensionName", "Empty extension name");
        for wish in [&b""[..], b"{", b"[]", br#"{"events":1}"#] {
            check_refused(&mut extensions, "x", wish, format.0, format.1);
        }
        let event_type = "Extension.InvalidEventType";
        check_refused(&mut extensions, "x", br#"{"events":["BOGUS"]}"#, event_type, "BOGUS: ErrorInvalidEventType");
        let shutdown = "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension";
        check_refused(&mut extensions, "x", BOTH, event_type, shutdown);
        let mut managed = Extensions::new(true);
        managed.reset(vec!["one.sh".to_owned()]);
        check_refused(&mut managed, "one.sh", BOTH, event_type, "INVOKE: ErrorInvalidEventType");
        check_refused(&mut managed, "x", BOTH, event_type, "No events allowed for internal extensions");

        assert!(extensions.register("one.sh", BOTH).is_ok());
        let twice = "State transition from Registered to Registered failed for extension one.sh. Error: State transition \
                     is not allowed";
        check_refused(&mut extensions, "one.sh", BOTH, "Extension.InvalidExtensionState", twice);
        extensions.close();
        let closed = "Extension registration closed already";
        check_refused(&mut extensions, "late", NONE, "Extension.RegistrationClosed", closed);
    }

    #[test]
    fn as_many_as_the_limit_are_taken_and_one_more_is_not() {
        let mut extensions = Extensions::new(false);
        for number in 0..limits::EXTENSIONS {
            assert!(extensions.register(&number.to_string(), NONE).is_ok());
        }
        let refusal = extensions.register("more", NONE).unwrap_err();
        assert_eq!(refusal.error_type, "Extension.TooManyExtensions");
    }

    #[test]
    fn the_start_is_over_when_all_have_registered_and_asked() {
        let mut extensions = with_external();
        assert!(!extensions.have_registered());
        assert_eq!(extensions.awaited("one.sh"), Some(Awaited::Registration));
        let id = extensions.register("one.sh", BOTH).unwrap();
        assert!(extensions.have_registered() && !extensions.are_ready());
        assert_eq!(extensions.awaited("one.sh"), Some(Awaited::Next));
        assert_eq!(extensions.next(id.as_bytes(), ConnectionId(1)), Ok(None));
        assert!(extensions.are_ready() && !extensions.are_busy());
        assert_eq!(extensions.awaited("one.sh"), None);
    }

    #[test]
    fn who_wants_to_hear_of_an_invocation_is_at_work_until_it_asks_again() {
        let mut extensions = with_external();
        let one = extensions.register("one.sh", BOTH).unwrap();
        let quiet = extensions.register("quiet", NONE).unwrap();
        extensions.next(one.as_bytes(), ConnectionId(1)).unwrap();
        extensions.next(quiet.as_bytes(), ConnectionId(2)).unwrap();
        let notice = Notice::Invoke("i".into());
        assert_eq!(extensions.notify(&notice), [ConnectionId(1)]);
        assert!(extensions.are_busy());
        // It was not waiting for this one.
        assert_eq!(extensions.notify(&notice), []);
        assert_eq!(extensions.next(one.as_bytes(), ConnectionId(1)), Ok(Some(notice)));
        assert_eq!(extensions.next(one.as_bytes(), ConnectionId(1)), Ok(None));
        assert!(!extensions.are_busy());
        extensions.forget(ConnectionId(1));
        let shutdown = Notice::Shutdown { reason: ShutdownReason::Spindown, deadline_ms: 1 };
        assert_eq!(extensions.notify(&shutdown), []);
        assert_eq!(extensions.next(one.as_bytes(), ConnectionId(3)), Ok(Some(shutdown)));
    }
}
