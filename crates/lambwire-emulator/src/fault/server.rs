//! The port of a server that errs, and what its connections share.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lambwire::RequestKind;
use rustix::net::{AddressFamily, SocketType, bind, listen, shutdown, socket, sockopt};

use super::conversation::{RecordedRequest, converse};
use super::script::{Plan, Script};
use crate::limits;

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 128;

/// Bytes that the kernel takes in before they are read, as far as it can be told. A machine that takes in megabytes would
/// let a large answer go out whole to a server that breaks off in its midst.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// A Runtime API that follows a script. Dropped, it ends.
#[derive(Debug)]
pub struct FaultServer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the port and the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    address: SocketAddrV4,
    /// Holds the port while nobody listens.
    _reserved: OwnedFd,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// What is left of the script.
    to_next: std::vec::IntoIter<Plan>,
    to_answers: std::vec::IntoIter<Plan>,
    refusing: Duration,
    listener: Option<TcpListener>,
    connections: Vec<Weak<TcpStream>>,
    accepted: usize,
    seen: Vec<RecordedRequest>,
    is_idle: bool,
    is_held: bool,
    is_over: bool,
}

impl FaultServer {
    /// Serves a script on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub fn start(script: Script) -> io::Result<Self> {
        let reserved = bound(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let SocketAddr::V4(address) = SocketAddr::try_from(rustix::net::getsockname(&reserved)?)? else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        let shared = Arc::new(Shared {
            address,
            _reserved: reserved,
            state: Mutex::new(State {
                to_next: script.to_next.into_iter(),
                to_answers: script.to_answers.into_iter(),
                refusing: script.refusing,
                listener: None,
                connections: Vec::new(),
                accepted: 0,
                seen: Vec::new(),
                is_idle: false,
                is_held: false,
                is_over: false,
            }),
            changed: Condvar::new(),
        });
        let listener = if script.refusing.is_zero() { Some(shared.listen()?) } else { None };
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.accept(listener)
        });
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Where it listens, or will.
    pub fn address(&self) -> SocketAddr {
        self.shared.address.into()
    }

    /// The requests that came, in their order.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.state().seen.clone()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.state().accepted
    }

    /// Waits until the runtime waits for a reply that will not come, but not longer than `patience`. Says whether it does.
    pub fn wait_until_idle(&self, patience: Duration) -> bool {
        self.shared.wait_until(patience, |state| state.is_idle)
    }

    /// Waits until the script has come to an [`Action::Hold`](super::Action::Hold), but not longer than `patience`. Says whether
    /// it has.
    pub fn wait_until_held(&self, patience: Duration) -> bool {
        self.shared.wait_until(patience, |state| state.is_held)
    }

    /// Ends an [`Action::Hold`](super::Action::Hold).
    pub fn resume(&self) {
        self.shared.state().is_held = false;
        self.shared.changed.notify_all();
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.shared.end();
        if let Some(thread) = self.thread.take() {
            // It has told of its panic.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// What becomes of a request; `None` if the script does not say.
    pub(crate) fn plan(&self, kind: RequestKind) -> Option<Plan> {
        let mut state = self.state();
        if kind == RequestKind::Next { state.to_next.next() } else { state.to_answers.next() }
    }

    pub(crate) fn see(&self, seen: RecordedRequest) {
        self.state().seen.push(seen);
    }

    /// Tells that nothing will be said any more.
    pub(crate) fn idle(&self) {
        self.state().is_idle = true;
        self.changed.notify_all();
    }

    /// Waits until it is told to go on.
    pub(crate) fn hold(&self) {
        let mut state = self.state();
        state.is_held = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| state.is_held && !state.is_over));
    }

    fn wait_until(&self, patience: Duration, is_so: impl Fn(&State) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), patience, |state| !is_so(state));
        is_so(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Has connections refused, from before this returns, for so long.
    pub(crate) fn refuse_connections(&self, refusing: Duration) {
        let mut state = self.state();
        state.refusing = refusing;
        hang_up(&mut state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No state is left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self) -> io::Result<TcpListener> {
        let socket = bound(self.address)?;
        listen(&socket, BACKLOG)?;
        let listener = TcpListener::from(socket);
        let mut state = self.state();
        if state.is_over {
            return Err(io::ErrorKind::Interrupted.into());
        }
        state.listener = Some(listener.try_clone()?);
        Ok(listener)
    }

    /// Takes connections, each to a thread of its own, until the end.
    fn accept(self: &Arc<Self>, mut listener: Option<TcpListener>) {
        let mut conversations = Vec::new();
        loop {
            let mut state = self.state();
            let refusing = std::mem::take(&mut state.refusing);
            let waited = self.changed.wait_timeout_while(state, refusing, |state| !state.is_over);
            if waited.unwrap_or_else(PoisonError::into_inner).0.is_over {
                break;
            }
            match listener.take().map_or_else(|| self.listen(), Ok) {
                Ok(listener) => conversations.extend(self.accept_from(&listener)),
                Err(error) => {
                    log::warn!("nobody listens at {}: {error}", self.address);
                    self.state().refusing = limits::ACCEPT_PAUSE;
                }
            }
        }
        for conversation in conversations {
            // It has told of its panic.
            let _ = conversation.join();
        }
    }

    /// Takes connections until nobody is to listen.
    fn accept_from(self: &Arc<Self>, listener: &TcpListener) -> Vec<JoinHandle<()>> {
        let mut conversations = Vec::new();
        while let Ok((stream, _)) = listener.accept() {
            let stream = Arc::new(stream);
            let mut state = self.state();
            state.accepted += 1;
            state.connections.push(Arc::downgrade(&stream));
            let shared = Arc::clone(self);
            conversations.push(thread::spawn(move || converse(stream, &shared)));
        }
        conversations
    }

    fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        hang_up(&mut state);
        for stream in state.connections.drain(..).filter_map(|stream| stream.upgrade()) {
            // It may be closed.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        self.changed.notify_all();
    }
}

/// Wakes whoever accepts, and refuses what comes.
fn hang_up(state: &mut State) {
    if let Some(listener) = state.listener.take() {
        // There is no other way for it to fail than to be done.
        let _ = shutdown(&listener, rustix::net::Shutdown::Read);
    }
}

/// A socket that shares its port with others of this process.
fn bound(address: SocketAddrV4) -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES)?;
    bind(&socket, &address)?;
    Ok(socket)
}
