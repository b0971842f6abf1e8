//! What is to be run for a handler, and how it is started.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::{DupFlags, dup2, dup3};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::stdio::{stderr, stdout};

use crate::diagnosis;
use crate::failure::Failure;
use crate::log::{Log, Stream};
use crate::process::Process;

/// Where a worker finds the number of the descriptor that it reads events from.
const EVENTS_FD: &str = "LAMBWIRE_EVENTS_FD";

/// Where a worker finds the number of the descriptor that it writes answers to.
const ANSWERS_FD: &str = "LAMBWIRE_ANSWERS_FD";

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// What a shim finds in its environment: where the handler is.
    pub(crate) variables: Vec<(&'static str, OsString)>,
    /// Where it is run: the task root.
    pub(crate) directory: PathBuf,
}

/// Two descriptors that are handed to workers, always the same ones: some shells know no number above 9.
pub(crate) struct Descriptors {
    events: OwnedFd,
    answers: OwnedFd,
    /// Standard output is for the answer alone, and the log goes to standard error.
    pub(crate) keeps_stdout: bool,
}

impl Descriptors {
    /// To be called before anything else takes the first numbers.
    pub(crate) fn reserve() -> io::Result<Self> {
        let (events, answers) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok(Self { events, answers, keeps_stdout: false })
    }
}

impl Program {
    pub(crate) fn new(path: PathBuf, directory: &Path) -> Self {
        Self { path, arguments: Vec::new(), variables: Vec::new(), directory: directory.to_owned() }
    }

    /// Starts the program as a worker.
    pub(crate) fn start(&self, descriptors: &mut Descriptors) -> Result<Process, Failure> {
        self.try_start(descriptors).map_err(|error| diagnosis::of_start(self, &error))
    }

    /// Starts the program for one event, which it finds on its standard input.
    pub(crate) fn start_once(&self, context: &str, trace_id: Option<&str>) -> Result<Process, Failure> {
        self.try_start_once(context, trace_id).map_err(|error| diagnosis::of_start(self, &error))
    }

    fn try_start(&self, descriptors: &mut Descriptors) -> io::Result<Process> {
        let (events_there, events) = pipe_with(PipeFlags::CLOEXEC)?;
        let (answers, answers_there) = pipe_with(PipeFlags::CLOEXEC)?;
        let (out, out_there) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, err_there) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = self.command();
        command
            .env(EVENTS_FD, descriptors.events.as_raw_fd().to_string())
            .env(ANSWERS_FD, descriptors.answers.as_raw_fd().to_string())
            .stdin(Stdio::null())
            .stdout(out_there)
            .stderr(err_there);
        // A copy is not closed on exec. No other program is started meanwhile.
        dup2(events_there, &mut descriptors.events)?;
        dup2(answers_there, &mut descriptors.answers)?;
        let child = command.spawn();
        // The ends that the worker has are not to stay open here, and the numbers not to go to anything else.
        for reserved in [&mut descriptors.events, &mut descriptors.answers] {
            dup3(stderr(), reserved, DupFlags::CLOEXEC)?;
        }
        let log_to = if descriptors.keeps_stdout { stderr() } else { stdout() };
        let log = Log::new(vec![Stream::new(out, log_to), Stream::new(err, stderr())]);
        Process::new(&child?, events, answers, log)
    }

    fn try_start_once(&self, context: &str, trace_id: Option<&str>) -> io::Result<Process> {
        let (events_there, events) = pipe_with(PipeFlags::CLOEXEC)?;
        let (answers, answers_there) = pipe_with(PipeFlags::CLOEXEC)?;
        let (err, err_there) = pipe_with(PipeFlags::CLOEXEC)?;
        let mut command = self.command();
        command.env("LAMBWIRE_CONTEXT", context).stdin(events_there).stdout(answers_there).stderr(err_there);
        match trace_id {
            Some(trace_id) => command.env(TRACE_ID, trace_id),
            None => command.env_remove(TRACE_ID),
        };
        let child = command.spawn()?;
        Process::new(&child, events, answers, Log::new(vec![Stream::new(err, stderr())]))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).envs(self.variables.iter().cloned()).current_dir(&self.directory);
        command
    }
}

/// Where AWS's tracing libraries look for the trace that they belong to.
const TRACE_ID: &str = "_X_AMZN_TRACE_ID";
