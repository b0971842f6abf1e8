//! The command line.

use std::env;
use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::Error;
use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::server::Mode;
use crate::text;

pub(crate) const HELP: &str = "\
Runs a Lambda handler written in anything.

Usage:
  bootstrap [OPTIONS] [HANDLER]
  bootstrap invoke [OPTIONS] HANDLER [EVENT]

HANDLER, or _HANDLER in the environment, is
  file.function    a function in file.php, .pl, .py, .mjs, .cjs, .js, .rb, .lua
                   or .sh, or in path/to/file.php and so on
  path/to/program  a program that speaks the worker protocol
Both are looked for in LAMBDA_TASK_ROOT, else in /var/task if there is one, else
in the working directory.

On Lambda, where AWS_LAMBDA_RUNTIME_API is set, it answers what Lambda asks.
Elsewhere it has lambwire-emulator, found beside it or in PATH, be Lambda.
'invoke' hands one EVENT (JSON, or - for standard input, which is not read unless
so; {} without one) to the handler, and prints the answer.

Options:
  --exec              Run the program anew for every event: the event is its
                      standard input, the answer its standard output
  --interpreter PATH  What runs the file, instead of what is found in PATH
  --worker FILE       A file that makes a language known, as files in workers/
                      beside the handler do. Several may be given
  --workers N         How many events are answered at a time, each by a process of
                      its own. Otherwise what AWS_LAMBDA_MAX_CONCURRENCY says, or 1
  --in-process N      How many of them one process answers, if its handler can:
                      those for Node, and those in Python that are async
  --deadline-margin MS
                      Answer with an error this long before the deadline, and
                      replace the handler's process
  --sigterm           Have Lambda send SIGTERM before the end: it goes to the
                      handler's process. Without this, where a handler in a file
                      waits for it when it is loaded
  --listen ADDRESS    Where the emulator listens. Otherwise 127.0.0.1:8080, and
                      0.0.0.0:8080 as a container's first process
  --help, --version

Exit status:
  0  the handler answered (invoke)
  1  the handler could not be loaded, failed (invoke), or Lambda is gone
  2  wrong usage, or this is not Lambda and there is no emulator
";

/// What builders of images make of `CMD app.handler` are the arguments `/bin/sh -c app.handler`.
const SHELL_FORM: &str = r#"the image's CMD is in shell form: write it as CMD ["app.handler"]"#;

/// Where Lambda says how many events it may hand out at a time, on managed instances.
const MAX_CONCURRENCY: &str = "AWS_LAMBDA_MAX_CONCURRENCY";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Help,
    Version,
    Serve(Options),
    Invoke(Options, OsString),
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) handler: Option<String>,
    pub(crate) is_exec: bool,
    pub(crate) interpreter: Option<PathBuf>,
    /// Files that make languages known.
    pub(crate) worker_files: Vec<PathBuf>,
    /// How many events may be answered at a time.
    pub(crate) workers: Option<NonZero<u16>>,
    /// How many of them may be answered by one process.
    pub(crate) in_process: Option<NonZero<u16>>,
    pub(crate) margin: Option<Duration>,
    pub(crate) listen: Option<OsString>,
    /// Lambda is to send SIGTERM before the end.
    pub(crate) wants_sigterm: bool,
}

impl Options {
    /// The handler that the command line names, else the environment. Empty if there is none.
    pub(crate) fn handler(&self) -> String {
        self.handler.clone().or_else(|| env::var("_HANDLER").ok()).unwrap_or_default()
    }

    /// How many events may be answered at a time, by the command line or else by Lambda.
    pub(crate) fn worker_count(&self) -> usize {
        let of_lambda = || count(&env::var(MAX_CONCURRENCY).ok()?);
        self.workers.or_else(of_lambda).map_or(1, |count| count.get().into())
    }

    /// How many of so many events one process may be given at a time.
    pub(crate) fn in_process(&self, count: usize) -> usize {
        self.in_process.map_or(1, |most| most.get().into()).min(count)
    }

    pub(crate) fn mode(&self) -> Mode {
        if self.is_exec { Mode::Exec } else { Mode::Worker }
    }
}

/// Reads the command line, without the name of the program.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut options = Options::default();
    let mut values = Vec::new();
    let mut is_invoke = false;
    while let Some(argument) = parser.next().map_err(text_of)? {
        match argument {
            Long("help") | Short('h') => return Ok(Request::Help),
            Long("version") | Short('V') => return Ok(Request::Version),
            Long("exec") => options.is_exec = true,
            Long("interpreter") => options.interpreter = Some(value(&mut parser)?.into()),
            Long("worker") => options.worker_files.push(value(&mut parser)?.into()),
            Long("workers") => options.workers = Some(number(&mut parser, "--workers", COUNT, count)?),
            Long("in-process") => options.in_process = Some(number(&mut parser, "--in-process", COUNT, count)?),
            Long("deadline-margin") => {
                let read = |text: &str| text::number(text).map(Duration::from_millis);
                options.margin = Some(number(&mut parser, "--deadline-margin", "a number of milliseconds", read)?);
            }
            Long("sigterm") => options.wants_sigterm = true,
            Long("listen") => options.listen = Some(value(&mut parser)?),
            Value(value) if value == "invoke" && values.is_empty() && !is_invoke => is_invoke = true,
            Value(value) if values.len() < if is_invoke { 2 } else { 1 } => values.push(value),
            Short('c') if values == ["/bin/sh"] => return Err(SHELL_FORM.to_owned()),
            argument => return Err(text_of(argument.unexpected())),
        }
    }
    let mut values = values.into_iter();
    options.handler = values.next().map(|value| value.string().map_err(text_of)).transpose()?;
    let event = values.next().unwrap_or_else(|| "{}".into());
    Ok(if is_invoke { Request::Invoke(options, event) } else { Request::Serve(options) })
}

fn value(parser: &mut lexopt::Parser) -> Result<OsString, String> {
    parser.value().map_err(text_of)
}

/// What is wrong with it. The smallest build knows no values as they are debugged, which is how lexopt names some.
fn text_of(error: Error) -> String {
    match error {
        Error::UnexpectedArgument(value) => format!("unexpected argument '{}'", value.display()),
        Error::UnexpectedValue { option, value } => {
            format!("unexpected argument for option '{option}': '{}'", value.display())
        }
        Error::NonUnicodeValue(value) => format!("argument '{}' is invalid unicode", value.display()),
        error => error.to_string(),
    }
}

/// What counts processes, or events.
const COUNT: &str = "a number from 1 to 65535";

fn count(text: &str) -> Option<NonZero<u16>> {
    text::number(text).and_then(NonZero::new)
}

/// The value of an option that is a number.
fn number<T>(
    parser: &mut lexopt::Parser,
    option: &str,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let value = value(parser)?;
    let number = value.to_str().and_then(read);
    number.ok_or_else(|| format!("{option} takes {expected}, not '{}'", value.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        parse(line.split_ascii_whitespace().map(OsString::from))
    }

    fn options(handler: &str) -> Options {
        Options { handler: (!handler.is_empty()).then(|| handler.to_owned()), ..Options::default() }
    }

    #[test]
    fn handlers_and_events_are_kept_apart() {
        assert_eq!(parsed(""), Ok(Request::Serve(options(""))));
        assert_eq!(parsed("app.handler"), Ok(Request::Serve(options("app.handler"))));
        assert_eq!(parsed("invoke app.handler"), Ok(Request::Invoke(options("app.handler"), "{}".into())));
        assert_eq!(parsed("invoke app.handler -"), Ok(Request::Invoke(options("app.handler"), "-".into())));
        assert_eq!(parsed("invoke invoke [1]"), Ok(Request::Invoke(options("invoke"), "[1]".into())));
    }

    #[test]
    fn options_stand_anywhere() {
        let expected = Options {
            is_exec: true,
            interpreter: Some("/opt/php".into()),
            worker_files: vec!["r".into(), "/opt/tcl".into()],
            workers: NonZero::new(3),
            in_process: NonZero::new(2),
            margin: Some(Duration::from_millis(50)),
            listen: Some("0.0.0.0:80".into()),
            ..options("x")
        };
        let line = "--exec x --interpreter /opt/php --worker r --worker=/opt/tcl --workers 3 --in-process=2 --deadline-margin=50 --listen 0.0.0.0:80";
        assert_eq!(parsed(line), Ok(Request::Serve(expected)));
        assert_eq!(parsed("x --help"), Ok(Request::Help));
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        assert_eq!(parsed("a b"), Err("unexpected argument 'b'".to_owned()));
        assert_eq!(parsed("invoke a b c"), Err("unexpected argument 'c'".to_owned()));
        assert_eq!(parsed("--exec=b"), Err("unexpected argument for option '--exec': 'b'".to_owned()));
        let no_text = OsString::from_vec(b"\xff".to_vec());
        assert_eq!(parse([no_text]), Err("argument '\u{fffd}' is invalid unicode".to_owned()));
        assert_eq!(parsed("--fast"), Err("invalid option '--fast'".to_owned()));
        assert_eq!(parsed("-c app.handler"), Err("invalid option '-c'".to_owned()));
        let expected = "--deadline-margin takes a number of milliseconds, not 'soon'";
        assert_eq!(parsed("--deadline-margin soon"), Err(expected.to_owned()));
        for option in ["--workers", "--in-process"] {
            for none in ["0", "65536", "-1", "x"] {
                let expected = format!("{option} takes a number from 1 to 65535, not '{none}'");
                assert_eq!(parsed(&format!("{option} {none}")), Err(expected));
            }
            assert_eq!(parsed(option), Err(format!("missing argument for option '{option}'")));
        }
    }

    #[test]
    fn a_command_in_shell_form_is_recognized() {
        assert_eq!(parsed("/bin/sh -c app.handler"), Err(SHELL_FORM.to_owned()));
        assert_eq!(parsed("/bin/sh"), Ok(Request::Serve(options("/bin/sh"))));
    }
}
