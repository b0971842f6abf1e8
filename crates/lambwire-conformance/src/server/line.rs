//! A connection to a server, and what waits on it.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::message::{Kind, Message, ReadError, Reader};
use crate::play::Sent;

/// What a server has to act on what it has read.
const ACTING: Duration = Duration::from_millis(20);

/// A connection, and the names of the requests on it that wait for a reply.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    pub(super) reader: Reader<TcpStream>,
    pub(super) pending: VecDeque<(String, Sent, bool)>,
}

impl Line {
    /// One on which neither end waits for longer.
    pub(super) fn new(stream: TcpStream, timeout: Duration) -> io::Result<Self> {
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        let reader = Reader::new(stream.try_clone()?, Kind::Reply);
        Ok(Self { stream, reader, pending: VecDeque::new() })
    }

    /// The next reply that is no interim one.
    pub(super) fn reply(&mut self, to_head: bool) -> Result<Option<Message>, ReadError> {
        loop {
            let Some(head) = self.reader.head()? else { return Ok(None) };
            let interim = (100..200).contains(&head.status) && head.status != 101;
            let message = self.reader.body(head, to_head)?;
            if !interim {
                return Ok(Some(message));
            }
        }
    }

    /// Whether bytes have come that nobody has read.
    pub(super) fn has_come(&self) -> bool {
        let _ = self.stream.set_nonblocking(true);
        let come = matches!(self.stream.peek(&mut [0]), Ok(1));
        let _ = self.stream.set_nonblocking(false);
        come
    }

    /// Waits until the server has read what was sent, and some more for it to act on that: what comes next in a play is
    /// meant to come second.
    pub(super) fn wait_until_read(&self, timeout: Duration) {
        let ports = [self.stream.peer_addr(), self.stream.local_addr()].map(|address| address.map(|a| a.port()));
        let [Ok(server), Ok(own)] = ports else { return };
        let start = Instant::now();
        while has_unread(server, own) && start.elapsed() < timeout {
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(ACTING);
    }
}

/// Whether the kernel holds bytes for the other end of a connection over the loopback interface.
fn has_unread(server: u16, own: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let ends = |field: Option<&str>, port: u16| field.is_some_and(|address| address.ends_with(&format!(":{port:04X}")));
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let is_it = ends(fields.next(), server) && ends(fields.next(), own);
        // State, then bytes to be sent and bytes to be read.
        is_it && fields.nth(1).is_some_and(|queues| !queues.ends_with(":00000000"))
    })
}
