//! What is to be emulated.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::console::{Console, LogFormat, Printer};
use crate::environment::{Capacity, Timeouts};
use crate::event::new_id;
use crate::fleet::{Freeze, Registration, Settings, Start};
use crate::function::{self, Function};
use crate::invoke::{Cors, Options, UrlFormat};
use crate::limits;
use crate::page::Feed;
use crate::running::{Addresses, Parts, Running};

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
    owns_process: bool,
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
                version: "$LATEST".to_owned(),
                metadata_token: new_id(),
                concurrency: None,
                is_snap_start: false,
                has_frames: false,
                has_json_log: false,
                lambda: None,
                is_rie: false,
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
            owns_process: false,
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

    /// Has the process given up to so many invocations at a time (at least one, and [`CONCURRENCY`](limits::CONCURRENCY)
    /// at most), as on AWS's managed instances. The process finds the number in `AWS_LAMBDA_MAX_CONCURRENCY`. Without
    /// this it is given one at a time, and the variable is not set.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.function.concurrency = Some(concurrency.clamp(1, limits::CONCURRENCY));
        self
    }

    /// Where the function has a URL, at which plain HTTP becomes events; nowhere without it.
    #[must_use]
    pub fn url(mut self, address: SocketAddr) -> Self {
        self.url = Some(address);
        self
    }

    /// The form of the events that plain HTTP becomes at the [URL](Self::url); version 2.0 without it.
    #[must_use]
    pub fn url_format(mut self, format: UrlFormat) -> Self {
        self.callers.url.format = format;
        self
    }

    /// Has a response go through the [URL](Self::url) as it comes, as with the invoke mode `RESPONSE_STREAM`.
    #[must_use]
    pub fn url_streaming(mut self) -> Self {
        self.callers.url.is_streaming = true;
        self
    }

    /// What pages of other origins may do with the [URL](Self::url): the member `Cors` of its configuration, as JSON.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn url_cors(mut self, json: &str) -> Result<Self, String> {
        self.callers.url.cors = Some(Cors::read(json)?);
        Ok(self)
    }

    /// A name by which callers may call this machine: an address and `localhost` are taken in any case, and any name is
    /// where others than this machine may call.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.callers.gate.hosts.push(host.into());
        self
    }

    /// An origin, such as `https://example.com`, whose pages may call; without this, none may.
    #[must_use]
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.callers.gate.origins.push(origin.into());
        self
    }

    /// Meets callers as AWS's Runtime Interface Emulator does, with its one path, its statuses and its bodies, and has the
    /// program find what it finds there: names, memory, and no type of initialisation. It is started for its first caller,
    /// and start and invocation have one time-out.
    #[must_use]
    pub fn as_rie(mut self) -> Self {
        self.callers.is_rie = true;
        self.function.is_rie = true;
        self.start.is_lazy = true;
        self.init_timeout = Some(Duration::ZERO);
        self.name("test_function").memory_mb(RIE_MEMORY_MB).timeout(RIE_TIMEOUT)
    }

    /// Has the function find Lambda at this address: AWS's SDKs read `AWS_ENDPOINT_URL_LAMBDA`. Port 0 stands for where this
    /// emulator [listens](Self::listen).
    #[must_use]
    pub fn local_lambda(mut self, address: SocketAddr) -> Self {
        self.function.lambda = Some(reachable(address));
        self
    }

    /// Has callers who name the function of another emulator reach it by the port of this one, which has to be the last
    /// to end. Then a function is reached by its own name alone.
    #[must_use]
    pub fn also(mut self, other: &Running) -> Self {
        self.callers.others.push(other.callers().clone());
        self.callers.feeds.push(Arc::clone(other.feed()));
        self.others.push((other.callers().function().to_owned(), other.addresses()));
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

    /// Throttles whoever would be one more than so many callers at a time, as reserved concurrency does. Without this they
    /// wait.
    #[must_use]
    pub fn reserved_concurrency(mut self, callers: usize) -> Self {
        self.reserved = Some(callers);
        self
    }

    /// Appends each event that nobody waits for, and that has failed for good, to this file: as one line of JSON, in the
    /// form in which AWS has it for destinations.
    #[must_use]
    pub fn dead_letters(mut self, file: impl Into<PathBuf>) -> Self {
        self.dead_letters = Some(file.into());
        self
    }

    /// Prints the line `ready {"listen":…,"runtime_api":…}` to the console before anything else.
    #[must_use]
    pub fn announce(mut self) -> Self {
        self.is_announced = true;
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
    /// [`MAX_TIMEOUT`](limits::MAX_TIMEOUT) at most.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout.min(limits::MAX_TIMEOUT));
        self
    }

    /// Lets invocations and starts take as long as they want: for debuggers. A runtime is told of a deadline that is
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
    /// caller, when its connection is gone. It is for one invocation at a time.
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

    /// In which form lines for people are; the program finds it in `AWS_LAMBDA_LOG_FORMAT`, if it is JSON.
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
    pub fn start(mut self) -> Result<Running, StartError> {
        let runtime_api = bind(self.runtime_api)?;
        let front = self.listen.map(bind).transpose()?;
        let url = self.url.map(bind).transpose()?;
        if self.function.lambda.is_some_and(|lambda| lambda.port() == 0) {
            self.function.lambda = front.as_ref().map(|front| reachable(front.address));
        }
        let addresses = Addresses {
            runtime_api: runtime_api.address,
            front: front.as_ref().map(|front| front.address),
            url: url.as_ref().map(|url| url.address),
        };
        let is_public = addresses.front.is_some_and(|address| !address.ip().is_loopback());
        self.callers.gate.is_public = is_public || self.callers.is_rie;
        let feed = Arc::<Feed>::default();
        self.callers.feeds.push(Arc::clone(&feed));
        let name = self.command.as_ref().map(|command| command.get_program().to_string_lossy().into_owned());
        let usual_init = if self.start.is_snap { limits::SNAPSHOT_INIT_TIMEOUT } else { limits::DEFAULT_INIT_TIMEOUT };
        let parts = Parts {
            region: function::region(self.command.as_ref()),
            settings: Settings {
                capacity: self.function.concurrency.map_or(Capacity::One, Capacity::Many),
                start: self.start,
                freeze: self.freeze,
                timeouts: Timeouts {
                    invocation: self.timeout,
                    init: self.timeout.map(|timeout| self.init_timeout.unwrap_or(usual_init).max(timeout)),
                },
                end_grace: self.end_grace,
                registration: registration(&self.function, self.command.as_ref()),
                metadata_token: self.function.metadata_token.clone(),
                memory_mb: self.function.memory_mb,
                printer: Printer::new(self.console, self.log_format),
                dead_letters: self.dead_letters,
                feed,
            },
            environments: if self.command.is_some() { self.environments } else { 1 },
            command: self.command,
            function: self.function,
            runtime_api: runtime_api.listener,
            front: front.map(|front| front.listener),
            url: url.map(|url| url.listener),
            options: self.callers,
            addresses,
            others: self.others,
            extensions: self.extensions,
            reserved: self.reserved,
            watched: self.watched,
            is_announced: self.is_announced,
            owns_process: self.owns_process,
        };
        let started = Running::start(parts, addresses).map_err(StartError::Thread)?;
        started.map_err(|error| StartError::Program { name: name.unwrap_or_default(), error })
    }
}

/// What a function has under AWS's emulator, if nothing else is said.
const RIE_MEMORY_MB: u32 = 3008;
const RIE_TIMEOUT: Duration = Duration::from_secs(300);

/// Where this machine finds what listens there: all addresses are no place to go to.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(_) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
    }
}

/// What an extension is told of the function.
fn registration(function: &Function, command: Option<&Command>) -> Registration {
    let handler = command.map(|command| function.handler(command)).unwrap_or_default();
    let handler = handler.to_string_lossy().into_owned();
    Registration { name: function.name.clone(), version: function.version.clone(), handler }
}

struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

fn bind(address: SocketAddr) -> Result<Bound, StartError> {
    listen(address).map_err(|error| StartError::Listen { address, error })
}

fn listen(address: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    // Once more, for a longer queue than std's.
    rustix::net::listen(&listener, limits::BACKLOG)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address })
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
