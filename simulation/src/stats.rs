//! What happened, in numbers.

use std::fmt;
use std::ops::{AddAssign, Index, IndexMut};

/// What happened, in numbers. Those of several runs add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats([u64; NAMES.len()]);

/// What is counted.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    Runs,
    /// Of the scheduler.
    Steps,
    Connections,
    Cuts,
    Freezes,
    Restarts,
    /// `next` pipelined behind an answer.
    Pipelined,
    /// Answers that were sent again.
    Repeats,
    Answered,
    TimedOut,
    /// Invocations that the API ended before, with a refusal or when an answer was cut off.
    Over,
    ReportedAccepted,
    ReportedRejected,
    ReportedLost,
    /// Answers reported as taken that were refused, of which the runtime could not know better.
    Mistaken,
}

const NAMES: [&str; 15] = [
    "runs",
    "steps",
    "connections",
    "cuts",
    "freezes",
    "restarts",
    "pipelined requests",
    "answers sent again",
    "invocations answered",
    "invocations timed out",
    "invocations ended otherwise",
    "answers reported as taken",
    "answers reported as refused",
    "answers reported as lost",
    "answers reported as taken by mistake",
];

impl Stats {
    /// Every number, behind what it counts.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        NAMES.into_iter().zip(self.0)
    }
}

impl Index<Count> for Stats {
    type Output = u64;

    fn index(&self, count: Count) -> &u64 {
        &self.0[count as usize]
    }
}

impl IndexMut<Count> for Stats {
    fn index_mut(&mut self, count: Count) -> &mut u64 {
        &mut self.0[count as usize]
    }
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.counts().try_for_each(|(name, count)| writeln!(f, "{count:>12} {name}"))
    }
}
