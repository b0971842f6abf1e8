//! System calls an invocation, counted by strace in runs of their own.

use std::error::Error;
use std::fs;
use std::time::Duration;

use crate::server::{Plan, run};
use crate::subjects::Subject;

/// The difference between a long run and a short one leaves out what starting and ending take.
const SHORT: usize = 5;
const LONG: usize = 25;

/// Long enough for a subject under strace to fall asleep.
const PAUSE: Duration = Duration::from_millis(4);

pub fn count(subject: &Subject, plan: &Plan<'_>) -> Result<f64, Box<dyn Error>> {
    let [short, long] = [SHORT, LONG].map(|invocations| total(subject, plan, invocations));
    #[expect(clippy::cast_precision_loss, reason = "they are a few thousand")]
    Ok((long? as f64 - short? as f64) / (LONG - SHORT) as f64)
}

fn total(subject: &Subject, plan: &Plan<'_>, invocations: usize) -> Result<u64, Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("bench-calls-{}", std::process::id()));
    run(subject, &Plan { warm_up: 1, invocations, pause: Some(PAUSE), calls: Some(&path), ..*plan })?;
    let table = fs::read_to_string(&path)?;
    fs::remove_file(&path)?;
    // The last line has: share of time, seconds, microseconds a call, calls, errors if there were any, "total".
    let last = table.lines().rfind(|line| line.ends_with("total")).ok_or("strace has left no table")?;
    Ok(last.split_whitespace().nth(3).ok_or("no total in strace's table")?.parse()?)
}
