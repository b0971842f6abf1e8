//! The runtime that a server starts: it tells the kit where the Runtime API is, and lives for as long as the kit wants.
//! What a runtime says to the API, the kit says itself.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::{fs, io, thread};

/// What an agent finds in its environment.
pub(crate) type Environment = BTreeMap<String, String>;

/// An agent that has started.
#[derive(Debug)]
pub(crate) struct Agent {
    stream: TcpStream,
    pub(crate) environment: Environment,
}

impl Agent {
    /// Has the process end with this status.
    pub(crate) fn exit(mut self, status: u8) {
        // If it has ended already, that is what was wanted.
        let _ = writeln!(self.stream, "{status}");
    }
}

/// Writes the executable that the server is to start, and listens for the agents that come of it.
pub(crate) fn prepare(bootstrap: &Path) -> io::Result<Receiver<Agent>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let kit = std::env::current_exe()?;
    let script = format!("#!/bin/sh\nexec '{}' agent {}\n", kit.display(), listener.local_addr()?);
    fs::write(bootstrap, script)?;
    fs::set_permissions(bootstrap, fs::Permissions::from_mode(0o755))?;
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            // Whoever says something else is no agent.
            let Ok(environment) = serde_json::from_str(&line) else { continue };
            if tx.send(Agent { stream, environment }).is_err() {
                return;
            }
        }
    });
    Ok(rx)
}

/// Is an agent: returns the exit status that the kit asks for, or 0 when the kit is gone.
///
/// # Errors
///
/// There is no kit at this address.
pub fn agent(kit: SocketAddr) -> io::Result<u8> {
    let mut stream = TcpStream::connect(kit)?;
    let environment: Environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let line = serde_json::to_string(&environment)?;
    writeln!(stream, "{line}")?;
    let mut order = String::new();
    BufReader::new(stream).read_line(&mut order)?;
    Ok(order.trim().parse().unwrap_or_default())
}
