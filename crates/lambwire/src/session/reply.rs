//! The reply to a session's request: how it is collected, what it means, and what a connection that is lost before it means.

use core::time::Duration;

use crate::error::{ReceiveError, SendError};
use crate::limits;
use crate::message::Reply;
use crate::reader::Progress;
use crate::retry::Extent;
use crate::session::{Need, Outcome, Session, Stage};

impl Session {
    /// No connection came about.
    pub(crate) fn not_connected(&mut self) {
        self.lose(Extent::Nothing, Outcome::Disconnected);
    }

    /// Bytes of the reply were read, 0 at the end of the connection.
    pub(crate) fn read(&mut self, len: usize) {
        if len > 0 {
            self.reader.filled(len);
        } else if let Err(error) = self.client.receive_eof() {
            self.lost(Outcome::Unreadable(error));
        }
    }

    /// Goes on with the reply.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> Need {
        if self.reader.is_new() && !buf.is_empty() {
            return Need::Input;
        }
        if self.reader.is_beyond(buf) {
            self.misused(SendError::InvalidState);
            return Need::Nothing;
        }
        match self.reader.collect(&mut self.client, buf) {
            Ok(Progress::Complete(())) => self.conclude(),
            Ok(Progress::NeedInput) => return Need::Input,
            Ok(Progress::NeedSpace { total }) => match roomier(buf.len(), total) {
                Some(len) => return Need::Space(len),
                None => self.unreadable(ReceiveError::PayloadTooLarge { limit: limits::PAYLOAD_BYTES }),
            },
            Err(error) => self.unreadable(error),
        }
        Need::Nothing
    }

    fn unreadable(&mut self, error: ReceiveError) {
        self.client.close();
        self.stage = Stage::Done(Outcome::Unreadable(error));
    }

    /// Decides what a whole reply means.
    fn conclude(&mut self) {
        let (kind, status) = (self.request.kind, self.reader.status());
        // Bytes behind the reply answer nothing that was asked, unless a request was pipelined.
        let is_due = self.reader.is_empty() || self.client.in_flight().is_some();
        if self.written < self.total || !is_due {
            self.client.close();
        }
        self.stage = if Reply::is_rejection(kind, status) {
            let had_arrived = self.retries.had_arrived(&self.request, status);
            Stage::Done(if had_arrived { Outcome::Accepted } else { Outcome::Rejected })
        } else if self.is_cut() {
            // What says yes to half a request is not to be believed.
            return self.lost(Outcome::Disconnected);
        } else if Reply::is_nothing_yet(kind, status) {
            self.retries.start_over();
            Stage::Pausing(limits::NOTHING_YET_PAUSE)
        } else {
            Stage::Done(Outcome::Accepted)
        };
    }

    /// The connection was lost. If not all was written, the reason for that counts.
    #[cold]
    pub(crate) fn lost(&mut self, why: Outcome) {
        if self.is_cut() {
            // A later piece of a stream has no head before it.
            let is_unsent = self.written == 0 && self.head_len > 0;
            self.lose(if is_unsent { Extent::Nothing } else { Extent::Part }, Outcome::Disconnected);
        } else {
            self.lose(if self.reader.is_empty() { Extent::All } else { Extent::Answered }, why);
        }
    }

    /// Decides whether the request is sent again, and when.
    #[cold]
    fn lose(&mut self, extent: Extent, why: Outcome) {
        self.client.close();
        self.stage = match self.retries.lose(&self.request, extent) {
            None => Stage::Done(why),
            Some(Duration::ZERO) => Stage::Start,
            Some(pause) => Stage::Pausing(pause),
        };
    }

    /// Whether the write ended inside of the request, and not behind it in the pipelined `next`.
    fn is_cut(&self) -> bool {
        self.written < self.request_len
    }
}

/// How long a buffer of `len` bytes should become, of which `total` bytes are the least; `None` if that is too much.
fn roomier(len: usize, total: usize) -> Option<usize> {
    let roomier = (len + len.clamp(FIRST_SPACE, LARGEST_STEP)).min(limits::MESSAGE_BYTES).max(total);
    (total <= limits::MESSAGE_BYTES).then_some(roomier)
}

/// First size of a buffer, in bytes. Most messages fit.
const FIRST_SPACE: usize = 8 * 1024;

/// Most by which a buffer grows when the length of a message is not known, in bytes.
const LARGEST_STEP: usize = 256 * 1024;
