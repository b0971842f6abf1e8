//! One TCP socket that blocks, and what an exchange asks of it.

use std::io::{self, ErrorKind, IoSlice, Read};
use std::net::SocketAddr;
use std::thread::sleep;

use lambwire::{Action, Endpoint, limits};
use lambwire_runtime::Exchange;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use crate::Error;

/// Sends a request, and waits for its reply.
pub(crate) fn send(socket: &mut Option<Socket>, exchange: Result<Exchange<'_, '_>, Error>) -> Result<(), Error> {
    let mut exchange = exchange?;
    drive(socket, &mut exchange, |_| ());
    exchange.accepted()
}

/// Does what an exchange asks for, until it is over. Before it reads, it calls `on_read` with whether there is part of a reply.
pub(crate) fn drive(slot: &mut Option<Socket>, exchange: &mut Exchange<'_, '_>, on_read: fn(bool)) {
    loop {
        let has_begun = exchange.turn.has_begun();
        match exchange.turn.poll() {
            Action::Done => return,
            Action::Read(space) => {
                on_read(has_begun);
                let read = open(slot).and_then(|socket| socket.read(space));
                exchange.turn.read(read);
            }
            Action::Write(parts) => {
                let written = open(slot).and_then(|socket| socket.write(parts));
                exchange.turn.written(written);
            }
            Action::Connect(endpoint) => {
                *slot = None;
                let connected = Socket::connect(endpoint).map(|socket| *slot = Some(socket));
                exchange.turn.connected(connected);
            }
            Action::Sleep(pause) => {
                sleep(pause);
                exchange.turn.slept();
            }
            Action::Grow(len) => exchange.grow(len),
        }
    }
}

fn open(socket: &mut Option<Socket>) -> io::Result<&mut Socket> {
    socket.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
}

#[derive(Debug)]
pub(crate) struct Socket {
    /// It blocks: what is to be read is read without asking whether it is there.
    stream: TcpStream,
    /// What a write waits with, once one had to wait.
    poll: Option<Poll>,
}

/// A write takes what there is room for; one that waited would not see a refusal of the rest.
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(NO_SIGNAL);

/// A peer that has hung up is an error, not a signal.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
/// Apple's sockets have an option for that, which std sets.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

impl Socket {
    fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, format!("{} has no address", endpoint.host()));
        for address in addresses(endpoint)? {
            match std::net::TcpStream::connect_timeout(&address, limits::CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream: TcpStream::from_std(stream), poll: None });
                }
                Err(error) => {
                    last = io::Error::new(error.kind(), format!("cannot connect to {}: {error}", endpoint.authority()))
                }
            }
        }
        Err(last)
    }

    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(space) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Writes some of these parts, and returns how much; `None` if there is something to read instead.
    fn write(&mut self, parts: [&[u8]; 4]) -> io::Result<Option<usize>> {
        let parts = parts.map(IoSlice::new);
        loop {
            let error: io::Error = match sendmsg(&self.stream, &parts, &mut SendAncillaryBuffer::default(), FLAGS) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(len) => return Ok(Some(len)),
                Err(error) => error.into(),
            };
            match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::WouldBlock if self.is_readable_first()? => return Ok(None),
                ErrorKind::WouldBlock => {}
                _ => return Err(error),
            }
        }
    }

    /// Waits until there is room, or something to read, and says whether it is the latter.
    #[cold]
    fn is_readable_first(&mut self) -> io::Result<bool> {
        let poll = match &mut self.poll {
            Some(poll) => poll,
            none => {
                let poll = Poll::new()?;
                poll.registry().register(&mut self.stream, Token(0), Interest::READABLE | Interest::WRITABLE)?;
                none.insert(poll)
            }
        };
        match poll.poll(&mut Events::with_capacity(1), None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        // An event may speak of bytes that have been read since.
        match recv(&self.stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Err(error) if io::Error::from(error).kind() == ErrorKind::WouldBlock => Ok(false),
            _ => Ok(true),
        }
    }
}

#[cfg(feature = "names")]
fn addresses(endpoint: &Endpoint) -> io::Result<impl Iterator<Item = SocketAddr>> {
    use std::net::ToSocketAddrs;
    (endpoint.host(), endpoint.port()).to_socket_addrs()
}

/// Without names there is one that needs no looking up (RFC 6761, section 6.3).
#[cfg(not(feature = "names"))]
fn addresses(endpoint: &Endpoint) -> io::Result<impl Iterator<Item = SocketAddr>> {
    use std::net::{IpAddr, Ipv4Addr};
    let ip = if endpoint.host() == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { endpoint.host().parse() };
    let ip = ip.map_err(|_| {
        let message =
            format!("{} is a name, and this program takes addresses alone, such as 127.0.0.1", endpoint.host());
        io::Error::new(ErrorKind::InvalidInput, message)
    })?;
    Ok(std::iter::once(SocketAddr::new(ip, endpoint.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_found_with_names_and_without() {
        for api in ["127.0.0.1:9001", "[::1]:9001", "localhost:9001"] {
            let found: Vec<SocketAddr> = addresses(&Endpoint::new(api).unwrap()).unwrap().collect();
            assert!(!found.is_empty(), "{api}");
            assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 9001), "{found:?}");
        }
    }

    #[test]
    fn an_address_that_refuses_is_named() {
        // Nobody else is given a port that has just been somebody's.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let error = Socket::connect(&Endpoint::new(&address.to_string()).unwrap()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().starts_with(&format!("cannot connect to {address}: ")), "{error}");
    }

    #[test]
    #[cfg(not(feature = "names"))]
    fn a_name_is_refused_where_none_is_looked_up() {
        let error = addresses(&Endpoint::new("emulator:9001").unwrap()).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "emulator is a name, and this program takes addresses alone, such as 127.0.0.1");
    }
}
