//! Plays the Runtime API to a runtime.

mod arrivals;
mod check;
mod connections;
mod ends;
mod setting;
mod stage;
mod wire;

use std::collections::BTreeMap;
use std::time::Instant;

pub use stage::Settings;
pub(crate) use stage::Stage;
pub(crate) use wire::{string_of, write};

use crate::message::Message;
use crate::outcome::{Outcome, Verdict};
use crate::play::{Expected, Turn};
use crate::requirement::{Need, Requirement, Suite};

/// The header of a response that is streamed.
const MODE: &str = "Lambda-Runtime-Function-Response-Mode";

/// What a function that echoes returns as it is.
const ECHOED: &str = "{\"probe\":[1,null,\"x\"]}";

/// What the program can do, found out by asking; or how it fails to answer an event at all.
///
/// # Errors
///
/// The program cannot be started.
pub fn probe(settings: &Settings, with: &[Need]) -> Result<Result<Vec<Need>, Verdict>, String> {
    let mut stage = Stage::start(settings, &BTreeMap::new(), &[])?;
    let asked = ask(&mut stage, with);
    drop(stage);
    let Ok(mut has) = asked else { return Ok(asked) };
    let first = |name: &str, value: &str| -> Result<Option<Expected>, String> {
        let env = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        Ok(Stage::start(settings, &env, &[])?.first().unwrap_or_default())
    };
    if first("CONFORMANCE_INIT", "fail")? != Some(Expected::Next) {
        has.push(Need::InitFails);
    }
    if first("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")? == Some(Expected::RestoreNext) {
        has.push(Need::Restore);
    }
    let waits = BTreeMap::from([("CONFORMANCE_SIGTERM".to_owned(), "wait".to_owned())]);
    if Stage::start(settings, &waits, &[])?.registers() {
        has.push(Need::Sigterm);
    }
    Ok(Ok(has))
}

fn ask(stage: &mut Stage<'_>, with: &[Need]) -> Result<Vec<Need>, Verdict> {
    let mut has = with.to_vec();
    let echo = stage.probe(ECHOED)?;
    if is_response(&echo, ECHOED) {
        has.push(Need::Echo);
    }
    if !streams(&echo.1) {
        has.push(Need::Buffer);
    }
    if is_response(&stage.probe("{\"size\":5}")?, "\"xxx\"") {
        has.push(Need::Size);
    }
    let (kind, context) = stage.probe("{\"context\":true}")?;
    if kind == Expected::Response && context.body.windows(9).any(|w| w.eq_ignore_ascii_case(b"requestid")) {
        has.push(Need::Context);
    }
    let (_, stream) = stage.probe("{\"stream\":[\"a\",\"b\"]}")?;
    if streams(&stream) {
        has.push(Need::Stream);
    }
    if stage.probe("{\"fail\":\"probe\"}")?.0 == Expected::Error {
        has.push(Need::Fail);
    }
    Ok(has)
}

/// Whether it says that it does. Whether it says so rightly is a requirement.
fn streams(message: &Message) -> bool {
    message.head.header(MODE).is_some_and(|mode| !mode.eq_ignore_ascii_case("buffered"))
}

fn is_response((kind, message): &(Expected, Message), json: &str) -> bool {
    let parsed = |bytes| serde_json::from_slice::<serde_json::Value>(bytes).ok();
    *kind == Expected::Response && parsed(&message.body).is_some_and(|body| Some(body) == parsed(json.as_bytes()))
}

/// Tries one requirement with a process of its own.
///
/// # Errors
///
/// The program cannot be started.
pub fn run(
    settings: &Settings,
    suite: &Suite<Turn>,
    requirement: &Requirement<Turn>,
    has: &[Need],
) -> Result<Outcome, String> {
    let start = Instant::now();
    let mut outcome = Outcome::new(suite, requirement);
    if let Some(missing) = requirement.needs.iter().find(|need| !has.contains(need)) {
        outcome.verdict = Verdict::Skipped(missing.missing().into());
        return Ok(outcome);
    }
    let mut stage = Stage::start(settings, &requirement.env, has)?;
    outcome.verdict = stage.play(&requirement.play);
    outcome.transcript = std::mem::take(&mut stage.transcript);
    outcome.output = stage.output();
    outcome.millis = u64::try_from(start.elapsed().as_millis()).unwrap_or_default();
    Ok(outcome)
}
