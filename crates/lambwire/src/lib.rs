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
//!     inbox: &mut MessageReader,
//!     buf: &mut Vec<u8>,
//! ) -> Result<CompleteReply, Box<dyn std::error::Error>> {
//!     loop {
//!         match inbox.receive_reply(client, buf)? {
//!             Progress::Complete(whole) => return Ok(whole),
//!             Progress::NeedSpace { total } => buf.resize(total, 0),
//!             Progress::NeedInput => match connection.read(inbox.space(buf))? {
//!                 0 => client.receive_eof()?,
//!                 len => inbox.filled(len),
//!             },
//!         }
//!     }
//! }
//!
//! let mut client = Client::new("127.0.0.1:9001")?;
//! let (mut inbox, mut event, mut reply, mut out) = (MessageReader::new(), vec![0; 1024], vec![0; 1024], [0; 1024]);
//!
//! let len = client.send(&Request::Next, Body::Exact(0), &mut out)?;
//! connection.write_all(&out[..len])?;
//! let message = receive(&mut connection, &mut client, &mut inbox, &mut event)?.read(&event)?;
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
//!   It says what to do, and an adapter does it.
//! - [`Context`] is what comes with an event. Only the request id is required of it.
//! - [`ErrorReport`], [`Prelude`], [`ApiError`] write the JSON of the protocol; [`ReceivedReport`], [`ClientContext`],
//!   [`CognitoIdentity`], [`Rejection`] look into it, and never fail.
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

mod api_error;
mod client;
mod client_context;
mod context;
mod endpoint;
mod error;
mod event;
mod extension;
mod failure;
mod field;
mod json;
pub mod limits;
mod message;
mod reader;
mod report;
mod server;
mod session;
mod stream;
mod turn;
mod wire;

pub use api_error::{ACCEPTED_BODY, ApiError, Rejection};
pub use client::Client;
pub use client_context::{ClientContext, CognitoIdentity};
pub use context::{Context, InvocationId, RequestId};
pub use endpoint::{ENV_INITIALIZATION_TYPE, ENV_MAX_CONCURRENCY, ENV_RUNTIME_API, ENV_TRACE_ID, Endpoint, SNAP_START};
pub use error::{ReceiveError, SendError};
pub use event::{Event, Received};
pub use extension::{ExtensionId, NO_EVENTS};
pub use failure::{Chain, Error};
pub use field::Field;
pub use json::{Text, TextChars, Value};
pub use message::{ErrorHeaders, Mode, Reply, Request, RequestKind};
pub use reader::{CompleteReply, CompleteRequest, Message, MessageReader, Progress};
pub use report::{ErrorReport, ReceivedReport, StackFrame};
pub use server::Server;
pub use session::{Pipelining, Session};
pub use stream::{HTTP_INTEGRATION, PRELUDE_SEPARATOR, Prelude, ReceivedPrelude, StreamError};
pub use turn::{Action, Turn};
pub use wire::body::Body;
pub use wire::headers::{Header, HeaderIter, Headers};
pub use wire::outgoing::Frame;

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
