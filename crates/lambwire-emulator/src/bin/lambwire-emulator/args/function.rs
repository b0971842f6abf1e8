//! Options of one function.

use std::error::Error;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{self, Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use lambwire_emulator::{Emulator, Freeze, UrlFormat, limits, pair};

use super::values::{
    Begin, Form, Frozen, Timeout, address, concurrency, environments, memory, read_variable, reserved, seconds,
    timeout, variable,
};

/// Where the Runtime API is for a program that somebody else starts: where AWS's emulator has it.
const ATTACH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// Where extensions are on Lambda.
const EXTENSIONS: &str = "/opt/extensions";

#[derive(Clone, Debug, Args)]
pub(crate) struct FunctionArgs {
    /// Where to serve the Runtime API to the program; otherwise on a free port of 127.0.0.1, and on port 9001 if there is
    /// no PROGRAM
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    runtime_api: Option<SocketAddr>,

    /// Serve the URL of the function at ADDRESS, too: plain HTTP becomes events
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8081", value_parser = address)]
    pub(super) url: Option<SocketAddr>,

    /// The form of these events: 2.0 as from function URLs and HTTP APIs, 1.0 as from REST APIs, or that of load balancers, with
    /// multi-value headers or without
    #[arg(long, value_name = "FORMAT", default_value = "2.0", requires = "url")]
    url_format: Form,

    /// Have a response go through the URL as it comes (invoke mode RESPONSE_STREAM)
    #[arg(long, requires = "url")]
    url_streaming: bool,

    /// What pages of other origins may do with the URL: the member Cors of its configuration, such as
    /// {"AllowOrigins":["*"]}
    #[arg(long, value_name = "JSON", requires = "url")]
    url_cors: Option<String>,

    /// Have AWS's SDKs in the function find Lambda here, by AWS_ENDPOINT_URL_LAMBDA
    #[arg(long)]
    pub(super) local_lambda: bool,

    /// Handler, as the program finds it in _HANDLER; otherwise that of the environment, or the last of its arguments, unless
    /// that is an option or the value of one
    #[arg(long)]
    handler: Option<String>,

    /// Name of the function, of letters, digits, hyphens and underscores; otherwise AWS_LAMBDA_FUNCTION_NAME, or `function`
    #[arg(long)]
    pub(super) name: Option<String>,

    /// Memory of the function in MB, said to the program, not enforced; otherwise AWS_LAMBDA_FUNCTION_MEMORY_SIZE, or 128
    #[arg(long, value_name = "MB", value_parser = memory)]
    memory: Option<u32>,

    /// Start each file of this directory as an extension, before the program; otherwise those of /opt/extensions, if there
    /// are any
    #[arg(long, value_name = "DIRECTORY")]
    extensions: Option<PathBuf>,

    /// Give the process up to N invocations at a time, as AWS's managed instances do, and say so in
    /// AWS_LAMBDA_MAX_CONCURRENCY; without this, one at a time
    #[arg(long, value_name = "N", value_parser = concurrency)]
    concurrency: Option<usize>,

    /// Start up to N environments, each with a process of its own, as callers come who would otherwise wait
    #[arg(long, value_name = "N", value_parser = environments)]
    environments: Option<usize>,

    /// Throttle whoever would be one more than N callers at a time, with status 429, as reserved concurrency does
    #[arg(long, value_name = "N", value_parser = reserved)]
    reserved: Option<usize>,

    /// Append events of the type Event to this file that have failed three times, or that --reserved 0 lets not run
    #[arg(long, value_name = "FILE")]
    dead_letter: Option<PathBuf>,

    /// How long an invocation may take, in seconds, up to 900, and up to 5400 for an Event with --concurrency; `off` lets it, and a start, take for ever; otherwise
    /// AWS_LAMBDA_FUNCTION_TIMEOUT, or 3
    #[arg(long, value_name = "SECONDS", value_parser = timeout)]
    timeout: Option<Timeout>,

    /// How long the program may take to start, in seconds, if that is more than --timeout; otherwise 10, and 130 with
    /// --snap-start
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    init_timeout: Option<Duration>,

    /// When the program is started
    #[arg(long, value_name = "WHEN", default_value = "now")]
    start: Begin,

    /// Have SnapStart: freeze the program when it has started and asks to be restored, and restore it for the first caller
    #[arg(long, conflicts_with = "concurrency")]
    snap_start: bool,

    /// Give the program a descriptor for its log in _LAMBDA_TELEMETRY_LOG_FD, as Lambda does: records, which may have
    /// several lines
    #[arg(long)]
    log_frames: bool,

    /// Stop the processes of the program while they have nothing to do, as Lambda freezes them; with `connections`, they
    /// lose theirs to the Runtime API meanwhile
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "processes", conflicts_with = "concurrency")]
    freeze: Option<Frozen>,

    /// Start the program again when this file, one in this directory, or one of --env-file has changed; without PATH, the
    /// directory in which the emulator is started
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = ".")]
    watch: Vec<PathBuf>,

    /// Set a variable for the program and its extensions
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,

    /// Set the variables of this file for the program and its extensions, each NAME=VALUE on a line of its own, taken as it
    /// is; it is read whenever they are started, but a pipe only once
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,

    /// Start the program in this directory
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,

    /// Set LAMBDA_TASK_ROOT for the program
    #[arg(long, value_name = "DIRECTORY")]
    task_root: Option<String>,

    /// Set LAMBDA_RUNTIME_DIR for the program
    #[arg(long, value_name = "DIRECTORY")]
    runtime_dir: Option<String>,

    /// The program that is to be served, with its arguments; without it, what a runtime has to find in its environment is
    /// printed, and whichever comes is served
    #[arg(last = true, value_name = "PROGRAM")]
    pub(super) program: Vec<OsString>,
}

impl FunctionArgs {
    /// The emulator that is asked for.
    pub(super) fn emulator(&self) -> Result<Emulator, Box<dyn Error>> {
        let mut emulator = match self.program.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments);
                if let Some(directory) = &self.directory {
                    // What the kernel says of it would be taken for the program.
                    let missing = |error| format!("cannot start in {}: {error}", directory.display());
                    directory.metadata().map_err(missing)?;
                    command.current_dir(directory);
                }
                Emulator::new(command)
            }
            // Somebody has to start one by hand first.
            None => {
                let emulator = Emulator::without_program().init_timeout(limits::MAX_TIMEOUT);
                let directory = self.directory.as_ref().and_then(|directory| path::absolute(directory).ok());
                directory.iter().fold(emulator, |emulator, directory| emulator.task_root(directory.to_string_lossy()))
            }
        };
        for path in &self.env_file {
            emulator = emulator.env_file(path);
        }
        for (name, value) in &self.env {
            emulator = emulator.env(name, value);
        }
        if let Some(address) = self.runtime_api() {
            emulator = emulator.runtime_api(address);
        }
        if let Some(timeout) = self.init_timeout {
            emulator = emulator.init_timeout(timeout);
        }
        if let Some(name) = self.name.clone().or_else(|| variable("AWS_LAMBDA_FUNCTION_NAME")) {
            emulator = emulator.name(name);
        }
        if let Some(version) = variable("AWS_LAMBDA_FUNCTION_VERSION") {
            emulator = emulator.version(version);
        }
        let memory =
            read_variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", |text| text.parse().map_err(|_| "no number".into()));
        if let Some(memory) = self.memory.map_or(memory, |memory| Ok(Some(memory)))? {
            emulator = emulator.memory_mb(memory);
        }
        let set = read_variable("AWS_LAMBDA_FUNCTION_TIMEOUT", timeout);
        match self.timeout.map_or(set, |timeout| Ok(Some(timeout)))? {
            Some(Timeout::After(timeout)) if timeout > limits::MAX_TIMEOUT && self.concurrency.is_none() => {
                let most = limits::MAX_TIMEOUT.as_secs();
                return Err(format!(
                    "a time-out of {} s is more than {most} s, which only an Event may take, with --concurrency",
                    timeout.as_secs_f64()
                )
                .into());
            }
            Some(Timeout::After(timeout)) => emulator = emulator.timeout(timeout),
            Some(Timeout::Off) => emulator = emulator.without_timeout(),
            None => {}
        }
        let emulator = self.with_life(emulator)?;
        Ok(self.with_callers(emulator)?)
    }

    /// Where the Runtime API is to be, if not on a free port.
    pub(super) fn runtime_api(&self) -> Option<SocketAddr> {
        self.runtime_api.or(self.program.is_empty().then_some(ATTACH))
    }

    pub(super) fn is_watched(&self) -> bool {
        !self.watch.is_empty()
    }

    /// When its processes begin and end.
    fn with_life(&self, mut emulator: Emulator) -> Result<Emulator, Box<dyn Error>> {
        if self.start == Begin::Call {
            emulator = emulator.start_when_called();
        }
        if self.snap_start {
            emulator = emulator.snap_start();
        }
        if self.log_frames {
            emulator = emulator.log_frames();
        }
        if let Some(frozen) = self.freeze {
            emulator = emulator.freeze(match frozen {
                Frozen::Processes => Freeze::Processes,
                Frozen::Connections => Freeze::Connections,
            });
        }
        for path in &self.watch {
            path.metadata().map_err(|error| format!("cannot watch {}: {error}", path.display()))?;
            emulator = emulator.watch(path);
        }
        if let Some(directory) = &self.extensions {
            let unread = |error| format!("cannot read the extensions in {}: {error}", directory.display());
            emulator = emulator.extensions(directory).map_err(unread)?;
        } else if Path::new(EXTENSIONS).is_dir() {
            emulator = emulator.extensions(EXTENSIONS)?;
        }
        Ok(emulator)
    }

    /// How it is called, and what else it has.
    fn with_callers(&self, mut emulator: Emulator) -> Result<Emulator, String> {
        if let Some(handler) = &self.handler {
            emulator = emulator.handler(handler);
        }
        if let Some(concurrency) = self.concurrency {
            emulator = emulator.concurrency(concurrency);
        }
        if let Some(address) = self.url {
            emulator = emulator.url(address).url_format(match self.url_format {
                Form::V2 => UrlFormat::V2,
                Form::V1 => UrlFormat::V1,
                Form::Alb => UrlFormat::Alb,
                Form::AlbMultiValue => UrlFormat::AlbMultiValue,
            });
        }
        if self.url_streaming {
            emulator = emulator.url_streaming();
        }
        if let Some(json) = &self.url_cors {
            emulator = emulator.url_cors(json).map_err(|error| format!("url-cors is {json:?}, {error}"))?;
        }
        if let Some(reserved) = self.reserved {
            emulator = emulator.reserved_concurrency(reserved);
        }
        if let Some(file) = &self.dead_letter {
            emulator = emulator.dead_letters(file);
        }
        if let Some(environments) = self.environments {
            emulator = emulator.environments(environments);
        }
        if let Some(directory) = &self.task_root {
            emulator = emulator.task_root(directory);
        }
        if let Some(directory) = &self.runtime_dir {
            emulator = emulator.runtime_dir(directory);
        }
        Ok(emulator)
    }
}
