//! Runs Lambda handlers written in anything: `bootstrap app.handler`.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use lambwire_mio::lambwire::{Chain, Context, ENV_RUNTIME_API, RequestId, RequestKind, limits};
use lambwire_mio::{Error, Runtime, is_snap_start};
use rustix::stdio::{stdin, stdout};

mod answer;
mod args;
mod console;
mod context;
mod declared;
mod diagnosis;
mod elf;
mod emulator;
mod exit;
mod failure;
mod file;
mod frame;
mod handler;
mod instances;
mod json;
mod language;
mod log;
mod process;
mod program;
mod ready;
mod server;
mod shebang;
mod shutdown;
mod telemetry;
mod worker;

use answer::Answer;
use args::{HELP, Options, Request};
use console::Level;
use failure::Failure;
use instances::Role;
use program::Descriptors;
use server::{Hook, Server};

/// The handler failed, or could not be loaded.
const HANDLER_FAILED: u8 = 1;
/// Nothing could be found out about the handler.
const WRONG_USAGE: u8 = 2;

/// How long a handler that is invoked by hand may think it has, in milliseconds: as long as Lambda gives one at most.
const INVOKE_MS: u64 = 900_000;

fn main() -> ExitCode {
    let request = match args::parse(env::args_os().skip(1)) {
        Ok(request) => request,
        Err(error) => return complain(WRONG_USAGE, format_args!("{error}; --help tells what there is")),
    };
    match request {
        Request::Help => tell(HELP),
        Request::Version => tell(concat!("bootstrap ", env!("CARGO_PKG_VERSION"), "\n")),
        Request::Serve(options) if env::var_os(ENV_RUNTIME_API).is_some() => match options.worker_count() {
            count @ 2.. if Role::of_this() == Role::Alone => instances::run(count).unwrap_or_else(|error| {
                complain(HANDLER_FAILED, format_args!("cannot start {count} workers: {error}"))
            }),
            _ => serve(&options),
        },
        Request::Serve(options) => complain(WRONG_USAGE, emulator::run(&options)),
        Request::Invoke(options, event) => invoke(&options, event),
    }
}

fn tell(text: &str) -> ExitCode {
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
    instances::follow_parent();
    if let Err(error) = shutdown::watch() {
        console::say(Level::Warn, None, format_args!("cannot wait for SIGTERM: {error}"));
    }
    let loaded = load(options, false);
    let runtime = Runtime::from_env();
    let served = match (loaded, runtime) {
        (Ok(mut server), Ok(mut runtime)) => begin(&mut server, &mut runtime, options),
        (Err(failure), runtime) => {
            console::say_failure(None, &failure);
            return match runtime.and_then(|mut runtime| failure.report(|report| runtime.init_error(report))) {
                Ok(()) => ExitCode::from(HANDLER_FAILED),
                Err(error) => complain(HANDLER_FAILED, format_args!("cannot tell Lambda so: {}", Chain(&error))),
            };
        }
        (_, Err(error)) => Err(error),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(HANDLER_FAILED, Chain(&error)),
    }
}

fn begin(server: &mut Server, runtime: &mut Runtime, options: &Options) -> Result<(), Error> {
    // The first does this for all, before there are others.
    let is_further = Role::of_this() == Role::Further;
    if is_snap_start() && !is_further {
        let server = RefCell::new(&mut *server);
        runtime.restore(
            || server.borrow_mut().run_hooks(Hook::BeforeSnapshot),
            || server.borrow_mut().run_hooks(Hook::AfterRestore),
        )?;
    }
    if (options.wants_sigterm || server.wishes().sigterm) && !is_further {
        // The signal is waited for already, by whom the handler is told of it. This is so that Lambda sends it.
        let api = env::var(ENV_RUNTIME_API).unwrap_or_default();
        lambwire_mio::on_sigterm(&api, || {
            loop {
                thread::park();
            }
        })?;
    }
    instances::is_loaded();
    server.serve(runtime)
}

/// Hands one event to the handler.
fn invoke(options: &Options, event: OsString) -> ExitCode {
    let event = match read_event(event) {
        Ok(event) => event,
        Err(what) => return complain(WRONG_USAGE, what),
    };
    match load(options, true) {
        Ok(mut server) => {
            answer_once(&mut server, &event).unwrap_or_else(|error| complain(HANDLER_FAILED, Chain(&error)))
        }
        Err(failure) => {
            console::say_failure(None, &failure);
            ExitCode::from(HANDLER_FAILED)
        }
    }
}

fn answer_once(server: &mut Server, event: &[u8]) -> Result<ExitCode, Error> {
    let id = RequestId::new("invoke").map_err(|error| Error::Send { request: RequestKind::Next, error })?;
    let arn = server.invoked_by_hand();
    let mut context = Context::new(id);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    context.deadline_ms = u64::try_from(now.as_millis()).ok().map(|now_ms| now_ms + INVOKE_MS);
    context.invoked_function_arn = Some(&arn);
    let mut answer = Answer::Console;
    server.answer(&context, event, &mut answer)?;
    let is_success = matches!(answer, Answer::Given { is_success: true });
    Ok(ExitCode::from(if is_success { 0 } else { HANDLER_FAILED }))
}

/// What is wrong with an event that cannot be had is told in words.
fn read_event(event: OsString) -> Result<Vec<u8>, String> {
    if event != "-" {
        return Ok(event.into_vec());
    }
    const LIMIT: u64 = limits::PAYLOAD_BYTES;
    let read = stdin().try_clone_to_owned().and_then(|stdin| file::read_open(stdin.into(), LIMIT + 1));
    match read {
        Ok(event) if event.len() as u64 <= LIMIT => Ok(event),
        Ok(_) => Err(format!("event is larger than {LIMIT} bytes, the most that Lambda takes")),
        Err(error) => Err(format!("cannot read the event: {error}")),
    }
}

/// Finds the handler and loads it.
fn load(options: &Options, keeps_stdout: bool) -> Result<Server, Failure> {
    let cannot = |error: io::Error| Failure::new("Runtime.CannotStart", format!("cannot make a pipe: {error}"));
    let mut descriptors = Descriptors::reserve().map_err(cannot)?;
    descriptors.keeps_stdout = keeps_stdout;
    process::adopt();
    let root = enter_task_root()?;
    let program = handler::resolve(&options.handler(), &root, options.interpreter.as_deref(), &options.worker_files)?;
    let mut server = Server::new(program, options.mode(), descriptors, options.margin);
    if Role::of_this() != Role::Further {
        server.load()?;
    }
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
