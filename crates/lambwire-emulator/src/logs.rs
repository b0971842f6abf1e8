//! What the program writes: read, cut into lines or frames, and handed on.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;

use tokio::io::ReadBuf;
use tokio::net::unix::pipe;

use crate::limits;

/// Which output of the program a line was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdout,
    Stderr,
    /// Either output of an extension.
    Extension,
}

/// How an output is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// A record ends with its line.
    Lines,
    /// Each record has a head that says how long it is.
    Frames,
}

/// The head of a frame: a type, the length of the record, and a time, in 4, 4 and 8 bytes, numbers being big-endian.
const FRAME_HEAD_BYTES: usize = 16;

/// What all types of frames begin with (those of awslambdaric 4.2.2, `lambda_runtime_log_utils.py`).
const FRAME_MARK: [u8; 3] = [0xa5, 0x5a, 0x00];

/// One output of a program.
#[derive(Debug)]
pub(crate) struct Reader {
    pipe: pipe::Receiver,
    source: Source,
    by: Cell<Cut>,
    /// A line or a record whose end has not come.
    partial: RefCell<Vec<u8>>,
    /// How much is to come of a record whose head has, in bytes.
    left: Cell<Option<usize>>,
    is_over: Cell<bool>,
}

impl Reader {
    pub(crate) fn new(pipe: pipe::Receiver, source: Source, by: Cut) -> Self {
        Self {
            pipe,
            source,
            by: Cell::new(by),
            partial: RefCell::default(),
            left: Cell::default(),
            is_over: Cell::new(false),
        }
    }

    /// Hands on each line that is written, until there is nobody who could write.
    pub(crate) async fn run(&self, mut to: impl FnMut(Source, &[u8])) {
        while !self.is_over.get() && self.pipe.readable().await.is_ok() {
            self.drain(&mut to);
        }
    }

    /// Hands on what has been written so far, as far as the kernel has reported it.
    pub(crate) fn drain(&self, to: &mut impl FnMut(Source, &[u8])) {
        // Each invocation looks twice, mostly at nothing: what nobody reads is not filled with zeros.
        let mut room = [const { MaybeUninit::uninit() }; limits::LOG_READ_BYTES];
        // So many, and then others have their turn.
        for _ in 0..limits::LOG_READS {
            let mut buf = ReadBuf::uninit(&mut room);
            match self.pipe.try_read_buf(&mut buf) {
                Ok(0) => {
                    self.is_over.set(true);
                    return self.end_line(to);
                }
                Ok(_) => match self.by.get() {
                    Cut::Lines => self.cut(buf.filled(), to),
                    Cut::Frames => self.cut_frames(buf.filled(), to),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.is_over.set(true),
            }
        }
    }

    /// Hands on a line of the program that has not been ended, as if it were. A frame that has begun will be ended, and
    /// so will the line of an extension, which may be at work.
    pub(crate) fn end_line(&self, to: &mut impl FnMut(Source, &[u8])) {
        if (self.by.get() == Cut::Frames || self.source == Source::Extension) && !self.is_over.get() {
            return;
        }
        let mut partial = self.partial.take();
        if !partial.is_empty() {
            partial.push(b'\n');
            to(self.source, &partial);
        }
    }

    fn cut_frames(&self, bytes: &[u8], to: &mut impl FnMut(Source, &[u8])) {
        let mut partial = self.partial.borrow_mut();
        partial.extend_from_slice(bytes);
        loop {
            let Some(left) = self.left.get() else {
                let Some([a, b, c, _, len @ ..]) = partial.first_chunk::<FRAME_HEAD_BYTES>() else { return };
                if [*a, *b, *c] != FRAME_MARK {
                    log::warn!("what is written to the descriptor for logs are no frames, and taken for lines");
                    self.by.set(Cut::Lines);
                    let bytes = std::mem::take(&mut *partial);
                    drop(partial);
                    return self.cut(&bytes, to);
                }
                let len = len.first_chunk().map_or(0, |len| u32::from_be_bytes(*len));
                self.left.set(Some(usize::try_from(len).unwrap_or(usize::MAX)));
                partial.drain(..FRAME_HEAD_BYTES);
                continue;
            };
            let size = left.min(limits::FRAME_BYTES);
            let Some(record) = partial.get(..size) else { return };
            let record = [record.strip_suffix(b"\n").unwrap_or(record), b"\n"].concat();
            partial.drain(..size);
            self.left.set(Some(left - size).filter(|left| *left > 0));
            to(self.source, &record);
        }
    }

    fn cut(&self, bytes: &[u8], to: &mut impl FnMut(Source, &[u8])) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut partial = self.partial.borrow_mut();
            let is_whole = line.ends_with(b"\n");
            if is_whole && partial.is_empty() {
                to(self.source, line);
                continue;
            }
            partial.extend_from_slice(line);
            let is_too_long = partial.len() >= limits::LOG_LINE_BYTES;
            drop(partial);
            if is_whole {
                to(self.source, &self.partial.take());
            } else if is_too_long {
                self.end_line(to);
            }
        }
    }
}

/// The last lines of an invocation.
#[derive(Debug, Default)]
pub(crate) struct Tail(Vec<u8>);

impl Tail {
    pub(crate) fn push(&mut self, line: &[u8]) {
        self.0.extend_from_slice(line);
        let excess = self.0.len().saturating_sub(limits::TAIL_BYTES);
        self.0.drain(..excess);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _guard = runtime.enter();
        let reader = Reader::new(pipe::pipe().unwrap().1, Source::Stdout, Cut::Lines);
        let mut lines = Vec::new();
        let mut to = |_: Source, line: &[u8]| lines.push(line.to_vec());
        for piece in pieces {
            reader.cut(piece, &mut to);
        }
        reader.end_line(&mut to);
        lines
    }

    #[test]
    fn lines_are_whole_however_they_are_cut() {
        let expected = [&b"a\n"[..], b"\n", b"bc\n", b"d\n"];
        assert_eq!(lines(&[b"a\n\nbc\nd"]), expected);
        assert_eq!(lines(&[b"a", b"\n\nb", b"c\n", b"d"]), expected);
        assert!(lines(&[]).is_empty());
    }

    #[test]
    fn a_line_at_the_limit_is_ended_and_one_byte_less_goes_on() {
        for (len, count) in
            [(limits::LOG_LINE_BYTES - 1, 1), (limits::LOG_LINE_BYTES, 2), (limits::LOG_LINE_BYTES + 1, 2)]
        {
            assert_eq!(lines(&[&vec![b'x'; len], b"y\n"]).len(), count, "{len}");
        }
    }

    fn frames(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _guard = runtime.enter();
        let reader = Reader::new(pipe::pipe().unwrap().1, Source::Stdout, Cut::Frames);
        let mut records = Vec::new();
        for piece in pieces {
            let mut to = |_: Source, record: &[u8]| records.push(record.to_vec());
            match reader.by.get() {
                Cut::Frames => reader.cut_frames(piece, &mut to),
                Cut::Lines => reader.cut(piece, &mut to),
            }
        }
        records
    }

    fn frame(record: &[u8]) -> Vec<u8> {
        let len = u32::try_from(record.len()).unwrap();
        [&0xa55a_0017_u32.to_be_bytes()[..], &len.to_be_bytes(), &7_u64.to_be_bytes(), record].concat()
    }

    #[test]
    fn a_record_in_a_frame_is_whole_however_it_is_cut_and_may_have_several_lines() {
        let bytes = [frame(b"a\nb"), frame(b""), frame(b"c\n")].concat();
        let expected = [&b"a\nb\n"[..], b"\n", b"c\n"];
        assert_eq!(frames(&[&bytes]), expected);
        for at in 1..bytes.len() {
            assert_eq!(frames(&[&bytes[..at], &bytes[at..]]), expected, "{at}");
        }
    }

    #[test]
    fn a_frame_at_the_limit_is_one_record_and_a_longer_one_is_cut() {
        let limit = limits::FRAME_BYTES;
        for (len, sizes) in [
            (limit - 1, vec![limit - 1]),
            (limit, vec![limit]),
            (limit + 1, vec![limit, 1]),
            (2 * limit + 1, vec![limit, limit, 1]),
        ] {
            let records = frames(&[&frame(&vec![b'x'; len]), &frame(b"next")]);
            let expected: Vec<usize> = sizes.into_iter().chain([4]).map(|size| size + 1).collect();
            assert_eq!(records.iter().map(Vec::len).collect::<Vec<_>>(), expected, "{len}");
            assert_eq!(records.last().unwrap(), b"next\n");
        }
    }

    #[test]
    fn what_is_no_frame_is_taken_for_lines() {
        assert_eq!(frames(&[b"just a line of text\n", b"b\n"]), [&b"just a line of text\n"[..], b"b\n"]);
    }

    #[test]
    fn a_tail_keeps_the_last_bytes() {
        for len in [limits::TAIL_BYTES - 1, limits::TAIL_BYTES, limits::TAIL_BYTES + 1] {
            let mut tail = Tail::default();
            tail.push(&vec![b'a'; len - 1]);
            tail.push(b"z");
            let bytes = tail.into_bytes();
            assert_eq!(bytes.len(), len.min(limits::TAIL_BYTES));
            assert_eq!(bytes.last(), Some(&b'z'));
        }
    }
}
