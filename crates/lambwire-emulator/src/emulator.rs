//! What is to be emulated.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use smol::Async;

use crate::callers::Callers;
use crate::console::Console;
use crate::driver::Settings;
use crate::limits;
use crate::process::{self, Function, Process, Program};
use crate::running::{Addresses, Parts, Running};

/// What is to be emulated: a program that is a Lambda runtime, and the configuration of its function.
#[derive(Debug)]
pub struct Emulator {
    command: Option<Command>,
    function: Function,
    timeout: Duration,
    init_timeout: Duration,
    end_grace: Duration,
    console: Console,
    runtime_api: SocketAddr,
    listen: Option<SocketAddr>,
}

impl Emulator {
    /// An emulator for this program. Arguments, environment and directory of the command stay as they are; the
    /// environment is completed, standard input is empty, and the outputs are [`console`](Self::console)'s to say.
    pub fn new(command: Command) -> Self {
        Self { command: Some(command), ..Self::without_program() }
    }

    /// An emulator for a runtime that is started by somebody else, who tells it
    /// [where the Runtime API is](Running::runtime_api).
    pub fn without_program() -> Self {
        Self {
            command: None,
            function: Function {
                name: "function".to_owned(),
                handler: None,
                memory_mb: 128,
                task_root: None,
                runtime_dir: None,
                concurrency: None,
            },
            timeout: limits::DEFAULT_TIMEOUT,
            init_timeout: limits::DEFAULT_INIT_TIMEOUT,
            end_grace: limits::END_GRACE,
            console: Console::default(),
            runtime_api: ([127, 0, 0, 1], 0).into(),
            listen: None,
        }
    }

    /// The function's name; `function` without it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.function.name = name.into();
        self
    }

    /// The handler, for the program to read from `_HANDLER`. Without it, that is what the environment has there, else the
    /// program's last argument.
    #[must_use]
    pub fn handler(mut self, handler: impl Into<String>) -> Self {
        self.function.handler = Some(handler.into());
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

    /// Has the process given up to so many invocations at a time (at least one, and [`CONCURRENCY`](limits::CONCURRENCY)
    /// at most), as on AWS's managed instances. The process finds the number in `AWS_LAMBDA_MAX_CONCURRENCY`. Without
    /// this it is given one at a time, and the variable is not set.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.function.concurrency = Some(concurrency.clamp(1, limits::CONCURRENCY));
        self
    }

    /// How long an invocation may take; [`DEFAULT_TIMEOUT`](limits::DEFAULT_TIMEOUT) without it,
    /// [`MAX_TIMEOUT`](limits::MAX_TIMEOUT) at most.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(limits::MAX_TIMEOUT);
        self
    }

    /// How long a caller waits for a program that is starting, if that is longer than the time-out;
    /// [`DEFAULT_INIT_TIMEOUT`](limits::DEFAULT_INIT_TIMEOUT) without it, [`MAX_TIMEOUT`](limits::MAX_TIMEOUT) at most.
    #[must_use]
    pub fn init_timeout(mut self, timeout: Duration) -> Self {
        self.init_timeout = timeout.min(limits::MAX_TIMEOUT);
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

    /// Where to serve the Runtime API; on a free port of 127.0.0.1 without it.
    #[must_use]
    pub fn runtime_api(mut self, address: SocketAddr) -> Self {
        self.runtime_api = address;
        self
    }

    /// Where to listen for callers who speak HTTP; nowhere without it.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Starts the program and everything else, on a thread of its own.
    ///
    /// # Errors
    ///
    /// An address cannot be listened at, or the program cannot be started.
    pub fn start(self) -> Result<Running, StartError> {
        let runtime_api = bind(self.runtime_api)?;
        let front = self.listen.map(bind).transpose()?;
        let addresses =
            Addresses { runtime_api: runtime_api.address, front: front.as_ref().map(|front| front.address) };
        let region = process::region(self.command.as_ref());
        let (callers, jobs) = Callers::new(&region, &self.function.name, self.function.concurrency.is_some());
        let program =
            self.command.map(|command| Program::new(command, &self.function, addresses.runtime_api, self.console));
        let started_at = Instant::now();
        let (program, process) = match program.map(start_program).transpose()? {
            Some((program, process)) => (Some(program), Some(process)),
            None => (None, None),
        };
        let parts = Parts {
            concurrency: self.function.concurrency,
            settings: Settings {
                timeout: self.timeout,
                init_timeout: self.init_timeout,
                end_grace: self.end_grace,
                memory_mb: self.function.memory_mb,
                console: self.console,
            },
            runtime_api: runtime_api.listener,
            front: front.map(|front| front.listener),
            callers,
            jobs,
            program,
            process,
            started_at,
        };
        Running::start(parts, addresses).map_err(StartError::Thread)
    }
}

struct Bound {
    listener: Async<TcpListener>,
    address: SocketAddr,
}

fn bind(address: SocketAddr) -> Result<Bound, StartError> {
    let bound = Async::<TcpListener>::bind(address).and_then(|listener| {
        let address = listener.get_ref().local_addr()?;
        Ok(Bound { listener, address })
    });
    bound.map_err(|error| StartError::Listen { address, error })
}

fn start_program(mut program: Program) -> Result<(Program, Process), StartError> {
    match program.start() {
        Ok(process) => Ok((program, process)),
        Err(error) => Err(StartError::Program { name: program.name(), error }),
    }
}

/// The emulator cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened at.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// The program cannot be started.
    Program {
        /// The program as it was named.
        name: String,
        /// Why not.
        error: io::Error,
    },
    /// There is no thread to be had.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } => write!(f, "cannot listen at {address}: {error}"),
            Self::Program { name, error } => write!(f, "cannot start {name}: {error}"),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Listen { error, .. } | Self::Program { error, .. } | Self::Thread(error) => Some(error),
        }
    }
}
