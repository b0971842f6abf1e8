//! What has come of a play.

use serde::Serialize;

use crate::requirement::{Requirement, Severity, Suite};

/// Whether a requirement holds.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "what")]
pub enum Verdict {
    /// It holds.
    Held,
    /// The program did something else.
    Missed(String),
    /// The program did nothing until the time limit.
    Hung(String),
    /// The program's process ended.
    Ended(String),
    /// It does not apply.
    Skipped(String),
}

impl Verdict {
    /// In a word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Missed(_) => "missed",
            Self::Hung(_) => "hung",
            Self::Ended(_) => "ended",
            Self::Skipped(_) => "skipped",
        }
    }

    /// What was in the way.
    #[must_use]
    pub fn what(&self) -> &str {
        match self {
            Self::Held => "",
            Self::Missed(what) | Self::Hung(what) | Self::Ended(what) | Self::Skipped(what) => what,
        }
    }

    /// Whether the requirement was tried and does not hold.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self, Self::Missed(_) | Self::Hung(_) | Self::Ended(_))
    }
}

/// Who wrote bytes.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The kit.
    Kit,
    /// The program under test.
    Program,
}

/// A message of either side, or something that happened, beside what was expected of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The connection's number, or its name.
    pub connection: String,
    /// Who wrote it.
    pub from: Origin,
    /// What was expected, if it is the program's.
    pub expected: Vec<String>,
    /// What was not as expected.
    pub misses: Vec<String>,
    /// The bytes as far as they are kept.
    pub bytes: Vec<u8>,
    /// What happened besides bytes.
    pub note: String,
}

/// A requirement that was tried.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its number.
    pub number: String,
    /// Its title.
    pub title: String,
    /// The suite's number and title.
    pub suite: (u32, String),
    /// How severe a miss is.
    pub severity: Severity,
    /// What has come of it.
    pub verdict: Verdict,
    /// What went over the wire.
    pub transcript: Vec<Entry>,
    /// The end of what the program wrote to its standard output and error.
    pub output: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

impl Outcome {
    /// That of a requirement which holds unless something else is found.
    pub(crate) fn new<S>(suite: &Suite<S>, requirement: &Requirement<S>) -> Self {
        Self {
            number: requirement.number.clone(),
            title: requirement.title.clone(),
            suite: (suite.number, suite.title.clone()),
            severity: requirement.severity,
            verdict: Verdict::Held,
            transcript: Vec::new(),
            output: String::new(),
            millis: 0,
        }
    }
}
