//! What every runtime does besides connecting, reading and writing: what `lambwire-mio` and `lambwire-smol` have in common.
//! Take one of those to write a function; take this one to write an adapter for another I/O library.
//!
//! - [`Conversation`] is a [`Session`](lambwire::Session) with its buffers. Each of its methods starts a request and returns
//!   the [`Exchange`] that sends it.
//! - [`Streaming`] sends a response piece by piece.
//! - [`Response`] and [`Failure`] are what a handler returns. [`catch`] makes a failure of a panic: a hook for panics is set
//!   for the process.
//! - [`remaining`] is the time that is left for an invocation, and [`is_snap_start`] says whether Lambda wants a snapshot.
//!
//! An adapter owns a socket and has one function, `drive`, that performs the actions of an exchange; `examples/tokio` is one of
//! some 200 lines, and the example `session` of `lambwire` does without this crate. There is no I/O in here, but for a line on stderr before the process ends.

#![forbid(unsafe_code)]

mod conversation;
mod exchange;
mod lifecycle;
mod panics;
mod response;
mod stream;

pub use conversation::Conversation;
pub use exchange::Exchange;
pub use lambwire;
pub use lifecycle::{is_snap_start, remaining};
pub use panics::{Duty, SendAlone, catch};
pub use response::{Failure, Response, ResponseBody};
pub use stream::Streaming;

/// Why a request failed.
///
/// - [`Send`](lambwire::Error::Send): a response is larger than Lambda takes, or its media type fits no header. The
///   invocation has then been answered with an error that says so.
/// - [`Rejected`](lambwire::Error::Rejected): the Runtime API did not take it.
/// - [`Transport`](lambwire::Error::Transport), [`Receive`](lambwire::Error::Receive): the connection was lost, or what came
///   makes no sense. What became of a response is not known.
///
/// The invocation is over in every case. [`is_fatal`](lambwire::Error::is_fatal) says whether the loop should be as well.
pub type Error = lambwire::Error<std::io::Error, Vec<u8>>;
