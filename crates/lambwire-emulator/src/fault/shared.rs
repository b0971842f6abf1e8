//! What the port of a server that errs shares with its connections: the script, and what came.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use lambwire::RequestKind;
use rustix::net::{AddressFamily, SocketType, bind, listen, shutdown, socket, sockopt};

use super::record::RecordedRequest;
use super::script::{Plan, Script};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 128;

/// Bytes that the kernel takes in before they are read, as far as it can be known. A machine that takes in megabytes would
/// let a large answer go out whole to a server that breaks off in its midst.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// What the port and the connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) address: SocketAddrV4,
    /// Holds the port while nobody listens.
    _reserved: OwnedFd,
    state: Mutex<State>,
    pub(super) changed: Condvar,
}

#[derive(Debug)]
pub(super) struct State {
    /// What is left of the script.
    to_next: std::vec::IntoIter<Plan>,
    to_answers: std::vec::IntoIter<Plan>,
    pub(super) refusing: Duration,
    listener: Option<TcpListener>,
    pub(super) connections: Vec<Weak<TcpStream>>,
    pub(super) accepted: usize,
    pub(super) seen: Vec<RecordedRequest>,
    pub(super) is_idle: bool,
    pub(super) is_held: bool,
    pub(super) is_over: bool,
}

impl Shared {
    /// A port of this machine, and the script.
    pub(super) fn new(script: Script) -> io::Result<Self> {
        let reserved = bound(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
        let SocketAddr::V4(address) = SocketAddr::try_from(rustix::net::getsockname(&reserved)?)? else {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        };
        Ok(Self {
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
        })
    }

    /// What becomes of a request; `None` if the script does not say.
    pub(super) fn plan(&self, kind: RequestKind) -> Option<Plan> {
        let mut state = self.state();
        if kind == RequestKind::Next { state.to_next.next() } else { state.to_answers.next() }
    }

    pub(super) fn see(&self, seen: RecordedRequest) {
        self.state().seen.push(seen);
    }

    /// Notes that nothing will be said any more.
    pub(super) fn idle(&self) {
        self.state().is_idle = true;
        self.changed.notify_all();
    }

    /// Waits until it may go on.
    pub(super) fn hold(&self) {
        let mut state = self.state();
        state.is_held = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |state| state.is_held && !state.is_over));
    }

    pub(super) fn wait_until(&self, patience: Duration, is_so: impl Fn(&State) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), patience, |state| !is_so(state));
        is_so(&waited.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Has connections refused, from before this returns, for so long.
    pub(super) fn refuse_connections(&self, refusing: Duration) {
        let mut state = self.state();
        state.refusing = refusing;
        hang_up(&mut state);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // No state is left half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listen(&self) -> io::Result<TcpListener> {
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

    pub(super) fn end(&self) {
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
