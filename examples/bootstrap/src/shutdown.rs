//! Programs that run handlers: which there are, so that nobody takes one for what another has left running; and the end of
//! this process, such as by SIGTERM, before which they are sent that, and end.

use std::io::{self, pipe};
use std::os::fd::OwnedFd;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal as Watched};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, fcntl_dupfd_cloexec, read};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid};
use signal_hook::{flag, low_level};

use crate::console::{self, Level};
use crate::exit::signal_name;
use crate::file;
use crate::log::Log;
use crate::process::{self, Events};

/// How long a program may take to end after SIGTERM: as long as Lambda leaves it at most, with an external extension
/// (AWS, "Shutdown phase").
const GRACE: Duration = Duration::from_secs(2);

/// How long the answer may take that says how a program has ended: the Runtime API is on this machine.
const LAST_ANSWER: Duration = Duration::from_millis(500);

/// The exit status where a signal does not end the process that it is to end.
const SIGNALLED: u8 = 128;

/// Where descriptors begin that not every shell can name.
const TWO_DIGITS: i32 = 10;

/// How often it is looked whether programs have ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is under way.
struct Ongoing {
    programs: Vec<Program>,
    /// How many events are being answered.
    answering: usize,
    /// Why this process is ending, if it is.
    ending: Option<String>,
}

/// A program that runs the handler.
struct Program {
    pid: Pid,
    is_kept: bool,
    events: Events,
    /// Whoever waits for the next event passes nothing on.
    log: Log,
}

static ONGOING: Mutex<Ongoing> = Mutex::new(Ongoing { programs: Vec::new(), answering: 0, ending: None });
static ANSWERED: Condvar = Condvar::new();

/// Set as soon as a signal comes that ends this process: the thread that ends it may be later than the next event.
static IS_SIGNALLED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Sees to it that a signal ends the programs that run the handler, and then this one: with a status, or by the signal.
pub(crate) fn watch(signal: Watched, status: Option<u8>) -> io::Result<()> {
    let (heard, bell) = pipe()?;
    let (heard, bell) = (aside(heard.into()), aside(bell.into()));
    flag::register(signal as i32, Arc::clone(IS_SIGNALLED.get_or_init(Arc::default)))?;
    low_level::pipe::register(signal as i32, bell)?;
    // Whoever has started this process may hold it back, which is inherited.
    SigSet::from_iter([signal]).thread_unblock()?;
    thread::Builder::new().spawn(move || {
        while read(&heard, &mut [0; 1]) == Err(Errno::INTR) {}
        end_programs(format!("it was sent {}", signal_name(signal as i32).unwrap_or_default()));
        if status.is_none() {
            let _ = low_level::emulate_default_handler(signal as i32);
        }
        exit(status.unwrap_or(SIGNALLED).into())
    })?;
    Ok(())
}

/// Moves a descriptor out of the way of those that workers get, if this process may have so many.
fn aside(descriptor: OwnedFd) -> OwnedFd {
    match fcntl_dupfd_cloexec(&descriptor, TWO_DIGITS) {
        Ok(moved) => moved,
        Err(_) => descriptor,
    }
}

/// Whether whoever has started this process has it ignore a signal.
pub(crate) fn is_ignored(signal: Watched) -> bool {
    let status = file::read_text("/proc/self/status");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal as i32 - 1) & 1 != 0)
}

/// Starts a program. What was left running is not ended meanwhile, so that this is not taken for it.
pub(crate) fn start(
    events: &Events,
    log: Log,
    is_kept: bool,
    spawn: impl FnOnce() -> io::Result<Pid>,
) -> io::Result<Pid> {
    let mut ongoing = ongoing();
    let pid = spawn()?;
    ongoing.programs.push(Program { pid, is_kept, events: Arc::clone(events), log });
    if ongoing.ending.is_some() {
        process::terminate(pid, is_kept);
    }
    Ok(pid)
}

/// It has been waited for: its number may be another's from here on.
pub(crate) fn ended(pid: Pid) {
    ongoing().forget(pid);
}

/// Ends a program, unless it has been waited for, and all that was left running by it.
pub(crate) fn end_program(pid: Pid, is_running: bool) {
    let mut ongoing = ongoing();
    ongoing.forget(pid);
    if is_running {
        let _ = kill_process(pid, Signal::KILL);
        let _ = waitpid(Some(pid), WaitOptions::empty());
    }
    process::end_descendants(&ongoing.pids());
}

/// Whether no further program is to be started, and no event asked for.
pub(crate) fn is_ending() -> bool {
    IS_SIGNALLED.get().is_some_and(|is_signalled| is_signalled.load(Ordering::Relaxed)) || ongoing().ending.is_some()
}

/// Why this process is ending, if it is.
pub(crate) fn ending() -> Option<String> {
    ongoing().ending.clone()
}

/// An event is being answered from here on.
pub(crate) fn begin_answer() {
    ongoing().answering += 1;
}

/// It has been answered.
pub(crate) fn end_answer() {
    let mut ongoing = ongoing();
    ongoing.answering -= 1;
    if ongoing.ending.is_some() {
        ANSWERED.notify_all();
    }
}

/// Ends the programs, and then this one with a status.
pub(crate) fn end(status: u8, why: String) -> ! {
    end_programs(why);
    exit(status.into())
}

/// Waits until whoever is ending this process has done so.
pub(crate) fn stand_by() -> ! {
    loop {
        thread::park();
    }
}

/// Does not return if somebody else does it.
fn end_programs(why: String) {
    let mut programs = {
        let mut ongoing = ongoing();
        if ongoing.ending.is_some() {
            drop(ongoing);
            stand_by();
        }
        ongoing.ending = Some(why);
        let mut programs = Vec::new();
        // Under the lock, so that the numbers are those programs'.
        for Program { pid, is_kept, events, log } in &mut ongoing.programs {
            process::terminate(*pid, *is_kept);
            // A shell runs its trap when what it waits for is over. Where an event is being answered, that is near.
            if let Ok(mut events) = events.try_lock() {
                *events = None;
            }
            programs.push((*pid, std::mem::replace(log, Log::new(Vec::new()))));
        }
        programs
    };
    await_end(&mut programs, Instant::now() + GRACE);
    for (pid, log) in &mut programs {
        log.forward();
        log.end_lines();
        let what = format_args!("the handler's process {pid} has not ended {} s after SIGTERM", GRACE.as_secs());
        console::say(Level::Warn, None, what);
    }
    // Whoever waits for an answer is to hear how the program has ended.
    let waited = ANSWERED.wait_timeout_while(ongoing(), LAST_ANSWER, |ongoing| ongoing.answering > 0);
    drop(waited);
    process::end_descendants(&[]);
}

/// Waits for the end of programs, and passes on what they log. Those are left that have not ended.
fn await_end(programs: &mut Vec<(Pid, Log)>, deadline: Instant) {
    loop {
        programs.retain_mut(|(pid, log)| {
            let is_running = is_running(*pid);
            log.forward();
            if !is_running {
                log.end_lines();
            }
            is_running
        });
        let left = deadline.saturating_duration_since(Instant::now());
        if programs.is_empty() || left.is_zero() {
            return;
        }
        let sources = programs.iter().flat_map(|(_, log)| log.sources());
        let mut watched: Vec<PollFd<'_>> = sources.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let _ = poll(&mut watched, Timespec::try_from(left.min(LOOK_EVERY)).ok().as_ref());
    }
}

/// Whether a program has not ended; whoever has started it may have to wait for it still.
fn is_running(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

impl Ongoing {
    fn forget(&mut self, pid: Pid) {
        self.programs.retain(|program| program.pid != pid);
    }

    fn pids(&self) -> Vec<Pid> {
        self.programs.iter().map(|program| program.pid).collect()
    }
}

fn ongoing() -> MutexGuard<'static, Ongoing> {
    ONGOING.lock().unwrap_or_else(PoisonError::into_inner)
}
