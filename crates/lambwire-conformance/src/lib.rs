#![doc = include_str!("../README.md")]

pub mod message;
pub mod outcome;
pub mod pattern;
pub mod play;
mod process;
pub mod report;
pub mod requirement;
pub mod runtime;
pub mod server;
pub mod show;

mod suites;
