//! A blocking AWS Lambda runtime: one thread, one connection, one write a message.
//!
//! ```rust
//! use lambwire_mio::Runtime;
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
//! # fn serve(api: String) -> Result<(), lambwire_mio::Error> {
//! # let mut buf = Vec::new();
//! let mut runtime = Runtime::connect(&api)?;
//! loop {
//!     let invocation = runtime.next(&mut buf)?;
//!     let answer = invocation.payload.to_ascii_uppercase();
//!     match invocation.respond(&answer) {
//!         Err(error) if error.is_fatal() => return Err(error),
//!         Err(error) => eprintln!("{error}"),
//!         Ok(()) => {}
//!     }
//! }
//! # }
//! # assert!(serve(api).unwrap_err().to_string().starts_with("next refused with status 500"));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! - [`Runtime::serve`] is that loop around a handler. It pipelines: the response and the request for the next event go out
//!   in one write. A panic of the handler is reported with its message and place.
//! - [`Invocation`] is consumed by its answer: [`respond`](Invocation::respond), [`fail`](Invocation::fail), or
//!   [`stream`](Invocation::stream), which ends with [`finish`](Stream::finish) or, if it fails on the way, with
//!   [`fail`](Stream::fail), whose error really arrives as one.
//! - [`Error`] of an answer is about that invocation alone, unless it [is fatal](lambwire::Error::is_fatal). A response that
//!   is too large is not sent: the invocation is answered with an error that names its size.
//! - [`Runtime::next`] waits without a time-out, and replaces a dead connection, as one is after a freeze.
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
