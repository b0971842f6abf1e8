#![doc = include_str!("../README.md")]

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
