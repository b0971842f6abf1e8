//! The program: how it is started, ended and looked at, with all that it has started itself.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::io::FdFlags;
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, waitpid};
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::time::timeout;

use crate::diagnosis;
use crate::event::new_id;
use crate::exit::Exit;
use crate::function::Function;
use crate::platform::{adopts_orphans, restore_file_limit};
use crate::start_error::StartError;

/// Marks all processes of one start of a program, so that those are found which have left its process group and lost
/// their parent.
const MARK: &str = "_LAMBWIRE_ENVIRONMENT";

/// How often processes are looked for that are to be killed: those that are may be starting others.
const HUNTS: usize = 32;

/// For how many of these a process counts that shows no environment: soon it has started a program, or never had any.
const STARTING_HUNTS: usize = 4;

/// A program that can be started again and again.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    function: Rc<Function>,
    runtime_api: SocketAddr,
    is_extension: bool,
}

/// What a process writes to standard output and standard error.
#[derive(Debug)]
pub(crate) struct Outputs {
    pub(crate) stdout: pipe::Receiver,
    pub(crate) stderr: pipe::Receiver,
    /// Records in frames.
    pub(crate) frames: Option<pipe::Receiver>,
}

/// Names the descriptor to which records are written in frames.
const FRAMES: &str = "_LAMBDA_TELEMETRY_LOG_FD";

impl Program {
    pub(crate) fn new(command: &Command, function: &Rc<Function>, runtime_api: SocketAddr) -> Self {
        Self { command: copy(command), function: Rc::clone(function), runtime_api, is_extension: false }
    }

    pub(crate) fn extension(path: &Path, function: &Rc<Function>, runtime_api: SocketAddr) -> Self {
        Self { command: Command::new(path), function: Rc::clone(function), runtime_api, is_extension: true }
    }

    /// What the program is called.
    pub(crate) fn name(&self) -> String {
        self.command.get_program().to_string_lossy().into_owned()
    }

    /// The command with the environment that it has by now: its own and that of this process stay, and are completed with
    /// what Lambda sets. An extension finds what the program finds, but for names that begin with `_`, as AWS has it.
    fn command(&self) -> Result<Command, String> {
        let mut command = copy(&self.command);
        self.function.set_environment(&mut command, self.runtime_api)?;
        command.env_remove(FRAMES);
        if self.is_extension {
            let inherited = std::env::vars_os().map(|(name, _)| name);
            let own = command.get_envs().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
            for name in inherited.chain(own).filter(|name| name.as_encoded_bytes().starts_with(b"_")) {
                command.env_remove(name);
            }
        }
        // A group of its own: all of it can be killed, and a terminal's interrupt goes to the emulator alone.
        command.process_group(0);
        Ok(command)
    }

    /// What may have been meant with it, if it has ended as if all were done, and has not asked for an event.
    pub(crate) fn advice_at_end(&self) -> Option<String> {
        diagnosis::of_end(&self.command)
    }

    pub(crate) fn start(&self) -> Result<(Process, Outputs), StartError> {
        let command = self.command().map_err(StartError::Variables)?;
        self.spawn(command).map_err(|error| {
            let error = diagnosis::of_start(&self.command, self.is_extension, error);
            match self.is_extension {
                true => StartError::Extension { path: self.name(), error },
                false => StartError::Program { name: self.name(), error },
            }
        })
    }

    fn spawn(&self, mut command: Command) -> io::Result<(Process, Outputs)> {
        let (stdout, stdout_reader) = pipe::pipe()?;
        let (stderr, stderr_reader) = pipe::pipe()?;
        let has_frames = self.function.has_frames && !self.is_extension;
        let frames = if has_frames { Some(inherited_pipe()?) } else { None };
        if let Some((_, writer)) = &frames {
            command.env(FRAMES, writer.as_raw_fd().to_string());
        }
        let mark = format!("{}/{}", family_mark(), new_id());
        command.env(MARK, &mark).stdin(Stdio::null());
        command.stdout(stdout.into_blocking_fd()?).stderr(stderr.into_blocking_fd()?);
        // Nobody takes it for an orphan in between.
        let mut known = started();
        // The command goes with its copies of the other ends, which are to close with the process.
        let child = tokio::process::Command::from(command).spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        known.extend(pid);
        drop(known);
        if let Some(pid) = pid {
            restore_file_limit(pid);
        }
        // The writing end goes out of here, and stays with the process.
        let frames = frames.map(|(reader, _)| reader);
        Ok((
            Process { child, pid, number: pid, mark },
            Outputs { stdout: stdout_reader, stderr: stderr_reader, frames },
        ))
    }
}

/// A pipe whose writing end is inherited, under its number, by whatever is started while it is there.
fn inherited_pipe() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe()?;
    rustix::io::fcntl_setfd(&reader, FdFlags::CLOEXEC)?;
    Ok((pipe::Receiver::from_owned_fd(reader)?, writer))
}

/// The processes that emulators in this process have started and not waited for.
fn started() -> MutexGuard<'static, Vec<Pid>> {
    static STARTED: Mutex<Vec<Pid>> = Mutex::new(Vec::new());
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Commands cannot be cloned.
pub(crate) fn copy(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(key, value),
            None => copy.env_remove(key),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        copy.current_dir(directory);
    }
    copy
}

/// A program that runs, or has ended. Dropped, it is killed, with all that it has started.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Its number and its group's, until it has been waited for.
    pid: Option<Pid>,
    /// The same, as [`started`] has it.
    number: Option<Pid>,
    mark: String,
}

impl Process {
    /// Waits until the program has ended. What it has left running is for [`kill`](Self::kill) to end.
    pub(crate) async fn exited(&mut self) -> Exit {
        let exit = self.child.wait().await.map_or(Exit::Unknown, Exit::from);
        self.forget();
        exit
    }

    fn forget(&mut self) {
        if let Some(number) = self.number.take() {
            started().retain(|started| *started != number);
        }
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// Kills the program and all that it has started.
    pub(crate) fn kill(&mut self) {
        let Some(pid) = self.pid.take() else { return };
        hunt(|| {
            // Found before their parent is killed, who is then not theirs any more.
            let family = self::family(pid);
            // Who adopts orphans need not look further than its own.
            let candidates = if adopts_orphans() { self::family(getpid()) } else { processes() };
            let mut prey = marked(candidates, |mark| mark == self.mark);
            prey.found.extend(family);
            prey.found.retain(|member| !is_dead(*member));
            // Fails if nothing is left of the group.
            let _ = kill_process_group(pid, Signal::KILL);
            prey
        });
    }

    /// Kills all, and waits for the end of the program itself.
    pub(crate) async fn end(&mut self) -> Exit {
        self.kill();
        self.exited().await
    }

    /// Asks the program to end by itself, and waits for that as long as `grace`. What it has started is for it to ask: who
    /// passes a signal on would have it come twice.
    pub(crate) async fn ask_to_end(&mut self, grace: Duration) {
        if let Some(pid) = self.pid {
            // Fails if it has ended.
            let _ = kill_process(pid, Signal::TERM);
        }
        // Late, it is killed.
        let _ = timeout(grace, self.child.wait()).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.forget();
    }
}

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
fn family(pid: Pid) -> Vec<Pid> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        family.extend(children(parent));
        at += 1;
    }
    family
}

/// The children of a process.
fn children(pid: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(parse_pid).collect::<Vec<_>>()).collect()
}

/// Processes that have a mark.
struct Marked {
    found: Vec<Pid>,
    /// One of the candidates is about to run another program, and shows no environment meanwhile.
    may_be_more: bool,
}

/// Those of these processes that have such a mark in their environment and are not dead.
fn marked(mut candidates: Vec<Pid>, is_it: impl Fn(&str) -> bool) -> Marked {
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
fn hunt(mut look: impl FnMut() -> Marked) {
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

fn processes() -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes.flatten().filter_map(|process| parse_pid(process.file_name().to_str()?)).collect()
}

fn parse_pid(text: &str) -> Option<Pid> {
    Pid::from_raw(text.parse().ok()?)
}

/// Whether a process is dead and not waited for, or gone.
fn is_dead(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
}

fn peak_kb(pid: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Waits for the children of this process that are dead, and that no emulator in it has started: orphans which it has been
/// given.
pub(crate) fn reap_orphans() {
    for pid in children(getpid()) {
        if !started().contains(&pid) {
            // Lives on, or is somebody else's to wait for.
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
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
    use std::process::Child;

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
