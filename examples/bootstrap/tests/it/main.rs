//! The bootstrap from outside, with the emulator at its other end. Handlers are shell scripts, since there is a shell
//! everywhere.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod declared;
mod documents;
mod exec;
mod in_process;
mod instances;
mod invoke;
mod root;
mod shell;
mod shutdown;
mod start;
mod worker;
