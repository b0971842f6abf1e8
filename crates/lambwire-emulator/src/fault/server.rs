//! The port of a server that errs.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::conversation::converse;
use super::record::RecordedRequest;
use super::script::Script;
use super::shared::Shared;
use crate::limits;

/// A Runtime API that follows a script. Dropped, it ends.
#[derive(Debug)]
pub struct FaultServer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl FaultServer {
    /// Serves a script on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// No port can be had.
    pub fn start(script: Script) -> io::Result<Self> {
        let refusing = script.refusing;
        let shared = Arc::new(Shared::new(script)?);
        let listener = if refusing.is_zero() { Some(shared.listen()?) } else { None };
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&shared, listener)
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
            // Its panic has been reported.
            let _ = thread.join();
        }
    }
}

/// Takes connections, each to a thread of its own, until the end.
fn accept(shared: &Arc<Shared>, mut listener: Option<TcpListener>) {
    let mut conversations = Vec::new();
    loop {
        let mut state = shared.state();
        let refusing = std::mem::take(&mut state.refusing);
        let waited = shared.changed.wait_timeout_while(state, refusing, |state| !state.is_over);
        if waited.unwrap_or_else(PoisonError::into_inner).0.is_over {
            break;
        }
        match listener.take().map_or_else(|| shared.listen(), Ok) {
            Ok(listener) => conversations.extend(accept_from(shared, &listener)),
            Err(error) => {
                log::warn!("nobody listens at {}: {error}", shared.address);
                shared.state().refusing = limits::ACCEPT_PAUSE;
            }
        }
    }
    for conversation in conversations {
        // Its panic has been reported.
        let _ = conversation.join();
    }
}

/// Takes connections until nobody is to listen.
fn accept_from(shared: &Arc<Shared>, listener: &TcpListener) -> Vec<JoinHandle<()>> {
    let mut conversations = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        let stream = Arc::new(stream);
        let mut state = shared.state();
        state.accepted += 1;
        state.connections.push(Arc::downgrade(&stream));
        let shared = Arc::clone(shared);
        conversations.push(thread::spawn(move || converse(stream, &shared)));
    }
    conversations
}
