//! Runs Lambda handlers written in anything: `bootstrap app.handler`.

#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lambwire_mio::lambwire::{Context, ENV_RUNTIME_API, RequestId, RequestKind, limits};
use lambwire_mio::{Error, Runtime, is_snap_start};
use nix::sys::signal::Signal;
use rustix::stdio::{stdin, stdout};

mod answer;
mod args;
mod console;
mod context;
mod declared;
mod descendants;
mod diagnosis;
mod elf;
mod emulator;
mod exit;
mod failure;
mod file;
mod frame;
mod handler;
mod hook;
mod hub;
mod inflate;
mod json;
mod keeper;
mod language;
mod log;
mod outgoing;
mod package;
mod process;
mod program;
mod ready;
mod server;
mod shebang;
mod shutdown;
mod speaker;
mod telemetry;
mod text;
mod worker;

use answer::Answer;
use args::{HELP, Options, Request};
use console::Level;
use context::Function;
use failure::Failure;
use hook::Hook;
use program::Descriptors;
use server::{Patience, Server, Setup};

/// The handler failed, or could not be loaded.
const HANDLER_FAILED: u8 = 1;
/// Nothing could be found out about the handler.
const WRONG_USAGE: u8 = 2;

/// How long a handler that is invoked by hand may think it has, and may take to be loaded, in milliseconds: as long as Lambda
/// gives one at most.
const INVOKE_MS: u64 = 900_000;

fn main() -> ExitCode {
    if let Some(ended) = keeper::run() {
        return ended;
    }
    let request = match args::parse(env::args_os().skip(1)) {
        Ok(request) => request,
        Err(error) => return complain(WRONG_USAGE, format_args!("{error}; --help tells what there is")),
    };
    match request {
        Request::Help => print(HELP),
        Request::Version => print(concat!("bootstrap ", env!("CARGO_PKG_VERSION"), "\n")),
        Request::Serve(options) if env::var_os(ENV_RUNTIME_API).is_some() => serve(&options),
        Request::Serve(options) => {
            let Err(what) = emulator::run(&options);
            complain(WRONG_USAGE, what)
        }
        Request::Invoke(options, event) => invoke(&options, event),
    }
}

fn print(text: &str) -> ExitCode {
    match log::write_all(stdout(), text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(HANDLER_FAILED, format_args!("cannot write: {error}")),
    }
}

fn complain(status: u8, what: impl fmt::Display) -> ExitCode {
    console::say(Level::Error, None, what);
    ExitCode::from(status)
}

/// Answers what Lambda asks, for as long as it does.
fn serve(options: &Options) -> ExitCode {
    watch(&[Signal::SIGTERM], Some(0));
    let count = options.worker_count();
    let loaded = load(options, count, false);
    let runtime = Runtime::from_env();
    let served = match (loaded, runtime) {
        (Ok(server), Ok(runtime)) => begin(server, runtime, count, options),
        (Err(failure), runtime) => {
            console::say_failure(None, &failure);
            return match runtime.and_then(|mut runtime| failure.report(|report| runtime.init_error(report))) {
                Ok(()) => ExitCode::from(HANDLER_FAILED),
                Err(error) => complain(HANDLER_FAILED, format_args!("cannot report that to Lambda: {error:#}")),
            };
        }
        (_, Err(error)) => Err(error),
    };
    if count > 1 {
        end(&served);
    }
    ExitCode::from(status_of(&served))
}

fn watch(signals: &[Signal], status: Option<u8>) {
    if let Err(error) = shutdown::watch(signals, status) {
        console::say(Level::Warn, None, format_args!("cannot wait for signals: {error}"));
    }
}

/// Ends all workers, since one is no longer asked.
fn end(served: &Result<(), Error>) -> ! {
    let why = served.as_ref().err().map(|error| format!("{error:#}"));
    shutdown::end(status_of(served), why.unwrap_or_default())
}

/// Answers so many events at a time, each with a connection of its own.
fn begin(first: Server, mut runtime: Runtime, count: usize, options: &Options) -> Result<(), Error> {
    let wants_sigterm = options.wants_sigterm || first.wishes().sigterm;
    // One for each process.
    let in_process = first.wishes().concurrency.clamp(1, options.in_process(count));
    let mut servers: Vec<Server> = (1..count.div_ceil(in_process)).map(|_| first.another()).collect();
    servers.push(first);
    if is_snap_start() {
        // All are in the snapshot.
        run_hooks(&mut servers, Hook::BeforeSnapshot, &mut runtime);
        runtime.restore_next()?;
        run_hooks(&mut servers, Hook::AfterRestore, &mut runtime);
    }
    if wants_sigterm {
        // The signal is waited for already, by whom the handler hears of it. This is so that Lambda sends it.
        let api = env::var(ENV_RUNTIME_API).unwrap_or_default();
        lambwire_mio::on_sigterm(&api, || {
            loop {
                thread::park();
            }
        })?;
    }
    let cannot = |error| Error::Transport { request: RequestKind::Next, error };
    let mut left = count;
    let mut all = Vec::new();
    for server in servers.into_iter().rev() {
        all.extend(server.shared(in_process.min(left)).map_err(cannot)?);
        left = left.saturating_sub(in_process);
    }
    let first = all.pop();
    for mut server in all {
        let mut runtime = Runtime::from_env()?;
        let serve = move || end(&server.serve(&mut runtime));
        thread::Builder::new().spawn(serve).map_err(cannot)?;
    }
    first.map_or(Ok(()), |mut server| server.serve(&mut runtime))
}

/// Has all workers run their hooks. If one fails, that is reported, and is the end of all.
fn run_hooks(servers: &mut [Server], hook: Hook, runtime: &mut Runtime) {
    let Err(failure) = servers.iter_mut().try_for_each(|server| server.run_hooks(hook)) else { return };
    console::say_failure(None, &failure);
    if let Err(error) = hook.report(&failure, runtime) {
        console::say(Level::Error, None, format_args!("cannot report that to Lambda: {error:#}"));
    }
    shutdown::end(hook.status(), failure.to_string())
}

/// What to exit with when no more is asked.
fn status_of(served: &Result<(), Error>) -> u8 {
    match served {
        Ok(()) => 0,
        Err(error) => {
            console::say(Level::Error, None, format_args!("{error:#}"));
            HANDLER_FAILED
        }
    }
}

/// Hands one event to the handler.
fn invoke(options: &Options, event: OsString) -> ExitCode {
    let event = match handler::check(&options.handler()).and_then(|()| read_event(event)) {
        Ok(event) => event,
        Err(what) => return complain(WRONG_USAGE, what),
    };
    if file::was_closed(stdout()) {
        console::say(Level::Warn, None, "standard output is closed, or /dev/null: the answer is lost");
    }
    // By hand, it may be a terminal that ends it, or nohup that keeps it from that.
    let mut signals = vec![Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
    signals.retain(|&signal| !shutdown::is_ignored(signal));
    watch(&signals, None);
    let status = match load(options, 1, true) {
        Ok(mut server) => {
            answer_once(&mut server, &event).unwrap_or_else(|error| complain(HANDLER_FAILED, format_args!("{error:#}")))
        }
        Err(failure) => {
            console::say_failure(None, &failure);
            ExitCode::from(HANDLER_FAILED)
        }
    };
    if shutdown::is_ending() {
        shutdown::end(HANDLER_FAILED, String::new());
    }
    status
}

fn answer_once(server: &mut Server, event: &[u8]) -> Result<ExitCode, Error> {
    let id = RequestId::new("invoke").map_err(|error| Error::Send { request: RequestKind::Next, error })?;
    let arn = server.arn();
    let mut context = Context::new(id);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    context.deadline_ms = u64::try_from(now.as_millis()).ok().map(|now_ms| now_ms + INVOKE_MS);
    context.invoked_function_arn = Some(&arn);
    let mut answer = Answer::Console { has_begun: false };
    server.answer(&context, event, &mut answer)?;
    let is_success = matches!(answer, Answer::Given { is_success: true, .. });
    Ok(ExitCode::from(if is_success { 0 } else { HANDLER_FAILED }))
}

/// What is wrong with an event that cannot be had, or is none, is said in words.
fn read_event(event: OsString) -> Result<Vec<u8>, String> {
    if event != "-" {
        return match check_event(event.as_bytes()) {
            Err(_) if Path::new(&event).is_file() => {
                Err(format!("the event is the name of a file: for what is in it, - <{}", event.display()))
            }
            Err(what) => Err(format!("{what}; that of a file goes in by - <event.json")),
            Ok(()) => Ok(event.into_vec()),
        };
    }
    const LIMIT: u64 = limits::PAYLOAD_BYTES;
    let read = stdin().try_clone_to_owned().and_then(|stdin| file::read_open(stdin.into(), LIMIT + 1));
    match read {
        Ok(event) if event.len() as u64 <= LIMIT => check_event(&event).map(|()| event),
        Ok(_) => Err(format!("event is larger than {LIMIT} bytes, the most that Lambda takes")),
        Err(error) => Err(format!("cannot read the event: {error}")),
    }
}

/// Lambda takes nothing else.
fn check_event(event: &[u8]) -> Result<(), String> {
    let text = str::from_utf8(event).map_err(|error| format!("the event is no text: {error}"))?;
    json::check(text).map_err(|error| format!("the event is no JSON: {error}"))
}

/// Finds the handler and loads it.
fn load(options: &Options, count: usize, is_by_hand: bool) -> Result<Server, Failure> {
    let mut descriptors = Descriptors::reserve()
        .map_err(|error| Failure::new("Runtime.CannotStart", format!("cannot make a pipe: {error}")))?;
    descriptors.keeps_stdout = is_by_hand;
    descendants::adopt();
    let root = enter_task_root()?;
    let mut program = handler::resolve(
        &options.handler(),
        &root,
        options.interpreter.as_deref(),
        &options.worker_files,
        options.is_exec,
    )?;
    program.concurrency = options.in_process(count);
    if count > 1 {
        program.keeper = Some(emulator::this().unwrap_or_else(|| "/proc/self/exe".into()));
    }
    let mut function = Function::from_env();
    // Lambda ends a process that takes too long to load. By hand, nobody would.
    let mut time = None;
    if is_by_hand {
        function = function.or_by_hand();
        program.variables = function.variables(&root);
        time = Some(Duration::from_millis(INVOKE_MS).saturating_sub(options.margin.unwrap_or_default()));
    }
    let patience = match options.margin {
        Some(margin) => Patience::Until(margin),
        None if count > 1 => Patience::Overdue,
        None => Patience::Endless,
    };
    let setup = Setup { program, mode: options.mode(), descriptors, function, patience };
    let mut server = Server::new(setup);
    server.load(time.map(|time| Instant::now() + time))?;
    Ok(server)
}

/// Goes to where handlers are, and where they are run.
fn enter_task_root() -> Result<PathBuf, Failure> {
    let usual = Path::new("/var/task");
    let root = match env::var_os("LAMBDA_TASK_ROOT").filter(|root| !root.is_empty()) {
        Some(root) => root.into(),
        None if usual.is_dir() => usual.to_owned(),
        None => PathBuf::from("."),
    };
    env::set_current_dir(&root)
        .and_then(|()| env::current_dir())
        .map_err(|error| handler::no_such_file(format!("cannot enter the task root {}: {error}", root.display())))
}
