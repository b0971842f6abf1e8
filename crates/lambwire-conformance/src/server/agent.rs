//! The runtime that a server starts: it tells the kit where the Runtime API is, and lives for as long as the kit wants.
//! What a runtime says to the API, the kit says itself.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write as _};
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
            // Whoever says something else is no agent.
            let Some(environment) = first_line(&stream, ENVIRONMENT_BYTES) else { continue };
            let Ok(environment) = serde_json::from_str(&environment) else { continue };
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
    Ok(first_line(stream, ORDER_BYTES).and_then(|order| order.trim().parse().ok()).unwrap_or_default())
}

/// Longest line that says an environment, in bytes. Linux gives a program 6 MiB of variables and arguments at most (execve(2)),
/// and JSON may take two bytes for one of text.
const ENVIRONMENT_BYTES: u64 = 12 * 1024 * 1024;

/// Longest line that says an exit status, in bytes: three digits, and some room.
const ORDER_BYTES: u64 = 16;

/// The first line of so many bytes at most; `None` if it is longer, or no text, or does not end.
fn first_line(stream: impl Read, most: u64) -> Option<String> {
    let mut line = String::new();
    BufReader::new(stream.take(most)).read_line(&mut line).ok()?;
    line.ends_with('\n').then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_at_the_limit_is_read_and_one_byte_more_is_not() {
        for (text, most, expected) in [
            ("ab\ncd", 2, None),
            ("ab\ncd", 3, Some("ab\n")),
            ("ab\ncd", 4, Some("ab\n")),
            ("ab", 4, None),
            ("", 4, None),
        ] {
            assert_eq!(first_line(text.as_bytes(), most).as_deref(), expected, "{text:?} {most}");
        }
        assert_eq!(first_line(&b"\xff\n"[..], 4), None);
        assert_eq!(first_line(std::io::repeat(b'a'), ORDER_BYTES), None);
    }
}
