//! The runtimes that meet faults: loops, in a process of their own, that say what they come to.

use std::cell::RefCell;
use std::env;
use std::fmt::Display;
use std::net::SocketAddr;
use std::process::{Command, exit};

use lambwire::{Context, ErrorReport, ReceiveError, RequestKind};
use lambwire_mio::Error;

/// Says that this process is to be a runtime, and which.
const ROLE: &str = "LAMBWIRE_TEST_SUBJECT";

/// What the lines begin with that a runtime says.
pub(super) const SAYS: &str = "subject: ";

/// Bytes of an answer that is more than sockets hold.
const LARGE: usize = 6_000_000;

/// Bytes that a large stream sends at a time.
const LARGE_PIECE: usize = 100_000;

/// What a stream of small pieces sends at a time: sockets hold fewer of these than there are.
const SMALL_PIECE: &[u8] = &[b' '; 20];

/// Bytes of an answer that Lambda does not take.
const OVERSIZE: usize = 7_000_000;

/// A media type that fits no header.
const UNFIT: &str = "text/\nplain";

/// What a stream sends at a time.
const PIECE: &[u8] = b"piece";

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

/// A transport, and how it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    transport: Transport,
    pub(super) way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Mio,
    Smol,
}

/// Who asks for one invocation after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A loop of `next` and an answer.
    Loop,
    /// `serve`, which pipelines `next`.
    Serve,
}

pub(super) const SUBJECTS: [Subject; 4] = [
    Subject { transport: Transport::Mio, way: Way::Loop },
    Subject { transport: Transport::Smol, way: Way::Loop },
    Subject { transport: Transport::Mio, way: Way::Serve },
    Subject { transport: Transport::Smol, way: Way::Serve },
];

impl Subject {
    pub(super) fn name(self) -> &'static str {
        match (self.transport, self.way) {
            (Transport::Mio, Way::Loop) => "loop over lambwire-mio",
            (Transport::Smol, Way::Loop) => "loop over lambwire-smol",
            (Transport::Mio, Way::Serve) => "serve of lambwire-mio",
            (Transport::Smol, Way::Serve) => "serve of lambwire-smol",
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
    let Subject { transport, way } = SUBJECTS.into_iter().find(|subject| subject.name() == role).unwrap();
    let end = match transport {
        Transport::Mio => mio(&api, is_missing, way),
        Transport::Smol => smol::block_on(smol(&api, is_missing, way)),
    };
    match end {
        Ok(()) => say("ends"),
        Err(error) => say(format_args!("ends: {}", Heard(&error))),
    }
    exit(1);
}

fn say(what: impl Display) {
    eprintln!("{SAYS}{what}");
}

/// Says what came of an answer, unless it ends the loop.
fn conclude(id: &str, verdict: Result<(), Error>) -> Result<(), Error> {
    match verdict {
        Err(error) if error.is_fatal() => return Err(error),
        Err(error) => say(format_args!("`{id}` lost: {}", Heard(&error))),
        Ok(()) => say(format_args!("`{id}` answered")),
    }
    Ok(())
}

/// An error in words that do not depend on when the kernel reported it.
struct Heard<'a>(&'a Error);

impl Display for Heard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Error::Transport { .. } | Error::Receive { error: ReceiveError::NoReply | ReceiveError::CutShort, .. } => {
                f.write_str("connection lost")
            }
            error => write!(f, "{error:#}"),
        }
    }
}

const FAILURE: ErrorReport<'_> =
    ErrorReport { message: "asked to fail", error_type: "Function.AskedToFail", stack_trace: &[], written: None };

/// What `serve` shows of the outcome of invocations: a handler is called, or an error observed.
#[derive(Default)]
struct Open(RefCell<Option<String>>);

impl Open {
    /// Another was received, so that the last has come to its end.
    fn receive<'e>(&self, context: &Context<'_>, event: &'e [u8]) -> &'e [u8] {
        self.answered();
        let id = context.request_id.to_string();
        say(format_args!("`{id}` received"));
        self.0.replace(Some(id));
        event.trim_ascii()
    }

    fn answered(&self) {
        if let Some(id) = self.0.take() {
            say(format_args!("`{id}` answered"));
        }
    }

    fn lose(&self, context: &Context<'_>, error: &Error) {
        let id = context.request_id.as_str();
        assert_eq!(self.0.take().as_deref(), Some(id));
        say(format_args!("`{id}` lost: {}", Heard(error)));
    }

    /// `serve` has ended, with a refusal of the answer or with an error of the `next` behind it.
    fn end(&self, error: Error) -> Error {
        if !matches!(&error, Error::Rejected(rejection) if matches!(rejection.kind(), RequestKind::Response | RequestKind::Error))
        {
            self.answered();
        }
        error
    }
}

fn mio(api: &str, is_missing: bool, way: Way) -> Result<(), Error> {
    let mut runtime = lambwire_mio::Runtime::connect(api)?;
    if is_missing {
        return runtime.init_error(&FAILURE);
    }
    if way == Way::Serve {
        let open = Open::default();
        let observe = |context: &Context<'_>, error: &_| open.lose(context, error);
        let error = runtime.serve_observed(|event, context| mio_served(open.receive(context, event)), observe);
        return Err(open.end(error));
    }
    let mut buf = Vec::new();
    loop {
        let invocation = runtime.next(&mut buf)?;
        let id = invocation.context.request_id.to_string();
        say(format_args!("`{id}` received"));
        conclude(&id, mio_answer(invocation))?;
    }
}

fn mio_answer(invocation: lambwire_mio::Invocation<'_, '_>) -> Result<(), Error> {
    let stream = |pieces: usize, piece: &[u8], invocation: lambwire_mio::Invocation<'_, '_>| {
        let mut stream = invocation.stream("text/plain");
        (0..pieces).try_for_each(|_| stream.write(piece))?;
        stream.finish()
    };
    match invocation.payload.trim_ascii() {
        b"large" => invocation.respond(vec![b' '; LARGE]),
        b"oversize" => invocation.respond(vec![b' '; OVERSIZE]),
        b"unfit" => invocation.respond(lambwire_mio::Response::new(UNFIT, b"{}")),
        b"fail" => invocation.fail(&FAILURE),
        b"stream" => stream(2, PIECE, invocation),
        b"stream-large" => stream(LARGE / LARGE_PIECE, &[b' '; LARGE_PIECE], invocation),
        b"stream-small" => stream(LARGE / SMALL_PIECE.len(), SMALL_PIECE, invocation),
        b"stream-fail" => {
            let mut stream = invocation.stream("text/plain");
            stream.write(PIECE)?;
            stream.fail(&FAILURE)
        }
        _ => invocation.respond(b"{}"),
    }
}

fn mio_served(event: &[u8]) -> Result<lambwire_mio::Response<'_>, lambwire_mio::Failure> {
    use lambwire_mio::{Failure, Response};
    let failure = || Failure::new(FAILURE.error_type, FAILURE.message);
    Ok(match event {
        b"large" => vec![b' '; LARGE].into(),
        b"oversize" => vec![b' '; OVERSIZE].into(),
        b"unfit" => Response::new(UNFIT, b"{}".as_slice()),
        b"fail" => return Err(failure()),
        b"stream" => {
            Response::stream("text/plain", Box::new([PIECE, PIECE].into_iter().map(|piece| Ok(piece.to_vec()))))
        }
        b"stream-large" => {
            Response::stream("text/plain", Box::new((0..LARGE / LARGE_PIECE).map(|_| Ok(vec![b' '; LARGE_PIECE]))))
        }
        b"stream-small" => {
            Response::stream("text/plain", Box::new((0..LARGE / SMALL_PIECE.len()).map(|_| Ok(SMALL_PIECE.to_vec()))))
        }
        b"stream-fail" => Response::stream("text/plain", Box::new([Ok(PIECE.to_vec()), Err(failure())].into_iter())),
        _ => b"{}".as_slice().into(),
    })
}

async fn smol(api: &str, is_missing: bool, way: Way) -> Result<(), Error> {
    let mut runtime = lambwire_smol::Runtime::connect(api).await?;
    if is_missing {
        return runtime.init_error(&FAILURE).await;
    }
    if way == Way::Serve {
        let open = Open::default();
        let observe = |context: &Context<'_>, error: &_| open.lose(context, error);
        let served = runtime.serve_observed(async |event, context| smol_served(open.receive(context, event)), observe);
        return Err(open.end(served.await));
    }
    let mut buf = Vec::new();
    loop {
        let invocation = runtime.next(&mut buf).await?;
        let id = invocation.context.request_id.to_string();
        say(format_args!("`{id}` received"));
        conclude(&id, smol_answer(invocation).await)?;
    }
}

async fn smol_answer(invocation: lambwire_smol::Invocation<'_, '_>) -> Result<(), Error> {
    let stream = async |pieces: usize, piece: &[u8], invocation: lambwire_smol::Invocation<'_, '_>| {
        let mut stream = invocation.stream("text/plain");
        for _ in 0..pieces {
            stream.write(piece).await?;
        }
        stream.finish().await
    };
    match invocation.payload.trim_ascii() {
        b"large" => invocation.respond(vec![b' '; LARGE]).await,
        b"oversize" => invocation.respond(vec![b' '; OVERSIZE]).await,
        b"unfit" => invocation.respond(lambwire_smol::Response::new(UNFIT, b"{}")).await,
        b"fail" => invocation.fail(&FAILURE).await,
        b"stream" => stream(2, PIECE, invocation).await,
        b"stream-large" => stream(LARGE / LARGE_PIECE, &[b' '; LARGE_PIECE], invocation).await,
        b"stream-small" => stream(LARGE / SMALL_PIECE.len(), SMALL_PIECE, invocation).await,
        b"stream-fail" => {
            let mut stream = invocation.stream("text/plain");
            stream.write(PIECE).await?;
            stream.fail(&FAILURE).await
        }
        _ => invocation.respond(b"{}").await,
    }
}

fn smol_served(event: &[u8]) -> Result<lambwire_smol::Response<'_>, lambwire_smol::Failure> {
    use lambwire_smol::{Failure, Response};
    use smol::stream::iter;
    let failure = || Failure::new(FAILURE.error_type, FAILURE.message);
    Ok(match event {
        b"large" => vec![b' '; LARGE].into(),
        b"oversize" => vec![b' '; OVERSIZE].into(),
        b"unfit" => Response::new(UNFIT, b"{}".as_slice()),
        b"fail" => return Err(failure()),
        b"stream" => Response::stream("text/plain", Box::pin(iter([PIECE, PIECE].map(|piece| Ok(piece.to_vec()))))),
        b"stream-large" => Response::stream(
            "text/plain",
            Box::pin(iter((0..LARGE / LARGE_PIECE).map(|_| Ok(vec![b' '; LARGE_PIECE])))),
        ),
        b"stream-small" => Response::stream(
            "text/plain",
            Box::pin(iter((0..LARGE / SMALL_PIECE.len()).map(|_| Ok(SMALL_PIECE.to_vec())))),
        ),
        b"stream-fail" => Response::stream("text/plain", Box::pin(iter([Ok(PIECE.to_vec()), Err(failure())]))),
        _ => b"{}".as_slice().into(),
    })
}
