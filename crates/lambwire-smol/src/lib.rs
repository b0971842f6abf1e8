#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod concurrent;
mod connection;
mod sigterm;
mod transport;

pub use concurrent::{max_concurrency, serve_concurrent};
pub use lambwire;
pub use lambwire_runtime::{Error, Failure, is_snap_start, remaining};
pub use sigterm::Sigterm;
pub use transport::{Pieces, Transport};

/// A runtime: a connection to the Runtime API, which is made anew when it breaks.
pub type Runtime = lambwire_runtime::Runtime<Transport>;

/// An event, and the duty to answer it: once.
pub type Invocation<'r, 'b> = lambwire_runtime::Invocation<'r, 'b, Transport>;

/// A streamed answer under way.
pub type Stream<'r, 'b> = lambwire_runtime::Stream<'r, 'b, Transport>;

/// What a handler has to say.
pub type Answer<'e> = lambwire_runtime::Answer<'e, Pieces<'e>>;
