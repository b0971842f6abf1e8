//! Programs that run handlers: which there are, so that nobody takes one for what another has left running; how each has
//! ended; and the end of this process, such as by SIGTERM, before which they are sent that, and end.

use std::cell::Cell;
use std::io::{self, pipe};
use std::os::fd::OwnedFd;
use std::process::exit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal as Watched};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{fcntl_dupfd_cloexec, read};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, wait, waitid, waitpid};
use signal_hook::{flag, low_level};

use crate::console::{self, Level};
use crate::descendants;
use crate::exit::{Exit, signal_name};
use crate::file;
use crate::log::Log;
use crate::process::Events;

/// How long a program may take to end after SIGTERM, in milliseconds. Lambda leaves 2,000 at most, where there is an external
/// extension (AWS, "Shutdown phase"); where there is none, its own 500 end all first, and but for a line of the log the same.
const GRACE_MS: u64 = 1_500;

/// How long the answer may take besides that says how a program has ended, within those 2,000: the Runtime API is on this
/// machine. An event of which part has come when it is all over has what is left of both.
const LAST_ANSWER_MS: u64 = 400;

/// How long it may take until an event is read that has come or was asked for, where others have the processor.
const ARRIVAL: Duration = Duration::from_millis(20);

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

/// A program that runs the handler, and has not been waited for.
struct Program {
    pid: Pid,
    is_kept: bool,
    events: Events,
    /// Whoever waits for the next event passes nothing on.
    log: Log,
    ended: Ended,
}

/// How a program has ended, once it has been waited for. Its number may be another's from there on.
pub(crate) type Ended = Arc<OnceLock<Exit>>;

static ONGOING: Mutex<Ongoing> = Mutex::new(Ongoing { programs: Vec::new(), answering: 0, ending: None });
/// An event has come, or has been answered, or programs have been sent SIGTERM.
static CHANGED: Condvar = Condvar::new();

/// The signal that ends this process, as soon as it comes: the thread that ends it may be later than the next event.
static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Sees to it that each of these signals ends the programs that run the handler, and then this one: with a status, or by the
/// signal; and that whatever ends until then is waited for, if nobody else does it.
pub(crate) fn watch(signals: &[Watched], status: Option<u8>) -> io::Result<()> {
    let (heard, bell) = pipe()?;
    let heard = aside(heard.into());
    let came = SIGNAL.get_or_init(Arc::default);
    for &signal in signals {
        flag::register_usize(signal as i32, Arc::clone(came), signal as usize)?;
    }
    // That of children may be ignored by whoever has started this process, which is inherited. Then nobody heard how one has
    // ended, neither here nor in what is started here.
    let all: SigSet = signals.iter().copied().chain([Watched::SIGCHLD]).collect();
    for signal in &all {
        low_level::pipe::register(signal as i32, aside(bell.try_clone()?.into()))?;
    }
    // They may be held back, which is inherited as well.
    all.thread_unblock()?;
    thread::Builder::new().spawn(move || {
        let mut signal = 0;
        while signal == 0 {
            let _ = read(&heard, &mut [0; 64]);
            signal = i32::try_from(came.load(Ordering::Relaxed)).unwrap_or_default();
            reap();
        }
        let end = move || {
            if status.is_none() {
                let _ = low_level::emulate_default_handler(signal);
            }
            exit(status.unwrap_or(SIGNALLED).into())
        };
        // Whoever writes a log that nobody reads waits for good.
        let _ = thread::Builder::new().spawn(move || {
            thread::sleep(Duration::from_millis(GRACE_MS + LAST_ANSWER_MS));
            descendants::end(&[]);
            end()
        });
        end_programs(format!("it was sent {}", signal_name(signal).unwrap_or_default()));
        end()
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
) -> io::Result<(Pid, Ended)> {
    let mut ongoing = ongoing();
    let pid = spawn()?;
    let ended = Ended::default();
    ongoing.programs.push(Program { pid, is_kept, events: Arc::clone(events), log, ended: Arc::clone(&ended) });
    if ongoing.ending.is_some() {
        descendants::terminate(pid, is_kept);
    }
    Ok((pid, ended))
}

/// Waits for all that have ended: programs, and what they have left behind.
pub(crate) fn reap() {
    let mut ongoing = ongoing();
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if let Some(program) = ongoing.take(pid) {
            let _ = program.ended.set(Exit::from_wait(status.as_raw()));
        }
    }
}

/// Ends a program, unless it has been waited for, and all that was left running by it.
pub(crate) fn end_program(pid: Pid, ended: &Ended) {
    let mut ongoing = ongoing();
    if ended.get().is_none() {
        ongoing.take(pid);
        let _ = kill_process(pid, Signal::KILL);
        let _ = waitpid(Some(pid), WaitOptions::empty());
    }
    descendants::end(&ongoing.pids());
}

/// Whether no further program is to be started, and no event asked for.
pub(crate) fn is_ending() -> bool {
    SIGNAL.get().is_some_and(|signal| signal.load(Ordering::Relaxed) != 0) || ongoing().ending.is_some()
}

/// Why this process is ending, if it is.
pub(crate) fn ending() -> Option<String> {
    ongoing().ending.clone()
}

thread_local! {
    /// This thread has an event, or part of one, that is not answered.
    static IS_ANSWERING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is answering an event from here on. It is when part of that has come: nobody else will be given it.
pub(crate) fn set_answering(is_answering: bool) {
    if IS_ANSWERING.replace(is_answering) == is_answering {
        return;
    }
    let mut ongoing = ongoing();
    if is_answering {
        ongoing.answering += 1;
    } else {
        ongoing.answering -= 1;
    }
    CHANGED.notify_all();
}

/// Ends the programs, and then this one with a status.
pub(crate) fn end(status: u8, why: String) -> ! {
    end_programs(why);
    exit(status.into())
}

/// Waits until each program has been sent SIGTERM, when this process is ending.
pub(crate) fn await_sigterm() {
    drop(CHANGED.wait_while(ongoing(), |ongoing| ongoing.ending.is_none()));
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
        for Program { pid, is_kept, events, log, .. } in &mut ongoing.programs {
            descendants::terminate(*pid, *is_kept);
            // A shell runs its trap when what it waits for is over. Where an event is being answered, that is near.
            if let Ok(mut events) = events.try_lock() {
                *events = None;
            }
            programs.push((*pid, std::mem::replace(log, Log::new(Vec::new()))));
        }
        CHANGED.notify_all();
        programs
    };
    let since = Instant::now();
    await_end(&mut programs, since + Duration::from_millis(GRACE_MS));
    for (pid, log) in &mut programs {
        log.forward();
        log.end_lines();
        let what = format_args!("the handler's process {pid} has not ended {GRACE_MS} ms after SIGTERM");
        console::say(Level::Warn, None, what);
    }
    // Whoever waits for an answer is to hear how the program has ended, or that it was to.
    let mut ongoing = ongoing();
    for program in &ongoing.programs {
        let _ = kill_process(program.pid, Signal::KILL);
    }
    loop {
        let left = Duration::from_millis(GRACE_MS + LAST_ANSWER_MS).saturating_sub(since.elapsed());
        let is_answering = ongoing.answering > 0;
        let time = if is_answering { left } else { left.min(ARRIVAL) };
        let waited = CHANGED.wait_timeout_while(ongoing, time, |ongoing| (ongoing.answering > 0) == is_answering);
        let (still, result) = waited.unwrap_or_else(PoisonError::into_inner);
        ongoing = still;
        if result.timed_out() {
            break;
        }
    }
    descendants::end(&[]);
    drop(ongoing);
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
    fn take(&mut self, pid: Pid) -> Option<Program> {
        let at = self.programs.iter().position(|program| program.pid == pid)?;
        Some(self.programs.swap_remove(at))
    }

    fn pids(&self) -> Vec<Pid> {
        self.programs.iter().map(|program| program.pid).collect()
    }
}

fn ongoing() -> MutexGuard<'static, Ongoing> {
    ONGOING.lock().unwrap_or_else(PoisonError::into_inner)
}
