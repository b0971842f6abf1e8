//! One direction of a connection: bytes under way.

use std::collections::VecDeque;
use std::io::Read;

/// Bytes from one end to the other.
#[derive(Default)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    /// How many of them have arrived, and can be read.
    arrived: usize,
    /// What comes behind them, if anything does.
    end: Option<End>,
    /// Bytes that were ever sent, and that were ever read.
    pub(crate) sent: u64,
    pub(crate) read: u64,
}

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

impl Pipe {
    /// Bytes that were sent and not read.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// What is sent behind the end is lost.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if self.end.is_none() {
            self.bytes.extend(bytes);
            self.sent += bytes.len() as u64;
        }
    }

    pub(crate) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Ends with no more than so many of the bytes that have not been read.
    pub(crate) fn lose(&mut self, kept: usize, end: End) {
        self.bytes.truncate(kept);
        self.arrived = self.arrived.min(self.bytes.len());
        self.end = Some(end);
    }

    /// Bytes that have not arrived.
    pub(crate) fn under_way(&self) -> usize {
        self.bytes.len() - self.arrived
    }

    pub(crate) fn arrive(&mut self, len: usize) {
        self.arrived += len;
    }

    /// Bytes that can be read.
    pub(crate) fn arrived(&self) -> usize {
        self.arrived
    }

    /// The end, if it comes next.
    pub(crate) fn reached_end(&self) -> Option<End> {
        self.end.filter(|_| self.bytes.is_empty())
    }

    /// Reads into all of `into`, which is no longer than what has arrived.
    pub(crate) fn read(&mut self, into: &mut [u8]) {
        self.bytes.read_exact(into).expect("as many bytes have arrived");
        self.arrived -= into.len();
        self.read += into.len() as u64;
    }
}
