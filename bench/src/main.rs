//! `bench PROGRAMS [--once] [PART]...`: what a start and an invocation cost, beside a C program and lambda_runtime; of all
//! subjects, or of those with such a part in their names.
//!
//! All subjects take turns, on one processor, and what is printed are medians and ratios within a round: neither the
//! time of day nor what else the machine does favours one of them. No figure passes or fails.

mod calls;
mod exchange;
mod measure;
mod process;
mod server;
mod subjects;
mod table;

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::exchange::Framing;
use crate::measure::{median, quantile, stay_on_one_processor, us};
use crate::server::{Outcome, Plan, run};
use crate::subjects::{AT_ONCE, ECHOING, FRAMED, MANY, STARTED, Subject, chosen};
use crate::table::{to_floor, to_peer, value};

/// Starts of each subject.
const STARTS: usize = 101;

/// Rounds of each size, in which each subject has one run.
const ROUNDS: usize = 9;

/// What is sent: the title, the bytes of an event, and the invocations in a run.
const SIZES: [(&str, usize, usize); 4] =
    [("64 B", 64, 4000), ("10 KiB", 10 << 10, 2000), ("1 MiB", 1 << 20, 60), ("6 MiB", 6 << 20, 12)];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let programs = PathBuf::from(arguments.next().ok_or("usage: bench PROGRAMS [--once] [PART]...")?);
    let (options, parts): (Vec<_>, Vec<_>) = arguments.partition(|argument| argument == "--once");
    let once = !options.is_empty();
    stay_on_one_processor()?;
    start(&programs, &chosen(STARTED, &parts), if once { 1 } else { STARTS })?;
    for (title, len, invocations) in SIZES {
        println!("## Echo, {title}\n");
        let (rounds, invocations) = if once { (1, 5) } else { (ROUNDS, invocations) };
        echo(&programs, &chosen(ECHOING, &parts), &exchange::event(len), rounds, invocations)?;
    }
    let (_, len, invocations) = SIZES[1];
    let (rounds, invocations) = if once { (1, 5) } else { (ROUNDS, invocations) };
    chunked(&programs, &chosen(FRAMED, &parts), &exchange::event(len), rounds, invocations)?;
    for at_once in AT_ONCE {
        let (rounds, invocations) = if once { (1, 5 * at_once) } else { (ROUNDS, SIZES[0].2 * 2) };
        many(&programs, &chosen(MANY, &parts), at_once, rounds, invocations)?;
    }
    Ok(())
}

fn start(programs: &Path, subjects: &[Subject], rounds: usize) -> Result<(), Box<dyn Error>> {
    println!("## Start, to the first `next` on the wire\n");
    let plan = Plan {
        programs,
        event: &exchange::event(64),
        framing: Framing::Exact,
        at_once: 1,
        warm_up: 0,
        invocations: 0,
        pause: None,
        calls: None,
    };
    let columns = [
        value("µs", 0, |outcome| us(outcome.start)),
        to_floor("× floor", |outcome| us(outcome.start)),
        to_peer("× lambda_runtime", |outcome| us(outcome.start)),
        value("CPU µs", 0, |outcome| us(outcome.start_cpu)),
        to_floor("× floor", |outcome| us(outcome.start_cpu)),
        to_peer("× lambda_runtime", |outcome| us(outcome.start_cpu)),
        value("RSS KiB", 0, |outcome| count(outcome.idle_rss_kib)),
        value("threads", 0, |outcome| count(outcome.threads)),
    ];
    table::print(subjects, &columns, &in_turns(subjects, rounds, &plan)?);
    Ok(())
}

fn echo(
    programs: &Path,
    subjects: &[Subject],
    event: &[u8],
    rounds: usize,
    invocations: usize,
) -> Result<(), Box<dyn Error>> {
    let plan = plan(programs, event, 1, invocations);
    let mut outcomes = in_turns(subjects, rounds, &plan)?;
    for (index, subject) in subjects.iter().enumerate() {
        let calls = calls::count(subject, &plan)?;
        outcomes.iter_mut().for_each(|round| round[index].calls = calls);
    }
    let columns = [
        to_floor("inv/s × floor", per_second),
        to_peer("× lambda_runtime", per_second),
        value("p50 µs", 1, |outcome| latency(outcome, 0.5)),
        to_floor("× floor", |outcome| latency(outcome, 0.5)),
        value("p99 µs", 1, |outcome| latency(outcome, 0.99)),
        to_floor("× floor", |outcome| latency(outcome, 0.99)),
        value("turnaround µs", 1, |outcome| quantile(outcome.turnaround.iter().copied().map(us), 0.5)),
        value("CPU µs", 1, cpu),
        to_floor("× floor", cpu),
        to_peer("× lambda_runtime", cpu),
        value("system calls", 1, |outcome| outcome.calls),
        value("bytes sent", 0, |outcome| outcome.sent as f64 / answers(outcome)),
        value("peak − idle RSS, KiB", 0, |outcome| count(outcome.peak_rss_kib) - count(outcome.idle_rss_kib)),
        value("threads", 0, |outcome| count(outcome.threads)),
        value("connections", 0, |outcome| outcome.connections as f64),
    ];
    table::print(subjects, &columns, &outcomes);
    Ok(())
}

/// Both framings take turns for each subject.
fn chunked(
    programs: &Path,
    subjects: &[Subject],
    event: &[u8],
    rounds: usize,
    invocations: usize,
) -> Result<(), Box<dyn Error>> {
    println!("## Echo, 10 KiB, the event in chunks\n");
    println!("| | CPU µs | CPU µs, of known length | ratio |\n|---|---:|---:|---:|");
    let exact = plan(programs, event, 1, invocations);
    let chunked = Plan { framing: Framing::Chunked, ..exact };
    for subject in subjects {
        let round = |_| Ok([cpu(&run(subject, &chunked)?), cpu(&run(subject, &exact)?)]);
        let outcomes = (0..rounds).map(round).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        let [chunked, exact] = [0, 1].map(|framing| median(outcomes.iter().map(|round| round[framing])));
        let ratio = median(outcomes.iter().map(|[chunked, exact]| chunked / exact));
        println!("| {} | {chunked:.1} | {exact:.1} | {ratio:.2} |", subject.name);
    }
    println!();
    Ok(())
}

fn many(
    programs: &Path,
    subjects: &[Subject],
    at_once: usize,
    rounds: usize,
    invocations: usize,
) -> Result<(), Box<dyn Error>> {
    println!("## Echo, 64 B, {at_once} at a time\n");
    let event = exchange::event(64);
    let plan = plan(programs, &event, at_once, invocations);
    let columns = [
        value("inv/s", 0, per_second),
        to_floor("× floor", per_second),
        to_peer("× lambda_runtime", per_second),
        value("CPU µs", 1, cpu),
        to_floor("× floor", cpu),
        value("peak RSS KiB", 0, |outcome| count(outcome.peak_rss_kib)),
        value("threads", 0, |outcome| count(outcome.threads)),
        value("connections", 0, |outcome| outcome.connections as f64),
    ];
    table::print(subjects, &columns, &in_turns(subjects, rounds, &plan)?);
    Ok(())
}

fn plan<'a>(programs: &'a Path, event: &'a [u8], at_once: usize, invocations: usize) -> Plan<'a> {
    let warm_up = invocations / 4;
    Plan { programs, event, framing: Framing::Exact, at_once, warm_up, invocations, pause: None, calls: None }
}

fn in_turns(subjects: &[Subject], rounds: usize, plan: &Plan<'_>) -> Result<Vec<Vec<Outcome>>, Box<dyn Error>> {
    (0..rounds).map(|_| subjects.iter().map(|subject| run(subject, plan)).collect()).collect()
}

fn per_second(outcome: &Outcome) -> f64 {
    answers(outcome) / outcome.wall.as_secs_f64()
}

fn cpu(outcome: &Outcome) -> f64 {
    us(outcome.cpu) / answers(outcome)
}

fn latency(outcome: &Outcome, share: f64) -> f64 {
    quantile(outcome.latency.iter().copied().map(us), share)
}

fn answers(outcome: &Outcome) -> f64 {
    outcome.latency.len() as f64
}

fn count(number: u64) -> f64 {
    number as f64
}
