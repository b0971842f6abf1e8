//! An async AWS Lambda runtime on smol: many invocations at a time, one write a message.
//!
//! ```no_run
//! use lambwire_smol::{Error, Runtime};
//!
//! async fn run() -> Result<(), Error> {
//!     let mut runtime = Runtime::from_env().await?;
//!     let mut buf = Vec::new();
//!     loop {
//!         let invocation = runtime.next(&mut buf).await?;
//!         let answer = invocation.payload.to_ascii_uppercase();
//!         match invocation.respond(answer).await {
//!             Err(error) if error.is_fatal() => return Err(error),
//!             Err(error) => eprintln!("{error:#}"),
//!             Ok(()) => {}
//!         }
//!     }
//! }
//! ```
//!
//! - [`Runtime::serve`] is that loop around a handler, and pipelines. Where the future has to be `Send`, there is
//!   [`Runtime::serve_send`].
//! - [`Invocation`] is consumed by its answer: [`respond`](Invocation::respond), [`fail`](Invocation::fail), or
//!   [`stream`](Invocation::stream), which ends with [`finish`](Stream::finish) or, if it fails on the way, with
//!   [`fail`](Stream::fail), whose error really arrives as one.
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
