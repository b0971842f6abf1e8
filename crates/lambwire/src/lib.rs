//! The AWS Lambda Runtime API without the connection: what a runtime and the API say to each other, as bytes in lent
//! buffers, for both ends. No I/O, no allocation, no `std`, no `unsafe`, no features.
//!
//! One invocation, over anything that reads and writes:
//!
//! ```rust
//! use lambwire::{Body, Client, MessageReader, Mode, Progress, Reply, Request, CompleteReply};
//! use std::io::{Read, Write};
//!
//! # struct Api(std::collections::VecDeque<&'static [u8]>);
//! # impl Read for Api {
//! #     fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
//! #         let Some(bytes) = self.0.pop_front() else { return Ok(0) };
//! #         space[..bytes.len()].copy_from_slice(bytes);
//! #         Ok(bytes.len())
//! #     }
//! # }
//! # impl Write for Api {
//! #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { Ok(bytes.len()) }
//! #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
//! # }
//! # let mut connection = Api([
//! #     &b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536\r\nContent-Le"[..],
//! #     &b"ngth: 2\r\n\r\n{}"[..],
//! #     &b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"[..],
//! # ].into());
//! fn receive(
//!     connection: &mut impl Read,
//!     client: &mut Client,
//!     reader: &mut MessageReader,
//!     buf: &mut Vec<u8>,
//! ) -> Result<CompleteReply, Box<dyn std::error::Error>> {
//!     loop {
//!         match reader.receive_reply(client, buf)? {
//!             Progress::Complete(whole) => return Ok(whole),
//!             Progress::NeedSpace { total } => buf.resize(total, 0),
//!             Progress::NeedInput => match connection.read(reader.space(buf))? {
//!                 0 => client.receive_eof()?,
//!                 len => reader.filled(len),
//!             },
//!         }
//!     }
//! }
//!
//! let mut client = Client::new("127.0.0.1:9001")?;
//! let (mut reader, mut event, mut reply, mut out) = (MessageReader::new(), vec![0; 1024], vec![0; 1024], [0; 1024]);
//!
//! let len = client.send(&Request::Next, Body::Exact(0), &mut out)?;
//! connection.write_all(&out[..len])?;
//! let message = receive(&mut connection, &mut client, &mut reader, &mut event)?.read(&event)?;
//! let Reply::Invocation(context) = message.head else { return Err("nothing to do".into()) };
//!
//! let answer = b"\"hello\"";
//! let response = Request::Response {
//!     id: context.request_id,
//!     invocation_id: context.invocation_id,
//!     content_type: Some("application/json"),
//!     mode: Mode::Buffered,
//! };
//! let len = client.send(&response, Body::Exact(answer.len() as u64), &mut out)?;
//! client.frame(answer.len())?;
//! connection.write_all(&[&out[..len], answer].concat())?;
//! let message = receive(&mut connection, &mut client, &mut MessageReader::new(), &mut reply)?.read(&reply)?;
//! assert_eq!(message.head, Reply::Accepted);
//! assert!(client.is_ready());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate `lambwire-mio` makes five lines of it: `next`, `respond`, and a loop around them.
//!
//! # The parts
//!
//! - [`Client`] and [`Server`] are the two ends of one connection: whose turn it is, what to write, what the bytes mean.
//!   They hold no bytes of any message, so that a thousand connections are an array.
//! - [`Request`] and [`Reply`] are what can be said. What one end sends, the other receives as the same value.
//! - [`MessageReader`] collects whole messages in a buffer; without it, [`Client::receive`] and [`Server::receive`] give one
//!   [`Event`] after another, for bodies that should not be collected.
//! - [`Session`] is a runtime's whole conversation: when to connect, what to send again and when, a pipelined `next`, streams.
//!   It says what to do, and an adapter does it. The examples `session` and `server` of this crate speak to each other.
//! - [`Context`] is what comes with an event. Only the request id is required of it.
//! - [`report`], [`stream`] and [`api_error`] write the JSON of the protocol and look into it, as [`client_context`] does.
//!   Looking into what others wrote never fails.
//! - [`limits`] names every bound.
//!
//! # What holds
//!
//! - An error in sending changes nothing. An error in receiving is final: every later call gives it again.
//! - However bytes are cut up on their way, they say the same. A byte of a head is looked at a bounded number of times.
//! - A message that two readers could take in two ways is refused: two lengths, a bare line feed, a folded line, a size
//!   with a sign. What is sent can never inject a line.
//! - No clock is read: a [`Session`] says how long to wait, and an adapter waits. A response is answered or its loss is reported;
//!   [`Rejection::is_fatal`] says which replies end the loop.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod api_error;
mod client;
pub mod client_context;
pub mod context;
pub mod endpoint;
mod error;
pub mod event;
mod excerpt;
pub mod extension;
pub mod failure;
mod field;
pub mod json;
pub mod limits;
pub mod message;
pub mod reader;
pub mod report;
mod retry;
mod server;
pub mod session;
pub mod stream;
pub mod turn;
mod wire;

/// Parts of a message as HTTP has them: headers, which name a value, and what goes around a body.
pub mod http {
    pub use crate::field::Field;
    pub use crate::wire::headers::{Header, HeaderIter, Headers};
    pub use crate::wire::outgoing::Frame;
}

#[doc(inline)]
pub use client::Client;
#[doc(inline)]
pub use context::Context;
#[doc(inline)]
pub use error::{ReceiveError, SendError};
#[doc(inline)]
pub use excerpt::Excerpt;
#[doc(inline)]
pub use message::{Mode, Reply, Request};
#[doc(inline)]
pub use reader::{CompleteReply, MessageReader, Progress};
#[doc(inline)]
pub use server::Server;
#[doc(inline)]
pub use session::Session;
#[doc(inline)]
pub use wire::body::Body;

// A learner meets the rest in the modules.
#[doc(hidden)]
pub use {
    api_error::{ACCEPTED_BODY, ApiError, Rejection},
    client_context::{ClientContext, CognitoIdentity},
    context::{InvocationId, RequestId},
    endpoint::{ENV_INITIALIZATION_TYPE, ENV_MAX_CONCURRENCY, ENV_RUNTIME_API, ENV_TRACE_ID, Endpoint, SNAP_START},
    event::{Event, Received},
    extension::{ExtensionId, NO_EVENTS},
    failure::Error,
    http::{Field, Frame, Header, HeaderIter, Headers},
    json::{Text, TextChars, Value},
    message::{ErrorHeaders, RequestKind},
    reader::{CompleteRequest, Message},
    report::{ErrorReport, ReceivedReport, StackFrame},
    session::Pipelining,
    stream::{HTTP_INTEGRATION, PRELUDE_SEPARATOR, Prelude, ReceivedPrelude, StreamError},
    turn::{Action, Turn},
};

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
