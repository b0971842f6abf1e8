//! Tests of Lambda functions and runtimes in one process: no program is started, and a handler needs no port.
//!
//! - [`Invocation`] is an event for a handler to be called with. What it returns goes through the protocol, in memory, and
//!   comes out as Lambda would see it.
//! - [`Api`] is the Runtime API on threads of the test: for a whole runtime, of whatever library, on a thread or as a future.
//!   A test waits for what happens ([`Api::next_polled`], [`Invoked::answered`], [`Api::frozen`]), and not for a time to
//!   pass.
//! - [`RecordedRequest`] is what the runtime has sent: ids, headers, the order.
//! - [`Fault`] is what goes wrong: a connection that is lost, a refusal, bytes that make no sense.
//!
//! A test of a handler:
//!
//! ```
//! use lambwire_mio::{Failure, Response, lambwire::Context};
//! use lambwire_testing::{Event, Invocation};
//!
//! fn whoami<'e>(_: &'e [u8], context: &Context<'e>) -> Result<Response<'e>, Failure> {
//!     Ok(format!("{:?}", context.tenant_id.ok_or("no tenant")?).into())
//! }
//!
//! let invocation = Invocation::new(Event::new("{}").tenant_id("blue"))?;
//! assert_eq!(invocation.call(whoami)?.text(), "\"blue\"");
//! # Ok::<(), lambwire_testing::Error>(())
//! ```
//!
//! One of a runtime that loses its connection behind an answer:
//!
//! ```
//! use lambwire_mio::Runtime;
//! use lambwire_testing::{Api, Fault};
//!
//! let api = Api::start()?;
//! api.break_answer(Fault::Reset);
//! let address = api.address();
//! let runtime = std::thread::spawn(move || {
//!     Runtime::connect(&address).map(|mut runtime| runtime.serve(|event, _| Ok(event.into())))
//! });
//! assert_eq!(api.invoke("1").answered()?.text(), "1");
//! assert_eq!(api.invoke("2").answered()?.text(), "2");
//! assert_eq!(api.connections(), 2);
//! drop(api);
//! assert!(runtime.join().is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No clock is read: an event has the deadline that a test gives it, and [`DEADLINE_MS`] otherwise. A handler that is to
//! be tested close to its deadline takes the time as [`Context::remaining`](lambwire::Context::remaining) does, as an argument.
//!
//! Whole programs, with what Lambda does besides, are for `lambwire-emulator`; whether a runtime keeps to the protocol
//! says `lambwire-conformance`.

#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("lambwire-testing is for Unix: it closes and looks at sockets as Windows does not");

mod api;
mod connection;
mod event;
mod fault;
mod invocation;
mod request;
mod state;

pub use api::{Api, Invoked, PATIENCE, TimedOut};
pub use event::{DEADLINE_MS, Event, FUNCTION_ARN};
pub use fault::Fault;
pub use invocation::{Error, Invocation};
pub use lambwire;
pub use request::RecordedRequest;

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
