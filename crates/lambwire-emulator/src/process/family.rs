//! Processes and all that they have started, wherever that has gone: how they are found, stopped, killed and looked at.

use std::fs;
use std::io::Read;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, waitpid};

use crate::event::new_id;

/// Marks all processes of one start of a program, so that those are found which have left its process group and lost
/// their parent.
pub(super) const MARK: &str = "_LAMBWIRE_ENVIRONMENT";

/// How often processes are looked for that are to be killed: those that are may be starting others.
const HUNTS: usize = 32;

/// For how many of these a process counts that shows no environment: soon it has started a program, or never had any.
const STARTING_HUNTS: usize = 4;

/// Stops these processes and all that they have started, and gives those that it has stopped.
pub(crate) fn stop(pids: &[Pid]) -> Vec<Pid> {
    let mut stopped: Vec<Pid> = Vec::new();
    // Those that are not stopped yet may start others.
    for _ in 0..HUNTS {
        let families = pids.iter().flat_map(|pid| family(*pid));
        let running: Vec<Pid> = families.filter(|pid| !stopped.contains(pid)).collect();
        if running.is_empty() {
            break;
        }
        for pid in running {
            let _ = kill_process(pid, Signal::STOP);
            stopped.push(pid);
        }
    }
    stopped
}

/// Has processes go on that were stopped.
pub(crate) fn resume(pids: &[Pid]) {
    for &pid in pids {
        let _ = kill_process(pid, Signal::CONT);
    }
}

/// The most memory that a process and those that it has started have had, in MB; `None` where there is no `/proc`.
pub(crate) fn max_memory_mb(pid: Pid) -> Option<u64> {
    let kb: u64 = family(pid).into_iter().filter_map(peak_kb).sum();
    (kb > 0).then_some(kb.div_ceil(1024))
}

/// A process and all that descend from it, as far as their parents live.
pub(super) fn family(pid: Pid) -> Vec<Pid> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family.extend(children(parent));
        at += 1;
    }
    family
}

/// The children of a process.
pub(super) fn children(pid: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(parse_pid).collect::<Vec<_>>()).collect()
}

/// Processes that have a mark.
pub(super) struct Marked {
    pub(super) found: Vec<Pid>,
    /// One of the candidates is about to run another program, and shows no environment meanwhile.
    may_be_more: bool,
}

/// Those of these processes that have such a mark in their environment and are not dead.
pub(super) fn marked(mut candidates: Vec<Pid>, is_it: impl Fn(&str) -> bool) -> Marked {
    let mut may_be_more = false;
    candidates.retain(|pid| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        // The kernel's own threads have no file.
        may_be_more |= environ.is_empty() && fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        let mut entries = environ.split(|byte| *byte == 0).filter_map(|entry| str::from_utf8(entry).ok());
        entries.any(|entry| entry.strip_prefix(MARK).and_then(|rest| rest.strip_prefix('=')).is_some_and(&is_it))
    });
    Marked { found: candidates, may_be_more }
}

/// How the marks of all begin that this process starts.
pub(crate) fn family_mark() -> &'static str {
    static FAMILY: OnceLock<String> = OnceLock::new();
    FAMILY.get_or_init(new_id)
}

/// Kills all processes whose marks begin so, and what they have started.
pub(crate) fn kill_family(mark: &str) {
    let is_of_it = |other: &str| other.strip_prefix(mark).is_some_and(|rest| rest.starts_with('/'));
    hunt(|| {
        let Marked { found, may_be_more } = marked(processes(), is_of_it);
        Marked { found: found.into_iter().flat_map(family).collect(), may_be_more }
    });
}

/// Kills what is found, again and again, until there is nothing more.
pub(super) fn hunt(mut look: impl FnMut() -> Marked) {
    for round in 0..HUNTS {
        let Marked { found, may_be_more } = look();
        if found.is_empty() && !(may_be_more && round < STARTING_HUNTS) {
            return;
        }
        for pid in found {
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::yield_now();
    }
}

pub(super) fn processes() -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes.flatten().filter_map(|process| parse_pid(process.file_name().to_str()?)).collect()
}

fn parse_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

/// Whether a process is dead and not waited for, or gone.
pub(super) fn is_dead(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
}

/// Room for what the kernel tells of a process, in bytes: some 1,500, of which it does not tell the length beforehand.
const STATUS_BYTES: usize = 4096;

fn peak_kb(pid: Pid) -> Option<u64> {
    let mut status = String::with_capacity(STATUS_BYTES);
    fs::File::open(format!("/proc/{pid}/status")).ok()?.read_to_string(&mut status).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Kills all children of this process, and waits for them.
pub(crate) fn kill_children() {
    for _ in 0..HUNTS {
        let children = children(getpid());
        if children.is_empty() {
            return;
        }
        for pid in children {
            for descendant in family(pid) {
                let _ = kill_process(descendant, Signal::KILL);
            }
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};

    use super::*;

    const MINE: &str = "lambwire-test";

    /// A program that runs: before it has done anything, the kernel may not show its environment yet.
    fn running_program(mark: Option<&str>) -> (Child, Pid) {
        let mut command = Command::new("cat");
        command.env_clear().envs(mark.map(|mark| (MARK, mark)));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
        child.stdin.as_mut().expect("a pipe").write_all(b"x").expect("a reader");
        child.stdout.as_mut().expect("a pipe").read_exact(&mut [0]).expect("what was written");
        let pid = Pid::from_child(&child);
        (child, pid)
    }

    fn is_mine(mark: &str) -> bool {
        mark == MINE
    }

    #[test]
    fn a_process_without_an_environment_may_be_about_to_start_a_program() {
        for (mark, is_found, may_be_more) in
            [(Some(MINE), true, false), (Some("other"), false, false), (None, false, true)]
        {
            let (mut child, pid) = running_program(mark);
            let marked = marked(vec![pid], is_mine);
            assert_eq!((marked.found.contains(&pid), marked.may_be_more), (is_found, may_be_more), "{mark:?}");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    #[test]
    fn a_process_that_is_just_starting_a_program_is_killed_when_it_shows_its_mark() {
        let (mut child, pid) = running_program(Some(MINE));
        let mut rounds = 0;
        hunt(|| {
            rounds += 1;
            match rounds {
                STARTING_HUNTS => marked(vec![pid], is_mine),
                // Nothing but one that shows no environment.
                _ => Marked { found: Vec::new(), may_be_more: true },
            }
        });
        assert_eq!(rounds, STARTING_HUNTS + 1);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
