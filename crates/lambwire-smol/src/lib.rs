#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod concurrent;
mod connection;
mod invocation;
mod lifecycle;
mod panics;
mod runtime;
mod serve;

pub use concurrent::{max_concurrency, serve_concurrent};
pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use lifecycle::{Sigterm, is_snap_start, remaining};
pub use runtime::Runtime;
pub use serve::{Answer, Failure};

/// What can end or spoil an exchange.
pub type Error = lambwire::Error<std::io::Error>;
