#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::fmt;
use std::pin::Pin;

use smol::stream::Stream as Source;

mod concurrent;
mod invocation;
mod runtime;
mod sigterm;
mod socket;

pub use concurrent::{max_concurrency, serve_concurrent};
pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use lambwire_runtime::{Error, Failure, is_snap_start, remaining};
pub use runtime::Runtime;
pub use sigterm::Sigterm;

/// What a handler responds with.
pub type Response<'e> = lambwire_runtime::Response<'e, Pieces<'e>>;

/// The pieces of a streamed response: any [`Stream`](Source) of them.
pub struct Pieces<'e>(Pin<Box<dyn Source<Item = Result<Vec<u8>, Failure>> + 'e>>);

impl<'e, S: Source<Item = Result<Vec<u8>, Failure>> + 'e> From<S> for Pieces<'e> {
    fn from(pieces: S) -> Self {
        Self(Box::pin(pieces))
    }
}

impl fmt::Debug for Pieces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces").finish_non_exhaustive()
    }
}
