//! What is said of the outcomes: to people, to programs, to CI servers.

mod explain;
mod json;
mod junit;
mod table;

pub use explain::explain;
pub use json::{json, record};
pub use junit::junit;
pub use table::{list, table};

use crate::outcome::Outcome;
use crate::requirement::Severity;

/// Whether no must was missed.
#[must_use]
pub fn all_musts_hold(outcomes: &[Outcome]) -> bool {
    !outcomes.iter().any(|outcome| outcome.severity == Severity::Must && outcome.verdict.failed())
}
