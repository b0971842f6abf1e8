//! The listener that a runtime under test connects to: threads that read, and one channel of what happens.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;

use rustix::net::sockopt;

use crate::message::{Head, Kind, Message, ReadError, Reader};

/// What happens at the other end.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A connection, the next in number.
    Opened(Arc<TcpStream>),
    /// The head of a request; its body may follow.
    Head(usize, Head),
    /// A whole request, and whether it was sent before the reply to the one before it.
    Request { connection: usize, message: Message, pipelined: bool },
    /// The connection has ended between two requests.
    Closed(usize),
    /// The connection has ended within a request, or carries something else.
    Broken(usize, ReadError),
    /// The process has ended.
    Exit(ExitStatus),
}

/// Listens on a port of the system's choice for as long as the process runs.
pub(crate) fn listen(tx: Sender<Happening>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream.map(Arc::new) else { return };
            let _ = stream.set_nodelay(true);
            if tx.send(Happening::Opened(stream.clone())).is_err() {
                return;
            }
            let tx = tx.clone();
            thread::spawn(move || read(number, &stream, &tx));
        }
    });
    Ok(address)
}

/// Ends the listening thread, which waits for one more connection.
pub(crate) fn stop_listening(address: SocketAddr) {
    drop(TcpStream::connect(address));
}

/// Ends a connection with FIN, or with RST.
pub(crate) fn end(stream: &TcpStream, reset: bool) {
    if reset {
        // The last who lets go of the socket sends RST: the reader, which this wakes.
        let _ = sockopt::set_socket_linger(stream, Some(std::time::Duration::ZERO));
        let _ = stream.shutdown(Shutdown::Read);
    } else {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn read(number: usize, stream: &TcpStream, tx: &Sender<Happening>) {
    let mut reader = Reader::new(stream, Kind::Request);
    loop {
        let pipelined = reader.has_more();
        let read = match reader.head() {
            Ok(None) => {
                let _ = tx.send(Happening::Closed(number));
                return;
            }
            Ok(Some(head)) => {
                if tx.send(Happening::Head(number, head.clone())).is_err() {
                    return;
                }
                reader.body(head, false)
            }
            Err(error) => Err(error),
        };
        let (happening, last) = match read {
            Ok(message) => (Happening::Request { connection: number, message, pipelined }, false),
            Err(error) => (Happening::Broken(number, error), true),
        };
        if tx.send(happening).is_err() || last {
            return;
        }
    }
}
