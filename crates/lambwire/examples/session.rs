//! A runtime by hand: a `Session` over a socket of one's own. It shouts, and streams a response that fails on the way for
//! the event `"fail"`.
//!
//! `AWS_LAMBDA_RUNTIME_API=… cargo run -p lambwire --example session`, with the address that the example `server` prints.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::thread::sleep;

use lambwire::{
    Action, Body, Context, ENV_RUNTIME_API, Error, ErrorReport, Mode, Pipelining, Reply, Request, Session, Turn,
};

fn main() -> ExitCode {
    match std::env::var(ENV_RUNTIME_API).map_err(Into::into).and_then(|api| run(&api)) {
        Ok(end) => println!("the end: {end}"),
        Err(error) => {
            eprintln!("session: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Handles one event after another, until the request for the next one fails, and says why.
pub(crate) fn run(api: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut runtime =
        Runtime { session: Session::new(api)?, socket: None, heads: [0; 1024], out: [0; 1024], reply: Vec::new() };
    let mut event = Vec::new();
    loop {
        runtime.session.start_next(&mut runtime.heads)?;
        let mut turn = runtime.session.turn_next(&runtime.heads, &runtime.reply, &mut event)?;
        drive(&mut runtime.socket, &mut turn);
        let message = match turn.finish() {
            Ok(message) => message,
            Err(error) => return Ok(format!("{:#}", own(error))),
        };
        let Reply::Invocation(context) = message.head else { continue };
        if message.body == b"\"fail\"" {
            runtime.fail_on_the_way(&context)?;
        } else {
            runtime.respond(&context, &message.body.to_ascii_uppercase())?;
        }
    }
}

/// A session, and the buffers that it works in.
struct Runtime {
    session: Session,
    socket: Option<TcpStream>,
    heads: [u8; 1024],
    out: [u8; 1024],
    reply: Vec<u8>,
}

impl Runtime {
    /// Sends a response, and the request for the next event behind it.
    fn respond(&mut self, context: &Context<'_>, body: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
        let request = Request::response(context, "application/json", Mode::Buffered);
        self.session.start(&request, Body::Exact(body.len() as u64), Pipelining::Next, &mut self.heads)?;
        let turn = self.session.turn(&self.heads, body, &mut self.reply)?;
        send(&mut self.socket, turn)
    }

    /// Streams a piece, and then the error that keeps the rest from coming.
    fn fail_on_the_way(&mut self, context: &Context<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let request = Request::response(context, "text/plain", Mode::Streaming);
        self.session.start(&request, Body::Chunked, Pipelining::Off, &mut self.heads)?;
        send(&mut self.socket, self.session.turn(&self.heads, b"half of it", &mut self.reply)?)?;
        let mut json = [0; 256];
        let report = ErrorReport::new("Function.Broken", "something broke");
        let len = report.write(&mut json)?;
        let len = self.session.finish(Some((report.header_type(), &json[..len])), &mut self.out)?;
        send(&mut self.socket, self.session.turn(&self.heads, &self.out[..len], &mut self.reply)?)
    }
}

fn send(
    socket: &mut Option<TcpStream>,
    mut turn: Turn<'_, '_, Vec<u8>, io::Error>,
) -> Result<(), Box<dyn std::error::Error>> {
    drive(socket, &mut turn);
    Ok(turn.accepted().map_err(own)?)
}

/// Does what a turn asks for, until it is over.
fn drive(socket: &mut Option<TcpStream>, turn: &mut Turn<'_, '_, Vec<u8>, io::Error>) {
    loop {
        match turn.poll() {
            Action::Done => return,
            Action::Connect(endpoint) => {
                *socket = None;
                let connected = TcpStream::connect((endpoint.host(), endpoint.port()));
                turn.connected(connected.map(|stream| *socket = Some(stream)));
            }
            // A write that waits does not see a refusal of a large body: an adapter for everyday use has to look for it.
            Action::Write(parts) => {
                let parts = parts.map(IoSlice::new);
                let written = open(socket).and_then(|stream| stream.write_vectored(&parts));
                turn.written(written.map(Some));
            }
            Action::Read(space) => {
                let read = open(socket).and_then(|stream| stream.read(space));
                turn.read(read);
            }
            Action::Sleep(pause) => {
                sleep(pause);
                turn.slept();
            }
            Action::Grow(len) => turn.buffer().resize(len, 0),
        }
    }
}

fn open(socket: &mut Option<TcpStream>) -> io::Result<&mut TcpStream> {
    socket.as_mut().ok_or_else(|| ErrorKind::NotConnected.into())
}

/// The error with what it has borrowed.
fn own(error: Error<Option<io::Error>, &[u8]>) -> Error<io::Error, Vec<u8>> {
    error.map(|error| error.unwrap_or_else(|| ErrorKind::ConnectionAborted.into()), <[u8]>::to_vec)
}
