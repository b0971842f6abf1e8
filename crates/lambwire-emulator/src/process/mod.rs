//! The program: how it is started, ended and looked at, with all that it has started itself.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};
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

mod family;

use family::{MARK, children, hunt, is_dead, marked, processes};
pub(crate) use family::{family_mark, kill_children, kill_family, max_memory_mb, resume, stop};

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
        let mark = format!("{}/{}", family_mark(), new_id::<String>());
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
            let family = family::family(pid);
            // Who adopts orphans need not look further than its own.
            let candidates = if adopts_orphans() { family::family(getpid()) } else { processes() };
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
