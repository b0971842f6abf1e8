//! What comes from a runtime: its connections, the requests on them, and its end.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::check;
use super::connections::Happening;
use super::setting::is_about_extensions;
use super::stage::Stage;
use crate::message::{Head, Message, ReadError};
use crate::outcome::{Entry, Origin, Verdict};
use crate::play::Reply;

/// How long requests are taken that a process has sent before its end.
const AFTER_EXIT: Duration = Duration::from_millis(300);

/// A connection of the runtime.
pub(super) struct Line {
    pub(super) stream: Option<Arc<TcpStream>>,
    pub(super) requests: usize,
    /// Requests whose head was replied to already.
    pub(super) replied_early: usize,
}

/// A request that has come.
pub(super) struct Arrived {
    pub(super) connection: usize,
    pub(super) head: Head,
    pub(super) message: Option<Message>,
    pub(super) pipelined: bool,
}

impl Stage<'_> {
    /// The next request that is not about an extension; or its head, if that is enough.
    pub(super) fn request(&mut self, early: bool) -> Result<Arrived, Verdict> {
        let start = Instant::now();
        loop {
            let wait =
                if self.exit.is_some() { AFTER_EXIT } else { self.settings.timeout.saturating_sub(start.elapsed()) };
            match self.rx.recv_timeout(wait) {
                Ok(Happening::Opened(stream)) => {
                    self.lines.push(Line { stream: Some(stream), requests: 0, replied_early: 0 });
                }
                Ok(Happening::Head(connection, head)) => {
                    if let Some(line) = self.lines.get_mut(connection) {
                        line.requests += 1;
                    }
                    if early && !self.is_passed_over(&head) {
                        return Ok(Arrived { connection, head, message: None, pipelined: false });
                    }
                }
                Ok(Happening::Request { connection, message, pipelined }) => {
                    let Some(line) = self.lines.get_mut(connection) else { continue };
                    if line.replied_early > 0 {
                        line.replied_early -= 1;
                    } else if line.stream.is_none() {
                        // It was sent before the kit ended the connection, and is void.
                    } else if self.is_passed_over(&message.head) {
                        self.reply_to_extension(connection, &message);
                    } else {
                        return Ok(Arrived {
                            connection,
                            head: message.head.clone(),
                            message: Some(message),
                            pipelined,
                        });
                    }
                }
                Ok(Happening::Closed(connection)) => self.forget(connection),
                Ok(Happening::Broken(connection, ReadError::Cut(_) | ReadError::Silent)) => self.forget(connection),
                Ok(Happening::Broken(connection, error @ ReadError::Malformed(..))) => {
                    self.broken(connection, &error)?;
                }
                Ok(Happening::Exit(status)) => self.exit = Some(status),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let Some(status) = self.exit else { return Err(Verdict::Hung("nothing came".into())) };
                    return Err(Verdict::Ended(format!("the process ended with {status}")));
                }
            }
        }
    }

    fn is_passed_over(&self, head: &Head) -> bool {
        let is_played = self.plays_extension && check::kind(&head.method, &head.path).is_some();
        is_about_extensions(head) && !is_played
    }

    fn forget(&mut self, connection: usize) {
        if let Some(line) = self.lines.get_mut(connection) {
            line.stream = None;
        }
    }

    fn broken(&mut self, connection: usize, error: &ReadError) -> Result<(), Verdict> {
        let ReadError::Malformed(_, bytes) = error else { return Ok(()) };
        let bytes = bytes.get(..self.settings.keep).unwrap_or(bytes).to_vec();
        self.transcript.push(Entry {
            connection: connection.to_string(),
            from: Origin::Program,
            expected: vec!["HTTP/1.1".into()],
            misses: vec![error.to_string()],
            bytes,
            note: String::new(),
        });
        Err(Verdict::Missed(error.to_string()))
    }

    /// Extensions may register at any time, and wait for events for ever.
    fn reply_to_extension(&mut self, connection: usize, message: &Message) {
        self.note(connection, vec!["about extensions: anything".into()], Vec::new(), Some(message));
        if message.head.path.ends_with("/event/next") {
            return;
        }
        self.has_registered |= message.head.path.ends_with("/register");
        let reply = Reply {
            status: Some(200),
            headers: BTreeMap::from([("Lambda-Extension-Identifier".to_owned(), uuid::Uuid::new_v4().to_string())]),
            body: Some("{\"functionName\":\"conformance\",\"functionVersion\":\"$LATEST\",\"handler\":\"\"}".into()),
            ..Reply::default()
        };
        // It has no event and no variable that could be missing.
        let _ = self.reply(&reply, connection, true);
    }
}
