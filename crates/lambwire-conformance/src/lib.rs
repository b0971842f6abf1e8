#![doc = include_str!("../README.md")]

#[cfg(not(unix))]
compile_error!("lambwire-conformance is for Unix: it starts and ends processes as Windows does not know them");

mod address;
pub mod exchange;
pub mod message;
pub mod outcome;
pub mod pattern;
pub mod play;
mod process;
pub mod record;
pub mod replay;
pub mod report;
pub mod requirement;
pub mod runtime;
pub mod server;
pub mod show;

mod suites;
