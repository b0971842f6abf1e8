#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod connection;
mod invocation;
mod link;
mod runtime;

pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use runtime::Runtime;

/// What can end or spoil an exchange.
pub type Error = lambwire::Error<std::io::Error>;

/// The function in the workspace's README is one that compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
