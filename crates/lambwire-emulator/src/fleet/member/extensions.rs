//! What extensions ask of an environment, and what those who subscribe learn of its start.

use std::time::Instant;

use tokio::sync::oneshot;

use super::{Due, Member, Unsubscribed};
use crate::answer::{Complaint, Failure};
use crate::arn;
use crate::environment::{Capacity, ConnectionId, Notice, Refusal};
use crate::json;
use crate::telemetry::{Api, Subscription};

impl Member {
    /// An extension registers; returns its id.
    pub(crate) fn register(&self, name: &str, wish: &[u8]) -> Result<String, Refusal> {
        let extensions = &mut self.environment.borrow_mut().extensions;
        if let Some(files) = extensions.meant(name) {
            log::warn!("an extension registers as {name}, and no file has that name: still to register: {files}");
        }
        let registered = extensions.register(name, wish);
        // The program may have waited for it.
        self.wake.notify_one();
        registered
    }

    /// An extension asks for an event.
    pub(crate) fn extension_next(&self, id: &[u8], connection: ConnectionId) -> Result<Due<Vec<u8>>, Refusal> {
        let notice = self.environment.borrow_mut().extension_next(id, connection, Instant::now())?;
        let heard = match notice {
            Some(notice) => Due::Now(self.event(&notice)),
            None => {
                let (listener, heard) = oneshot::channel();
                self.listeners.borrow_mut().add(connection, listener);
                Due::Later(heard)
            }
        };
        self.tell_init();
        self.act();
        self.fill();
        Ok(heard)
    }

    /// An extension cannot start, and so the environment cannot; or it cannot go on.
    pub(crate) fn fail_extension(
        &self,
        id: &[u8],
        error_type: Option<&str>,
        report: &[u8],
        is_init: bool,
    ) -> Result<(), Refusal> {
        let name = self.environment.borrow_mut().extensions.name(id)?;
        self.environment.borrow_mut().extensions.fail(id, error_type, report, is_init)?;
        log::error!("extension {name} has failed: {}", Complaint::new(error_type, report));
        let failure = self.environment.borrow().extensions.init_failure();
        if let Some(failure) = failure {
            self.begin_end();
            self.fail_by_extension(&failure);
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Nothing will come of a start, or of any invocation, without one of the extensions.
    pub(in crate::fleet) fn fail_by_extension(&self, failure: &Failure) {
        self.tell_init_failure(failure.error_type());
        self.environment.borrow_mut().fail_all(failure, Instant::now());
        self.act();
    }

    /// What an extension learns of the function when it registers.
    pub(crate) fn registration(&self, wants_account: bool) -> String {
        let function = &self.settings.registration;
        let account = [("accountId", arn::ACCOUNT)];
        let members =
            [("functionName", &*function.name), ("functionVersion", &function.version), ("handler", &function.handler)];
        let account = account.into_iter().filter(|_| wants_account);
        json::object(&account.chain(members).collect::<Vec<_>>()) + "\n"
    }

    /// Whether this is the token with which the function may ask where it runs.
    pub(crate) fn knows_token(&self, authorization: &[u8]) -> bool {
        authorization.strip_prefix(b"Bearer ") == Some(self.settings.metadata_token.as_bytes())
    }

    /// What the function learns of that.
    pub(crate) fn place_of_execution(&self) -> String {
        json::object(&[("AvailabilityZoneID", &self.settings.zone_id)])
    }

    /// Whether there is the Logs API.
    pub(crate) fn has_logs_api(&self) -> bool {
        !self.settings.is_rie && self.settings.capacity == Capacity::One
    }

    /// An extension wants to hear what happens, by the Logs API or the one that came after it.
    pub(crate) async fn subscribe(&self, id: &[u8], body: &[u8], is_logs_api: bool) -> Result<(), Unsubscribed> {
        let extension = self.environment.borrow_mut().extensions.name(id).map_err(Unsubscribed::Refused)?;
        let (api, name) = match self.settings.capacity {
            _ if is_logs_api => (Api::Logs, "Logs"),
            Capacity::One => (Api::Telemetry, "Telemetry"),
            Capacity::Many(_) => (Api::ManagedTelemetry, "Telemetry"),
        };
        if self.telemetry.is_closed() {
            return Err(Unsubscribed::Refused(Refusal {
                error_type: if is_logs_api { "Logs.SubscriptionClosed" } else { "Telemetry.SubscriptionClosed" },
                message: format!("{name} API subscription is closed"),
            }));
        }
        let subscription = Subscription::read(api, body, self.settings.has_objects).map_err(Unsubscribed::Invalid)?;
        self.telemetry.subscribe(extension, subscription).await.map_err(Unsubscribed::Invalid)
    }

    /// Whether an extension has registered.
    pub(crate) fn has_extension(&self) -> bool {
        self.environment.borrow().extensions.are_there()
    }

    /// What an extension hears.
    pub(super) fn event(&self, notice: &Notice) -> Vec<u8> {
        let event = match notice {
            Notice::Shutdown { reason, deadline_ms } => serde_json::json!({
                "eventType": "SHUTDOWN", "deadlineMs": deadline_ms, "shutdownReason": reason.name(),
            }),
            Notice::Invoke(id) => {
                let held = self.held.borrow();
                let held = held.get(id);
                let event = held.map(|held| held.invocation.event());
                serde_json::json!({
                    "eventType": "INVOKE",
                    "deadlineMs": held.map(|held| held.deadline_ms),
                    "requestId": &**id,
                    "invokedFunctionArn": event.and_then(|event| event.function_arn.as_deref()),
                    "tracing": {
                        "type": "X-Amzn-Trace-Id",
                        "value": event.and_then(|event| event.trace_id.as_deref()),
                    },
                })
            }
        };
        event.to_string().into_bytes()
    }
}
