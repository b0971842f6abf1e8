//! Several events at a time, as Lambda's managed instances have them: this program is started again for each, with a
//! connection and a worker of its own. What is here starts them, passes SIGTERM on, and ends with them.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use nix::spawn::PosixSpawnFileActions;
use rustix::process::{Pid, Signal, WaitOptions, getppid, kill_process, set_parent_process_death_signal, wait};
use signal_hook::consts::{SIGCHLD, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use crate::console::{self, Level};
use crate::emulator::this;
use crate::exit::Exit;
use crate::process;
use crate::program::Program;

/// Tells a process that it is one of several. Handlers do not see it.
pub(crate) const VARIABLE: &str = "LAMBWIRE_INSTANCE";

const FIRST: &str = "first";
const FURTHER: &str = "further";

/// How long it takes until an instance that was killed is replaced: one that is killed again and again leaves time for
/// others.
const BEFORE_ANOTHER: Duration = Duration::from_millis(100);

/// What this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The only one.
    Alone,
    /// The one that loads the handler before any other is started.
    First,
    /// One that loads the handler when there is an event for it.
    Further,
}

impl Role {
    pub(crate) fn of_this() -> Self {
        match env::var(VARIABLE).as_deref() {
            Ok(FIRST) => Self::First,
            Ok(FURTHER) => Self::Further,
            _ => Self::Alone,
        }
    }
}

/// To be called when the handler is loaded: the others may be started.
pub(crate) fn is_loaded() {
    if Role::of_this() == Role::First
        && let Some(parent) = getppid()
    {
        let _ = kill_process(parent, Signal::USR1);
    }
}

/// To be called by each: without the one that has started it, it is to end.
pub(crate) fn follow_parent() {
    if Role::of_this() != Role::Alone {
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
    }
}

/// The instances that run.
struct Instances {
    path: PathBuf,
    running: Vec<Pid>,
    count: usize,
    /// The handler was loaded once.
    is_loaded: bool,
    /// What this process is to exit with, once the last has ended.
    ending: Option<u8>,
}

/// Has `count` processes answer what Lambda asks, until there is no more to do.
pub(crate) fn run(count: usize) -> io::Result<ExitCode> {
    let mut signals = Signals::new([SIGTERM, SIGCHLD, SIGUSR1])?;
    process::adopt();
    let path = this().unwrap_or_else(|| "/proc/self/exe".into());
    let mut instances = Instances { path, running: Vec::new(), count, is_loaded: false, ending: None };
    instances.start()?;
    for signal in signals.forever() {
        match signal {
            SIGTERM => instances.end(0),
            SIGUSR1 => instances.is_loaded = true,
            _ => instances.reap(),
        }
        instances.start()?;
        if let (Some(status), []) = (instances.ending, instances.running.as_slice()) {
            return Ok(ExitCode::from(status));
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Instances {
    /// Starts those that are wanting: one until the handler is loaded, and then all.
    fn start(&mut self) -> io::Result<()> {
        let (role, count) = if self.is_loaded { (FURTHER, self.count) } else { (FIRST, 1) };
        while self.ending.is_none() && self.running.len() < count {
            let mut program = Program::new(self.path.clone());
            program.options = env::args_os().skip(1).collect();
            let pid = program.spawn(&PosixSpawnFileActions::init()?, &[(VARIABLE, Some(OsString::from(role)))])?;
            self.running.push(pid);
        }
        Ok(())
    }

    fn end(&mut self, status: u8) {
        self.ending.get_or_insert(status);
        for &pid in &self.running {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// One that was killed is replaced. One that exits by itself has no more to do, nor have the others.
    fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let Some(at) = self.running.iter().position(|&running| running == pid) else { continue };
            self.running.swap_remove(at);
            // Those that its worker has left behind are children of this process by now.
            process::end_descendants(&self.running);
            let exit = Exit::from_wait(status.as_raw());
            match exit.code() {
                _ if self.ending.is_some() => {}
                Some(code) => self.end(code),
                None => {
                    console::say(Level::Error, None, format_args!("one of {} workers {exit}", self.count));
                    thread::sleep(BEFORE_ANOTHER);
                }
            }
        }
    }
}
