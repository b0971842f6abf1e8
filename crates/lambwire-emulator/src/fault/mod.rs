//! A Runtime API that errs by a script, for tests of runtimes.
//!
//! A [`Script`] says what becomes of the first request for an invocation, of the second, and so on, and the same of
//! answers. What no plan is left for is treated well: an answer is accepted, and whoever asks for an invocation waits.
//! What is said in order is said by [`lambwire::Server`]; what has to be wrong is given as bytes.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//! use lambwire_emulator::fault::{Action, FaultServer, Plan, Reply, Script};
//!
//! // Ends the connection in the middle of the first reply, and gives an invocation on the second try.
//! let script = Script::new()
//!     .next(Plan::new([Action::Part { say: Reply::invocation("a", "{}"), len: 20 }, Action::Reset]))
//!     .next(Reply::invocation("a", "{}"));
//! let server = FaultServer::start(script)?;
//! let ask = || {
//!     let mut stream = TcpStream::connect(server.address())?;
//!     stream.write_all(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n")?;
//!     let mut reply = vec![0; 32];
//!     stream.read_exact(&mut reply).map(|()| reply)
//! };
//! assert!(ask().is_err());
//! assert!(ask()?.starts_with(b"HTTP/1.1 200 OK\r\n"));
//! assert_eq!(server.requests().len(), 2);
//! # Ok::<(), std::io::Error>(())
//! ```

mod conversation;
mod record;
mod script;
mod server;
mod shared;

pub use record::RecordedRequest;
pub use script::{Action, Plan, Reply, Script, Trigger};
pub use server::FaultServer;
