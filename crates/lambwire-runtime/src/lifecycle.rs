//! What is the same before the first event, and in every invocation.

use std::time::{Duration, SystemTime};

use lambwire::{Context, ENV_INITIALIZATION_TYPE, SNAP_START};

/// What is left of the time for an invocation: nothing, if its deadline has passed; `None`, if it has none.
pub fn remaining(context: &Context<'_>) -> Option<Duration> {
    context.remaining(SystemTime::UNIX_EPOCH.elapsed().ok()?)
}

/// Whether Lambda wants to take a snapshot before the first event: `restore` of a runtime then lets it.
pub fn is_snap_start() -> bool {
    std::env::var(ENV_INITIALIZATION_TYPE).is_ok_and(|value| value == SNAP_START)
}
