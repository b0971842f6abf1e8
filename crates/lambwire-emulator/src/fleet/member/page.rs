//! What the page shows of invocations.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Held, Member};
use crate::answer::Reported;
use crate::environment::{Finished, Status};
use crate::event::Invocation;
use crate::logs::Tail;
use crate::page;
use crate::report::{Report, ms};

/// What is kept of an invocation until it is over.
pub(super) struct Shown {
    log: Tail,
    answer: Value,
}

impl Shown {
    pub(super) fn log(&mut self, line: &[u8]) {
        self.log.push(line);
    }

    pub(super) fn answer(&mut self, reported: &Reported, id: &str) {
        self.answer = match reported {
            Reported::Response { body, .. } | Reported::Error { report: body, .. } => page::shown(body),
            Reported::Streamed { .. } => "(a stream)".into(),
            Reported::Failed(failure) => page::shown(&failure.body(id)),
        };
    }
}

impl Member {
    pub(super) fn begin_showing(&self, invocation: &Invocation) -> Shown {
        self.settings.feed.begin(&self.shown(invocation, "running"));
        Shown { log: Tail::default(), answer: Value::Null }
    }

    fn shown(&self, invocation: &Invocation, status: &str) -> Value {
        json!({
            "id": &**invocation.id(),
            "function": self.settings.registration.name,
            "event": page::shown(invocation.payload()),
            "status": status,
        })
    }

    pub(super) fn end_showing(&self, held: &mut Held, report: &Report<'_>, finished: &Finished) {
        let Some(Shown { log, answer }) = held.shown.take() else { return };
        let (status, error) = match &finished.status {
            Status::Success => ("ok", None),
            Status::Reported(error_type) => ("failed", error_type.clone()),
            Status::Failed(failure) => ("failed", Some(failure.error_type().to_owned())),
        };
        let mut shown = self.shown(&held.invocation, status);
        shown["error"] = error.into();
        shown["answer"] = answer;
        shown["log"] = String::from_utf8_lossy(&log.into_bytes()).into();
        shown["ms"] = parts(held.invocation.created_at(), report.init.or(report.restore), finished);
        self.settings.feed.end(&shown);
    }
}

/// How long it waited, how much of that was for a start, how long it ran, and what came after the answer.
fn parts(created_at: Instant, init: Option<Duration>, finished: &Finished) -> Value {
    let now = Instant::now();
    let given_at = finished.spans.given_at.unwrap_or(now);
    let over_at = given_at + finished.duration;
    let answered_at = finished.spans.ended_at.unwrap_or(over_at);
    let waited = given_at.saturating_duration_since(created_at);
    let init = init.unwrap_or_default().min(waited);
    json!({
        "queue": ms(waited.saturating_sub(init)),
        "init": ms(init),
        "run": ms(answered_at.saturating_duration_since(given_at)),
        "after": ms(over_at.saturating_duration_since(answered_at)),
    })
}
