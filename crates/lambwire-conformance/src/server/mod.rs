//! Plays a runtime and a caller to a server of the Runtime API.

mod agent;
mod check;
mod line;
mod ports;
mod stage;
mod wire;

use std::time::{Duration, Instant};

pub use agent::agent;
use stage::Stage;

use crate::outcome::{Outcome, Verdict};
use crate::play::ServerStep;
use crate::requirement::{Need, Requirement, Suite};

/// What is to be played, and with whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server and its arguments, or nothing if it runs already. `{port}` and `{api-port}` stand for two free ports,
    /// `{bootstrap}` for the executable that it is to start, and `{timeout}` for the seconds that a function may take.
    pub program: Vec<String>,
    /// Where callers are heard. The same names are replaced.
    pub url: String,
    /// Where the Runtime API is, if the server does not tell a runtime that it starts. The same names are replaced.
    pub api: Option<String>,
    /// The function's name.
    pub function: String,
    /// How long the server may do nothing where something is expected of it.
    pub timeout: Duration,
    /// Most bytes of a message that are kept.
    pub keep: usize,
}

/// Tries one requirement, with a process of its own where there is one to start.
///
/// # Errors
///
/// The server cannot be started, or takes no connections.
pub fn run(
    settings: &Settings,
    suite: &Suite<ServerStep>,
    requirement: &Requirement<ServerStep>,
    has: &[Need],
) -> Result<Outcome, String> {
    let start = Instant::now();
    let mut outcome = Outcome::new(suite, requirement);
    if let Some(missing) = requirement.needs.iter().find(|need| !has.contains(need)) {
        outcome.verdict = Verdict::Skipped(missing.missing().into());
        return Ok(outcome);
    }
    let mut stage = Stage::start(settings, &requirement.env)?;
    outcome.verdict = stage.play(&requirement.play);
    outcome.transcript = std::mem::take(&mut stage.transcript);
    outcome.output = stage.output();
    outcome.millis = u64::try_from(start.elapsed().as_millis()).unwrap_or_default();
    Ok(outcome)
}
