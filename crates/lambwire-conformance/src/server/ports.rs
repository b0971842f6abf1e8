//! Ports for a server that is to be started.

use std::net::TcpListener;
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports that a server is told. They are below those that systems give out by themselves (Linux from 32768, others from
/// 49152), so that nobody gets one before the server binds it.
const PORTS: Range<u16> = 20_000..30_000;

/// Two ports for a server to bind, at which nobody listens now.
pub(super) fn free_ports() -> Result<[u16; 2], String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    let own = u16::try_from(process::id() % u32::from(count)).unwrap_or(0);
    let mut free = (0..count)
        .map(|_| PORTS.start + own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count)
        .filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().zip(free.next()).map(|(one, other)| [one, other]).ok_or_else(|| format!("no port is free of {PORTS:?}"))
}
