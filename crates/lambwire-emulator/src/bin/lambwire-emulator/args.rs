//! The command line.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use lambwire_emulator::{Console, Emulator, Freeze, LogFormat, UrlFormat, limits};

const EXAMPLES: &str = "\
Examples:
  Serve a function, and invoke it:
    lambwire-emulator -- ./bootstrap app.handler
    curl -d '{}' http://127.0.0.1:8080/2015-03-31/functions/function/invocations

  Invoke it once, and print the answer:
    lambwire-emulator --event-json '{\"name\":\"you\"}' -- ./bootstrap app.handler
    lambwire-emulator --event - -- ./bootstrap app.handler < event.json

  Serve a program that a debugger starts, for as long as it takes:
    lambwire-emulator --timeout off

  In a test, on free ports (read the address from the line `ready`):
    lambwire-emulator --listen 127.0.0.1:0 -- ./bootstrap app.handler

Without --event, the emulator serves until it is interrupted. When it listens,
it prints one line to standard output:
    ready {\"listen\":\"127.0.0.1:8080\",\"runtime_api\":\"127.0.0.1:40321\"}
The lines START, END and REPORT, and what the program prints, go there, too.

With --event or --event-json, standard output gets the answer alone (and a line
feed, if it is a terminal and the answer ends without one). START, END and
REPORT, and what the program prints, go to standard error.

With --concurrency, an invocation that takes too long ends, and the program goes
on; without, it is killed. A program that dies fails all that it has. One that
has registered as an extension gets SIGTERM before it is killed, and any does
when the emulator ends.

The program finds in its environment what Lambda sets, beside what the emulator
has there itself. It is started at once, and again for the next event after it
has died, taken too long, or reported that it cannot start.

Exit status:
  0    the function answered
  1    the function failed: it reported an error, could not start, died, or
       took too long; the report is printed in place of the answer
  2    wrong usage, the program cannot be started, or the emulator failed
  130  interrupted (SIGINT)
  143  terminated (SIGTERM)

RUST_LOG says what the emulator logs to standard error: error, warn (the
default), info, debug or off.";

/// AWS Lambda on this machine: serves the Runtime API to a program, and takes invocations for it.
#[derive(Debug, Parser)]
#[command(version, after_long_help = EXAMPLES, after_help = "See more, with examples and exit status, with --help.")]
pub(crate) struct Args {
    /// Where to listen for callers; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Where to serve the Runtime API to the program; otherwise on a free port of 127.0.0.1, and on port 9001 if there is
    /// no PROGRAM
    #[arg(long, value_name = "ADDRESS")]
    runtime_api: Option<SocketAddr>,

    /// Serve the URL of the function at ADDRESS, too: plain HTTP becomes events
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:8081")]
    url: Option<SocketAddr>,

    /// The form of these events: 2.0 as from function URLs and HTTP APIs, 1.0 as from REST APIs, or that of load balancers
    #[arg(long, value_name = "FORMAT", default_value = "2.0", requires = "url")]
    url_format: Form,

    /// Have a response go through the URL as it comes (invoke mode RESPONSE_STREAM)
    #[arg(long, requires = "url")]
    url_streaming: bool,

    /// What pages of other origins may do with the URL: the member Cors of its configuration, such as
    /// {"AllowOrigins":["*"]}
    #[arg(long, value_name = "JSON", requires = "url")]
    url_cors: Option<String>,

    /// A name by which this machine may be called, beside addresses and localhost; any is, if --listen is no loopback
    /// address
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,

    /// An origin whose pages may call, such as https://example.com; otherwise none may
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// Have AWS's SDKs in the function find Lambda here, by AWS_ENDPOINT_URL_LAMBDA
    #[arg(long, conflicts_with_all = ["event", "event_json"])]
    local_lambda: bool,

    /// Send the event in this file (- is standard input), print the answer, and exit
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event_json", "listen"])]
    pub(crate) event: Option<PathBuf>,

    /// Send this event, print the answer, and exit
    #[arg(long, value_name = "JSON", conflicts_with = "listen")]
    pub(crate) event_json: Option<String>,

    /// Handler, as the program finds it in _HANDLER; otherwise that of the environment, or the last of its arguments
    #[arg(long)]
    handler: Option<String>,

    /// Name of the function; otherwise AWS_LAMBDA_FUNCTION_NAME, or `function`
    #[arg(long)]
    name: Option<String>,

    /// Memory of the function in MB, said to the program, not enforced; otherwise AWS_LAMBDA_FUNCTION_MEMORY_SIZE, or 128
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(128..=10_240))]
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
    #[arg(long, value_name = "N")]
    reserved: Option<usize>,

    /// Append events of the type Event to this file that have failed three times
    #[arg(long, value_name = "FILE")]
    dead_letter: Option<PathBuf>,

    /// How long an invocation may take, in seconds, up to 900; `off` lets it, and a start, take for ever; otherwise
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

    /// The form of all lines: as CloudWatch has them, or objects with time, type and record
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: Format,

    /// Give the program a descriptor for its log in _LAMBDA_TELEMETRY_LOG_FD, as Lambda does: records, which may have
    /// several lines
    #[arg(long)]
    log_frames: bool,

    /// Stop the processes of the program while they have nothing to do, as Lambda freezes them; with `connections`, they
    /// lose theirs to the Runtime API meanwhile
    #[arg(long, value_name = "WHAT", num_args = 0..=1, default_missing_value = "processes", conflicts_with = "concurrency")]
    freeze: Option<Frozen>,

    /// Start the program again when this file, or one in this directory, has changed; without PATH, the directory in which
    /// the emulator is started
    #[arg(long, value_name = "PATH", num_args = 0..=1, default_missing_value = ".")]
    watch: Vec<PathBuf>,

    /// Set LAMBDA_TASK_ROOT for the program
    #[arg(long, value_name = "DIRECTORY")]
    task_root: Option<String>,

    /// Set LAMBDA_RUNTIME_DIR for the program
    #[arg(long, value_name = "DIRECTORY")]
    runtime_dir: Option<String>,

    /// The program that is to be served, with its arguments; without it, what a runtime has to find in its environment is
    /// printed, and whichever comes is served
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

impl Args {
    /// Whether one event is sent, and no callers are listened for.
    pub(crate) fn is_one_shot(&self) -> bool {
        self.event.is_some() || self.event_json.is_some()
    }

    /// The emulator that is asked for.
    pub(crate) fn emulator(&self) -> Result<Emulator, Box<dyn Error>> {
        let mut emulator = match self.program.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments);
                Emulator::new(command)
            }
            // Somebody has to start one by hand first.
            None => Emulator::without_program().init_timeout(limits::MAX_TIMEOUT).runtime_api(ATTACH),
        };
        emulator = emulator.own_process();
        if let Some(address) = self.runtime_api {
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
            Some(Timeout::After(timeout)) => emulator = emulator.timeout(timeout),
            Some(Timeout::Off) => emulator = emulator.without_timeout(),
            None => {}
        }
        if self.start == Begin::Call {
            emulator = emulator.start_when_called();
        }
        if self.snap_start {
            emulator = emulator.snap_start();
        }
        if self.log_format == Format::Json {
            emulator = emulator.log_format(LogFormat::Json);
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
            });
        }
        if self.url_streaming {
            emulator = emulator.url_streaming();
        }
        if let Some(json) = &self.url_cors {
            emulator = emulator.url_cors(json).map_err(|error| format!("--url-cors is {json:?}, {error}"))?;
        }
        for host in &self.allow_host {
            emulator = emulator.allow_host(host);
        }
        for origin in &self.allow_origin {
            emulator = emulator.allow_origin(origin);
        }
        if self.local_lambda {
            emulator = emulator.local_lambda();
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
        Ok(if self.is_one_shot() {
            emulator.console(Console::Stderr)
        } else {
            emulator.console(Console::Stdout).listen(self.listen).announce()
        })
    }
}

/// Where the Runtime API is for a program that somebody else starts: where AWS's emulator has it.
const ATTACH: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// How long an invocation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timeout {
    After(Duration),
    Off,
}

/// When a program is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Begin {
    /// With the emulator
    Now,
    /// When the first caller comes
    Call,
}

/// The form of events that plain HTTP becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    #[value(name = "2.0")]
    V2,
    #[value(name = "1.0")]
    V1,
    Alb,
}

/// The form of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// What stands still while there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Frozen {
    /// All processes of the program
    Processes,
    /// They, and they lose their connections
    Connections,
}

/// Where extensions are on Lambda.
const EXTENSIONS: &str = "/opt/extensions";

/// A variable with which AWS's emulator is configured; an empty one is as good as none.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn read_variable<T>(name: &str, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    variable(name).map(|value| read(&value).map_err(|error| format!("{name} is {value:?}, {error}"))).transpose()
}

fn concurrency(text: &str) -> Result<usize, String> {
    number(text, limits::CONCURRENCY)
}

fn environments(text: &str) -> Result<usize, String> {
    number(text, limits::ENVIRONMENTS)
}

fn number(text: &str, most: usize) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("not a number from 1 to {most}"))
}

fn timeout(text: &str) -> Result<Timeout, String> {
    if text == "off" { Ok(Timeout::Off) } else { seconds(text).map(Timeout::After) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let most = limits::MAX_TIMEOUT;
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| !duration.is_zero() && *duration <= most)
        .ok_or_else(|| format!("not a number of seconds above 0 and up to {}", most.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_at_the_limit_passes_and_a_second_more_does_not() {
        assert_eq!(seconds("899"), Ok(Duration::from_secs(899)));
        assert_eq!(seconds("900"), Ok(limits::MAX_TIMEOUT));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for odd in ["901", "0", "-1", "NaN", "inf", "1e300", "", "3s"] {
            assert!(seconds(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_concurrency_at_the_limit_passes_and_one_more_does_not() {
        let most = limits::CONCURRENCY;
        for (text, taken) in [("0", false), ("1", true), ("", false), ("x", false), ("-1", false)] {
            assert_eq!(concurrency(text).is_ok(), taken, "{text}");
        }
        for number in [most - 1, most, most + 1] {
            assert_eq!(concurrency(&number.to_string()).is_ok(), number <= most);
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
