//! The program `lambwire-emulator` in a process of its own.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::child;
use crate::patience::{Patient, patient, wait_until};

/// A command line of the emulator, with `--` and a runtime behind it.
pub(crate) fn emulator(options: &[&str]) -> Command {
    let mut command = with_program(options, env::current_exe().unwrap().to_str().unwrap());
    let (key, value) = child::variable();
    command.args(child::arguments()).env(key, value);
    command
}

pub(crate) fn with_program(options: &[&str], program: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(options).args(["--", program]).env_remove("RUST_LOG");
    command
}

/// The command line of `inner` behind that of `outer`, which is to start it.
pub(crate) fn started_by(mut outer: Command, inner: &Command) -> Command {
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// A process, which ends with the test.
pub(crate) struct Started(Child);

impl Started {
    pub(crate) fn new(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// What it prints, if that was piped.
    pub(crate) fn stdout(&mut self) -> BufReader<Patient<ChildStdout>> {
        patient(self.0.stdout.take().unwrap())
    }

    /// The same of standard error.
    pub(crate) fn stderr(&mut self) -> BufReader<Patient<ChildStderr>> {
        patient(self.0.stderr.take().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Waits until it ends.
    #[track_caller]
    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of the process", || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An emulator that listens.
pub(crate) struct Served {
    pub(crate) process: Started,
    /// What it is ready for.
    pub(crate) ready: Value,
    /// What it prints after that.
    pub(crate) stdout: BufReader<Patient<ChildStdout>>,
}

impl Served {
    /// Starts it, and waits until it says that it is ready.
    pub(crate) fn new(command: &mut Command) -> Self {
        let mut process = Started::new(command.stdout(Stdio::piped()));
        let mut stdout = process.stdout();
        let ready = loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it has ended");
            // Its program prints to the same place.
            if let Some(ready) = line.strip_prefix("ready ") {
                break serde_json::from_str(ready).unwrap();
            }
        };
        Self { process, ready, stdout }
    }

    /// Where callers find it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.ready["listen"].as_str().unwrap().parse().unwrap()
    }
}
