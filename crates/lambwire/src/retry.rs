//! Whether a request is sent again after its connection was lost, and when.

use core::time::Duration;

use crate::client::Announced;
use crate::limits;
use crate::message::Reply;
use crate::wire::body::Body;

/// What became of the earlier tries of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    /// How many of [`BACK_OFF`](limits::BACK_OFF) are used up.
    used: usize,
    /// The connection was lost once when all was written.
    may_have_arrived: bool,
}

/// How much of a request was written before the connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Nothing,
    Part,
    /// All, and no byte of a reply came back.
    All,
    /// All, and part of a reply came back.
    Answered,
}

impl Retries {
    /// The connection was lost: how long to wait before the request is sent again; `None` if it is not.
    pub(crate) fn lose(&mut self, request: &Announced, extent: Extent) -> Option<Duration> {
        let may_repeat = request.kind.is_idempotent()
            || match extent {
                Extent::Nothing => true,
                // Of a stream, the caller has no more than this part.
                Extent::All => request.body != Body::Chunked && !self.may_have_arrived,
                Extent::Part | Extent::Answered => false,
            };
        self.may_have_arrived |= extent == Extent::All;
        let pause = limits::BACK_OFF.get(self.used).copied().filter(|_| may_repeat);
        self.used += 1;
        pause
    }

    /// A reply came that says to ask again.
    pub(crate) fn start_over(&mut self) {
        self.used = 0;
    }

    /// Whether a rejection says that an earlier try had arrived.
    pub(crate) fn had_arrived(&self, request: &Announced, status: u16) -> bool {
        self.may_have_arrived && Reply::is_of_repeat(request.kind, status)
    }
}
