//! The runtimes that meet faults: plain loops, in a process of their own, that say what they come to.

use std::env;
use std::fmt::Display;
use std::io::Error as IoError;
use std::net::SocketAddr;
use std::process::{Command, exit};

use lambwire::{Error, ErrorReport, ReceiveError};

/// Says that this process is to be a runtime, and which.
const ROLE: &str = "LAMBWIRE_TEST_SUBJECT";

/// What the lines begin with that a runtime says.
pub(super) const SAYS: &str = "subject: ";

/// Bytes of an answer that is more than sockets hold.
const LARGE: usize = 6_000_000;

/// What there is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    /// It does what the event says.
    Obedient,
    /// It cannot start.
    Missing,
}

impl Handler {
    fn name(self) -> &'static str {
        match self {
            Self::Obedient => "obedient",
            Self::Missing => "missing",
        }
    }
}

/// A loop over a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Mio,
    Smol,
}

pub(super) const SUBJECTS: [Subject; 2] = [Subject::Mio, Subject::Smol];

impl Subject {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mio => "lambwire-mio",
            Self::Smol => "lambwire-smol",
        }
    }

    /// The program that is this subject, with this handler.
    pub(super) fn command(self, api: SocketAddr, handler: Handler) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "faults::subject::plays_the_subject_when_asked", "--nocapture"]);
        command.env(ROLE, self.name()).env("AWS_LAMBDA_RUNTIME_API", api.to_string());
        command.env("_HANDLER", handler.name());
        command
    }
}

#[test]
fn plays_the_subject_when_asked() {
    let Ok(role) = env::var(ROLE) else { return };
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let is_missing = env::var("_HANDLER").unwrap() == Handler::Missing.name();
    let end = match role.as_str() {
        "lambwire-mio" => mio(&api, is_missing),
        _ => smol::block_on(smol(&api, is_missing)),
    };
    match end {
        Ok(()) => say("ends"),
        Err(error) => say(format_args!("ends: {}", Told(&error))),
    }
    exit(1);
}

fn say(what: impl Display) {
    eprintln!("{SAYS}{what}");
}

/// Says what came of an answer, unless it ends the loop.
fn conclude(id: &str, verdict: Result<(), Error<IoError>>) -> Result<(), Error<IoError>> {
    match verdict {
        Err(error) if error.is_fatal() => return Err(error),
        Err(error) => say(format_args!("`{id}` lost: {}", Told(&error))),
        Ok(()) => say(format_args!("`{id}` answered")),
    }
    Ok(())
}

/// An error in words that do not depend on when the kernel told of it.
struct Told<'a>(&'a Error<IoError>);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Error::Transport(_) | Error::Receive(ReceiveError::NoReply | ReceiveError::CutShort) => {
                f.write_str("connection lost")
            }
            error => error.fmt(f),
        }
    }
}

const FAILURE: ErrorReport<'_> = ErrorReport { message: "told to fail", error_type: "Function.Told", stack_trace: &[] };

fn mio(api: &str, is_missing: bool) -> Result<(), Error<IoError>> {
    let mut runtime = lambwire_mio::Runtime::connect(api)?;
    if is_missing {
        return runtime.init_error(&FAILURE);
    }
    let mut buf = Vec::new();
    loop {
        let invocation = runtime.next(&mut buf)?;
        let id = invocation.context.request_id.to_string();
        say(format_args!("`{id}` received"));
        conclude(&id, mio_answer(invocation))?;
    }
}

fn mio_answer(invocation: lambwire_mio::Invocation<'_, '_>) -> Result<(), Error<IoError>> {
    let stream = |pieces: usize, piece: &[u8], invocation: lambwire_mio::Invocation<'_, '_>| {
        let mut stream = invocation.stream("text/plain");
        (0..pieces).try_for_each(|_| stream.write(piece))?;
        stream.finish()
    };
    match invocation.payload.trim_ascii() {
        b"large" => invocation.respond(&vec![b' '; LARGE]),
        b"oversize" => invocation.respond(&vec![b' '; LARGE + 1_000_000]),
        b"unfit" => invocation.respond_as("text/\nplain", b"{}"),
        b"fail" => invocation.fail(&FAILURE),
        b"stream" => stream(2, b"piece", invocation),
        b"stream-large" => stream(LARGE / 100_000, &[b' '; 100_000], invocation),
        b"stream-fail" => {
            let mut stream = invocation.stream("text/plain");
            stream.write(b"piece")?;
            stream.fail(&FAILURE)
        }
        _ => invocation.respond(b"{}"),
    }
}

async fn smol(api: &str, is_missing: bool) -> Result<(), Error<IoError>> {
    let mut runtime = lambwire_smol::Runtime::connect(api).await?;
    if is_missing {
        return runtime.init_error(&FAILURE).await;
    }
    let mut buf = Vec::new();
    loop {
        let invocation = runtime.next(&mut buf).await?;
        let id = invocation.context.request_id.to_string();
        say(format_args!("`{id}` received"));
        conclude(&id, smol_answer(invocation).await)?;
    }
}

async fn smol_answer(invocation: lambwire_smol::Invocation<'_, '_>) -> Result<(), Error<IoError>> {
    let stream = async |pieces: usize, piece: &[u8], invocation: lambwire_smol::Invocation<'_, '_>| {
        let mut stream = invocation.stream("text/plain");
        for _ in 0..pieces {
            stream.write(piece).await?;
        }
        stream.finish().await
    };
    match invocation.payload.trim_ascii() {
        b"large" => invocation.respond(&vec![b' '; LARGE]).await,
        b"oversize" => invocation.respond(&vec![b' '; LARGE + 1_000_000]).await,
        b"unfit" => invocation.respond_as("text/\nplain", b"{}").await,
        b"fail" => invocation.fail(&FAILURE).await,
        b"stream" => stream(2, b"piece", invocation).await,
        b"stream-large" => stream(LARGE / 100_000, &[b' '; 100_000], invocation).await,
        b"stream-fail" => {
            let mut stream = invocation.stream("text/plain");
            stream.write(b"piece").await?;
            stream.fail(&FAILURE).await
        }
        _ => invocation.respond(b"{}").await,
    }
}
