//! Runtimes that are frozen, as Lambda does between invocations, lose their connection meanwhile, and are thawed.

use std::convert::Infallible;
use std::process::{Command, Stdio, exit};
use std::{env, fs};

use lambwire::{Context, RequestKind};
use lambwire_emulator::fault::{Action, FaultServer, Plan, Reply, Script};
use lambwire_mio::Error;
use rustix::process::Signal;

use crate::patience::{AMPLE, wait_until};
use crate::started::Started;

/// Says that this process is to be a runtime, and which.
const ROLE: &str = "LAMBWIRE_TEST_FREEZE";

/// Loops over each transport: one by hand, and one that pipelines.
pub(crate) const SUBJECTS: [&str; 4] = ["mio next", "mio serve", "smol next", "smol serve"];

/// How a connection is lost: by an end, and by a reset.
const LOSSES: [Action; 2] = [Action::Close, Action::Reset];

#[test]
fn plays_the_frozen_when_asked() {
    let Ok(role) = env::var(ROLE) else { return };
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let end = match role.as_str() {
        "mio next" => mio_next(&api),
        "mio serve" => {
            let mut runtime = lambwire_mio::Runtime::connect(&api).unwrap();
            Err(runtime.serve_observed(|event, _| Ok(event.into()), tell))
        }
        "smol next" => smol::block_on(smol_next(&api)),
        _ => smol::block_on(async {
            let mut runtime = lambwire_smol::Runtime::connect(&api).await?;
            Err(runtime.serve_observed(async |event, _| Ok(event.into()), tell).await)
        }),
    };
    panic!("{}", end.unwrap_err());
}

fn tell(context: &Context<'_>, error: &Error) {
    eprintln!("{}: {error}", context.request_id);
    exit(1);
}

fn mio_next(api: &str) -> Result<Infallible, Error> {
    let mut runtime = lambwire_mio::Runtime::connect(api)?;
    let mut buf = Vec::new();
    loop {
        let invocation = runtime.next(&mut buf)?;
        let event = invocation.payload;
        invocation.respond(event)?;
    }
}

async fn smol_next(api: &str) -> Result<Infallible, Error> {
    let mut runtime = lambwire_smol::Runtime::connect(api).await?;
    let mut buf = Vec::new();
    loop {
        let invocation = runtime.next(&mut buf).await?;
        let event = invocation.payload;
        invocation.respond(event).await?;
    }
}

/// A program that is one of the [`SUBJECTS`].
pub(crate) fn subject_command(subject: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "freeze::plays_the_frozen_when_asked", "--nocapture"]).env(ROLE, subject);
    command
}

/// A runtime in a process of its own, which is killed at the end.
struct Process(Started);

impl Process {
    fn start(subject: &str, server: &FaultServer) -> Self {
        let mut command = subject_command(subject);
        command.env("AWS_LAMBDA_RUNTIME_API", server.address().to_string());
        Self(Started::new(command.stdin(Stdio::null()).stdout(Stdio::null())))
    }

    /// Stops it, and returns when no thread of it runs.
    fn freeze(&self) {
        self.0.signal(Signal::STOP);
        wait_until_frozen(self.0.id());
    }

    fn thaw(&self) {
        self.0.signal(Signal::CONT);
    }
}

/// Returns when no thread of this process runs.
pub(crate) fn wait_until_frozen(pid: u32) {
    wait_until("a freeze", || states(pid).iter().all(|state| state == "T"));
}

/// The states of its threads: the field behind the name, which is in brackets.
fn states(pid: u32) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let stats = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).unwrap());
    stats.map(|stat| stat.rsplit_once(") ").unwrap().1[..1].to_owned()).collect()
}

/// Whether a client's end of a connection to this port is open, or the kernel has heard of no loss (state 1 in
/// `/proc/net/tcp`).
fn is_connected(port: u16) -> bool {
    let remote = format!(":{port:04X}");
    fs::read_to_string("/proc/net/tcp").unwrap().lines().any(|line| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|address| address.ends_with(&remote)) && fields.next() == Some("01")
    })
}

/// Freezes each subject when the script holds, lets go on with the script until the connection is lost, thaws it, and
/// looks at what it has asked in the end.
#[track_caller]
fn check(script: impl Fn(Action) -> Script, expected: &[(RequestKind, Option<&str>)]) {
    for subject in SUBJECTS {
        for loss in LOSSES {
            let server = FaultServer::start(script(loss.clone())).unwrap();
            let process = Process::start(subject, &server);
            assert!(server.wait_until_held(AMPLE));
            process.freeze();
            server.resume();
            wait_until("the loss", || !is_connected(server.address().port()));
            process.thaw();
            assert!(server.wait_until_idle(AMPLE), "{subject}, {loss:?}");
            let seen = server.requests();
            let seen: Vec<_> = seen.iter().map(|seen| (seen.kind, seen.id.as_deref())).collect();
            assert_eq!(seen, expected, "{subject}, {loss:?}");
            assert_eq!(server.connections(), 2, "{subject}, {loss:?}");
        }
    }
}

const NEXT: (RequestKind, Option<&str>) = (RequestKind::Next, None);
const ANSWER_A: (RequestKind, Option<&str>) = (RequestKind::Response, Some("a"));
const ANSWER_B: (RequestKind, Option<&str>) = (RequestKind::Response, Some("b"));

fn a() -> Reply {
    Reply::invocation("a", "event")
}

fn b() -> Reply {
    Reply::invocation("b", "event")
}

#[test]
fn a_runtime_that_is_frozen_as_it_asks_for_its_first_invocation_asks_again() {
    let script = |loss| Script::new().next(Plan::new([Action::Hold, loss])).next(a());
    check(script, &[NEXT, NEXT, ANSWER_A, NEXT]);
}

#[test]
fn a_runtime_that_is_frozen_between_invocations_asks_again() {
    let script = |loss| Script::new().next(a()).next(Plan::new([Action::Hold, loss])).next(b());
    check(script, &[NEXT, ANSWER_A, NEXT, NEXT, ANSWER_B, NEXT]);
}

#[test]
fn a_runtime_that_is_frozen_before_it_has_read_that_its_answer_is_taken_reads_it_and_asks_again() {
    let script = |loss| {
        let taken = Plan::new([Action::Hold, Reply::Accepted.into(), loss]);
        Script::new().next(a()).answer(taken).next(b())
    };
    check(script, &[NEXT, ANSWER_A, NEXT, ANSWER_B, NEXT]);
}

#[test]
fn a_runtime_that_is_frozen_and_never_hears_that_its_answer_is_taken_answers_again() {
    let script = |loss| Script::new().next(a()).answer(Plan::new([Action::Hold, loss])).next(b());
    check(script, &[NEXT, ANSWER_A, ANSWER_A, NEXT, ANSWER_B, NEXT]);
}
