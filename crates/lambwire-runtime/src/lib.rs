#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod conversation;
mod lifecycle;
mod panics;
mod response;
mod stream;

pub use conversation::{Conversation, InvocationIds, Sending, error, oversized};
pub use lambwire;
pub use lifecycle::{is_snap_start, remaining};
pub use panics::{Duty, catch};
pub use response::{Failure, Response, ResponseBody};
pub use stream::Streaming;

/// Why a request came to nothing.
pub type Error = lambwire::Error<std::io::Error, Vec<u8>>;
