//! The kit with the runtimes that it is made for.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod api;
mod invocation;
