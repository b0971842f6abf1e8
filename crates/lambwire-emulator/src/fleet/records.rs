//! The records of the platform about one environment (AWS, "Telemetry schema reference").

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::Registration;
use crate::answer::{Failure, UNKNOWN};
use crate::environment::{Finished, Spans, Status};
use crate::event::Invocation;
use crate::report::{RESTORE_TIMED_OUT, Report, TIMED_OUT, ms};
use crate::telemetry::time;

pub(super) fn init_start(init_type: &str, function: &Registration, memory_mb: u32) -> Value {
    json!({
        "initializationType": init_type,
        "phase": "init",
        "runtimeVersion": "",
        "runtimeVersionArn": "",
        "functionName": function.name,
        "functionVersion": function.version,
        "instanceId": "$LATEST",
        "instanceMaxMemory": u64::from(memory_mb) * 1024 * 1024,
    })
}

/// A snapshot begins to be restored.
pub(super) fn restore_start(function: &Registration, memory_mb: u32) -> Value {
    let mut record = init_start("snap-start", function, memory_mb);
    if let Some(members) = record.as_object_mut() {
        members.retain(|name, _| name != "initializationType" && name != "phase");
    }
    record
}

/// The runtime has gone on from its snapshot, or has failed to, and with a duration the report of it.
pub(super) fn restore_end(error_type: Option<&str>, duration: Option<Duration>) -> Value {
    begun(json!({}), error_type, duration)
}

/// The end of a start, and with a duration the report of it.
pub(super) fn init_end(init_type: &str, error_type: Option<&str>, duration: Option<Duration>) -> Value {
    begun(json!({ "initializationType": init_type, "phase": "init" }), error_type, duration)
}

/// What has begun, and how.
fn begun(mut record: Value, error_type: Option<&str>, duration: Option<Duration>) -> Value {
    record["status"] = match error_type {
        None => "success",
        Some(TIMED_OUT | RESTORE_TIMED_OUT) => "timeout",
        Some(_) => "error",
    }
    .into();
    if let Some(error_type) = error_type {
        record["errorType"] = error_type.into();
    }
    if let Some(duration) = duration {
        record["metrics"] = json!({ "durationMs": rounded(duration) });
    }
    record
}

pub(super) fn start(invocation: &Invocation) -> Value {
    json!({
        "requestId": &**invocation.id(),
        "version": invocation.version(),
        "functionArn": invocation.event().function_arn.as_deref(),
        "tracing": tracing(invocation),
    })
}

/// The runtime is done with an invocation, on demand, for which it has sent so many bytes.
pub(super) fn runtime_done(done: &Finished, bytes: u64, invocation: &Invocation) -> Value {
    let mut record = ended(&done.status, invocation);
    record["metrics"] = json!({ "durationMs": rounded(done.duration), "producedBytes": bytes });
    record["spans"] = spans_of(&done.spans);
    record
}

/// An invocation is over, on demand.
pub(super) fn report(report: &Report<'_>, invocation: &Invocation) -> Value {
    let mut record = ended(report.status, invocation);
    record["metrics"] = json!({
        "durationMs": rounded(report.duration),
        "billedDurationMs": report.billed_ms(),
        "memorySizeMB": report.memory_mb,
        "maxMemoryUsedMB": report.max_memory_mb.unwrap_or_default(),
    });
    if let Some(init) = report.init {
        record["metrics"]["initDurationMs"] = rounded(init).into();
    }
    if let Some(restore) = report.restore {
        record["metrics"]["restoreDurationMs"] = rounded(restore).into();
    }
    record
}

/// An invocation is over, on managed instances.
pub(super) fn managed_report(report: &Report<'_>, spans: &Spans, invocation: &Invocation) -> Value {
    let mut record = ended(report.status, invocation);
    record["metrics"] = json!({ "durationMs": rounded(report.duration) });
    if spans.ended_at.is_some() {
        record["spans"] = spans_of(spans);
    }
    record
}

fn ended(status: &Status, invocation: &Invocation) -> Value {
    let (status, error_type) = match status {
        Status::Success => ("success", None),
        Status::Reported(error_type) => ("error", Some(error_type.as_deref().unwrap_or(UNKNOWN))),
        Status::Failed(failure @ Failure::TimedOut(_)) => ("timeout", Some(failure.error_type())),
        Status::Failed(failure) => ("error", Some(failure.error_type())),
    };
    let mut record = json!({ "requestId": &**invocation.id(), "status": status, "tracing": tracing(invocation) });
    if let Some(error_type) = error_type {
        record["errorType"] = error_type.into();
    }
    record
}

fn tracing(invocation: &Invocation) -> Value {
    json!({ "type": "X-Amzn-Trace-Id", "value": invocation.event().trace_id })
}

/// How long the answer was in coming, and how long it took, as far as it came.
fn spans_of(spans: &Spans) -> Value {
    let span = |name: &str, from: Option<Instant>, to: Option<Instant>| {
        let (from, to) = (from?, to?);
        let start = SystemTime::now().checked_sub(from.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH);
        let duration = rounded(to.saturating_duration_since(from));
        Some(json!({ "name": name, "start": time(start), "durationMs": duration }))
    };
    let latency = span("responseLatency", spans.given_at, spans.begun_at);
    let duration = span("responseDuration", spans.begun_at, spans.ended_at);
    latency.into_iter().chain(duration).collect()
}

/// Milliseconds with three digits behind the point.
fn rounded(duration: Duration) -> f64 {
    (ms(duration) * 1000.0).round() / 1000.0
}
