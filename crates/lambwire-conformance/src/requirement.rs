//! What is required, as it stands in `conformance/*.toml`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::play::{ServerStep, Turn};
use crate::suites::{RUNTIME, SERVER};

/// A file of requirements.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite<S> {
    /// The part of its requirements' numbers before the dash.
    pub number: u32,
    /// What it is about, in a few words.
    pub title: String,
    /// What it is about, in a sentence.
    pub about: String,
    /// Whether the other end keeps to the protocol throughout.
    pub valid: bool,
    /// Its requirements.
    #[serde(rename = "requirement")]
    pub requirements: Vec<Requirement<S>>,
}

/// Something that is required, and the play that shows whether it holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement<S> {
    /// `2-3`: the third of the second suite.
    pub number: String,
    /// The requirement in a few words.
    pub title: String,
    /// The requirement in a sentence or two.
    pub text: String,
    /// Where it is known from.
    pub source: String,
    /// How severe a miss is.
    pub severity: Severity,
    /// What the program has to be able to do besides. Where it is not, the requirement is skipped.
    #[serde(default)]
    pub needs: Vec<Need>,
    /// Environment variables of the program.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What happens, step by step.
    pub play: Vec<S>,
}

/// How severe a miss is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Without it invocations are lost or answered wrongly.
    Must,
    /// AWS's documents or servers do so, and somebody may rely on it.
    Should,
    /// The other end is at fault, and the program neither hangs nor is ended by a signal.
    Survives,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::Survives => "survives",
        })
    }
}

/// What not every program can do, or not with every function.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// The function answers with its event.
    Echo,
    /// The function does not stream everything.
    Buffer,
    /// The function fails at `{"fail":…}`.
    Fail,
    /// The function answers `{"size":N}` with a JSON string of N bytes.
    Size,
    /// The function answers `{"context":true}` with its context.
    Context,
    /// The function streams at `{"stream":…}`.
    Stream,
    /// The function's start fails where `CONFORMANCE_INIT=fail`.
    InitFails,
    /// The runtime asks for `restore/next` where the initialization type is `snap-start`.
    Restore,
    /// The runtime takes as many invocations at a time as `AWS_LAMBDA_MAX_CONCURRENCY` says.
    Concurrency,
    /// The runtime registers as an extension where `CONFORMANCE_SIGTERM=wait`.
    Sigterm,
    /// The server hands out one invocation at a time (servers).
    OneAtATime,
    /// The server passes streams on while they come (servers).
    ResponseStream,
    /// The server starts extensions, or lets them register (servers).
    Extensions,
    /// The server starts the runtime, and not somebody else (servers).
    Starts,
}

impl Need {
    /// What is said where it is missing.
    #[must_use]
    pub fn missing(self) -> &'static str {
        match self {
            Self::Echo => "the function does not echo",
            Self::Buffer => "the function streams everything",
            Self::Fail => "the function does not fail when asked to",
            Self::Size => "the function makes no responses of a size",
            Self::Context => "the function does not say its context",
            Self::Stream => "the function does not stream",
            Self::InitFails => "the function's start does not fail when asked to",
            Self::Restore => "no SnapStart",
            Self::Concurrency => "not asked for: --with concurrency",
            Self::Sigterm => "the function does not wait for SIGTERM when asked to",
            Self::OneAtATime => "the server hands out several invocations at a time",
            Self::ResponseStream => "not asked for: --with response-stream",
            Self::Extensions => "not asked for: --with extensions",
            Self::Starts => "the server does not start the runtime",
        }
    }
}

/// The suites for runtimes, in order.
///
/// # Errors
///
/// A file that cannot be read as a suite; a test sees to it that there is none.
pub fn runtime_suites() -> Result<Vec<Suite<Turn>>, String> {
    RUNTIME.iter().map(|(name, text)| parse(name, text)).collect()
}

/// The suites for servers, in order.
///
/// # Errors
///
/// A file that cannot be read as a suite; a test sees to it that there is none.
pub fn server_suites() -> Result<Vec<Suite<ServerStep>>, String> {
    SERVER.iter().map(|(name, text)| parse(name, text)).collect()
}

/// Reads a suite.
///
/// # Errors
///
/// What is wrong, and where.
pub fn parse<S: for<'de> Deserialize<'de>>(name: &str, text: &str) -> Result<Suite<S>, String> {
    let suite: Suite<S> = toml::from_str(text).map_err(|error| format!("{name}: {error}"))?;
    let mut numbers = Vec::new();
    for requirement in &suite.requirements {
        let Requirement { number, title, text, source, play, .. } = requirement;
        let fail = |what: &str| Err(format!("{name}: {number}: {what}"));
        let own = number.split_once('-').is_some_and(|(first, second)| {
            first == suite.number.to_string() && second.parse::<u32>().is_ok_and(|n| n > 0)
        });
        if !own {
            return fail(&format!("is no number of suite {}", suite.number));
        }
        if numbers.contains(number) {
            return fail("is there twice");
        }
        numbers.push(number.clone());
        if [title, text, source].iter().any(|text| text.trim().is_empty()) {
            return fail("has no title, text or source");
        }
        if play.is_empty() {
            return fail("has no play");
        }
    }
    Ok(suite)
}
