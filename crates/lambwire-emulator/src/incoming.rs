//! The receiving half of a connection from a runtime, without the reading: the same over a socket that blocks and one that
//! does not.

use lambwire::{Event, Headers, ReceiveError, Request, Server};

/// Size of the buffer while a large body comes, in bytes.
const LARGE_BYTES: usize = 256 * 1024;

/// A [`Server`] and the bytes that were read for it.
///
/// [`head`](Self::head) and [`body`](Self::body) take the next step off these bytes. `None` asks for more: read into
/// [`space`](Self::space), and say how much with [`filled`](Self::filled).
pub(crate) struct Incoming {
    pub(crate) server: Server,
    buf: Vec<u8>,
    /// Size of the buffer at first, in bytes. It grows for heads and trailers that are longer, to what the core takes.
    least: usize,
    /// What of the buffer was read, and has not been received.
    start: usize,
    end: usize,
}

/// A step of a body.
pub(crate) enum BodyStep<'i> {
    Data(&'i [u8]),
    /// The request is whole.
    End(Headers<'i>),
}

impl Incoming {
    /// A new connection, of which up to `least` bytes are read at a time.
    pub(crate) fn new(least: usize) -> Self {
        Self { server: Server::new(), buf: vec![0; least], least, start: 0, end: 0 }
    }

    /// Receives the head of the next request, of which `read` keeps what it needs.
    pub(crate) fn head<T>(
        &mut self,
        read: impl FnOnce(&Request<'_>, Headers<'_>) -> T,
    ) -> Result<Option<T>, ReceiveError> {
        // After most requests nothing is there as yet.
        if self.start == self.end && self.server.is_open() {
            return Ok(None);
        }
        Ok(match self.receive()? {
            Event::Head { head, headers, .. } => Some(read(&head, headers)),
            _ => None,
        })
    }

    /// Receives the next step of the body of the request whose head was the last.
    pub(crate) fn body(&mut self) -> Result<Option<BodyStep<'_>>, ReceiveError> {
        Ok(match self.receive()? {
            Event::Data(data) => Some(BodyStep::Data(data)),
            Event::End { trailers } => Some(BodyStep::End(trailers)),
            _ => None,
        })
    }

    fn receive(&mut self) -> Result<Event<'_, Request<'_>>, ReceiveError> {
        let received = self.server.receive(self.buf.get(self.start..self.end).unwrap_or_default())?;
        self.start += received.used;
        Ok(received.event)
    }

    /// Where to read to. It is empty only if [`free`](Self::free) is and the core takes no longer head.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.free().is_empty() {
            // Bounded by the core, which takes no longer head, chunk line or trailers.
            self.buf.resize(self.end * 2, 0);
        }
        self.free()
    }

    /// What is free of the buffer as it is.
    pub(crate) fn free(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.buf.get_mut(self.end..).unwrap_or_default()
    }

    /// Says that `len` bytes were read into the [`space`](Self::space), 0 at the end of the connection.
    ///
    /// # Errors
    ///
    /// [`ReceiveError::CutShort`] if it ends inside of a request.
    pub(crate) fn filled(&mut self, len: usize) -> Result<(), ReceiveError> {
        if len == 0 {
            return self.server.receive_eof();
        }
        self.end += len;
        if self.end == self.buf.len() && self.start == 0 && (self.least..LARGE_BYTES).contains(&len) {
            // There is more: it is read in fewer pieces.
            self.buf.resize(LARGE_BYTES, 0);
        }
        Ok(())
    }

    /// Throws away what was read and not received.
    pub(crate) fn discard(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Gives back what a large message has taken.
    pub(crate) fn shrink(&mut self) {
        self.free();
        if self.buf.len() > self.least && self.end <= self.least {
            self.buf.truncate(self.least);
            self.buf.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: usize = 16;

    /// Reads from `wire` until a step of the given kind is taken.
    fn read(incoming: &mut Incoming, wire: &mut &[u8]) {
        let space = incoming.space();
        let len = space.len().min(wire.len());
        space[..len].copy_from_slice(&wire[..len]);
        *wire = &wire[len..];
        incoming.filled(len).expect("a whole request");
    }

    #[test]
    fn a_buffer_smaller_than_the_head_grows_and_shrinks_again() {
        let mut wire = &b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n01234567890123456789"[..];
        let mut incoming = Incoming::new(LEAST);
        let kind = loop {
            match incoming.head(|head, _| head.kind()).expect("a head") {
                Some(kind) => break kind,
                None => read(&mut incoming, &mut wire),
            }
        };
        assert_eq!(kind, lambwire::RequestKind::InitError);
        let mut body = Vec::new();
        loop {
            match incoming.body().expect("a body") {
                Some(BodyStep::Data(data)) => body.extend_from_slice(data),
                Some(BodyStep::End(_)) => break,
                None => read(&mut incoming, &mut wire),
            }
        }
        assert_eq!(body, b"01234567890123456789");
        assert!(incoming.buf.len() > LEAST);
        incoming.shrink();
        assert_eq!(incoming.buf.len(), LEAST);
    }

    #[test]
    fn an_end_inside_of_a_body_is_an_error() {
        let mut wire = &b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n0"[..];
        let mut incoming = Incoming::new(256);
        read(&mut incoming, &mut wire);
        assert!(incoming.head(|_, _| ()).expect("a head").is_some());
        assert!(matches!(incoming.body(), Ok(Some(BodyStep::Data(b"0")))));
        assert_eq!(incoming.filled(0), Err(ReceiveError::CutShort));
    }
}
