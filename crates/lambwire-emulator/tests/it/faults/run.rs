//! One subject against one server: started, watched, and brought to its end.

use std::fs;
use std::io::Read;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lambwire::RequestKind;
use lambwire_emulator::fault::{FaultServer, RecordedRequest};

use super::subject::{SAYS, Subject};
use super::{Case, counted};

/// In which a subject has to come to its end, or to rest. The longest that one may take is the sum of its waits, two
/// seconds; the rest is for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(300);

/// The most CPU time that a subject may take, in ticks of the kernel, of which there are 100 a second.
const CPU_TICKS: u64 = 100;

/// How long a subject at rest has to stay as it is, to be at rest.
const REST: Duration = Duration::from_millis(50);

/// What a subject does: what it says, how it ends, and what the server has seen of it.
pub(super) fn run(case: &Case, subject: Subject) -> String {
    let server = FaultServer::start(case.script.clone()).unwrap();
    let mut command = subject.command(server.address(), case.handler);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let end = watch(&child, &server);
    let ticks = cpu_ticks(child.id());
    if end != End::Exits {
        child.kill().unwrap();
    }
    let says = says(&mut child);
    let status = child.wait().unwrap();
    let end = match end {
        End::Exits => {
            format!("exits with {}", status.code().map_or_else(|| status.to_string(), |code| code.to_string()))
        }
        end => format!("{end:?}").to_lowercase(),
    };
    let seen = server.requests();
    let what = match heard(&says, &seen) {
        Ok(heard) if ticks <= CPU_TICKS => heard,
        Ok(_) => format!("{ticks} ticks of CPU time"),
        Err(wrong) => wrong,
    };
    let reports: Vec<&str> = seen.iter().filter_map(|seen| seen.error_type.as_deref()).collect();
    let end = if reports.is_empty() { end } else { format!("{end}, reported {}", reports.join(", ")) };
    let asks = seen.iter().filter(|seen| seen.kind == RequestKind::Next).count();
    let what = if what.is_empty() { end } else { format!("{what}, {end}") };
    counted(&what, asks, seen.len() - asks, server.connections())
}

/// What becomes of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Exits,
    /// For the server, without doing anything.
    Waits,
    /// It goes on doing something though the server will say nothing more.
    Busy,
    /// It neither asks nor ends.
    Hangs,
}

/// Waits until a subject has exited, or waits for the server and does nothing.
fn watch(child: &Child, server: &FaultServer) -> End {
    let begun_at = Instant::now();
    let mut last = None;
    while begun_at.elapsed() < PATIENCE {
        if is_over(child.id()) {
            return End::Exits;
        }
        if server.wait_until_idle(Duration::from_millis(5)) {
            let now = rest(child.id());
            if last == now && now.is_some() {
                return End::Waits;
            }
            last = now;
            thread::sleep(REST);
        }
    }
    if server.wait_until_idle(Duration::ZERO) { End::Busy } else { End::Hangs }
}

/// The fields of `/proc/PID/stat` behind the name, which is in brackets.
fn stat(pid: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').map(str::to_owned).collect()
}

/// Whether a process has ended, though nobody has waited for it.
fn is_over(pid: u32) -> bool {
    stat(pid)[0] == "Z"
}

/// CPU time that a process has taken, or had taken at its end: the fields `utime` and `stime`, the 14th and 15th of all.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = stat(pid);
    stat[11].parse::<u64>().unwrap() + stat[12].parse::<u64>().unwrap()
}

/// CPU time, and how often any thread has gone to sleep or been put to it; `None` if not all of them sleep.
fn rest(pid: u32) -> Option<(u64, Vec<String>)> {
    let mut switches = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let status = fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        if !status.contains("State:\tS") {
            return None;
        }
        switches.extend(status.lines().filter(|line| line.contains("_ctxt_switches")).map(str::to_owned));
    }
    Some((cpu_ticks(pid), switches))
}

/// What a subject has said, line by line.
fn says(child: &mut Child) -> Vec<String> {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// What a subject tells of invocations and of its end; what is wrong with that, if something is.
fn heard(says: &[String], seen: &[RecordedRequest]) -> Result<String, String> {
    let mut heard = Vec::new();
    let mut open: Option<&str> = None;
    for line in says {
        let Some(said) = line.strip_prefix(SAYS) else {
            return Err(format!("says something else: {}", says.join(" / ")));
        };
        if let Some(id) = said.strip_suffix(" received") {
            if let Some(open) = open.replace(id) {
                return Err(format!("nothing is said of {open}"));
            }
            continue;
        }
        if let Some(id) = open.take()
            && said.strip_suffix(" answered") == Some(id)
            && !seen.iter().any(|seen| is_answer(seen, id))
        {
            return Err(format!("{id} was never answered"));
        }
        heard.push(said);
    }
    // Who has asked for the next one knows what became of this, and at rest has nothing more to tell.
    let answered = open.filter(|id| answered_and_asked(seen, id)).map(|id| format!("{id} answered"));
    let rest = answered.as_deref().or(open.map(|_| "is answering"));
    heard.extend(rest);
    Ok(heard.join(", "))
}

/// Whether the server has heard the answer to the invocation that is written so, and the following `next`.
fn answered_and_asked(seen: &[RecordedRequest], id: &str) -> bool {
    let mut rest = seen.iter();
    rest.any(|seen| is_answer(seen, id)) && rest.any(|seen| seen.kind == RequestKind::Next)
}

/// Whether this answers, to its end, the invocation that is written so.
fn is_answer(seen: &RecordedRequest, id: &str) -> bool {
    seen.is_whole && seen.id.as_deref() == Some(id.trim_matches('`'))
}
