//! One exchange after another, on one connection for as long as it lasts.

use std::io;

use lambwire::{Body, Client, Inbox, Progress, ReceiveError, Request, SendError, WholeReply, limits};

use crate::Error;
use crate::connection::{Connection, Unwritten};

/// First room for a head, in bytes. Most have about 300.
const FIRST_HEAD: usize = 1024;

/// First size of a buffer, in bytes. Most events fit.
const FIRST_SPACE: usize = 8 * 1024;

/// Most by which a buffer grows when the length of a message is not known, in bytes.
const LARGEST_STEP: usize = 256 * 1024;

/// Largest message that is taken, in bytes: a head and an event at their limits, and framing between.
#[expect(clippy::cast_possible_truncation, reason = "6 MiB")]
const LARGEST_MESSAGE: usize = limits::REPLY_HEAD_BYTES + limits::PAYLOAD_BYTES as usize + limits::CHUNK_LINE_BYTES;

/// A way to the Runtime API, which is opened again as needed.
pub(crate) struct Link {
    pub(crate) client: Client,
    /// `None` when the last one broke, and while a message is on its way: a future that is dropped half way takes the
    /// connection along, so that nothing is ever sent behind half a message.
    connection: Option<Connection>,
    /// Room for a head, which goes out with the first bytes behind it.
    head: Vec<u8>,
    /// How long the head is that has not gone out.
    head_len: usize,
}

/// Why an exchange came to nothing.
pub(crate) enum Lost {
    Send(SendError),
    Receive(ReceiveError),
    Transport { error: io::Error, went_out: WentOut },
}

/// How much of a request went out before the connection was lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum WentOut {
    Nothing,
    Part,
    /// All, and no byte of a reply came back.
    All,
    /// All, and part of a reply came back.
    Answered,
}

impl Lost {
    /// Whether the connection is at fault: another may do better.
    pub(crate) fn is_connection(&self) -> bool {
        matches!(self, Self::Transport { .. } | Self::Receive(ReceiveError::NoReply | ReceiveError::CutShort))
    }

    /// Whether an answer may be sent again. The Runtime API takes no invocation's answer twice; but one of which part
    /// went out is reported as lost.
    pub(crate) fn may_repeat(&self) -> bool {
        self.may_have_arrived() || matches!(self, Self::Transport { went_out: WentOut::Nothing, .. })
    }

    /// Whether all of the request went out, and it is not known what became of it.
    pub(crate) fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Transport { went_out: WentOut::All, .. } | Self::Receive(ReceiveError::NoReply))
    }
}

impl Link {
    pub(crate) async fn open(api: &str) -> Result<Self, Error> {
        let client = Client::new(api)?;
        let connection = Connection::open(client.api()).await.map_err(Error::Transport)?;
        Ok(Self { client, connection: Some(connection), head: vec![0; FIRST_HEAD], head_len: 0 })
    }

    /// Sends one request, on a new connection if need be, and collects the reply in `buf`.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request<'_>,
        body: &[u8],
        buf: &mut Vec<u8>,
    ) -> Result<WholeReply, Lost> {
        self.begin(request, Body::Exact(body.len() as u64)).await?;
        // A body of known length has nothing before or behind its bytes.
        self.client.frame(body.len())?;
        let sent = self.write(b"", body, b"").await;
        self.receive(sent, buf).await
    }

    /// Makes a connection if there is none to use, and a head that goes out with the first bytes behind it.
    pub(crate) async fn begin(&mut self, request: &Request<'_>, body: Body) -> Result<(), Lost> {
        if self.connection.is_none() || !self.client.is_ready() {
            self.connection = None;
            self.client = self.client.reconnected();
            let opened = Connection::open(self.client.api()).await;
            self.connection = Some(opened.map_err(|error| Unwritten { written: 0, error })?);
        }
        self.head_len = match self.client.send(request, body, &mut self.head) {
            Err(SendError::OutTooSmall { needed }) => {
                self.head.resize(needed, 0);
                self.client.send(request, body, &mut self.head)?
            }
            sent => sent?,
        };
        Ok(())
    }

    /// Writes the head, if it has not gone out, and the parts of a frame behind it.
    pub(crate) async fn write(&mut self, before: &[u8], piece: &[u8], after: &[u8]) -> Result<(), Unwritten> {
        let mut connection = self.connection.take().ok_or_else(gone)?;
        let head = &self.head[..std::mem::take(&mut self.head_len)];
        let result = connection.write([head, before, piece, after]).await;
        self.connection = Some(connection);
        result
    }

    /// Collects the reply to what was sent. When not all of it was, the server may have said why before it hung up,
    /// and that counts for more.
    pub(crate) async fn receive(&mut self, sent: Result<(), Unwritten>, buf: &mut Vec<u8>) -> Result<WholeReply, Lost> {
        let mut connection = self.connection.take().ok_or_else(gone)?;
        let mut inbox = Inbox::new();
        let received = receive(&mut self.client, &mut connection, &mut inbox, buf).await;
        match (sent, received) {
            (Ok(()), Ok(whole)) => {
                // Bytes behind the reply answer nothing that was asked.
                self.connection = inbox.is_empty().then_some(connection);
                Ok(whole)
            }
            (Err(_), Ok(whole)) if whole.is_refusal() => Ok(whole),
            (Err(unwritten), _) => Err(unwritten.into()),
            (Ok(()), Err(lost)) => Err(lost),
        }
    }
}

fn gone() -> Unwritten {
    Unwritten { written: 0, error: io::ErrorKind::NotConnected.into() }
}

/// Replaces what is in `buf` by what `write` writes, in as much room as that takes.
pub(crate) fn fill(
    buf: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, SendError>,
) -> Result<(), SendError> {
    buf.resize(buf.capacity(), 0);
    let mut result = write(buf);
    if let Err(SendError::OutTooSmall { needed }) = result {
        buf.resize(needed, 0);
        result = write(buf);
    }
    buf.truncate(result?);
    Ok(())
}

async fn receive(
    client: &mut Client,
    connection: &mut Connection,
    inbox: &mut Inbox,
    buf: &mut Vec<u8>,
) -> Result<WholeReply, Lost> {
    if buf.is_empty() {
        buf.resize(FIRST_SPACE, 0);
    }
    loop {
        match connection.read(inbox.space(buf)).await {
            Ok(0) => client.receive_eof()?,
            Ok(len) => inbox.filled(len),
            Err(error) => {
                let went_out = if inbox.is_empty() { WentOut::All } else { WentOut::Answered };
                return Err(Lost::Transport { error, went_out });
            }
        }
        match inbox.receive_reply(client, buf)? {
            Progress::Whole(whole) => return Ok(whole),
            Progress::NeedSpace { total } => grow(buf, total)?,
            Progress::NeedInput => {}
        }
    }
}

fn grow(buf: &mut Vec<u8>, total: usize) -> Result<(), ReceiveError> {
    if total > LARGEST_MESSAGE {
        return Err(ReceiveError::PayloadTooLarge { limit: limits::PAYLOAD_BYTES });
    }
    let len = total.max(buf.len() + buf.len().min(LARGEST_STEP)).min(LARGEST_MESSAGE);
    buf.reserve_exact(len - buf.len());
    buf.resize(len, 0);
    Ok(())
}

impl From<SendError> for Lost {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<ReceiveError> for Lost {
    fn from(error: ReceiveError) -> Self {
        Self::Receive(error)
    }
}

impl From<Unwritten> for Lost {
    fn from(Unwritten { written, error }: Unwritten) -> Self {
        Self::Transport { error, went_out: if written == 0 { WentOut::Nothing } else { WentOut::Part } }
    }
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Send(error) => Self::Send(error),
            Lost::Receive(error) => Self::Receive(error),
            Lost::Transport { error, .. } => Self::Transport(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_at_the_limit_is_taken_and_one_byte_more_is_not() {
        for total in [LARGEST_MESSAGE - 1, LARGEST_MESSAGE, LARGEST_MESSAGE + 1] {
            let mut buf = vec![0; FIRST_SPACE];
            let taken = grow(&mut buf, total).is_ok();
            assert_eq!((taken, buf.len() >= total), (total <= LARGEST_MESSAGE, total <= LARGEST_MESSAGE));
            assert!(buf.len() <= LARGEST_MESSAGE);
        }
    }

    #[test]
    fn a_buffer_grows_by_steps_when_the_length_is_not_known() {
        let mut buf = vec![0; LARGEST_MESSAGE - 1];
        grow(&mut buf, LARGEST_MESSAGE).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(buf.len(), LARGEST_MESSAGE);
        let mut buf = vec![0; 1 << 20];
        grow(&mut buf, (1 << 20) + 1).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(buf.len(), (1 << 20) + LARGEST_STEP);
    }
}
