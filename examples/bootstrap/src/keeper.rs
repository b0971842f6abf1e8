//! What stands between this program and each of several workers: this program again, started as a keeper. It starts the
//! worker, becomes the parent of whatever that leaves behind, and ends all of it when the worker ends. So what one worker
//! has left running is kept apart from what another has.

use std::env;
use std::io::pipe;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::spawn::PosixSpawnFileActions;
use nix::unistd::close;
use rustix::io::{Errno, read};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use signal_hook::consts::{SIGCHLD, SIGTERM};
use signal_hook::{flag, low_level};

use crate::console::{self, Level};
use crate::descendants;
use crate::exit::Exit;
use crate::program::Program;
use crate::text;

/// Makes a process a keeper: the numbers of the descriptors that it leaves to the worker. Handlers do not see it.
pub(crate) const VARIABLE: &str = "LAMBWIRE_KEEPER";

/// What a shell exits with where there is no such program.
const NOT_FOUND: u8 = 127;

/// Runs the program that the arguments name, if this process is a keeper. Ends as that ends.
pub(crate) fn run() -> Option<ExitCode> {
    let descriptors = env::var(VARIABLE).ok()?;
    Some(keep(&descriptors).unwrap_or_else(|error| {
        console::say(Level::Error, None, format_args!("cannot start the worker: {error}"));
        ExitCode::from(NOT_FOUND)
    }))
}

fn keep(descriptors: &str) -> std::io::Result<ExitCode> {
    let (heard, bell) = pipe()?;
    let is_to_end = Arc::new(AtomicBool::new(false));
    flag::register(SIGTERM, Arc::clone(&is_to_end))?;
    low_level::pipe::register(SIGTERM, bell.try_clone()?)?;
    low_level::pipe::register(SIGCHLD, bell)?;
    descendants::adopt();
    let mut arguments = env::args_os().skip(1);
    let mut program = Program::new(arguments.next().map(PathBuf::from).unwrap_or_default());
    program.options = arguments.collect();
    let pid = program.spawn(&PosixSpawnFileActions::init()?, &[(VARIABLE, None)])?;
    // Whoever is at the other end is to see when the worker closes them.
    for number in descriptors.split(' ').filter_map(text::number::<i32>) {
        let _ = close(number);
    }
    loop {
        while read(&heard, &mut [0; 64]) == Err(Errno::INTR) {}
        if is_to_end.swap(false, Ordering::Relaxed) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if let Some(exit) = reap(pid) {
            descendants::end(&[]);
            if let Some(signal) = exit.signal() {
                let _ = low_level::emulate_default_handler(signal);
            }
            return Ok(ExitCode::from(exit.code().unwrap_or(1)));
        }
    }
}

/// How the worker has ended, if it has.
fn reap(worker: Pid) -> Option<Exit> {
    let mut exit = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid == worker {
            exit = Some(Exit::from_wait(status.as_raw()));
        }
    }
    exit
}
