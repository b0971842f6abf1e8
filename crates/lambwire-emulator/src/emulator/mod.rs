//! What is to be emulated.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::arn;
use crate::console::{Console, LogFormat};
use crate::event::new_id;
use crate::fleet::{Freeze, Start};
use crate::function::Function;
use crate::invoke::Options;
use crate::limits;
use crate::running::Addresses;
use crate::variables::Variables;

mod callers;
mod start;

/// What is to be emulated: a program that is a Lambda runtime, and the configuration of its function.
#[derive(Debug)]
pub struct Emulator {
    command: Option<Command>,
    function: Function,
    timeout: Option<Duration>,
    init_timeout: Option<Duration>,
    start: Start,
    freeze: Freeze,
    watched: Vec<PathBuf>,
    end_grace: Duration,
    console: Console,
    log_format: LogFormat,
    runtime_api: SocketAddr,
    listen: Option<SocketAddr>,
    url: Option<SocketAddr>,
    callers: Options,
    others: Vec<(String, Addresses)>,
    environments: usize,
    extensions: Vec<PathBuf>,
    reserved: Option<usize>,
    dead_letters: Option<PathBuf>,
    is_announced: bool,
    is_held: bool,
    are_lines_named: bool,
    held: Vec<Arc<watch::Sender<bool>>>,
    owns_process: bool,
    leaves_dead_letters: bool,
}

impl Emulator {
    /// An emulator for this program. Arguments, environment and directory of the command stay as they are; the
    /// environment is completed, standard input is empty, and the outputs are [`console`](Self::console)'s to say.
    pub fn new(command: Command) -> Self {
        Self { command: Some(command), ..Self::without_program() }
    }

    /// An emulator for a runtime that is started by somebody else, who tells it
    /// [where the Runtime API is](crate::Running::runtime_api).
    pub fn without_program() -> Self {
        Self {
            command: None,
            function: Function {
                name: "function".to_owned(),
                handler: None,
                memory_mb: 128,
                task_root: None,
                runtime_dir: None,
                version: arn::LATEST.to_owned(),
                metadata_token: new_id(),
                concurrency: None,
                is_snap_start: false,
                has_frames: false,
                has_json_log: false,
                lambda: None,
                is_rie: false,
                variables: Variables::default(),
            },
            timeout: Some(limits::DEFAULT_TIMEOUT),
            init_timeout: None,
            start: Start::default(),
            freeze: Freeze::default(),
            watched: Vec::new(),
            end_grace: limits::END_GRACE,
            console: Console::default(),
            log_format: LogFormat::default(),
            runtime_api: ([127, 0, 0, 1], 0).into(),
            listen: None,
            url: None,
            callers: Options::default(),
            others: Vec::new(),
            environments: 1,
            extensions: Vec::new(),
            reserved: None,
            dead_letters: None,
            is_announced: false,
            is_held: false,
            are_lines_named: false,
            held: Vec::new(),
            owns_process: false,
            leaves_dead_letters: false,
        }
    }

    /// The function's name, of up to 64 letters, digits, hyphens and underscores; `function` without it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.function.name = name.into();
        self
    }

    /// The handler, for the program to read from `_HANDLER`. Without it, that is what the environment has there, else the
    /// program's last argument, unless that is an option or the value of one.
    #[must_use]
    pub fn handler(mut self, handler: impl Into<String>) -> Self {
        self.function.handler = Some(handler.into());
        self
    }

    /// The function's version, as its program finds it; `$LATEST` without it.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.function.version = version.into();
        self
    }

    /// The function's memory in MB; 128 without it. It is said to the program, not enforced.
    #[must_use]
    pub fn memory_mb(mut self, memory_mb: u32) -> Self {
        self.function.memory_mb = memory_mb;
        self
    }

    /// Where the function's code is, for the program to read from `LAMBDA_TASK_ROOT`.
    #[must_use]
    pub fn task_root(mut self, directory: impl Into<String>) -> Self {
        self.function.task_root = Some(directory.into());
        self
    }

    /// Where the runtime is, for the program to read from `LAMBDA_RUNTIME_DIR`.
    #[must_use]
    pub fn runtime_dir(mut self, directory: impl Into<String>) -> Self {
        self.function.runtime_dir = Some(directory.into());
        self
    }

    /// Sets a variable for the program and its extensions, over one of the command.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.function.variables.add(name.into(), value.into());
        self
    }

    /// Sets the variables of this file for the program and its extensions, each `NAME=VALUE` on a line of its own, taken as
    /// it is. The file is read whenever they are started, and is [watched](Self::watch) if anything is. A pipe, or what else is
    /// no file, is waited for and read when the emulator starts, and not again.
    #[must_use]
    pub fn env_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.function.variables.add_file(path.into());
        self
    }

    /// Has the process given up to so many invocations at a time (at least one, and [`CONCURRENCY`](limits::CONCURRENCY)
    /// at most), as on AWS's managed instances. The process finds the number in `AWS_LAMBDA_MAX_CONCURRENCY`. Without
    /// this it is given one at a time, and the variable is not set.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.function.concurrency = Some(concurrency.clamp(1, limits::CONCURRENCY));
        self
    }

    /// Starts up to so many environments, each with a process of its own, as callers come who would otherwise wait: at
    /// least one, and [`ENVIRONMENTS`](limits::ENVIRONMENTS) at most. Without this, there is one. An environment serves
    /// one tenant alone; where there are no more environments, one that is idle is started anew for another tenant.
    #[must_use]
    pub fn environments(mut self, environments: usize) -> Self {
        self.environments = environments.clamp(1, limits::ENVIRONMENTS);
        self
    }

    /// Starts every file of this directory as an extension, before the program; it has to be one that can be executed.
    ///
    /// # Errors
    ///
    /// The directory cannot be read.
    pub fn extensions(mut self, directory: impl AsRef<Path>) -> io::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        self.extensions = files;
        Ok(self)
    }

    /// Prints the line `ready {"listen":…,"runtime_api":…}` to the console before anything else.
    #[must_use]
    pub fn announce(mut self) -> Self {
        self.is_announced = true;
        self
    }

    /// Holds back the lines of this emulator until one starts that has it [`also`](Self::also), whose
    /// [announcement](Self::announce) so comes first.
    #[must_use]
    pub fn hold_lines(mut self) -> Self {
        self.is_held = true;
        self
    }

    /// Has each line for people name the function, for where there are several: `[NAME] ` stands before it, and JSON has a
    /// member `function`.
    #[must_use]
    pub fn name_lines(mut self) -> Self {
        self.are_lines_named = true;
        self
    }

    /// Leaves events that have failed, and are not written when the emulator ends, to whoever ends this process.
    #[doc(hidden)]
    #[must_use]
    pub fn leave_dead_letters(mut self) -> Self {
        self.leaves_dead_letters = true;
        self
    }

    /// Has what a pipe of [`env_file`](Self::env_file) had count for all emulators of this process that name it.
    #[doc(hidden)]
    #[must_use]
    pub fn share_pipes(mut self) -> Self {
        self.function.variables.share_pipes();
        self
    }

    /// Lets the emulator have all of this process: orphans of the function are given to it, and waited for, and at the end
    /// every child of this process is killed, whoever started it.
    #[must_use]
    pub fn own_process(mut self) -> Self {
        self.owns_process = true;
        self
    }

    /// How long an invocation may take; [`DEFAULT_TIMEOUT`](limits::DEFAULT_TIMEOUT) without it,
    /// [`MAX_TIMEOUT`](limits::MAX_TIMEOUT) at most; with [`concurrency`](Self::concurrency), an invocation whose answer
    /// nobody waits for may take up to [`MANAGED_TIMEOUT`](limits::MANAGED_TIMEOUT).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout.min(limits::MANAGED_TIMEOUT));
        self
    }

    /// Lets invocations and starts take as long as they want: for debuggers. A runtime gets a deadline that is
    /// [`MAX_TIMEOUT`](limits::MAX_TIMEOUT) away.
    #[must_use]
    pub fn without_timeout(mut self) -> Self {
        self.timeout = None;
        self
    }

    /// How long a caller waits for a program that is starting, if that is longer than the time-out;
    /// [`DEFAULT_INIT_TIMEOUT`](limits::DEFAULT_INIT_TIMEOUT) without it,
    /// [`SNAPSHOT_INIT_TIMEOUT`](limits::SNAPSHOT_INIT_TIMEOUT) with [`snap_start`](Self::snap_start), and
    /// [`MAX_TIMEOUT`](limits::MAX_TIMEOUT) at most.
    #[must_use]
    pub fn init_timeout(mut self, timeout: Duration) -> Self {
        self.init_timeout = Some(timeout.min(limits::MAX_TIMEOUT));
        self
    }

    /// Starts the program for the first caller; without it, at once.
    #[must_use]
    pub fn start_when_called(mut self) -> Self {
        self.start.is_lazy = true;
        self
    }

    /// Has SnapStart: a runtime that has started and asks for `restore/next` is frozen there, and restored for the first
    /// caller; with [`Freeze::Connections`], its connection is gone then. It is for one invocation at a time.
    #[must_use]
    pub fn snap_start(mut self) -> Self {
        self.start.is_snap = true;
        self.function.is_snap_start = true;
        self
    }

    /// Gives the program a descriptor in `_LAMBDA_TELEMETRY_LOG_FD`, for a log of records that may have several lines, as
    /// Lambda does. Without it, each line is a record.
    #[must_use]
    pub fn log_frames(mut self) -> Self {
        self.function.has_frames = true;
        self
    }

    /// What happens to processes that have nothing to do; nothing without it. It is for one invocation at a time.
    #[must_use]
    pub fn freeze(mut self, freeze: Freeze) -> Self {
        self.freeze = freeze;
        self
    }

    /// Starts the program again when this file, or one in this directory, has changed. What begins with a dot,
    /// `node_modules`, `target` and `__pycache__` are passed over.
    #[must_use]
    pub fn watch(mut self, path: impl Into<PathBuf>) -> Self {
        self.watched.push(path.into());
        self
    }

    /// How long the program has to end by itself after SIGTERM, before it is killed; [`END_GRACE`](limits::END_GRACE)
    /// without it. It gets SIGTERM when the emulator ends, and if it has registered as an extension, also when it is to be
    /// started again.
    #[must_use]
    pub fn end_grace(mut self, grace: Duration) -> Self {
        self.end_grace = grace;
        self
    }

    /// Where lines for people go; to standard error without it.
    #[must_use]
    pub fn console(mut self, console: Console) -> Self {
        self.console = console;
        self
    }

    /// In which form lines for people are; the program finds it in `AWS_LAMBDA_LOG_FORMAT`, if it is JSON and nothing else is
    /// set there.
    #[must_use]
    pub fn log_format(mut self, format: LogFormat) -> Self {
        self.log_format = format;
        self.function.has_json_log = format == LogFormat::Json;
        self
    }

    /// Where to serve the Runtime API; on a free port of 127.0.0.1 without it.
    #[must_use]
    pub fn runtime_api(mut self, address: SocketAddr) -> Self {
        self.runtime_api = address;
        self
    }
}
