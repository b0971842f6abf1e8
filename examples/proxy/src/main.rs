//! `proxy PROGRAM ARGS`: runs a runtime behind the proxy. With `PROXY_LOG` in the environment, stderr says what passes.

use std::error::Error;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, io};

use lambwire::{ENV_RUNTIME_API, Endpoint, Event};
use proxy::{Passed, serve};
use rustix::process::{Signal, set_parent_process_death_signal};

#[cfg(not(target_os = "linux"))]
compile_error!("proxy is for Linux, which ends it together with its runtime");

/// Names the runtime to the process that serves it, which has the listener in place of its standard input.
const ENV_RUNTIME_PID: &str = "PROXY_RUNTIME_PID";

const USAGE: &str = "usage: proxy PROGRAM ARGS: runs a runtime behind a proxy, with PROXY_LOG set to see what passes";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The proxy is a process of its own, and its parent becomes the runtime, whose signals and exit status remain its own.
fn run() -> Result<(), Box<dyn Error>> {
    let api =
        env::var(ENV_RUNTIME_API).map_err(|_| format!("{ENV_RUNTIME_API} is not set: Lambda sets it\n{USAGE}"))?;
    if let Ok(runtime) = env::var(ENV_RUNTIME_PID) {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Otherwise it has ended before this process was to end with it.
        let has_runtime = parent_id().to_string() == runtime;
        return if has_runtime { Ok(serve(&listener, &api, log)?) } else { Ok(()) };
    }
    let mut args = env::args_os().skip(1);
    let program = args.next().ok_or(USAGE)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = format!("{}{}", listener.local_addr()?, Endpoint::new(&api)?.prefix());
    let mut server = Command::new(env::current_exe()?);
    server.env(ENV_RUNTIME_PID, std::process::id().to_string()).stdin(OwnedFd::from(listener));
    server.process_group(0).spawn()?;
    let error = Command::new(&program).args(args).env(ENV_RUNTIME_API, address).exec();
    Err(format!("cannot start {}: {error}", Path::new(&program).display()).into())
}

/// Says each head that passes.
fn log() -> impl FnMut(Passed<'_>) {
    let is_on = env::var_os("PROXY_LOG").is_some();
    move |passed| match passed {
        _ if !is_on => {}
        Passed::Request(Event::Head { head, .. }) => eprintln!("proxy: {head:?}"),
        Passed::Reply(Event::Head { head, .. }) => eprintln!("proxy: {head:?}"),
        Passed::Unknown(reason) => eprintln!("proxy: something passes that is not understood: {reason}"),
        _ => {}
    }
}
