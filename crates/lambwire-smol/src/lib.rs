//! An async AWS Lambda runtime on smol: many invocations at a time, one write a message.
//!
//! ```rust
//! use lambwire_smol::Runtime;
//! # use std::io::{Read, Write};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let api = listener.local_addr()?.to_string();
//! # std::thread::spawn(move || {
//! #     let (mut stream, _) = listener.accept().unwrap();
//! #     let id = "Lambda-Runtime-Aws-Request-Id: 8476a536";
//! #     for reply in [
//! #         format!("HTTP/1.1 200 OK\r\n{id}\r\nContent-Length: 7\r\n\r\n\"world\""),
//! #         "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".into(),
//! #         "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n".into(),
//! #     ] {
//! #         stream.read(&mut [0; 4096]).unwrap();
//! #         stream.write_all(reply.as_bytes()).unwrap();
//! #     }
//! # });
//!
//! # async fn serve(api: String) -> Result<(), lambwire_smol::Error> {
//! # let mut buf = Vec::new();
//! let mut runtime = Runtime::connect(&api).await?;
//! loop {
//!     let invocation = runtime.next(&mut buf).await?;
//!     let answer = invocation.payload.to_ascii_uppercase();
//!     match invocation.respond(&answer).await {
//!         Err(error) if error.is_fatal() => return Err(error),
//!         Err(error) => eprintln!("{error}"),
//!         Ok(()) => {}
//!     }
//! }
//! # }
//! # let error = smol::block_on(serve(api)).unwrap_err();
//! # assert!(error.to_string().starts_with("next refused with status 500"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! - [`Runtime::serve`] is that loop around a handler. It pipelines: the response and the request for the next event go out
//!   in one write. A panic of the handler is reported with its message and place. Where the future
//!   has to be `Send`, there is [`Runtime::serve_send`].
//! - [`Invocation`] is consumed by its answer: [`respond`](Invocation::respond), [`fail`](Invocation::fail), or
//!   [`stream`](Invocation::stream), which ends with [`finish`](Stream::finish) or, if it fails on the way, with
//!   [`fail`](Stream::fail), whose error really arrives as one.
//! - [`Error`] of an answer is about that invocation alone, unless it [is fatal](lambwire::Error::is_fatal). A response that
//!   is too large is not sent: the invocation is answered with an error that names its size.
//! - [`Runtime::next`] waits without a time-out, and replaces a dead connection, as one is after a freeze.
//! - A future that is dropped half way takes its connection along. What comes next has a new one, and nothing is ever sent
//!   behind half a message.
//! - [`Runtime::init`], [`Runtime::restore`] and [`Sigterm`] are for what comes before the first event and after the last,
//!   [`remaining`] for the time in between, [`on_trace_id`](Runtime::on_trace_id) for X-Ray.
//!
//! [`serve_concurrent`] is the same loop [`max_concurrency`] times over, on one thread, as AWS's managed instances want it.
//!
//! The futures run on any executor: smol's reactor has a thread of its own, and `smol::block_on` does without it. That thread
//! is always started, and once asleep it takes the reactor from whoever waits in `block_on`: an invocation then costs some 19
//! system calls more than the 16 that are usual. A program that has tokio already does better with `examples/tokio`, which is
//! to be copied.
//! `TCP_NODELAY` is set. Linux and other Unix.

#![forbid(unsafe_code)]

use std::pin::Pin;

mod concurrent;
mod invocation;
mod runtime;
mod sigterm;
mod socket;

pub use concurrent::{max_concurrency, serve_concurrent};
pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use lambwire_runtime::{Error, Failure, is_snap_start, remaining};
pub use runtime::Runtime;
pub use sigterm::Sigterm;

/// What a handler responds with.
pub type Response<'e> = lambwire_runtime::Response<'e, Pieces<'e>>;

/// The pieces of a streamed response.
pub type Pieces<'e> = Pin<Box<dyn smol::stream::Stream<Item = Result<Vec<u8>, Failure>> + Send + 'e>>;

/// What a handler of [`Runtime::serve_send`] returns.
pub type Handling<'e> = Pin<Box<dyn Future<Output = Result<Response<'e>, Failure>> + Send + 'e>>;

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
