//! The command line.

use std::error::Error;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Id, Parser};
use lambwire_emulator::{Console, Emulator, Running, StartError};

mod config;
mod function;
mod rie;
mod values;

pub(crate) use function::FunctionArgs;
pub(crate) use rie::RieArgs;
use values::Format;
use values::{address, host, origin};

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
#[derive(Clone, Debug, Parser)]
#[command(version, after_long_help = EXAMPLES, after_help = "See more, with examples and exit status, with --help.")]
pub(crate) struct Args {
    /// Where to listen for callers; port 0 picks a free one; not with --event or --event-json, where nobody else calls
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    listen: SocketAddr,

    /// A name by which this machine may be called, beside addresses and localhost; any is, if --listen is no loopback
    /// address
    #[arg(long, value_name = "NAME", value_parser = host)]
    allow_host: Vec<String>,

    /// An origin whose pages may call, such as https://example.com; otherwise none may
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    allow_origin: Vec<String>,

    /// Send the event in this file (- is standard input), print the answer, and exit
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event_json", "listen"])]
    pub(crate) event: Option<PathBuf>,

    /// Send this event, print the answer, and exit
    #[arg(long, value_name = "JSON", conflicts_with = "listen")]
    pub(crate) event_json: Option<String>,

    /// The form of all lines: as CloudWatch has them, or objects with time, type and record
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: Format,

    /// Serve the functions of this file, each by its name: a table functions.NAME in TOML has the options below as keys, and
    /// the program as `command`; with `watch` in one of them, this file is watched, too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["event", "event_json"])]
    config: Option<PathBuf>,

    /// Be in place of AWS's Runtime Interface Emulator; has to be the first option, and its own follow
    #[arg(long, value_name = "EMULATOR", value_parser = ["rie"])]
    compat: Option<String>,

    #[command(flatten)]
    function: FunctionArgs,
}

impl Args {
    /// Those of the command line; whatever is wrong with it ends this process.
    pub(crate) fn of_process() -> Self {
        Self::read(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let matches = command.try_get_matches_from_mut(words).map_err(advised)?;
        let of_function = matches.get_many::<Id>("FunctionArgs").into_iter().flatten().next();
        if let Some(id) = of_function.filter(|_| matches.contains_id("config")) {
            let given = command.get_arguments().find(|argument| argument.get_id() == id);
            let key = given.and_then(clap::Arg::get_long).unwrap_or("command");
            let given = given.map(ToString::to_string).unwrap_or_default();
            let message = format!(
                "'{given}' cannot be used with '--config <FILE>': in the file, `{key}` is a key of [functions.NAME]"
            );
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
        Self::from_arg_matches(&matches)
    }

    /// Whether one event is sent, and no callers are listened for.
    pub(crate) fn is_one_shot(&self) -> bool {
        self.event.is_some() || self.event_json.is_some()
    }

    /// The file of functions, if one of these, which it describes, is watched.
    pub(crate) fn watched(&self, configured: &[FunctionArgs]) -> Option<&Path> {
        let path = self.config.as_deref().filter(|_| configured.iter().any(FunctionArgs::is_watched))?;
        if !path.is_file() {
            log::warn!("{} is no file, but can be read once: it is not watched", path.display());
            return None;
        }
        Some(path)
    }

    /// Has those that are started from here on listen for callers where these do.
    pub(crate) fn stay_with(&mut self, running: &[Running]) {
        self.listen = running.last().and_then(Running::listens).unwrap_or(self.listen);
    }

    /// What the file of functions describes, if there is one.
    pub(crate) fn configured(&self) -> Result<Vec<FunctionArgs>, String> {
        self.config.as_deref().map_or(Ok(Vec::new()), config::functions)
    }

    /// The same, if nothing is missing that is found without a start.
    pub(crate) fn checked(&self) -> Result<Vec<FunctionArgs>, String> {
        let Some(path) = &self.config else { return Ok(Vec::new()) };
        let functions = config::functions(path)?;
        for function in &functions {
            let checked = self.with_common(function).and_then(|emulator| Ok(emulator.check()?));
            checked.map_err(|error| config::of_function(path, function, &error))?;
        }
        Ok(functions)
    }

    /// Starts what is asked for, which may be configured: the last of these is the one that is called.
    pub(crate) fn start(&self, configured: &[FunctionArgs]) -> Result<Vec<Running>, Box<dyn Error>> {
        if self.compat.is_some() {
            return Err("--compat rie has to be the first option".into());
        }
        let Some(path) = &self.config else {
            if self.is_one_shot() && self.function.program.is_empty() {
                log::warn!("no PROGRAM: waits for a runtime with what follows; else write `-- bootstrap app.handler`");
            }
            let chosen = [
                (Some(self.listen).filter(|_| !self.is_one_shot()), "--listen"),
                (self.function.url, "--url"),
                (self.function.runtime_api(), "--runtime-api"),
            ];
            return Ok(vec![started(self.front(&self.function)?, &chosen)?]);
        };
        let mut running = Vec::new();
        for (position, function) in configured.iter().enumerate() {
            let is_front = position + 1 == configured.len();
            let started = if is_front { self.last(function, &running) } else { self.behind(function) };
            running.push(started.map_err(|error| config::of_function(path, function, &error))?);
        }
        Ok(running)
    }

    /// A function that is called by the port of another.
    fn behind(&self, function: &FunctionArgs) -> Result<Running, Box<dyn Error>> {
        let chosen = [(function.url, "url"), (function.runtime_api(), "runtime-api")];
        started(self.with_common(function)?.hold_lines().name_lines(), &chosen)
    }

    /// The function by whose port the others are called.
    fn last(&self, function: &FunctionArgs, others: &[Running]) -> Result<Running, Box<dyn Error>> {
        let mut emulator = others.iter().fold(self.front(function)?, Emulator::also);
        if !others.is_empty() {
            emulator = emulator.name_lines();
        }
        let chosen = [(Some(self.listen), "--listen"), (function.url, "url"), (function.runtime_api(), "runtime-api")];
        started(emulator, &chosen)
    }

    /// The function that is called, or behind whose port others are.
    fn front(&self, function: &FunctionArgs) -> Result<Emulator, Box<dyn Error>> {
        let mut emulator = self.with_common(function)?.own_process();
        for host in &self.allow_host {
            emulator = emulator.allow_host(host);
        }
        for origin in &self.allow_origin {
            emulator = emulator.allow_origin(origin);
        }
        Ok(match self.is_one_shot() {
            true if function.program.is_empty() => emulator.announce(),
            true => emulator,
            false => emulator.listen(self.listen).announce(),
        })
    }

    fn with_common(&self, function: &FunctionArgs) -> Result<Emulator, Box<dyn Error>> {
        let mut emulator = function.emulator()?.leave_dead_letters().share_pipes();
        if function.local_lambda && self.is_one_shot() {
            return Err("--local-lambda, and no callers are listened for".into());
        }
        if function.local_lambda && self.config.is_some() && self.listen.port() == 0 {
            return Err("local-lambda in a file needs a port in --listen".into());
        }
        if function.local_lambda {
            emulator = emulator.local_lambda(self.listen);
        }
        emulator = emulator.log_format(self.log_format.into());
        Ok(emulator.console(if self.is_one_shot() { Console::Stderr } else { Console::Stdout }))
    }
}

/// An error of clap with what its author may have meant.
fn advised(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    if !word.starts_with('-') {
        let advice = "put `--` before the program: `-- bootstrap app.handler`".into();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![advice]));
    } else {
        // That it might be the program's own, when it is no program.
        error.remove(ContextKind::Suggested);
    }
    error
}

/// Starts an emulator; of an address that cannot be had it is said what chooses another.
fn started(emulator: Emulator, chosen: &[(Option<SocketAddr>, &str)]) -> Result<Running, Box<dyn Error>> {
    emulator.start().map_err(|error| {
        let StartError::Listen { address, .. } = &error else { return error.into() };
        let options = chosen.iter().filter(|(chosen, _)| *chosen == Some(*address)).map(|(_, option)| *option);
        format!("{error}; another is chosen with {}", options.collect::<Vec<_>>().join(" or ")).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
