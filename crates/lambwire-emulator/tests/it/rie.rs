//! In place of AWS's Runtime Interface Emulator: what it was seen to say to callers is said here, too.
//!
//! `tests/rie/` has its callers' requests, and its replies to them. Dates and ids differ, and what is longer than 2 KiB
//! comes with its length here.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::{Console, Emulator, Running};

use crate::child;
use crate::patience::wait_until;
use crate::peer::Peer;
use crate::rie_replay::compare;
use crate::started::Started;
use crate::wire::{Answered, INVOKE, Wire, free_port, post};

/// A capture of this crate, or of those that the core is tested with, too.
pub(crate) fn capture(name: &str) -> Vec<u8> {
    let directory = env!("CARGO_MANIFEST_DIR");
    let files = [format!("{directory}/tests/rie/{name}"), format!("{directory}/../lambwire/tests/captures/{name}")];
    files.iter().find_map(|file| fs::read(file).ok()).expect(name)
}

/// What of a reply is to be the same: status, media type, and body, but for its id.
pub(crate) fn essence(reply: &[u8]) -> (u16, Option<String>, String) {
    essence_of(&parsed(reply))
}

/// A captured reply, without the 100 before it.
pub(crate) fn parsed(reply: &[u8]) -> Answered {
    let reply = reply.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(reply);
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let answered = Answered {
        status: str::from_utf8(&reply[9..12]).unwrap().parse().unwrap(),
        head: String::from_utf8(reply[..end].to_vec()).unwrap(),
        body: reply[end + 4..].to_vec(),
    };
    let is_chunked = answered.header("transfer-encoding") == Some("chunked");
    Answered { body: if is_chunked { joined(&answered.body) } else { answered.body }, ..answered }
}

/// A body without the frames of its chunks.
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let at = chunks.windows(2).position(|window| window == b"\r\n").unwrap();
        let len = usize::from_str_radix(str::from_utf8(&chunks[..at]).unwrap(), 16).unwrap();
        if len == 0 {
            return body;
        }
        let chunk = &chunks[at + 2..];
        body.extend(&chunk[..len]);
        chunks = &chunk[len + 2..];
    }
}

pub(crate) fn essence_of(answered: &Answered) -> (u16, Option<String>, String) {
    let text = String::from_utf8_lossy(&answered.body).into_owned();
    let text = match text.split_once("RequestId: ") {
        Some((before, after)) => format!("{before}RequestId: ID{}", &after[36..]),
        None => text,
    };
    (answered.status, answered.header("content-type").map(str::to_owned), text)
}

fn emulator(command: Option<Command>) -> Running {
    let emulator = command.map_or_else(Emulator::without_program, Emulator::new);
    let emulator = emulator.as_rie().console(Console::Silent).listen(([127, 0, 0, 1], 0).into());
    emulator.start().unwrap()
}

#[track_caller]
fn check(address: SocketAddr, name: &str) {
    let answered = Wire::connect(address).exchange(capture(&format!("{name}.req.bin")));
    assert_eq!(essence_of(&answered), essence(&capture(&format!("{name}.rep.bin"))), "{name}");
    assert_eq!(answered.header("x-amzn-requestid"), None, "{name}");
}

/// Plays the runtime for one caller.
#[track_caller]
fn check_played(name: &str, play: impl FnOnce(&mut Peer)) {
    let emulator = emulator(None);
    thread::scope(|scope| {
        scope.spawn(|| check(emulator.listens().unwrap(), name));
        play(&mut Peer::connect(emulator.runtime_api()));
    });
}

#[test]
fn what_is_answered_is_passed_on_as_rie_does() {
    for (name, answer) in [
        ("front-01-invoke-success", &br#"{"ok":true}"#[..]),
        ("front-03-invoke-third-same-connection", br#"{"n":3}"#),
        ("front-07-event-type", b"{}"),
        ("front-09-text-body", b"not json"),
        ("front-10-empty-body", b""),
        ("front-13-chunked-request", b"ok"),
        ("front-34-after-timeout", br#"{"t":2}"#),
        (
            "front-43-stream-ok",
            b"{\"statusCode\":200,\"headers\":{\"Content-Type\":\"text/plain\"},\"cookies\":[]}\0\0\0\0\0\0\0\0hello world",
        ),
    ] {
        check_played(name, |peer| {
            let given = peer.next();
            peer.respond(&given.id, answer);
            peer.ask_next();
        });
    }
    for (name, report) in [
        ("front-50-error-variant", &br#"{"errorMessage":"m","errorType":"T"}"#[..]),
        ("front-52-error-variant", br#""Invalid error body""#),
        ("front-53-error-variant", b""),
    ] {
        check_played(name, |peer| {
            let given = peer.next();
            peer.fail(&given.id, report);
            peer.ask_next();
        });
    }
}

#[test]
fn a_long_answer_is_the_same_in_one_piece() {
    check_played("front-12-4k-echo", |peer| {
        let given = peer.next();
        peer.respond(&given.id, &given.event);
        peer.ask_next();
    });
}

#[test]
fn what_rie_cuts_is_whole_or_refused() {
    let emulator = emulator(None);
    let address = emulator.listens().unwrap();
    thread::scope(|scope| {
        let asked = capture("front-44-stream-midstream-error.req.bin");
        let caller = scope.spawn(move || Wire::connect(address).exchange(asked));
        let mut peer = Peer::connect(emulator.runtime_api());
        let given = peer.next();
        peer.stream(&given.id, &[b"partial"], Some(b"{}"));
        peer.ask_next();
        compare("front-44-stream-midstream-error", &caller.join().unwrap());
    });
    let event = vec![b'x'; usize::try_from(PAYLOAD_BYTES).unwrap() + 1];
    compare("front-32-oversize-event", &post(address, INVOKE, &[], &event));
}

#[test]
fn what_is_no_call_of_the_function_is_refused_as_rie_does() {
    let emulator = emulator(None);
    let address = emulator.listens().unwrap();
    for name in ["front-04-bad-client-context-500", "front-06-other-function-404", "front-15-trailing-slash-404"] {
        check(address, name);
    }
    let reply = Wire::connect(address).exchange("GET / HTTP/1.1\r\n\r\n");
    // Of its Runtime API (`legacy-35-no-host-400`), which is a server of Go's as well.
    let said = "400 Bad Request: missing required Host header";
    assert!(reply.head.starts_with(&format!("HTTP/1.1 {said}\r\n")), "{}", reply.head);
    assert_eq!(reply.header("Content-Type"), Some("text/plain; charset=utf-8"));
    assert_eq!(reply.header("Connection"), Some("close"));
}

/// What of a Cognito identity RIE was seen to pass on; `None` where it refuses the call.
pub(crate) const IDENTITIES: [(&str, Option<Option<&str>>); 9] = [
    ("x", None),
    ("[]", None),
    (r#""s""#, None),
    (r#"{"cognitoIdentityId":1}"#, None),
    (r#"{"cognitoIdentityId":"i"} x"#, None),
    ("null", Some(None)),
    (r#"{"a":"b"}"#, Some(None)),
    (r#"{"cognitoIdentityId":"i"}"#, Some(Some(r#"{"cognitoIdentityId":"i","cognitoIdentityPoolId":""}"#))),
    (
        r#"{"cognitoIdentityPoolId" : "p", "z":1 }"#,
        Some(Some(r#"{"cognitoIdentityId":"","cognitoIdentityPoolId":"p"}"#)),
    ),
];

#[test]
fn of_a_cognito_identity_what_rie_knows_is_passed_on() {
    let emulator = emulator(None);
    let address = emulator.listens().unwrap();
    let mut peer = Peer::connect(emulator.runtime_api());
    peer.ask_next();
    for (identity, passed_on) in IDENTITIES {
        let header = [&*format!("X-Amz-Cognito-Identity: {identity}")];
        let Some(passed_on) = passed_on else {
            let refused = post(address, INVOKE, &header, b"{}");
            assert_eq!((refused.status, refused.text()), (500, ""), "{identity}");
            continue;
        };
        thread::scope(|scope| {
            let caller = scope.spawn(|| post(address, INVOKE, &header, b"{}"));
            let given = peer.asked_next().unwrap();
            assert_eq!(given.cognito_identity.as_deref(), passed_on, "{identity}");
            peer.respond(&given.id, b"");
            peer.ask_next();
            assert_eq!(caller.join().unwrap().status, 200);
        });
    }
}

#[test]
fn what_fails_is_said_as_rie_does() {
    let report = "{\"errorMessage\":\"no module\",\"errorType\":\"Runtime.ImportModuleError\",\"stackTrace\":[]}";
    for (mut command, name) in [
        (child::init_error(), "front-20-init-error-reported-then-exit"),
        (child::init_error_that_asks(), "front-22-init-error-then-next"),
        (child::init_error(), "front-23-init-error-always"),
    ] {
        command.env(child::REPORT, report);
        check(emulator(Some(command)).listens().unwrap(), name);
    }
    let crashing = emulator(Some(child::shell("exit 1")));
    check(crashing.listens().unwrap(), "front-25-crash-during-init");
    check(crashing.listens().unwrap(), "front-26-crash-during-init-second");
    check(emulator(Some(Command::new("/nonexistent"))).listens().unwrap(), "front-49-no-bootstrap-second");
    let hanging =
        Emulator::new(child::shell("sleep 1000")).as_rie().timeout(Duration::from_secs(1)).console(Console::Silent);
    let hanging = hanging.listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    check(hanging.listens().unwrap(), "front-28-init-hang-timeout");
    check(hanging.listens().unwrap(), "front-29-init-hang-timeout-second");
    let runtime = emulator(Some(child::runtime()));
    let address = runtime.listens().unwrap();
    for (event, name) in [
        ("exit 1", "front-35-crash-exit1"),
        ("exit 0", "front-37-crash-exit0"),
        ("kill", "front-38-crash-sigkill"),
        ("partial", "front-41-crash-partial-response"),
        ("oversize-error", "front-31-oversize-error"),
    ] {
        let answered = post(address, INVOKE, &[], event.as_bytes());
        assert_eq!(essence_of(&answered), essence(&capture(&format!("{name}.rep.bin"))), "{name}");
    }
    // Seen: a response of a mode that is refused, and the end of the runtime.
    let answered = post(address, INVOKE, &[], b"badmode");
    assert_eq!((answered.status, answered.header("content-type"), answered.text()), (502, None, ""));
    // It has answered, and ends before it asks for more.
    let answered = post(address, INVOKE, &[], b"last words");
    assert_eq!((answered.status, answered.text()), (502, "words"));
    check(address, "front-40-after-crash-after-response");
    let variable = |name: &str| post(address, INVOKE, &[], format!("variable {name}").as_bytes()).text().to_owned();
    assert_eq!(variable("AWS_LAMBDA_FUNCTION_NAME"), "test_function");
    assert_eq!(variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), "3008");
    assert_eq!(variable("AWS_LAMBDA_INITIALIZATION_TYPE"), "");
}

/// The variables that SAM sets (its `env_vars.py`, 1.170.0), as far as RIE reads them.
const SAM: [(&str, &str); 5] = [
    ("AWS_LAMBDA_FUNCTION_HANDLER", "app.handler"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ("AWS_LAMBDA_FUNCTION_NAME", "HelloFunction"),
    ("AWS_LAMBDA_FUNCTION_TIMEOUT", "300"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
];

/// As the entry points of AWS's base images, and SAM, start it, but for the ports and the paths.
#[test]
fn called_by_its_name_it_takes_its_command_line() {
    let directory = env::temp_dir().join(format!("lambwire-rie-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let name = directory.join("aws-lambda-rie");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lambwire-emulator"), &name).unwrap();
    // In place of a runtime, and of the entry point of an image, which finds that it is called by RIE.
    let runtime = format!("exec {} {}", env::current_exe().unwrap().display(), child::arguments().join(" "));
    let script = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let bootstrap = script("bootstrap", &runtime);
    let entry_point = script(
        "lambda-entrypoint.sh",
        &format!("test -n \"$AWS_LAMBDA_RUNTIME_API\" && test $# = 1 || exit 142\nexport _HANDLER=$1\n{runtime}"),
    );
    let handler = [("_HANDLER", "app.handler")];
    let managed = [&SAM[..], &[("AWS_LAMBDA_MAX_CONCURRENCY", "2")]].concat();
    for (options, program, variables) in [
        // `lambda-entrypoint.sh` of the base images, and what AWS's guide says for others.
        (&[][..], &[&*bootstrap][..], &handler[..]),
        (&[], &[&*bootstrap, "-m", "awslambdaric", "app.handler"], &[]),
        // SAM: a function in an image, one that is debugged, and one for managed instances, whose program RIE finds.
        (&["--log-level", "error"], &[&*entry_point, "app.handler"], &SAM),
        (&["--log-level", "error"], &[&*bootstrap, "--no-lazy", "--expose-gc", "/var/runtime/index.mjs"], &SAM),
        (&["--log-level", "debug"], &[], &managed),
    ] {
        let port = free_port();
        let mut command = Command::new(&name);
        command.args(options).args(["--runtime-api-address", "127.0.0.1:0", "--runtime-interface-emulator-address"]);
        command.arg(format!(":{port}")).args(program).current_dir(&directory);
        let (key, value) = child::variable();
        command.env(key, value).env("AWS_LAMBDA_FUNCTION_TIMEOUT", "300").envs(variables.iter().copied());
        let _program = Started::new(command.stdout(Stdio::null()).stderr(Stdio::null()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        wait_until("a listener", || std::net::TcpStream::connect(address).is_ok());
        let answered = post(address, INVOKE, &[], b"variable _HANDLER");
        let last = program.last().map_or("app.handler", |last| if variables.is_empty() { last } else { "app.handler" });
        assert_eq!((answered.status, answered.text()), (200, last), "{options:?} {program:?}");
    }
    fs::remove_dir_all(directory).unwrap();
}
