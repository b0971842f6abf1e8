#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod connection;
mod invocation;
mod lifecycle;
mod panics;
mod runtime;
mod serve;

pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use lifecycle::{is_snap_start, on_sigterm, remaining};
pub use runtime::Runtime;
pub use serve::{Answer, Failure};

/// What can end or spoil an exchange.
pub type Error = lambwire::Error<std::io::Error>;

/// The function in the workspace's README is one that compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
