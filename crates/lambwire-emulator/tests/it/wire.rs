//! Bytes to a port, and what comes back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::patience::{AMPLE, is_end};

/// Where callers invoke a function that has the usual name.
pub(crate) const INVOKE: &str = "/2015-03-31/functions/function/invocations";

/// A reply, as far as tests look at it.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// A connection on which requests are written out.
pub(crate) struct Wire(pub(crate) TcpStream);

impl Drop for Wire {
    /// As of a [`Peer`](crate::peer::Peer).
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(AMPLE)).unwrap();
        Self(stream)
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).unwrap();
    }

    /// Reads one reply: its head, and as much of a body as that announces.
    pub(crate) fn read(&mut self) -> Answered {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let head = String::from_utf8(head).unwrap();
        let mut answered =
            Answered { status: head.split(' ').nth(1).unwrap().parse().unwrap(), head, body: Vec::new() };
        let len = answered.header("content-length").map_or(0, |len| len.parse().unwrap());
        answered.body = vec![0; len];
        self.0.read_exact(&mut answered.body).unwrap();
        answered
    }

    /// Reads a line, without its end.
    pub(crate) fn read_line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    pub(crate) fn exchange(&mut self, bytes: impl AsRef<[u8]>) -> Answered {
        self.write(bytes);
        self.read()
    }

    /// Whether the other end has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        is_end(self.0.read(&mut [0]))
    }
}

/// A port at which nobody listens, and which no other test gets: it is below those that Linux gives out by itself.
pub(crate) fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    loop {
        let tried = process::id().wrapping_mul(31).wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + u16::try_from(tried % 10_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Posts an event to the port for callers.
pub(crate) fn post(address: SocketAddr, target: &str, headers: &[&str], event: &[u8]) -> Answered {
    Wire::connect(address).exchange(post_bytes(target, headers, event))
}

pub(crate) fn post_bytes(target: &str, headers: &[&str], event: &[u8]) -> Vec<u8> {
    let mut head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", event.len());
    for header in headers {
        head += header;
        head += "\r\n";
    }
    head += "\r\n";
    [head.as_bytes(), event].concat()
}
