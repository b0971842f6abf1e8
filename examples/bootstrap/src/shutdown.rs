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
    program: Option<(Pid, Events)>,
    is_answering: bool,
    is_ending: bool,
}

impl Ongoing {
    fn is_running(&self, program: Pid) -> bool {
        self.program.as_ref().is_some_and(|&(running, _)| running == program)
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
pub(crate) fn started(program: Pid, events: &Events) {
    let mut ongoing = ongoing();
    ongoing.program = Some((program, Arc::clone(events)));
    if ongoing.is_ending {
        let _ = kill_process(program, Signal::TERM);
    }
}

/// It has been waited for: its number may be another's from here on.
pub(crate) fn ended(program: Pid) {
    let mut ongoing = ongoing();
    if ongoing.is_running(program) {
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
        ongoing.program.as_ref().map(|(program, events)| {
            let _ = kill_process(*program, Signal::TERM);
            // A shell runs its trap when what it waits for is over. Where an event is being answered, that is near.
            if let Ok(mut events) = events.try_lock() {
                *events = None;
            }
            *program
        })
    };
    if let Some(program) = program
        && !has_ended(program, Instant::now() + GRACE)
    {
        let what = format_args!("the handler's process has not ended {} s after SIGTERM", GRACE.as_secs());
        console::say(Level::Warn, None, what);
    }
    // Whoever waits for the answer is to hear how the program has ended.
    let waited = ANSWERED.wait_timeout_while(ongoing(), LAST_ANSWER, |ongoing| ongoing.is_answering);
    drop(waited);
    process::end_descendants(&[]);
    exit(0)
}

fn has_ended(program: Pid, deadline: Instant) -> bool {
    let pidfd = pidfd_open(program, PidfdFlags::empty());
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if !ongoing().is_running(program) {
            return true;
        }
        if left.is_zero() {
            return false;
        }
        match &pidfd {
            Ok(pidfd) => {
                let timeout = Timespec::try_from(left).ok();
                if let Ok(1..) = poll(&mut [PollFd::new(pidfd, PollFlags::IN)], timeout.as_ref()) {
                    return true;
                }
            }
            Err(_) if test_kill_process(program).is_err() => return true,
            Err(_) => thread::sleep(LOOK_EVERY),
        }
    }
}

fn ongoing() -> MutexGuard<'static, Ongoing> {
    ONGOING.lock().unwrap_or_else(PoisonError::into_inner)
}
