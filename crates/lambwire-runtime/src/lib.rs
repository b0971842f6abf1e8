#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod answer;
mod invocation;
mod lifecycle;
mod line;
mod panics;
mod runtime;
mod serve;
mod transport;

pub use answer::{Answer, Failure};
pub use invocation::{Invocation, Stream};
pub use lambwire;
pub use lifecycle::{is_snap_start, remaining};
pub use line::{Ahead, Ended, Heads, Line, Stop, grow};
pub use runtime::Runtime;
pub use transport::{Pieces, Transport};

/// What can end or spoil an exchange.
pub type Error = lambwire::Error<std::io::Error>;
