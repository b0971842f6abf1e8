#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod invocation;
mod runtime;
mod sigterm;
mod socket;

pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use lambwire_runtime::{Error, Failure, is_snap_start, remaining};
pub use runtime::Runtime;
pub use sigterm::on_sigterm;

/// What a handler responds with.
pub type Response<'e> = lambwire_runtime::Response<'e, Pieces<'e>>;

/// The pieces of a streamed response: anything to iterate over them.
pub struct Pieces<'e>(Box<dyn Iterator<Item = Result<Vec<u8>, Failure>> + 'e>);

impl<'e, I: IntoIterator<Item = Result<Vec<u8>, Failure>> + 'e> From<I> for Pieces<'e> {
    fn from(pieces: I) -> Self {
        Self(Box::new(pieces.into_iter()))
    }
}

impl std::fmt::Debug for Pieces<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces").finish_non_exhaustive()
    }
}

/// The function in the workspace's README is one that compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
