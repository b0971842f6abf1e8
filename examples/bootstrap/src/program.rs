//! What is to be run for a handler, and how it is started.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{Mode, OFlags, fchmod};
use rustix::process::Pid;
use rustix::stdio::{stderr, stdout};

use crate::diagnosis;
use crate::emulator;
use crate::failure::Failure;
use crate::file;
use crate::keeper;
use crate::language::Language;
use crate::log::{Log, Stream};
use crate::process::Process;
use crate::telemetry;
use crate::text;

/// What a pipe to or from a program holds, in bytes. Linux gives 65,536, and any user 1 MiB on demand, which is slower
/// than this: it goes through no processor's cache.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 256 * 1024;

/// Where a worker finds the number of the descriptor that it reads events from.
const EVENTS_FD: &str = "LAMBWIRE_EVENTS_FD";

/// Where a worker finds the number of the descriptor that it writes answers to.
const ANSWERS_FD: &str = "LAMBWIRE_ANSWERS_FD";

/// Where a worker finds how many events it may ask for at a time, if that is more than one.
const CONCURRENCY: &str = "LAMBWIRE_CONCURRENCY";

/// Where the worker of a language finds which file to load.
const FILE: &str = "LAMBWIRE_FILE";

/// Where it finds which function of that to call.
const FUNCTION: &str = "LAMBWIRE_FUNCTION";

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// What stands first among its arguments.
    pub(crate) options: Vec<OsString>,
    /// What the program is to call, if it is the interpreter of a language.
    pub(crate) function: Option<Function>,
    /// This program, which is to keep it where it is one of several.
    pub(crate) keeper: Option<PathBuf>,
    /// How many events its process may be given at a time.
    pub(crate) concurrency: usize,
    /// What it finds in its environment where nobody has set it.
    pub(crate) variables: Vec<(&'static str, OsString)>,
}

/// A function in a file, or in an installed package, which has a name that is no absolute path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) language: &'static Language,
    pub(crate) file: PathBuf,
    pub(crate) name: String,
}

/// The name of a variable, and its value.
type Variable = (&'static str, Option<OsString>);

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
        let (events, answers) = pipe()?;
        Ok(Self { events: events.into(), answers: answers.into(), keeps_stdout: false })
    }
}

impl Program {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, options: Vec::new(), function: None, keeper: None, concurrency: 1, variables: Vec::new() }
    }

    /// Whether it is the worker of a language, with a handler in a file.
    pub(crate) fn is_language(&self) -> bool {
        self.function.is_some()
    }

    /// A function that was not found may have been named with its file's extension before it: `app.py.handler`. And PHP prints
    /// a file without its opening tag, and what is compiled may be old.
    pub(crate) fn advised(&self, mut failure: Failure) -> Failure {
        let Some(Function { file, name, .. }) = &self.function else { return failure };
        if failure.error_type != "Runtime.HandlerNotFound" {
            return failure;
        }
        let own = file.extension().and_then(OsStr::to_str).unwrap_or_default();
        if let Some((extension, function)) = name.split_once('.')
            && extension == own
        {
            let file = file.with_extension(function);
            let named = file.file_name().unwrap_or_default().display();
            failure.message += &format!("; a handler is named without .{extension}: {named}");
        }
        failure.message += match own {
            "js" if file.with_extension("ts").exists() => "; its .ts does not run",
            "php" if !text::contains(&file::read_text(file.clone()), "<?") => "; no <?php is in it",
            _ => "",
        };
        failure
    }

    /// Starts the program as a worker.
    pub(crate) fn start(&self, descriptors: &Descriptors) -> Result<Process, Failure> {
        self.try_start(descriptors).map_err(|error| diagnosis::of_start(self, &error))
    }

    /// Starts the program for one event, which it finds on its standard input.
    pub(crate) fn start_once(&self, context: &str, trace_id: Option<&str>) -> Result<Process, Failure> {
        self.try_start_once(context, trace_id).map_err(|error| diagnosis::of_start(self, &error))
    }

    fn try_start(&self, descriptors: &Descriptors) -> io::Result<Process> {
        // There are roots without it, and a pipe whose other end is closed has nothing in it, either.
        let nothing = File::open("/dev/null").map(OwnedFd::from).or_else(|_| pipe().map(|(end, _)| end.into()))?;
        let (events_there, events) = wide_pipe()?;
        let (answers, answers_there) = wide_pipe()?;
        let (out, out_there) = pipe()?;
        let (err, err_there) = pipe()?;
        let (events_fd, answers_fd) = (descriptors.events.as_raw_fd(), descriptors.answers.as_raw_fd());
        let mut variables = vec![
            (EVENTS_FD, Some(events_fd.to_string().into())),
            (ANSWERS_FD, Some(answers_fd.to_string().into())),
            (CONCURRENCY, Some(self.concurrency.to_string().into()).filter(|_| self.concurrency > 1)),
            (
                telemetry::VARIABLE,
                self.function
                    .as_ref()
                    .filter(|function| function.language.quirks.writes_records)
                    .and_then(|_| telemetry::descriptor()),
            ),
            (keeper::VARIABLE, self.keeper.as_ref().map(|_| format!("0 1 {events_fd} {answers_fd}").into())),
        ];
        if let Some(function) = &self.function {
            variables.push((FILE, Some(function.file.clone().into())));
            variables.push((FUNCTION, Some(function.name.clone().into())));
        }
        let mut there = standard(nothing.as_fd(), out_there.as_fd(), err_there.as_fd())?;
        let opens_pipes = self.function.as_ref().is_some_and(|function| function.language.quirks.opens_pipes);
        // Without `/proc` it cannot open them.
        let paths = opens_pipes.then(|| Some((path_to(&events_there)?, path_to(&answers_there)?))).flatten();
        let [of_events, of_answers] = match &paths {
            Some((events, answers)) => [events.as_raw_fd(), answers.as_raw_fd()],
            None => [events_there.as_raw_fd(), answers_there.as_raw_fd()],
        };
        there.add_dup2(of_events, events_fd)?;
        there.add_dup2(of_answers, answers_fd)?;
        let log_to = if descriptors.keeps_stdout { stderr() } else { stdout() };
        let log = Log::new(vec![Stream::new(out.into(), log_to), Stream::new(err.into(), stderr())]);
        let mut process = self.process(events.into(), answers.into(), log, || self.spawn(&there, &variables))?;
        if paths.is_some() {
            process.other_ends = Some([events_there.into(), answers_there.into()]);
        }
        Ok(process)
    }

    fn try_start_once(&self, context: &str, trace_id: Option<&str>) -> io::Result<Process> {
        let (events_there, events) = wide_pipe()?;
        let (answers, answers_there) = wide_pipe()?;
        let (err, err_there) = pipe()?;
        let there = standard(events_there.as_fd(), answers_there.as_fd(), err_there.as_fd())?;
        let variables = [
            ("LAMBWIRE_CONTEXT", Some(context.into())),
            (TRACE_ID, trace_id.map(OsString::from)),
            (telemetry::VARIABLE, None),
            (keeper::VARIABLE, self.keeper.as_ref().map(|_| "0 1".into())),
        ];
        let log = Log::new(vec![Stream::new(err.into(), stderr())]);
        self.process(events.into(), answers.into(), log, || self.spawn(&there, &variables))
    }

    fn process(
        &self,
        events: OwnedFd,
        answers: OwnedFd,
        log: Log,
        spawn: impl FnOnce() -> io::Result<Pid>,
    ) -> io::Result<Process> {
        Process::start(events, answers, log, self.keeper.is_some(), spawn)
    }

    /// Starts it in this process's environment, but for `variables`: one without a value is not there.
    pub(crate) fn spawn(&self, there: &PosixSpawnFileActions, variables: &[Variable]) -> io::Result<Pid> {
        let mut attributes = PosixSpawnAttr::init()?;
        // A program in Rust ignores it, and that would be inherited, as would signals that are held back.
        attributes.set_sigdefault(&SigSet::from_iter([Signal::SIGPIPE]))?;
        attributes.set_sigmask(&SigSet::empty())?;
        attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
        let path = self.keeper.as_ref().unwrap_or(&self.path);
        let mut arguments = vec![path.clone().into_os_string()];
        if self.keeper.is_some() {
            arguments.push(self.path.clone().into());
        }
        arguments.extend_from_slice(&self.options);
        if let Some(function) = &self.function {
            arguments.append(&mut function.language.arguments(&emulator::this().unwrap_or_else(|| "bootstrap".into())));
        }
        let mut environment = Vec::new();
        let mut put = |mut name: OsString, value: &OsStr| {
            name.push("=");
            name.push(value);
            environment.push(name);
        };
        for (name, value) in env::vars_os() {
            if variables.iter().all(|(own, _)| name != *own) {
                put(name, &value);
            }
        }
        for (name, value) in &self.variables {
            if env::var_os(name).is_none() {
                put(name.into(), value);
            }
        }
        for (name, value) in variables {
            if let Some(value) = value {
                put(name.into(), value);
            }
        }
        let (arguments, environment) = (c_strings(arguments)?, c_strings(environment)?);
        let pid = posix_spawn(path.as_path(), there, &attributes, &arguments, &environment)?;
        Pid::from_raw(pid.as_raw()).ok_or(io::ErrorKind::InvalidData.into())
    }
}

/// A pipe that takes a large event in fewer turns than most do, if this user may have one.
fn wide_pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let pipe = pipe()?;
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(&pipe.1, PIPE_BYTES);
    Ok(pipe)
}

/// A descriptor of a pipe that can be opened by its path in `/proc`, and neither read from nor written to.
fn path_to(end: &(impl AsFd + AsRawFd)) -> Option<File> {
    // The interpreter may be a script that gives up this user's rights. Nobody else finds the path.
    let _ = fchmod(end, Mode::from_raw_mode(0o666));
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlags::PATH.bits().cast_signed());
    options.open(format!("/proc/self/fd/{}", end.as_raw_fd())).ok()
}

/// Texts as the kernel takes them.
pub(crate) fn c_strings(texts: Vec<OsString>) -> io::Result<Vec<CString>> {
    let mut strings = Vec::with_capacity(texts.len());
    for text in texts {
        strings.push(CString::new(text.into_vec())?);
    }
    Ok(strings)
}

/// The standard descriptors of a program.
fn standard(input: BorrowedFd<'_>, output: BorrowedFd<'_>, error: BorrowedFd<'_>) -> io::Result<PosixSpawnFileActions> {
    let mut there = PosixSpawnFileActions::init()?;
    for (fd, number) in [input, output, error].into_iter().zip(0..) {
        there.add_dup2(fd.as_raw_fd(), number)?;
    }
    Ok(there)
}

/// Where AWS's tracing libraries look for the trace that they belong to.
const TRACE_ID: &str = "_X_AMZN_TRACE_ID";

// Elsewhere there are no such paths.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_pipe_holds_more_than_most_do() {
        let (reader, writer) = wide_pipe().unwrap();
        for end in [reader.as_fd(), writer.as_fd()] {
            assert_eq!(rustix::pipe::fcntl_getpipe_size(end).unwrap(), PIPE_BYTES);
        }
    }

    #[test]
    fn a_pipe_can_be_opened_by_an_interpreter_that_has_become_another_user() {
        let (end, _other) = pipe().unwrap();
        path_to(&end).unwrap();
        let rights = File::from(OwnedFd::from(end)).metadata().unwrap().permissions();
        assert_eq!(rights.mode() & 0o777, 0o666);
    }
}
