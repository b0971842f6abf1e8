//! The emulator from outside: as a library, as a program, and as a port that takes bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod attached;
mod changes;
mod child;
mod concurrent;
mod events;
mod extensions;
mod faults;
mod fleet;
mod floors;
mod freeze;
mod front;
mod guests;
mod library;
mod life;
mod logs_api;
mod one_shot;
mod page;
mod patience;
mod peer;
mod process;
mod program;
mod refusals;
mod rie;
mod rie_extensions;
mod rie_managed;
mod rie_replay;
mod rie_runtime;
mod rie_runtime_managed;
mod rie_telemetry;
mod runtime_api;
mod several;
mod sigterm;
mod start_errors;
mod started;
mod storm;
mod streaming;
mod telemetry;
mod url;
mod wire;
