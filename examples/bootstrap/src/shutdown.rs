//! The end of this process by SIGTERM: the program that runs the handler is told first, and ends first.

use std::io;
use std::process::exit;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, test_kill_process};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use crate::console::{self, Level};
use crate::log::Log;
use crate::process::{self, Events};

/// How long a program may take to end after SIGTERM: as long as Lambda leaves it at most, with an external extension
/// (AWS, "Shutdown phase").
const GRACE: Duration = Duration::from_secs(2);

/// How long the answer may take that tells of a program's end: the Runtime API is on this machine.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// How often it is looked whether a program has ended, where the kernel cannot tell (before Linux 5.3).
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is under way.
struct Ongoing {
    program: Option<Program>,
    is_answering: bool,
    is_ending: bool,
}

/// The program that runs the handler.
struct Program {
    pid: Pid,
    events: Events,
    /// Whoever waits for the next event passes nothing on.
    log: Log,
}

impl Ongoing {
    fn is_running(&self, pid: Pid) -> bool {
        self.program.as_ref().is_some_and(|program| program.pid == pid)
    }
}

static ONGOING: Mutex<Ongoing> = Mutex::new(Ongoing { program: None, is_answering: false, is_ending: false });
static ANSWERED: Condvar = Condvar::new();

/// Sees to it that SIGTERM ends the program that runs the handler, and then this one.
pub(crate) fn watch() -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM])?;
    thread::Builder::new().spawn(move || {
        signals.forever().next();
        end();
    })?;
    Ok(())
}

/// A program runs from here on.
pub(crate) fn started(pid: Pid, events: &Events, log: Log) {
    let mut ongoing = ongoing();
    ongoing.program = Some(Program { pid, events: Arc::clone(events), log });
    if ongoing.is_ending {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// It has been waited for: its number may be another's from here on.
pub(crate) fn ended(pid: Pid) {
    let mut ongoing = ongoing();
    if ongoing.is_running(pid) {
        ongoing.program = None;
    }
}

/// Whether no further program is to be started.
pub(crate) fn is_ending() -> bool {
    ongoing().is_ending
}

/// Whether an event is being answered.
pub(crate) fn set_answering(is_answering: bool) {
    ongoing().is_answering = is_answering;
    ANSWERED.notify_all();
}

fn end() -> ! {
    let program = {
        let mut ongoing = ongoing();
        ongoing.is_ending = true;
        // Under the lock, so that the number is that program's.
        match &mut ongoing.program {
            Some(program) => {
                let _ = kill_process(program.pid, Signal::TERM);
                // A shell runs its trap when what it waits for is over. Where an event is being answered, that is near.
                if let Ok(mut events) = program.events.try_lock() {
                    *events = None;
                }
                Some((program.pid, std::mem::replace(&mut program.log, Log::new(Vec::new()))))
            }
            None => None,
        }
    };
    if let Some((pid, mut log)) = program {
        if !has_ended(pid, &mut log, Instant::now() + GRACE) {
            let what = format_args!("the handler's process has not ended {} s after SIGTERM", GRACE.as_secs());
            console::say(Level::Warn, None, what);
        }
        log.forward();
        log.end_lines();
    }
    // Whoever waits for the answer is to hear how the program has ended.
    let waited = ANSWERED.wait_timeout_while(ongoing(), LAST_ANSWER, |ongoing| ongoing.is_answering);
    drop(waited);
    process::end_descendants(&[]);
    exit(0)
}

/// Waits for the end of the program, and passes on what it logs.
fn has_ended(pid: Pid, log: &mut Log, deadline: Instant) -> bool {
    let pidfd = pidfd_open(pid, PidfdFlags::empty());
    loop {
        log.forward();
        let left = deadline.saturating_duration_since(Instant::now());
        if !ongoing().is_running(pid) {
            return true;
        }
        if left.is_zero() {
            return false;
        }
        // Where there is no such descriptor, one has to look.
        let left = if pidfd.is_ok() { left } else { left.min(LOOK_EVERY) };
        if pidfd.is_err() && test_kill_process(pid).is_err() {
            return true;
        }
        let mut watched: Vec<PollFd<'_>> = pidfd.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        watched.extend(log.sources().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let polled = poll(&mut watched, Timespec::try_from(left).ok().as_ref());
        if polled.is_ok() && pidfd.is_ok() && watched.first().is_some_and(|fd| !fd.revents().is_empty()) {
            return true;
        }
    }
}

fn ongoing() -> MutexGuard<'static, Ongoing> {
    ONGOING.lock().unwrap_or_else(PoisonError::into_inner)
}
