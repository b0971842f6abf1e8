//! AWS Lambda on this machine: serves the Runtime API to a program and takes invocations for it.
//!
//! The program `lambwire-emulator` is a thin layer over this; tests can use it directly.
//!
//! ```
//! use std::process::Command;
//! use lambwire_emulator::{Console, Emulator, Outcome};
//!
//! // A program that never asks for an invocation, and so is no runtime.
//! let mut program = Command::new("sh");
//! program.args(["-c", "exit 3"]);
//! let emulator = Emulator::new(program).console(Console::Silent).start()?;
//! let answer = emulator.invoke_blocking("{}")?;
//! assert_eq!(answer.outcome, Outcome::Failure);
//! assert!(String::from_utf8_lossy(&answer.body).contains("exit status 3"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One execution environment takes one invocation at a time, as on AWS; callers wait in a queue. The program is started
//! with the emulator. It is started again for the next caller after it has died, taken too long, or reported that it
//! cannot start. An invocation is over when the runtime asks for the next one; its caller has the answer before that.
//!
//! With [`Emulator::concurrency`], the environment takes several invocations at a time, as on AWS's managed instances:
//! each goes to a connection of its own that waits for one, and is over when it is answered.

#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!(
    "lambwire-emulator is for Unix: it starts and ends processes, and holds sockets, as Windows does not know them"
);

mod announcement;
mod answer;
mod arn;
mod console;
mod diagnosis;
mod emulator;
mod environment;
mod event;
mod exit;
pub mod fault;
mod few;
mod files;
mod fleet;
mod function;
mod guard;
mod incoming;
mod invoke;
mod json;
pub mod limits;
mod logs;
mod own_log;
mod page;
mod platform;
mod process;
mod queue;
mod report;
mod running;
mod runtime_api;
mod start_error;
mod telemetry;
mod terminal;
mod variables;
mod watch;

pub use answer::{Answer, Outcome};
pub use console::{Console, LogFormat};
pub use emulator::Emulator;
pub use event::Event;
#[doc(hidden)]
pub use files::{keep, read_text};
pub use fleet::Freeze;
#[doc(hidden)]
pub use fleet::dead_letter::flush_dead_letters;
#[doc(hidden)]
pub use guard::Guard;
pub use invoke::UrlFormat;
pub use queue::{InvokeError, ResponseStream};
pub use running::Running;
pub use start_error::StartError;
#[doc(hidden)]
pub use terminal::are_outputs_one;
pub use terminal::shown;
#[doc(hidden)]
pub use variables::pair;
#[doc(hidden)]
pub use watch::watch;
