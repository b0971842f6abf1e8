//! What a program writes to its standard output and error: passed on, and the end of it remembered.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read, write};

use crate::telemetry;

/// How much of a log is remembered, in bytes: two screenfuls.
const TAIL_BYTES: usize = 4096;

/// How many of its lines are reported, at most.
const TAIL_LINES: usize = 20;

/// How much is read at a time, in bytes.
const PIECE_BYTES: usize = 4096;

/// Most pieces that are passed on in one go: as much as a pipe holds. A program that never stops writing is not waited
/// for.
const PIECES: usize = 16;

/// Longest line that is one frame, in bytes: as much as CloudWatch takes as one event (AWS, "CloudWatch Logs quotas").
const LINE_BYTES: usize = 1024 * 1024;

/// The log of one program.
pub(crate) struct Log {
    streams: Vec<Stream>,
    tail: Vec<u8>,
}

/// One end of a log, and where it leads to.
pub(crate) struct Stream {
    from: OwnedFd,
    to: BorrowedFd<'static>,
    /// A line that has not come to its end, where lines are frames.
    line: Vec<u8>,
}

impl Stream {
    /// `from` does not block.
    pub(crate) fn new(from: OwnedFd, to: BorrowedFd<'static>) -> Self {
        Self { from, to, line: Vec::new() }
    }

    fn pass_on(&mut self, piece: &[u8]) {
        if !telemetry::is_on() {
            // Whoever has closed the other end does not want to read.
            let _ = write_all(self.to, piece);
            return;
        }
        for part in piece.split_inclusive(|&byte| byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= LINE_BYTES {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        if !line.is_empty() {
            telemetry::write(false, None, line);
        }
    }
}

impl Log {
    pub(crate) fn new(streams: Vec<Stream>) -> Self {
        Self { streams, tail: Vec::new() }
    }

    /// The same log for another thread: what one of them reads, the other does not.
    pub(crate) fn shared(&self) -> io::Result<Self> {
        let streams = self.streams.iter().map(|stream| Ok(Stream::new(stream.from.try_clone()?, stream.to)));
        Ok(Self::new(streams.collect::<io::Result<_>>()?))
    }

    /// What to wait for.
    pub(crate) fn sources(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.streams.iter().map(|stream| stream.from.as_fd())
    }

    /// Passes on what there is.
    pub(crate) fn forward(&mut self) {
        let mut room = [MaybeUninit::uninit(); PIECE_BYTES];
        let tail = &mut self.tail;
        self.streams.retain_mut(|stream| {
            for _ in 0..PIECES {
                match read(&stream.from, &mut room) {
                    Ok(([], _)) => {
                        stream.end_line();
                        return false;
                    }
                    Ok((piece, _)) => {
                        stream.pass_on(piece);
                        tail.extend_from_slice(piece);
                        tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
                    }
                    Err(Errno::INTR) => {}
                    Err(_) => break,
                }
            }
            true
        });
    }

    /// Passes on the beginning of a line as one, since no more of it is to be expected.
    pub(crate) fn end_lines(&mut self) {
        self.streams.iter_mut().for_each(Stream::end_line);
    }

    /// Forgets what was written up to here.
    pub(crate) fn forget(&mut self) {
        self.tail.clear();
    }

    /// The last lines, of which the first may have lost its beginning.
    pub(crate) fn last_lines(&self) -> String {
        let text = String::from_utf8_lossy(&self.tail);
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n")
    }
}

/// Writes all, and waits for where it goes to if need be.
pub(crate) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> rustix::io::Result<()> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Whoever has started this process may have it so that a write does not block.
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn log_of(text: &str) -> Log {
        Log { streams: Vec::new(), tail: text.as_bytes().to_vec() }
    }

    #[test]
    fn the_last_lines_are_reported() {
        for lines in [TAIL_LINES - 1, TAIL_LINES, TAIL_LINES + 1] {
            let text: Vec<String> = (0..lines).map(|line| line.to_string()).collect();
            let reported = log_of(&(text.join("\n") + "\n")).last_lines();
            assert_eq!(reported.lines().count(), lines.min(TAIL_LINES));
            assert!(reported.ends_with(&(lines - 1).to_string()));
        }
        assert_eq!(log_of("").last_lines(), "");
    }

    #[test]
    fn a_log_is_whole_where_writing_does_not_block() {
        const BYTES: usize = 200_000;
        let (mut reader, to) = std::io::pipe().unwrap();
        rustix::io::ioctl_fionbio(&to, true).unwrap();
        let read = std::thread::spawn(move || reader.read_exact(&mut [0; BYTES]));
        write_all(to.as_fd(), &[b'x'; BYTES]).unwrap();
        read.join().unwrap().unwrap();
    }

    #[test]
    fn no_more_is_remembered_than_the_limit() {
        let (from, into) = rustix::pipe::pipe().unwrap();
        rustix::io::ioctl_fionbio(&from, true).unwrap();
        let (sink, to) = rustix::pipe::pipe().unwrap();
        let to: &OwnedFd = Box::leak(Box::new(to));
        let mut log = Log::new(vec![Stream::new(from, to.as_fd())]);
        for (len, remembered) in [(TAIL_BYTES - 1, TAIL_BYTES - 1), (1, TAIL_BYTES), (1, TAIL_BYTES)] {
            write_all(into.as_fd(), &vec![b'x'; len]).unwrap();
            log.forward();
            assert_eq!(log.tail.len(), remembered);
        }
        drop(into);
        log.forward();
        assert_eq!(log.sources().count(), 0);
        drop(sink);
    }
}
