//! Programs that the kit starts, each in a process group of its own.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio, exit};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// Most bytes of its output that are kept for a report.
const OUTPUT_BYTES: u64 = 4096;

/// What the exit status of a program that a signal has ended is more than the signal's number.
pub(crate) const SIGNALLED: i32 = 128;

/// The groups that run. A terminal's signals do not reach them.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// A running program. It is killed with its group when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    group: Option<Pid>,
    output: File,
}

impl Process {
    /// Starts a program, and calls `ended` on a thread of its own when it has ended.
    pub(crate) fn start(
        program: &[String],
        env: impl IntoIterator<Item = (String, String)>,
        ended: impl FnOnce(ExitStatus) + Send + 'static,
    ) -> io::Result<Self> {
        let (name, args) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let output = tempfile::tempfile()?;
        let mut command = Command::new(name);
        command.args(args).process_group(0).stdin(Stdio::null());
        command.stdout(output.try_clone()?).stderr(output.try_clone()?);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_foreign) {
                command.env_remove(name);
            }
        }
        end_with_signals()?;
        let mut groups = groups();
        let mut child = command.envs(env).spawn()?;
        let group = Pid::from_raw(child.id().cast_signed());
        groups.extend(group);
        drop(groups);
        thread::spawn(move || {
            if let Ok(status) = child.wait() {
                ended(status);
            }
        });
        Ok(Self { group, output })
    }

    /// Runs a program as it would run without the kit, but for these variables, until it ends. SIGTERM to this process is its.
    pub(crate) fn run(program: &[String], env: impl IntoIterator<Item = (String, String)>) -> io::Result<ExitStatus> {
        let (name, args) = program.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        // Before there is a program, so that none is missed.
        let mut signals = Signals::new([SIGTERM])?;
        let mut child = Command::new(name).args(args).envs(env).spawn()?;
        let (pid, handle) = (Pid::from_child(&child), signals.handle());
        let passing = thread::spawn(move || {
            for _ in signals.forever() {
                // It may have ended already, and its id is its own until it is waited for.
                let _ = kill_process(pid, Signal::TERM);
            }
        });
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        handle.close();
        // It does not panic.
        let _ = passing.join();
        child.wait()
    }

    /// Sends the group a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // It may have ended already.
            let _ = kill_process_group(group, signal);
        }
    }

    /// The end of what it has written.
    pub(crate) fn output(&mut self) -> String {
        let mut bytes = Vec::new();
        let len = self.output.seek(SeekFrom::End(0)).unwrap_or_default();
        let _ = self.output.seek(SeekFrom::Start(len.saturating_sub(OUTPUT_BYTES)));
        let _ = Read::take(&mut self.output, OUTPUT_BYTES).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        groups().retain(|group| Some(*group) != self.group);
    }
}

/// Has a signal that ends the kit end what it has started first. One that whoever has started the kit ignores stays
/// ignored.
fn end_with_signals() -> io::Result<()> {
    static WATCHING: Once = Once::new();
    let mut watched = Ok(());
    WATCHING.call_once(|| watched = watch_signals());
    watched
}

fn watch_signals() -> io::Result<()> {
    let ignored = ignored_signals();
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP].iter().filter(|number| ignored >> (**number - 1) & 1 == 0))?;
    thread::spawn(move || {
        if let Some(number) = signals.forever().next() {
            // Nothing is started any more.
            let groups = groups();
            for group in groups.iter() {
                let _ = kill_process_group(*group, Signal::KILL);
            }
            let _ = emulate_default_handler(number);
            exit(SIGNALLED + number);
        }
    });
    Ok(())
}

/// A bit for each, from signal 1 on. Elsewhere than on Linux nobody tells.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

fn groups() -> MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Variables that would tell the program of another Lambda than this, or send its requests elsewhere.
fn is_foreign(name: &str) -> bool {
    let prefixes = ["AWS_", "_AWS_", "_LAMBDA", "LAMBDA_", "_HANDLER", "_X_AMZN", "CONFORMANCE_"];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || name.to_ascii_lowercase().ends_with("_proxy")
}
