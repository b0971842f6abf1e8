//! A blocking AWS Lambda runtime: one thread, one connection, one write a message.
//!
//! ```no_run
//! use lambwire_mio::{Error, Runtime};
//!
//! fn run() -> Result<(), Error> {
//!     let mut runtime = Runtime::from_env()?;
//!     let mut buf = Vec::new();
//!     loop {
//!         let invocation = runtime.next(&mut buf)?;
//!         let answer = invocation.payload.to_ascii_uppercase();
//!         match invocation.respond(answer) {
//!             Err(error) if error.is_fatal() => return Err(error),
//!             Err(error) => eprintln!("{error:#}"),
//!             Ok(()) => {}
//!         }
//!     }
//! }
//! ```
//!
//! - [`Runtime::serve`] is that loop around a handler, and pipelines.
//! - [`Invocation`] is consumed by its answer: [`respond`](Invocation::respond), [`fail`](Invocation::fail), or
//!   [`stream`](Invocation::stream), which ends with [`finish`](Stream::finish) or, if it fails on the way, with
//!   [`fail`](Stream::fail), whose error really arrives as one.
//! - [`Runtime::init`], [`Runtime::restore`] and [`on_sigterm`] are for what comes before the first event and after the last,
//!   [`remaining`] for the time in between, [`on_trace_id`](Runtime::on_trace_id) for X-Ray.
//!
//! An invocation costs four system calls, two that write and two that read, and none that waits besides; with `serve`, which
//! pipelines, three, or two where both replies come together. `TCP_NODELAY` is set. Linux and other Unix.
//!
//! The feature `names`, which is there by default, has the names of hosts looked up. Lambda gives an address, so that a
//! function can do without it: in a static program on musl that is 24 KiB less. `localhost` is known either way.

#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("lambwire-mio is for Unix: Windows has neither sendmsg nor SIGTERM");

mod invocation;
mod runtime;
mod sigterm;
mod socket;

pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use lambwire_runtime::{Error, Failure, is_snap_start, remaining};
pub use runtime::Runtime;
pub use sigterm::on_sigterm;

/// What a handler responds with.
pub type Response<'e> = lambwire_runtime::Response<'e, Pieces<'e>>;

/// The pieces of a streamed response.
pub type Pieces<'e> = Box<dyn Iterator<Item = Result<Vec<u8>, Failure>> + 'e>;

/// The functions in the READMEs compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
#[doc = include_str!("../../../README.md")]
struct Readme;
