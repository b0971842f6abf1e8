//! One TCP connection that blocks: every wait is one `epoll_wait` without a time-out.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;

use lambwire::{Api, Unwritten, limits};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

const STREAM: Token = Token(0);

pub(crate) struct Connection {
    stream: TcpStream,
    poll: Poll,
    events: Events,
    /// The stream may hold bytes, or its end, that no event will tell of.
    readable: bool,
    /// The stream has come to its end, though bytes may stand before that.
    closed: bool,
}

impl Connection {
    pub(crate) fn open(api: &Api) -> io::Result<Self> {
        let mut stream = TcpStream::from_std(connect(api)?);
        let poll = Poll::new()?;
        poll.registry().register(&mut stream, STREAM, Interest::READABLE)?;
        Ok(Self { stream, poll, events: Events::with_capacity(1), readable: false, closed: false })
    }

    /// Writes all parts, in one call if the socket takes them.
    pub(crate) fn write(&mut self, parts: [&[u8]; 4]) -> Result<(), Unwritten<io::Error>> {
        let total: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let mut written = 0;
        let mut parts = parts.map(IoSlice::new);
        let mut parts = parts.as_mut_slice();
        let mut is_waiting = false;
        while written < total {
            match self.stream.write_vectored(parts) {
                Ok(0) => {
                    return Err(Unwritten { written, error: ErrorKind::WriteZero.into() });
                }
                Ok(len) => {
                    written += len as u64;
                    IoSlice::advance_slices(&mut parts, len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let wait = self.wait_writable(is_waiting);
                    is_waiting = true;
                    wait.map_err(|error| Unwritten { written, error })?;
                }
                Err(error) => return Err(Unwritten { written, error }),
            }
        }
        if is_waiting {
            let quiet = self.poll.registry().reregister(&mut self.stream, STREAM, Interest::READABLE);
            quiet.map_err(|error| Unwritten { written, error })?;
        }
        Ok(())
    }

    /// Reads what there is, or waits until there is something. 0 is the end of the connection.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.readable {
                self.wait()?;
                continue;
            }
            match self.stream.read(space) {
                Ok(len) => {
                    // A read that leaves space has emptied the socket, and the next bytes make an event. The end does not
                    // if it came in one event with the bytes before it.
                    self.readable = self.closed || len == space.len();
                    return Ok(len);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the socket takes bytes again. One that is ready to be read from instead is about to refuse the rest.
    fn wait_writable(&mut self, is_registered: bool) -> io::Result<()> {
        if !is_registered {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().reregister(&mut self.stream, STREAM, interest)?;
        }
        loop {
            let ready = self.wait()?;
            if ready.readable {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            if ready.writable {
                return Ok(());
            }
        }
    }

    fn wait(&mut self) -> io::Result<Ready> {
        let mut ready = Ready { readable: false, writable: false };
        match self.poll.poll(&mut self.events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(ready),
            result => result?,
        }
        for event in &self.events {
            self.closed |= event.is_read_closed() || event.is_error();
            ready.readable |= event.is_readable() || self.closed;
            ready.writable |= event.is_writable();
        }
        self.readable |= ready.readable;
        Ok(ready)
    }
}

/// What an event lets go on.
struct Ready {
    readable: bool,
    writable: bool,
}

fn connect(api: &Api) -> io::Result<std::net::TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, format!("{} has no address", api.host()));
    for address in addresses(api)? {
        match std::net::TcpStream::connect_timeout(&address, limits::CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(feature = "names")]
fn addresses(api: &Api) -> io::Result<impl Iterator<Item = SocketAddr>> {
    use std::net::ToSocketAddrs;
    (api.host(), api.port()).to_socket_addrs()
}

/// Without names there is one that needs no looking up (RFC 6761, section 6.3).
#[cfg(not(feature = "names"))]
fn addresses(api: &Api) -> io::Result<impl Iterator<Item = SocketAddr>> {
    use std::net::{IpAddr, Ipv4Addr};
    let ip = if api.host() == "localhost" { Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)) } else { api.host().parse() };
    let ip = ip.map_err(|_| {
        let message = format!("{} is a name, and this program takes addresses alone, such as 127.0.0.1", api.host());
        io::Error::new(ErrorKind::InvalidInput, message)
    })?;
    Ok(std::iter::once(SocketAddr::new(ip, api.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_found_with_names_and_without() {
        for api in ["127.0.0.1:9001", "[::1]:9001", "localhost:9001"] {
            let found: Vec<SocketAddr> = addresses(&Api::new(api).unwrap()).unwrap().collect();
            assert!(!found.is_empty(), "{api}");
            assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 9001), "{found:?}");
        }
    }

    #[test]
    #[cfg(not(feature = "names"))]
    fn a_name_is_refused_where_none_is_looked_up() {
        let error = addresses(&Api::new("emulator:9001").unwrap()).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "emulator is a name, and this program takes addresses alone, such as 127.0.0.1");
    }
}
