#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod connection;
mod invocation;
mod runtime;
mod sigterm;
mod transport;

pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use lambwire_runtime::{Error, Failure, is_snap_start, remaining};
pub use runtime::Runtime;
pub use sigterm::on_sigterm;
pub use transport::{Pieces, Transport};

/// What a handler has to say.
pub type Answer<'e> = lambwire_runtime::Answer<'e, Pieces<'e>>;

/// The function in the workspace's README is one that compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
