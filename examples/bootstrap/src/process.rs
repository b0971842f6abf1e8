//! A program that runs beside this one: what it is given, what it answers, what it logs, and its end, waited for all at
//! once.

use std::io::{self, IoSlice, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio, read, writev};
use rustix::process::Pid;

use crate::exit::Exit;
use crate::log::Log;
use crate::outgoing::Outgoing;
use crate::shutdown::{self, Ended};

/// How long a wait lasts at most where the kernel has no descriptors for processes (before Linux 5.3, and elsewhere): it
/// does not report an end then, so that one has to look.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Most that is waited for at once: answers, events, the bell, the end, and both ends of the log.
const SOURCES: usize = 6;

/// Least room for an answer that is read, in bytes.
const READ_BYTES: usize = 4096;

/// A program that has been started.
pub(crate) struct Process {
    pid: Pid,
    /// Readable when the program has ended.
    pidfd: Option<OwnedFd>,
    ended: Ended,
    events: Events,
    /// It has been found to have closed the other end of its events.
    is_deaf: bool,
    answers: Option<OwnedFd>,
    /// Where the program opens the pipes itself, which it may do again and again: what it opens.
    pub(crate) other_ends: Option<[OwnedFd; 2]>,
    pub(crate) log: Log,
    /// What was read of its answers.
    pub(crate) received: Vec<u8>,
    /// What it had logged before it wrote what was read last has been passed on.
    pub(crate) has_passed_on: bool,
    /// Whether its answers are to be read.
    pub(crate) is_listening: bool,
    /// It has been given nothing that it has not answered, and is waited for all the same.
    pub(crate) is_idle: bool,
    /// Where others ask to be looked after.
    pub(crate) bell: Option<Arc<PipeReader>>,
}

/// Where a program reads events from, until it is to read no more. Whoever ends the program closes it, too.
pub(crate) type Events = Arc<Mutex<Option<OwnedFd>>>;

/// Why waiting is over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More was received.
    Received,
    /// All that goes out has gone.
    Sent,
    /// It takes no more, and has not taken all that goes out.
    Refused,
    /// Its answers have come to their end, though the program may run.
    Closed,
    /// It has ended, and all that it answered was received.
    Ended(Exit),
    /// It is later than it may be.
    Overdue,
    /// Somebody has rung.
    Woken,
}

/// What can be gone on with.
struct Ready {
    answers: bool,
    events: bool,
    log: bool,
    bell: bool,
    /// The program has ended, or there is no other way to know than to look.
    ended: bool,
}

impl Process {
    /// Has `spawn` start the program at the other ends of these.
    pub(crate) fn start(
        events: OwnedFd,
        answers: OwnedFd,
        log: Log,
        is_kept: bool,
        spawn: impl FnOnce() -> io::Result<Pid>,
    ) -> io::Result<Self> {
        for fd in log.sources().chain([events.as_fd(), answers.as_fd()]) {
            ioctl_fionbio(fd, true)?;
        }
        let events = Arc::new(Mutex::new(Some(events)));
        let (pid, ended) = shutdown::start(&events, log.shared()?, is_kept, spawn)?;
        let pidfd = open_pidfd(pid);
        Ok(Self {
            pid,
            pidfd,
            ended,
            events,
            is_deaf: false,
            answers: Some(answers),
            other_ends: None,
            log,
            received: Vec::new(),
            has_passed_on: false,
            is_listening: true,
            is_idle: false,
            bell: None,
        })
    }

    /// Waits until something has come about, and passes on the log meanwhile.
    pub(crate) fn advance(&mut self, outgoing: &mut Outgoing<'_>, deadline: Option<Instant>) -> io::Result<Progress> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(Progress::Overdue);
            }
            // The pipe has room for the beginning, unless the program has left something in it.
            if outgoing.sent == 0
                && !outgoing.is_empty()
                && let Some(progress) = self.send(outgoing)?
            {
                return Ok(progress);
            }
            let ready = self.wait((!outgoing.is_empty()).then_some(PollFlags::OUT), left)?;
            if ready.log {
                self.log.forward();
            }
            if ready.answers {
                match self.receive()? {
                    Some(0) => {
                        self.answers = None;
                        return Ok(Progress::Closed);
                    }
                    Some(_) => {
                        // The wait looks at the log after the answers, so that it has seen what came before those.
                        self.has_passed_on = true;
                        return Ok(Progress::Received);
                    }
                    None => {}
                }
            }
            if ready.events
                && let Some(progress) = self.send(outgoing)?
            {
                return Ok(progress);
            }
            if ready.bell {
                return Ok(Progress::Woken);
            }
            // Its answers go first: those it gave before it ended count.
            if ready.ended && !ready.answers {
                shutdown::reap();
                if let Some(exit) = self.exit() {
                    // It may have answered since it was looked whether it had.
                    if let Some(1..) = self.receive()? {
                        return Ok(Progress::Received);
                    }
                    self.log.forward();
                    return Ok(Progress::Ended(exit));
                }
            }
        }
    }

    /// Passes on what the program has logged, receives what it has said, and takes note of what has become of it. Whether
    /// it runs, and can be talked to.
    pub(crate) fn is_running(&mut self) -> bool {
        // Of events, nothing is asked but whether the other end is closed, which is always told.
        let Ok(ready) = self.wait(Some(PollFlags::empty()), Some(Duration::ZERO)) else { return false };
        if ready.log {
            self.log.forward();
        }
        let has_closed = ready.answers && matches!(self.receive(), Ok(Some(0)) | Err(_));
        self.is_deaf |= ready.events;
        if ready.ended {
            shutdown::reap();
        }
        self.exit().is_none() && !has_closed && !self.is_deaf
    }

    /// Whether it has been found to read no more of what it is given.
    pub(crate) fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// How it has ended, if it has.
    pub(crate) fn exit(&self) -> Option<Exit> {
        self.ended.get().copied()
    }

    /// Ends what the program is given.
    pub(crate) fn close_events(&mut self) {
        *open(&self.events) = None;
    }

    /// Waits for the end of a program that is about to end by itself; ends it, if it is not.
    pub(crate) fn end(&mut self, grace: Duration) -> Option<Exit> {
        let deadline = Instant::now() + grace;
        loop {
            match self.advance(&mut Outgoing::nothing(), Some(deadline)) {
                Ok(Progress::Ended(exit)) => return Some(exit),
                Ok(Progress::Overdue) | Err(_) => return None,
                Ok(_) => self.received.clear(),
            }
        }
    }

    /// Waits until something is ready, or until it has been waited for so long. `asked` is what the events are to be ready
    /// for, if they are watched.
    fn wait(&self, asked: Option<PollFlags>, left: Option<Duration>) -> io::Result<Ready> {
        let is_look = left == Some(Duration::ZERO);
        let left = if self.pidfd.is_some() { left } else { Some(left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY))) };
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        // Whoever ends the program closes them meanwhile only if it has nothing to answer.
        let events = (!self.is_idle || is_look).then(|| open(&self.events));
        let (mut sources, mut fds) = (heapless::Vec::<_, SOURCES>::new(), heapless::Vec::<_, SOURCES>::new());
        let mut watch = |source, fd| {
            let _ = sources.push(source);
            let _ = fds.push(fd);
        };
        if let Some(fd) = self.answers.as_ref().filter(|_| self.is_listening) {
            watch(Source::Answers, PollFd::new(fd, PollFlags::IN));
        }
        if let Some(fd) = events.as_ref().and_then(|events| events.as_ref())
            && let Some(asked) = asked
        {
            watch(Source::Events, PollFd::new(fd, asked));
        }
        if let Some(fd) = &self.bell {
            watch(Source::Bell, PollFd::new(&**fd, PollFlags::IN));
        }
        if let Some(fd) = &self.pidfd {
            watch(Source::End, PollFd::new(fd, PollFlags::IN));
        }
        // After the answers: see `has_passed_on`.
        for fd in self.log.sources() {
            watch(Source::Log, PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        let mut ready = Ready { answers: false, events: false, log: false, bell: false, ended: self.pidfd.is_none() };
        match poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) => return Ok(ready),
            polled => polled?,
        };
        for (source, fd) in sources.iter().zip(&fds) {
            let is_ready = !fd.revents().is_empty();
            match source {
                Source::Answers => ready.answers = is_ready,
                Source::Events => ready.events = is_ready,
                Source::Bell => ready.bell = is_ready && self.is_rung(),
                Source::End => ready.ended = is_ready,
                Source::Log => ready.log |= is_ready,
            }
        }
        Ok(ready)
    }

    /// Reads once. `None` if there was nothing to be read, 0 if there will never be more.
    fn receive(&mut self) -> io::Result<Option<usize>> {
        self.has_passed_on = false;
        let Some(answers) = &self.answers else { return Ok(None) };
        if self.received.spare_capacity_mut().len() < READ_BYTES {
            self.received.reserve(READ_BYTES);
        }
        match read(answers, spare_capacity(&mut self.received)) {
            Ok(len) => Ok(Some(len)),
            Err(Errno::INTR | Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes once, and says what has come of that. A program that does not read is given no more.
    fn send(&mut self, outgoing: &mut Outgoing<'_>) -> io::Result<Option<Progress>> {
        let mut events = open(&self.events);
        let Some(fd) = events.as_ref() else { return Ok(None) };
        match writev(fd, &outgoing.parts.map(IoSlice::new)) {
            Ok(len) => outgoing.advance(len),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(Errno::PIPE) => {
                *events = None;
                self.is_deaf = true;
                return Ok(Some(Progress::Refused));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(outgoing.is_empty().then_some(Progress::Sent))
    }

    /// Takes what others have rung by.
    fn is_rung(&self) -> bool {
        self.bell.iter().any(|bell| read(&**bell, &mut [0; 64]).is_ok())
    }
}

/// What is waited for.
#[derive(Clone, Copy)]
enum Source {
    Bell,
    Answers,
    Events,
    Log,
    End,
}

impl Drop for Process {
    /// Ends the program and all that it has left running.
    fn drop(&mut self) {
        shutdown::end_program(self.pid, &self.ended);
    }
}

fn open(events: &Events) -> MutexGuard<'_, Option<OwnedFd>> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(target_os = "linux")]
fn open_pidfd(pid: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

/// Other systems have no such descriptors.
#[cfg(not(target_os = "linux"))]
fn open_pidfd(_: Pid) -> Option<OwnedFd> {
    None
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, Write, pipe};
    use std::process::Command;
    use std::thread;

    use super::*;
    use crate::file;
    use crate::log::Stream;

    /// A pipe that holds no more, and its write end, which blocks.
    fn full_pipe() -> (PipeReader, &'static OwnedFd) {
        let (reader, mut writer) = pipe().unwrap();
        ioctl_fionbio(&writer, true).unwrap();
        while writer.write(&[0; READ_BYTES]).is_ok() {}
        ioctl_fionbio(&writer, false).unwrap();
        (reader, Box::leak(Box::new(writer.into())))
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "the process waits for it")]
    fn an_answer_that_comes_with_the_end_is_received() {
        let (mut reader, sink) = full_pipe();
        let (events_there, events) = pipe().unwrap();
        let (answers, answers_there) = pipe().unwrap();
        let (err, err_there) = pipe().unwrap();
        // It answers when some of its log was read, as a pipe does not hold all.
        let script = "head -c 68000 /dev/zero >&2; printf answer";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(events_there).stdout(answers_there).stderr(err_there);
        let child = command.spawn().unwrap();
        drop(command);
        let log = Log::new(vec![Stream::new(err.into(), sink.as_fd())]);
        let spawn = || Ok(Pid::from_child(&child));
        let mut process = Process::start(events.into(), answers.into(), log, false, spawn).unwrap();
        // Without this there is only the look that follows the log.
        process.pidfd = None;
        let stat = format!("/proc/{}/stat", child.id());
        // What passes on the log waits here until the program has ended.
        thread::spawn(move || {
            while !file::read_text(&stat).contains(") Z ") {
                thread::yield_now();
            }
            reader.read_to_end(&mut Vec::new())
        });
        assert_eq!(process.advance(&mut Outgoing::nothing(), None).unwrap(), Progress::Received);
        assert_eq!(process.received, b"answer");
    }
}
