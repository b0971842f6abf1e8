//! Lambda on this machine: `lambwire-emulator -- PROGRAM`.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::future;
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use lambwire_emulator::{
    Event, Guard, InvokeError, LogFormat, Outcome, Running, are_outputs_one, flush_dead_letters, keep, limits, shown,
    watch,
};
use rustix::fs::OFlags;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

mod args;
mod event;

use args::{Args, FunctionArgs, RieArgs};

/// The function failed.
const FUNCTION_FAILED: u8 = 1;
/// Nothing could be found out about the function. Clap exits so, too, on wrong usage.
const EMULATOR_FAILED: u8 = 2;
/// What a shell adds to the number of a signal that has ended a program.
const SIGNALLED: u8 = 128;

/// How long a start that is under way has to end when a signal comes, and what it has started with it.
const START_PATIENCE: Duration = limits::END_GRACE.saturating_mul(2);

fn main() -> ExitCode {
    if Guard::run() {
        return ExitCode::SUCCESS;
    }
    let rie = RieArgs::of_process();
    let args = if rie.is_some() { None } else { Some(Args::of_process()) };
    let format = args.as_ref().map_or(LogFormat::Text, |args| args.log_format.into());
    let level = rie.as_ref().map_or("warn", RieArgs::log_level);
    let env = env_logger::Env::default().default_filter_or(level);
    // What the filter lets through is said at once, and nothing of it is left to write.
    env_logger::Builder::from_env(env)
        .target(env_logger::Target::Pipe(Box::new(io::sink())))
        .format(move |_, record| {
            format.tell(record.level().as_str(), &record.args().to_string());
            Ok(())
        })
        .init();
    if is_stdout_closed() {
        let is_one_shot = args.as_ref().is_some_and(Args::is_one_shot);
        let lost = if is_one_shot { "the answer is" } else { "the line `ready` and what functions print are" };
        log::warn!("standard output is closed, or /dev/null: {lost} lost");
    }
    match run(args, rie.as_ref()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            // Not to be filtered out, as a log would be.
            let _ = writeln!(io::stderr(), "lambwire-emulator: {error}");
            ExitCode::from(EMULATOR_FAILED)
        }
    }
}

fn run(args: Option<Args>, rie: Option<&RieArgs>) -> Result<u8, Box<dyn Error>> {
    // Before signals are caught: this waits for standard input, and is to be interruptible.
    let event = args.as_ref().map(event::of).transpose()?.flatten();
    // Without one, all is well as long as nobody kills this process; and nothing outlives the first of all.
    let _guard = (std::process::id() != 1).then(Guard::start);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = if ignores_hang_up() { None } else { Some(signal(SignalKind::hangup())?) };
        let hang_up = async {
            match &mut hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => future::pending().await,
            }
        };
        let work = async {
            match (args, event) {
                (Some(args), Some(event)) => {
                    send(start(&args, Vec::new()).await?.pop().ok_or(InvokeError::Stopped)?, event).await
                }
                (Some(args), None) => serve_anew(args).await,
                (None, _) => match rie {
                    Some(rie) => serve(&[rie.start()?]).await,
                    None => Err(InvokeError::Stopped.into()),
                },
            }
        };
        tokio::select! {
            _ = interrupt.recv() => Ok(SIGNALLED + 2),
            _ = terminate.recv() => Ok(SIGNALLED + 15),
            _ = hang_up => Ok(SIGNALLED + 1),
            result = work => result,
        }
    });
    // A start that waits for somebody who does not come is not waited for.
    runtime.shutdown_timeout(START_PATIENCE);
    flush_dead_letters(limits::PRINT_PATIENCE);
    status
}

/// Starts what is asked for where it may wait for pipes, while signals are heard.
async fn start(args: &Args, configured: Vec<FunctionArgs>) -> Result<Vec<Running>, Box<dyn Error>> {
    apart(args, move |args| args.start(&configured).map_err(|error| error.to_string())).await
}

/// The functions of a file, read where it may wait.
async fn configured(args: &Args) -> Result<Vec<FunctionArgs>, Box<dyn Error>> {
    apart(args, Args::configured).await
}

async fn apart<T: Send + 'static>(
    args: &Args,
    work: impl FnOnce(&Args) -> Result<T, String> + Send + 'static,
) -> Result<T, Box<dyn Error>> {
    let args = args.clone();
    Ok(spawn_blocking(move || work(&args)).await??)
}

/// Whether standard output was closed. Rust has opened /dev/null in its place then, for reading, too, which a shell does not
/// do for `>/dev/null`.
fn is_stdout_closed() -> bool {
    let device = |path: &str| fs::metadata(path).ok().map(|metadata| metadata.rdev());
    let own = device("/dev/stdout");
    let flags = rustix::fs::fcntl_getfl(io::stdout());
    own.is_some() && own == device("/dev/null") && flags.is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR)
}

/// Whether this is to outlive its terminal: whoever has started it, such as nohup, ignores SIGHUP, the first of signals.
/// Elsewhere than on Linux nobody tells.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

/// Sends one event, prints the answer, and sees the invocation to its end.
async fn send(emulator: Running, event: Event) -> Result<u8, Box<dyn Error>> {
    let mut answer = emulator.invoke(event).await?;
    let printed = print(&mut answer.body);
    emulator.finish().await;
    printed.map_err(|error| format!("cannot write the answer to standard output: {error}"))?;
    Ok(match answer.outcome {
        Outcome::Success => 0,
        _ => FUNCTION_FAILED,
    })
}

fn print(answer: &mut Vec<u8>) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    // Lines of the log would stand behind it.
    if (stdout.is_terminal() || are_outputs_one()) && !answer.ends_with(b"\n") {
        answer.push(b'\n');
    }
    if stdout.is_terminal() {
        stdout.write_all(shown(answer).as_bytes())?;
    } else {
        stdout.write_all(answer)?;
    }
    stdout.flush()
}

/// Serves until a signal comes; anew, whenever the file of functions has changed, if one of them is watched.
async fn serve_anew(mut args: Args) -> Result<u8, Box<dyn Error>> {
    let functions = configured(&args).await?;
    let path = args.watched(&functions).map(Path::to_owned);
    // A function that watches the directory of the file is not started twice for it, nor for a mistake in it.
    path.iter().for_each(|path| keep(path));
    let changed = Notify::new();
    let watching = async {
        match path {
            Some(path) => watch(vec![path], BTreeSet::new, || changed.notify_one()).await,
            None => future::pending().await,
        }
    };
    let serving = async {
        let mut running = start(&args, functions.clone()).await?;
        // Those of the last file that could be started.
        let mut former = functions;
        loop {
            args.stay_with(&running);
            tokio::select! {
                result = serve(&running), if !running.is_empty() => return result,
                () = changed.notified() => {}
            }
            let functions = match apart(&args, Args::checked).await {
                Ok(functions) => functions,
                Err(error) => {
                    log::error!("{error}");
                    continue;
                }
            };
            log::warn!("the file of functions has changed, and they are started again");
            finish(running.drain(..)).await;
            // A port that is taken, or what else only a start finds, leaves callers with what they had.
            let failed = match start(&args, functions.clone()).await {
                Ok(started) => {
                    (running, former) = (started, functions);
                    continue;
                }
                Err(error) => error,
            };
            log::error!("{failed}; the functions are started as they were");
            match start(&args, former.clone()).await {
                Ok(started) => running = started,
                Err(error) => log::error!("{error}"),
            }
        }
    };
    tokio::select! {
        result = serving => result,
        () = watching => Err(InvokeError::Stopped.into()),
    }
}

/// Ends functions when they have answered whom they have accepted. The last is the one by whose port the others are called.
async fn finish(functions: impl Iterator<Item = Running>) {
    let finishing = async {
        for function in functions {
            function.finish().await;
        }
    };
    let mut finishing = pin!(finishing);
    if timeout(limits::SLOW_RESTART, finishing.as_mut()).await.is_err() {
        let seconds = limits::SLOW_RESTART.as_secs();
        log::warn!("for {seconds} s they have been answering who had called before, and are started when that is over");
        finishing.await;
    }
}

/// Serves until a signal comes.
async fn serve(running: &[Running]) -> Result<u8, Box<dyn Error>> {
    // The one that is called, which has to end last.
    if let Some(front) = running.last() {
        front.ended().await;
    }
    Err(InvokeError::Stopped.into())
}
