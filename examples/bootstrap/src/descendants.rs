//! Processes below this one: what programs have left running, and who is to end with it.

use std::fs;
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::file;
use crate::text;

/// Has what a program leaves behind become a child of this process, where that is possible. Those that it has by now were
/// started by whoever has become this process, and are to live.
pub(crate) fn adopt() {
    INHERITED.get_or_init(children);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Ends whatever programs have left running, which has come to be this process's, the nearest that reaps. `kept` go on.
pub(crate) fn end(kept: &[Pid]) {
    let inherited = INHERITED.get().map(Vec::as_slice).unwrap_or_default();
    loop {
        let mut killed = children();
        killed.retain(|child| !inherited.contains(child) && !kept.contains(child));
        killed.retain(|child| kill_process(*child, Signal::KILL).is_ok());
        if killed.is_empty() {
            return;
        }
        for child in killed {
            let _ = waitpid(Some(child), WaitOptions::empty());
        }
    }
}

/// Asks a program to end by SIGTERM. A keeper would pass it on, but after the program has read the end of its events, maybe.
pub(crate) fn terminate(pid: Pid, is_kept: bool) {
    let number = pid.as_raw_pid();
    let children = is_kept.then(|| file::read_text(format!("/proc/{number}/task/{number}/children")));
    let kept = children.and_then(|pids| Pid::from_raw(text::number(pids.split_ascii_whitespace().next()?)?));
    let _ = kill_process(kept.unwrap_or(pid), Signal::TERM);
}

static INHERITED: OnceLock<Vec<Pid>> = OnceLock::new();

/// The children of this process, whichever of its threads has them, if there is a `/proc` to say so.
fn children() -> Vec<Pid> {
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        for pid in file::read_text(thread.path().join("children")).split_ascii_whitespace() {
            children.extend(text::number(pid).and_then(Pid::from_raw));
        }
    }
    children
}
