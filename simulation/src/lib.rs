//! Both ends of [`lambwire`] in memory, under one scheduler that does all the harm it can, as its seed has it.
//!
//! A run has a few invocations. When it ends, each was answered exactly once and byte for byte, or its loss was reported to
//! whoever gave the answer. No reply was taken for that to another request, and no stream that failed for one that is
//! whole. Dead connections are never reused and live ones never dropped. A retry is allowed and waits as long as is
//! due, and nothing that allows a retry is given up. Nothing is left between the ends.

use std::fmt;
use std::ops::Range;
use std::panic::catch_unwind;

use scene::Scene;
use stats::Count;
use world::World;

pub use stats::Stats;

mod adapter;
mod api;
mod connection;
mod faults;
mod function;
mod model;
mod pipe;
mod process;
mod retry_oracle;
mod runtime;
mod scene;
mod stats;
mod world;

/// A seed of which something does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What does not hold.
    pub reason: String,
}

/// Lets seeds play themselves out, up to the first that fails.
///
/// # Errors
///
/// [`Failure`] if one does.
pub fn check(seeds: Range<u64>) -> Result<Stats, Failure> {
    let mut stats = Stats::default();
    for seed in seeds {
        let run = catch_unwind(|| run(seed, false)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let reason = text.or_else(|| panic.downcast_ref().copied()).unwrap_or_default();
            Failure { seed, reason: reason.lines().map(str::trim).collect::<Vec<_>>().join(", ") }
        })?;
        stats += run;
    }
    Ok(stats)
}

/// Lets one seed play itself out; prints line by line what happens, if that is wanted.
///
/// # Panics
///
/// If anything does not hold.
pub fn run(seed: u64, is_logged: bool) -> Stats {
    let mut world = World::new(Scene::new(seed, is_logged));
    while !process::serve(&mut world) {
        world.scene.log(|| "runtime: is started again".into());
        world.scene.stats[Count::Restarts] += 1;
        world.hang_up();
    }
    world.settle();
    let Scene { model, stats, now_ms, .. } = &mut world.scene;
    model.judge_end(*now_ms, stats);
    stats[Count::Runs] = 1;
    *stats
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, reason } = self;
        write!(f, "seed {seed} fails: {reason}; cargo run --release -p simulation -- --replay {seed}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: u64 = 2000;

    #[test]
    fn seeds_hold_and_whatever_may_happen_does() {
        let stats = check(0..SEEDS).unwrap_or_else(|failure| panic!("{failure}"));
        for (what, count) in stats.counts() {
            assert!(count > 0, "{what} in {SEEDS} runs");
        }
    }

    #[test]
    fn a_seed_plays_out_the_same_again() {
        for seed in 0..100 {
            assert_eq!(run(seed, false), run(seed, false));
        }
    }
}
