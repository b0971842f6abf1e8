#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod concurrent;
mod connection;
mod invocation;
mod link;
mod runtime;

pub use concurrent::{Failure, max_concurrency, serve_concurrent};
pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use runtime::Runtime;

/// What can end or spoil an exchange.
pub type Error = lambwire::Error<std::io::Error>;
