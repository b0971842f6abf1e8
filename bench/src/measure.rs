//! What both benches measure by.

use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// This process, and so those that it starts.
pub fn stay_on_one_processor() -> nix::Result<()> {
    let allowed = sched_getaffinity(Pid::this())?;
    let last = (0..CpuSet::count()).rfind(|&cpu| allowed.is_set(cpu) == Ok(true)).unwrap_or_default();
    let mut one = CpuSet::new();
    one.set(last)?;
    sched_setaffinity(Pid::this(), &one)
}

pub fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    quantile(values, 0.5)
}

/// The smallest value that at least this share of all does not exceed; 0 of none.
pub fn quantile(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values = values.collect::<Vec<_>>();
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (share * values.len() as f64).ceil() as usize;
    values.get(index.saturating_sub(1)).copied().unwrap_or_default()
}
