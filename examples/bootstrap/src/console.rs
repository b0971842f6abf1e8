//! What this program says itself, on standard error or where Lambda wants log lines, in the form that Lambda asks for.

use std::env;
use std::fmt;
use std::sync::OnceLock;
use std::time::SystemTime;

use rustix::stdio::stderr;

use crate::failure::Failure;
use crate::json;
use crate::log;
use crate::telemetry;

/// How grave it is, with AWS's names (AWS, "Log-level filtering").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

/// What Lambda says of log lines.
struct Form {
    is_json: bool,
    /// What is less grave is not said. Lambda has levels for JSON alone.
    least: Level,
}

/// Says what is no failure of an event.
pub(crate) fn say(level: Level, request_id: Option<&str>, what: impl fmt::Display) {
    write(level, request_id, &what, None);
}

/// Says what has gone wrong.
pub(crate) fn say_failure(request_id: Option<&str>, failure: &Failure) {
    write(Level::Error, request_id, failure, Some(failure));
}

/// Standard error that takes nothing is no reason to leave an event unanswered.
fn write(level: Level, request_id: Option<&str>, what: &dyn fmt::Display, failure: Option<&Failure>) {
    let form = form();
    if form.is_json && level < form.least {
        return;
    }
    let line = if form.is_json {
        let now = humantime::format_rfc3339_millis(SystemTime::now());
        json_line(&now, level, request_id, what, failure)
    } else {
        let request_id = request_id.map(|id| format!("RequestId: {id} ")).unwrap_or_default();
        format!("bootstrap: {request_id}{what}").into_bytes()
    };
    if !telemetry::write(form.is_json, Some(level), &line) {
        let _ = log::write_all(stderr(), &[&line, &b"\n"[..]].concat());
    }
}

fn form() -> &'static Form {
    static FORM: OnceLock<Form> = OnceLock::new();
    FORM.get_or_init(|| {
        let is_json = env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("JSON"));
        let least = env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| Level::named(&level)).unwrap_or(Level::Info);
        Form { is_json, least }
    })
}

/// The members are those of AWS's own runtimes (AWS, "Log formats").
fn json_line(
    timestamp: &dyn fmt::Display,
    level: Level,
    request_id: Option<&str>,
    what: &dyn fmt::Display,
    failure: Option<&Failure>,
) -> Vec<u8> {
    let mut line = format!("{{\"timestamp\":\"{timestamp}\",\"level\":\"{}\"", level.name()).into_bytes();
    let mut member = |key: &str, value: &str| {
        line.extend_from_slice(b",\"");
        line.extend_from_slice(key.as_bytes());
        line.extend_from_slice(b"\":");
        json::write_string(&mut line, value);
    };
    match failure {
        None => member("message", &what.to_string()),
        Some(failure) => {
            member("message", &failure.message);
            member("errorType", &failure.error_type);
            member("errorMessage", &failure.message);
        }
    }
    if let Some(id) = request_id {
        member("requestId", id);
    }
    for (at, call) in failure.map(|failure| failure.stack.as_slice()).unwrap_or_default().iter().enumerate() {
        line.extend_from_slice(if at == 0 { b",\"stackTrace\":[" } else { b"," });
        json::write_string(&mut line, call);
    }
    if failure.is_some_and(|failure| !failure.stack.is_empty()) {
        line.push(b']');
    }
    line.push(b'}');
    line
}

impl Level {
    fn named(name: &str) -> Option<Self> {
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal]
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(name))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_has_the_members_of_aws() {
        let line = |failure: Option<&Failure>| {
            let line = json_line(&"2026-11-28T23:59:59.000Z", Level::Error, Some("id"), &"a \"b\"\nc", failure);
            String::from_utf8(line).unwrap()
        };
        assert_eq!(
            line(None),
            r#"{"timestamp":"2026-11-28T23:59:59.000Z","level":"ERROR","message":"a \"b\"\nc","requestId":"id"}"#
        );
        let mut failure = Failure::new("T", "m");
        failure.stack.extend(["x:1".to_owned(), "y:2".to_owned()]);
        assert_eq!(
            line(Some(&failure)),
            r#"{"timestamp":"2026-11-28T23:59:59.000Z","level":"ERROR","message":"m","errorType":"T","errorMessage":"m","requestId":"id","stackTrace":["x:1","y:2"]}"#
        );
        let line = line(Some(&Failure::new("T", "m")));
        assert!(line.ends_with(r#""errorMessage":"m","requestId":"id"}"#), "{line}");
    }

    #[test]
    fn levels_have_an_order_and_names() {
        assert_eq!(Level::named("warn"), Some(Level::Warn));
        assert_eq!(Level::named("loud"), None);
        assert!(Level::Debug < Level::Info && Level::Error < Level::Fatal);
    }
}
