//! A Runtime API for one runtime: hands out each argument as an event, prints what comes back, and then refuses.
//!
//! `cargo run -p lambwire --example server -- '"one"' '"fail"'` prints its address. The runtime is the example `session`.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use lambwire::{
    ACCEPTED_BODY, Body, CompleteRequest, Context, MessageReader, Progress, Reply, Request, RequestId, Server,
    StreamError,
};

fn main() -> ExitCode {
    let Err(error) = listen() else { return ExitCode::SUCCESS };
    eprintln!("server: {error:#}");
    ExitCode::FAILURE
}

fn listen() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    serve(&listener, std::env::args().skip(1), &mut std::io::stdout())
}

/// Hands out these events, and writes into `log` what comes back.
pub(crate) fn serve(
    listener: &TcpListener,
    events: impl Iterator<Item = String>,
    log: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let (mut stream, _) = listener.accept()?;
    let (mut server, mut reader, mut buf) = (Server::new(), MessageReader::new(), vec![0; 1024]);
    let mut events = (1..).zip(events);
    while let Some(request) = receive(&mut stream, &mut server, &mut reader, &mut buf)? {
        let request = request.read(&server, &buf)?;
        let body = String::from_utf8_lossy(request.body);
        match request.head {
            Request::Next => match events.next() {
                Some((number, event)) => {
                    let id = format!("event-{number}");
                    let context = Context::new(RequestId::new(&id)?);
                    reply(&mut stream, &mut server, &Reply::Invocation(context), event.as_bytes())?;
                }
                None => reply(&mut stream, &mut server, &Reply::Rejected { status: 500 }, b"")?,
            },
            Request::Response { id, .. } => {
                match StreamError::find(request.trailers) {
                    Some(error) => {
                        writeln!(log, "{id} failed after {body}: {}", String::from_utf8_lossy(error.error_type))?;
                    }
                    None => writeln!(log, "{id} returned {body}")?,
                }
                reply(&mut stream, &mut server, &Reply::Accepted, ACCEPTED_BODY)?;
            }
            Request::Error { id, .. } => {
                writeln!(log, "{id} failed: {body}")?;
                reply(&mut stream, &mut server, &Reply::Accepted, ACCEPTED_BODY)?;
            }
            _ => reply(&mut stream, &mut server, &Reply::Rejected { status: 404 }, b"")?,
        }
    }
    Ok(())
}

/// Waits for a whole request; `None` if the runtime has closed the connection.
fn receive(
    stream: &mut TcpStream,
    server: &mut Server,
    reader: &mut MessageReader,
    buf: &mut Vec<u8>,
) -> Result<Option<CompleteRequest>, Box<dyn Error>> {
    while server.is_open() {
        match reader.receive_request(server, buf)? {
            Progress::Complete(request) => return Ok(Some(request)),
            Progress::NeedSpace { total } => buf.resize(total.next_power_of_two(), 0),
            Progress::NeedInput => match stream.read(reader.space(buf))? {
                0 => server.receive_eof()?,
                len => reader.filled(len),
            },
        }
    }
    Ok(None)
}

/// Sends a reply, with a body of known length.
fn reply(stream: &mut TcpStream, server: &mut Server, reply: &Reply<'_>, body: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut out = [0; 1024];
    let len = server.send(reply, Body::Exact(body.len() as u64), &mut out)?;
    server.frame(body.len())?;
    Ok(stream.write_all(&[&out[..len], body].concat())?)
}
