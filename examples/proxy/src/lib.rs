//! A proxy between a runtime and the Runtime API. It passes every byte on as it came, at once, and shows an observer what the
//! bytes say. What it does not understand passes all the same.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use lambwire::{Body, Client, Event, Received, Reply, Request, SendError, Server};
use rustix::net::sockopt::set_socket_linger;

/// Bytes that are passed on at a time, once a connection has more than [`FIRST_BYTES`].
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes of room that a connection begins with.
const FIRST_BYTES: usize = 4 * 1024;

/// What passes on a connection.
#[derive(Debug)]
pub enum Passed<'a> {
    /// A step of a request: its head, a part of its body, its end.
    Request(Event<'a, Request<'a>>),
    /// A step of the reply to the oldest request that has none.
    Reply(Event<'a, Reply<'a>>),
    /// Something that is not understood. The connection goes on, and no more of it is shown.
    Unknown(&'a dyn Error),
}

/// Takes connections of a runtime, and makes one to the Runtime API at `api` for each, with an observer of its own.
///
/// # Errors
///
/// No connection can be taken any more, or `api` is no address.
pub fn serve<O: FnMut(Passed<'_>) + Send>(
    listener: &TcpListener,
    api: &str,
    observe: impl Fn() -> O,
) -> io::Result<()> {
    let (server, client) = (Server::at(api).map_err(io::Error::other)?, Client::new(api).map_err(io::Error::other)?);
    thread::scope(|scope| {
        loop {
            match listener.accept() {
                Ok((runtime, _)) => {
                    let (server, client, scratch) = (server.clone(), client.clone(), Vec::new());
                    let view = View { server, client, scratch, observer: Some(observe()) };
                    scope.spawn(move || carry(&runtime, view));
                }
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    })
}

/// Carries one connection. An API that takes none looks to the runtime like one that resets it.
fn carry<O: FnMut(Passed<'_>) + Send>(runtime: &TcpStream, view: View<O>) {
    let address = (view.client.endpoint().host(), view.client.endpoint().port());
    let connected = TcpStream::connect(address).and_then(|api| api.set_nodelay(true).map(|()| api));
    let (Ok(api), Ok(())) = (connected, runtime.set_nodelay(true)) else { return abort(runtime) };
    let view = Mutex::new(view);
    let look = |step, bytes: &_| view.lock().unwrap_or_else(PoisonError::into_inner).look(step, bytes);
    thread::scope(|scope| {
        scope.spawn(|| pass(runtime, &api, |bytes| look(View::request, bytes)));
        pass(&api, runtime, |bytes| look(View::reply, bytes));
    });
}

/// Passes on what comes, and its end, be it a reset. `look` says how many bytes it has taken, and whether as a whole step.
fn pass(mut from: &TcpStream, mut to: &TcpStream, look: impl Fn(&[u8]) -> (usize, bool)) {
    let (mut buf, mut kept) = (vec![0; FIRST_BYTES], 0);
    loop {
        let filled = match from.read(&mut buf[kept..]) {
            Ok(0) => return drop(to.shutdown(Shutdown::Write)), // Which fails if it is closed.
            Ok(len) => kept + len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return abort(to),
        };
        // Before they are passed on, since the reply may come at once.
        let (mut used, mut taken) = (0, (0, true));
        while taken.1 {
            taken = look(&buf[used..filled]);
            used += taken.0;
        }
        if to.write_all(&buf[kept..filled]).is_err() {
            return abort(from);
        }
        buf.copy_within(used..filled, 0);
        kept = filled - used;
        if filled == buf.len() {
            buf.resize(kept + CHUNK_BYTES, 0);
        }
    }
}

/// Has a connection reset when it is closed, and wakes whoever reads from it. Either fails if it has ended.
fn abort(stream: &TcpStream) {
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
    let _ = stream.shutdown(Shutdown::Read);
}

/// What the two ends of a connection have said.
struct View<O> {
    server: Server,
    client: Client,
    /// Takes what `server` and `client` would write: it has been written.
    scratch: Vec<u8>,
    observer: Option<O>,
}

type Step<O> = fn(&mut View<O>, &mut O, &[u8]) -> Result<(usize, bool), Box<dyn Error>>;

impl<O: FnMut(Passed<'_>)> View<O> {
    /// Takes a step. What is not understood is skipped, to the end of the connection.
    fn look(&mut self, step: Step<O>, input: &[u8]) -> (usize, bool) {
        let Some(mut observer) = self.observer.take() else { return (input.len(), false) };
        match step(self, &mut observer, input) {
            Ok(taken) => {
                self.observer = Some(observer);
                taken
            }
            Err(reason) => {
                observer(Passed::Unknown(&*reason));
                (input.len(), false)
            }
        }
    }

    fn request(&mut self, observe: &mut O, input: &[u8]) -> Result<(usize, bool), Box<dyn Error>> {
        let Received { used, event, .. } = self.server.receive(input)?;
        match event {
            Event::NeedInput | Event::Paused | Event::Interim => return Ok((used, false)),
            Event::Head { head, body, .. } => self.write(|client, _, room| client.send(&head, body, room))?,
            Event::Data(data) => drop(self.client.frame(data.len())?),
            Event::End { .. } => {
                self.write(|client, _, room| client.finish(room))?;
                // The next request does not wait for the reply, which the client follows.
                self.write(|_, server, room| server.send(&Reply::Accepted, Body::Exact(0), room))?;
            }
        }
        observe(Passed::Request(event));
        Ok((used, true))
    }

    /// Has an end write what has passed already, into room that grows to what it needs.
    fn write<T>(
        &mut self,
        write: impl Fn(&mut Client, &mut Server, &mut [u8]) -> Result<T, SendError>,
    ) -> Result<(), SendError> {
        loop {
            match write(&mut self.client, &mut self.server, &mut self.scratch) {
                Err(SendError::BufferTooSmall { needed }) => self.scratch.resize(needed, 0),
                written => return written.map(drop),
            }
        }
    }

    fn reply(&mut self, observe: &mut O, input: &[u8]) -> Result<(usize, bool), Box<dyn Error>> {
        let Received { used, event, .. } = self.client.receive(input)?;
        if matches!(event, Event::NeedInput | Event::Paused) {
            return Ok((used, false));
        }
        observe(Passed::Reply(event));
        Ok((used, true))
    }
}

/// The code in the documents does what they say.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../docs/embedding.md")]
    struct Embedding;

    #[doc = include_str!("../../../docs/extensions.md")]
    struct Extensions;

    #[doc = include_str!("../../../docs/ten-minutes.md")]
    struct TenMinutes;

    #[doc = include_str!("../../../docs/transport.md")]
    struct Transport;
}
