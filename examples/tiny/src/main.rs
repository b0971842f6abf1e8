//! The smallest bootstrap there is: a Lambda function that answers each event with the event, without std, without
//! libc, without a heap. It proves that `lambwire` needs none of them, and shows the loop of a transport.
//!
//! `cargo build --profile bootstrap -p tiny` makes it small and static. A profile that unwinds on panics, as `--release`
//! does, cannot do without std: there std is linked beside it, for its panic handler and nothing else.

#![no_std]
#![no_main]

#[cfg(panic = "unwind")]
extern crate std;

mod address;
mod start;

use core::convert::Infallible;
use core::net::SocketAddr;

use lambwire::{
    Body, Client, Context, ENV_RUNTIME_API, ErrorHeaders, ErrorReport, Message, MessageReader, Mode, Progress,
    ReceiveError, Reply, Request, SendError, limits,
};
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno, IoSlice};
use rustix::net::{self, AddressFamily, SendAncillaryBuffer, SendFlags, SocketType, sockopt};
use rustix::thread::{Timespec, nanosleep};

use crate::start::{Environment, stderr};

/// Connections in a row that may fail before the program gives up.
const TRIES: u8 = 6;

/// Most that is shown of the reason for a refusal. AWS's own have about 100 bytes.
const REASON_BYTES: usize = 256;

/// Everything that is written and read, in pages that cost nothing until they are touched.
struct Memory {
    /// The head of a request. The longest value in it came in the head of a reply.
    head: [u8; limits::REPLY_HEAD_BYTES + 1024],
    reply: [u8; REPLY_BYTES],
}

#[expect(clippy::cast_possible_truncation, reason = "it has seven digits")]
const REPLY_BYTES: usize = limits::REPLY_HEAD_BYTES + limits::PAYLOAD_BYTES as usize;

impl Memory {
    const NEW: Self = Self { head: [0; _], reply: [0; _] };
}

/// Why a connection is given up.
enum Trouble {
    Broken,
    InvalidValue,
    Unreadable,
    Refused,
}

/// Answers invocations for as long as that is possible, and returns the exit status.
fn run(mut environment: Environment, memory: &mut Memory) -> i32 {
    let api = environment.find_map(|variable| variable.strip_prefix(ENV_RUNTIME_API.as_bytes())?.strip_prefix(b"="));
    let Some(api) = api else {
        return fail("AWS_LAMBDA_RUNTIME_API is not set: only Lambda, or an emulator of it, starts this program");
    };
    let Some(Ok(client)) = core::str::from_utf8(api).ok().map(Client::new) else {
        return fail("AWS_LAMBDA_RUNTIME_API is not an address such as 127.0.0.1:9001");
    };
    let Some(ip) = address::read(client.endpoint().host()) else {
        return fail("AWS_LAMBDA_RUNTIME_API has a name in it; of these, only localhost is known here");
    };
    let mut connection = Connection {
        address: SocketAddr::new(ip, client.endpoint().port()),
        socket: None,
        reader: MessageReader::new(),
        client,
        tries: 0,
    };
    loop {
        let Err(trouble) = connection.serve(memory);
        let what = match trouble {
            Trouble::Broken => "no connection to the Runtime API",
            Trouble::InvalidValue => "a request that cannot be sent",
            Trouble::Unreadable => "a reply that cannot be understood, or that was cut short",
            Trouble::Refused => return fail("there is no going on"),
        };
        connection.tries += 1;
        if connection.tries == TRIES {
            return fail(what);
        }
        say(what, b"");
        connection.socket = None;
        pause(10 << connection.tries);
    }
}

/// One connection after the other, and what is under way on it.
struct Connection {
    address: SocketAddr,
    socket: Option<OwnedFd>,
    client: Client,
    reader: MessageReader,
    /// Connections that failed since the last reply.
    tries: u8,
}

impl Connection {
    /// Answers invocations until something is in the way.
    fn serve(&mut self, memory: &mut Memory) -> Result<Infallible, Trouble> {
        let Memory { head, reply } = memory;
        loop {
            self.send(&Request::Next, b"", head)?;
            let message = self.receive(reply)?;
            let context = match message.head {
                Reply::Invocation(context) => context,
                Reply::Rejected { .. } | Reply::MethodNotAllowed { .. } => return Err(Trouble::Refused),
                _ => {
                    pause(50);
                    continue;
                }
            };
            self.answer(&context, message.body, head)?;
            // Which refusals end the loop, says lambwire's `Rejection::is_fatal`.
            if let Reply::Rejected { status: 500.. } = self.receive(reply)?.head {
                return Err(Trouble::Refused);
            }
        }
    }

    /// Answers an event with itself. One that is longer than an answer may be has failed.
    fn answer(&mut self, context: &Context<'_>, event: &[u8], head: &mut [u8]) -> Result<(), Trouble> {
        let (id, invocation_id) = (context.request_id, context.invocation_id);
        if event.len() as u64 <= limits::PAYLOAD_BYTES {
            let response =
                Request::Response { id, invocation_id, content_type: Some("application/json"), mode: Mode::Buffered };
            return self.send(&response, event, head);
        }
        let report = ErrorReport::new("Function.EventTooLarge", "the event is longer than a response may be");
        let headers = ErrorHeaders { error_type: Some(report.header_type()), xray_cause: None };
        let mut body = [0; 128];
        let len = report.write(&mut body)?;
        let failure = Request::Error { id, invocation_id, headers };
        self.send(&failure, body.get(..len).unwrap_or_default(), head)
    }

    /// Sends a request over this connection, or over a new one if this has carried its last. Head and body go in one
    /// call: in two, the second would wait for the other end to acknowledge the first.
    fn send(&mut self, request: &Request<'_>, body: &[u8], head: &mut [u8]) -> Result<(), Trouble> {
        if self.socket.is_none() || !self.client.is_ready() {
            self.connect()?;
        }
        let len = self.client.send(request, Body::Exact(body.len() as u64), head)?;
        let frame = self.client.frame(body.len())?;
        // Nothing follows a body of known length.
        self.client.finish(&mut [])?;
        let head = head.get(..len).unwrap_or_default();
        self.write([head, frame.before(), body, frame.after()])
    }

    fn connect(&mut self) -> Result<(), Trouble> {
        let family = if self.address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = net::socket(family, SocketType::STREAM, None)?;
        net::connect(&socket, &self.address)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        self.socket = Some(socket);
        self.client = self.client.reconnected();
        self.reader = MessageReader::new();
        Ok(())
    }

    fn write(&self, mut pieces: [&[u8]; 4]) -> Result<(), Trouble> {
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        while pieces.iter().any(|piece| !piece.is_empty()) {
            let control = &mut SendAncillaryBuffer::default();
            // To write to a connection that is closed is an error, and no signal.
            let mut sent = net::sendmsg(socket, &pieces.map(IoSlice::new), control, SendFlags::NOSIGNAL)?;
            for piece in &mut pieces {
                sent -= piece.split_off(..sent.min(piece.len())).map_or(0, <[u8]>::len);
            }
        }
        Ok(())
    }

    /// Collects the reply to what was sent.
    fn receive<'b>(&mut self, buf: &'b mut [u8]) -> Result<Message<'b, Reply<'b>>, Trouble> {
        let whole = loop {
            match self.reader.receive_reply(&mut self.client, buf)? {
                Progress::Complete(whole) => break whole,
                Progress::NeedInput => self.read(buf)?,
                Progress::NeedSpace { .. } => return Err(Trouble::Unreadable),
            }
        };
        self.tries = 0;
        let message = whole.read(buf)?;
        if whole.is_rejection() {
            // The reason is JSON, and is shown as it is: what reads JSON would be a fifth of the program.
            say("refused by the Runtime API: ", message.body.get(..REASON_BYTES).unwrap_or(message.body));
        }
        Ok(message)
    }

    fn read(&mut self, buf: &mut [u8]) -> Result<(), Trouble> {
        let socket = self.socket.as_ref().ok_or(Errno::NOTCONN)?;
        let len = io::read(socket, self.reader.space(buf))?;
        self.reader.filled(len);
        if len == 0 { Ok(self.client.receive_eof()?) } else { Ok(()) }
    }
}

fn pause(ms: i64) {
    // A pause that a signal cuts short is as good.
    let _ = nanosleep(&Timespec { tv_sec: 0, tv_nsec: ms * 1_000_000 });
}

fn fail(why: &str) -> i32 {
    say(why, b"");
    1
}

fn say(what: &str, details: &[u8]) {
    let line = [b"tiny: ", what.as_bytes(), details, b"\n"].map(IoSlice::new);
    // Where standard error is closed, nobody listens.
    let _ = io::writev(stderr(), &line);
}

impl From<Errno> for Trouble {
    fn from(_: Errno) -> Self {
        Self::Broken
    }
}

impl From<SendError> for Trouble {
    fn from(_: SendError) -> Self {
        Self::InvalidValue
    }
}

impl From<ReceiveError> for Trouble {
    fn from(_: ReceiveError) -> Self {
        Self::Unreadable
    }
}
