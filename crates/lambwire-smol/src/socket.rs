//! One TCP socket, and what an exchange asks of it. Futures wait without a time-out.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::task::Poll;

use lambwire::{Action, Endpoint, limits};
use lambwire_runtime::Exchange;
use smol::{Async, Timer, future};

use crate::Error;

/// Sends a request, and waits for its reply.
pub(crate) async fn send(socket: &mut Option<Socket>, exchange: Result<Exchange<'_, '_>, Error>) -> Result<(), Error> {
    let mut exchange = exchange?;
    drive(socket, &mut exchange).await;
    exchange.accepted()
}

/// Does what an exchange asks for, until it is over.
///
/// A future that is dropped half way takes the socket along, so that nothing is ever sent behind half a message.
pub(crate) async fn drive(slot: &mut Option<Socket>, exchange: &mut Exchange<'_, '_>) {
    let mut socket = slot.take();
    loop {
        match exchange.turn.poll() {
            Action::Done => break *slot = socket,
            Action::Read(space) => {
                let read = match &mut socket {
                    Some(socket) => socket.read(space).await,
                    None => Err(ErrorKind::NotConnected.into()),
                };
                exchange.turn.read(read);
            }
            Action::Write(parts) => {
                let written = match &mut socket {
                    Some(socket) => socket.write(parts).await,
                    None => Err(ErrorKind::NotConnected.into()),
                };
                exchange.turn.written(written);
            }
            Action::Connect(endpoint) => {
                drop(socket.take());
                let connected = Socket::connect(endpoint).await.map(|connected| socket = Some(connected));
                exchange.turn.connected(connected);
            }
            Action::Sleep(pause) => {
                Timer::after(pause).await;
                exchange.turn.slept();
            }
            Action::Grow(len) => exchange.grow(len),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: Async<TcpStream>,
    /// The stream may hold bytes that no event will announce.
    readable: bool,
}

impl Socket {
    async fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, format!("{} has no address", endpoint.host()));
        for address in smol::net::resolve((endpoint.host(), endpoint.port())).await? {
            let too_late = async {
                Timer::after(limits::CONNECT_TIMEOUT).await;
                Err(ErrorKind::TimedOut.into())
            };
            match future::or(Async::<TcpStream>::connect(address), too_late).await {
                Ok(stream) => {
                    stream.get_ref().set_nodelay(true)?;
                    return Ok(Self { stream, readable: false });
                }
                Err(error) => {
                    last = io::Error::new(error.kind(), format!("cannot connect to {}: {error}", endpoint.authority()))
                }
            }
        }
        Err(last)
    }

    /// Writes some of these parts, and returns how much; `None` if there is something to read instead.
    async fn write(&mut self, parts: [&[u8]; 4]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.get_ref().write_vectored(&parts.map(IoSlice::new)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if self.is_readable_first().await? {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there is room, or something to read, and says whether it is the latter.
    async fn is_readable_first(&mut self) -> io::Result<bool> {
        poll_fn(|cx| {
            while self.stream.poll_readable(cx)?.is_ready() {
                // The reactor also announces bytes that have been read since, without asking it.
                match self.stream.get_ref().peek(&mut [0]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    _ => {
                        self.readable = true;
                        return Poll::Ready(Ok(true));
                    }
                }
            }
            self.stream.poll_writable(cx).map_ok(|()| false)
        })
        .await
    }

    /// Reads what there is, or waits until there is something. 0 is the end of the connection.
    async fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.readable {
                // A read before would find nothing: the reply to what was just written is not there yet.
                poll_fn(|cx| self.stream.poll_readable(cx)).await?;
                self.readable = true;
            }
            match self.stream.get_ref().read(space) {
                Ok(len) => {
                    // A read that leaves space has emptied the socket, and the next bytes make an event.
                    self.readable = len == space.len();
                    return Ok(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::spawn;

    use super::*;

    /// More than the buffers of both sockets hold.
    const LARGE: usize = 32 * 1024 * 1024;

    #[test]
    fn bytes_that_have_been_read_do_not_end_a_write() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api = Endpoint::new(&listener.local_addr().unwrap().to_string()).unwrap();
        smol::block_on(async {
            let mut socket = Socket::connect(&api).await.unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            let mut is_asked = false;
            // The reactor is asked for bytes, and announces them, which nobody listens to.
            poll_fn(|cx| {
                if is_asked {
                    return Poll::Ready(());
                }
                assert!(socket.stream.poll_readable(cx).is_pending());
                peer.write_all(b"!").unwrap();
                is_asked = true;
                Poll::Pending
            })
            .await;
            socket.readable = true;
            assert_eq!(socket.read(&mut [0]).await.unwrap(), 1);
            let reader = spawn(move || {
                let mut space = vec![0; LARGE];
                peer.read_exact(&mut space).map(|()| space)
            });
            let body = vec![7; LARGE];
            let mut written = 0;
            while written < LARGE {
                written += socket.write([&body[written..], b"", b"", b""]).await.unwrap().expect("nothing to read");
            }
            assert!(reader.join().unwrap().unwrap().iter().all(|&byte| byte == 7));
        });
    }
    #[test]
    fn an_address_that_refuses_is_named() {
        // Nobody else is given a port that has just been somebody's.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let api = Endpoint::new(&address.to_string()).unwrap();
        let error = smol::block_on(Socket::connect(&api)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&format!("cannot connect to {address}: ")), "{error}");
    }
}
