//! The judge of what is retried: by what went out and what came back, it knows what the runtime may do.

use std::time::Duration;

use lambwire::limits::{BACK_OFF, NOTHING_YET_PAUSE};

/// All retries of one request.
pub(crate) struct RetryOracle {
    kind: Kind,
    /// The try under way has sent so much.
    sent: Sent,
    /// That one has failed, and there was no other since.
    is_lost: bool,
    /// RetryOracle that failed since the API last said something.
    failed: usize,
    first_failed_ms: u64,
    /// No try before.
    not_before_ms: u64,
    /// RetryOracle that failed with part of the request sent, or part of the reply received.
    halves: usize,
    /// RetryOracle that failed with all sent and nothing received.
    wholes: usize,
    /// Of those, retries to which an interim reply came.
    hinted: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Next,
    Answer,
    Stream,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Nothing,
    Part,
    All,
}

/// What came back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    Nothing,
    /// An interim reply, or part of one.
    Hint,
    Part,
}

impl RetryOracle {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            sent: Sent::Nothing,
            is_lost: false,
            failed: 0,
            first_failed_ms: 0,
            not_before_ms: 0,
            halves: 0,
            wholes: 0,
            hinted: 0,
        }
    }

    pub(crate) fn sent(&mut self, sent: Sent) {
        self.sent = sent;
    }

    /// The connection was lost, or did not come about.
    pub(crate) fn fail(&mut self, came: Came, now_ms: u64) {
        if self.failed == 0 {
            self.first_failed_ms = now_ms;
        }
        self.failed += 1;
        self.is_lost = true;
        match (std::mem::replace(&mut self.sent, Sent::Nothing), came) {
            (Sent::Nothing, _) => {}
            (Sent::All, Came::Nothing) => self.wholes += 1,
            (Sent::All, Came::Hint) => {
                self.wholes += 1;
                self.hinted += 1;
            }
            _ => self.halves += 1,
        }
    }

    /// No connection came about.
    pub(crate) fn nobody(&mut self, now_ms: u64) {
        self.sent = Sent::Nothing;
        self.fail(Came::Nothing, now_ms);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// The API knows of no invocation as yet.
    pub(crate) fn nothing_yet(&mut self, now_ms: u64) {
        *self = Self { not_before_ms: now_ms + millis(NOTHING_YET_PAUSE), ..Self::new(self.kind) };
    }

    /// Whether the try before, or one before that, has sent all, so that the API may have it.
    pub(crate) fn is_repeat(&self) -> bool {
        self.wholes > 0
    }

    /// The runtime retries, for the first time or again.
    pub(crate) fn judge_try(&mut self, now_ms: u64) {
        self.is_lost = false;
        assert!(
            !self.is_over(),
            "retried after {} retries, {} halves, {} wholes",
            self.failed,
            self.halves,
            self.wholes
        );
        let pauses_ms: u64 = BACK_OFF.iter().take(self.failed).copied().map(millis).sum();
        let is_time = now_ms >= self.not_before_ms && (self.failed == 0 || now_ms >= self.first_failed_ms + pauses_ms);
        assert!(is_time, "try {} too early", self.failed + 1);
    }

    /// The runtime gives up.
    pub(crate) fn judge_loss(&self) {
        assert!(
            self.is_over() || self.hinted > 0 && self.kind == Kind::Answer,
            "given up after {} retries, {} halves, {} wholes",
            self.failed,
            self.halves,
            self.wholes
        );
    }

    fn is_over(&self) -> bool {
        let is_spoilt = match self.kind {
            Kind::Next => false,
            Kind::Answer => self.halves > 0 || self.wholes > 1,
            Kind::Stream => self.halves + self.wholes > 0,
        };
        is_spoilt || self.failed > BACK_OFF.len()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("a short time")
}
