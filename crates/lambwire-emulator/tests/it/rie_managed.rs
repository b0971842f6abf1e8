//! In place of AWS's Runtime Interface Emulator in its mode for managed instances.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire::{ErrorHeaders, Request, RequestId};
use lambwire_emulator::{Console, Emulator, Running};

use crate::child;
use crate::patience::AMPLE;
use crate::peer::{Peer, accepted};
use crate::rie::{IDENTITIES, capture, essence, essence_of};
use crate::wire::{Answered, INVOKE, Wire, post};

fn start(emulator: Emulator, concurrency: usize) -> (Running, SocketAddr) {
    listen(emulator.as_rie(), concurrency)
}

fn listen(emulator: Emulator, concurrency: usize) -> (Running, SocketAddr) {
    let emulator = emulator.concurrency(concurrency).console(Console::Silent);
    let emulator = emulator.listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.listens().unwrap();
    (emulator, address)
}

#[track_caller]
fn compare(answered: &Answered, name: &str) {
    let reply = capture(&format!("{name}.rep.bin"));
    assert_eq!(essence_of(answered), essence(&reply), "{name}");
    let head = String::from_utf8_lossy(&reply);
    for header in ["Error-Type", "Lambda-Runtime-Function-Response-Mode"] {
        let expected = head.lines().find_map(|line| line.strip_prefix(&format!("{header}: ")));
        assert_eq!(answered.header(header), expected, "{name}: {header}");
    }
    assert_eq!(answered.header("x-amzn-requestid"), None, "{name}");
}

/// Plays the runtime for one caller.
#[track_caller]
fn check_played(name: &str, play: impl FnOnce(&mut Peer)) {
    let (emulator, address) = start(Emulator::without_program(), 1);
    thread::scope(|scope| {
        scope.spawn(|| compare(&Wire::connect(address).exchange(capture(&format!("{name}.req.bin"))), name));
        play(&mut Peer::connect(emulator.runtime_api()));
    });
}

#[test]
fn what_is_answered_is_passed_on_with_its_mode() {
    check_played("mifront-01-success", |peer| {
        let given = peer.next();
        assert_eq!(given.id, "11111111-2222-3333-4444-555555555555");
        assert_eq!(peer.respond_as(&given.id, Some("application/json"), br#"{"ok":1}"#), accepted());
    });
    check_played("mifront-09-4k", |peer| {
        let given = peer.next();
        peer.respond_as(&given.id, Some("application/json"), &given.event);
    });
    let (emulator, address) = start(Emulator::without_program(), 1);
    thread::scope(|scope| {
        let mut peer = Peer::connect(emulator.runtime_api());
        let plain = scope.spawn(|| post(address, INVOKE, &[], b"{}"));
        let given = peer.next();
        peer.respond(&given.id, b"x");
        assert_eq!(plain.join().unwrap().header("Content-Type"), Some("application/octet-stream"));
        let streamed = scope.spawn(|| post(address, INVOKE, &[], b"{}"));
        let given = peer.next();
        peer.stream(&given.id, &[b"a", b"b"], None);
        let streamed = streamed.join().unwrap();
        assert_eq!(streamed.header("Lambda-Runtime-Function-Response-Mode"), Some("streaming"));
        assert_eq!((streamed.header("Content-Type"), streamed.text()), (Some("text/x-stream"), "ab"));
    });
}

#[test]
fn what_fails_has_its_type_in_a_header() {
    check_played("mifront-03-handled-error", |peer| {
        let given = peer.next();
        let headers = ErrorHeaders { error_type: Some("Function.MyError"), ..ErrorHeaders::default() };
        let id = RequestId::new(&given.id).unwrap();
        let report = br#"{"errorMessage":"boom","errorType":"MyError"}"#;
        peer.send(&Request::Error { id, invocation_id: None, headers }, report);
        assert_eq!(peer.said(), accepted());
    });
    check_played("mifront-04-bad-response-mode", |peer| {
        let given = peer.next();
        let head = format!("POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\n", given.id);
        let mode = "Lambda-Runtime-Function-Response-Mode: none\r\nContent-Length: 0\r\n\r\n";
        let mut wire = Wire(peer.stream.try_clone().unwrap());
        wire.write(format!("{head}{mode}"));
        assert_eq!(wire.read().status, 400);
    });
    check_played("mifront-06-stream-error-trailers", |peer| {
        let given = peer.next();
        let mut wire = Wire(peer.stream.try_clone().unwrap());
        // The type of an error is the first of two trailers, and its report the second, in base64.
        wire.write(format!(
            "POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\
             Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n\
             4\r\npart\r\n0\r\nLambda-Runtime-Function-Error-Type: Function.Boom\r\n\
             Lambda-Runtime-Function-Error-Body: eyJlcnJvck1lc3NhZ2UiOiJib29tIn0=\r\n\r\n",
            given.id
        ));
        assert_eq!(wire.read().status, 202);
    });
    check_played("mifront-07-oversize", |peer| {
        let given = peer.next();
        let mut wire = Wire(peer.stream.try_clone().unwrap());
        let too_much = vec![b'x'; usize::try_from(PAYLOAD_BYTES).unwrap() + 1];
        let head = format!("POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\n", given.id);
        wire.write(format!("{head}Content-Length: {}\r\n\r\n", too_much.len()));
        wire.write(too_much);
        assert_eq!(wire.read().status, 413);
    });
    let (_emulator, address) = start(Emulator::new(child::concurrent_runtime()), 1);
    let exited = post(address, INVOKE, &[], b"exit 1");
    assert_eq!((exited.status, exited.text()), (200, r#"{"errorType":"Runtime.ExitError"}"#));
    assert_eq!(exited.header("Error-Type"), Some("Runtime.ExitError"));
}

#[test]
fn what_takes_too_long_has_a_message() {
    let second = Duration::from_secs(1);
    let emulator = Emulator::without_program().as_rie().timeout(second).init_timeout(AMPLE).concurrency(1);
    let emulator = emulator.console(Console::Silent).listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.listens().unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| Wire::connect(address).exchange(capture("mifront-31-timeout.req.bin")));
        // The runtime lives on, and is not heard.
        let mut peer = Peer::connect(emulator.runtime_api());
        let given = peer.next();
        compare(&caller.join().unwrap(), "mifront-31-timeout");
        assert_eq!(peer.respond(&given.id, b"late").status, 410);
    });
}

/// Seen: what did not begin is JSON without a message.
#[test]
fn what_does_not_start_is_said_without_a_message() {
    for (program, timeout, error_type) in [
        (child::shell("exit 1"), AMPLE, "Runtime.ExitError"),
        (child::shell("sleep 1000"), Duration::from_secs(1), "Sandbox.Timedout"),
        (child::init_error(), AMPLE, "Runtime.Unknown"),
    ] {
        let (_emulator, address) = listen(Emulator::new(program).as_rie().timeout(timeout), 1);
        let answered = post(address, INVOKE, &[], b"{}");
        let body = format!(r#"{{"errorType":"{error_type}"}}"#);
        assert_eq!((answered.status, answered.text()), (200, &*body));
        assert_eq!(answered.header("Content-Type"), Some("application/json"));
        assert_eq!(answered.header("Error-Type"), Some(error_type));
    }
}

#[test]
fn headers_that_cannot_be_read_are_a_malformed_request() {
    let (_emulator, address) = start(Emulator::without_program(), 1);
    let identities = IDENTITIES.iter().filter(|(_, passed_on)| passed_on.is_none());
    let identities = identities.map(|(identity, _)| format!("X-Amz-Cognito-Identity: {identity}"));
    for header in identities.chain(["X-Amz-Client-Context: x".to_owned()]) {
        let refused = post(address, INVOKE, &[&header], b"{}");
        assert_eq!((refused.status, refused.text()), (400, r#"{"errorType":"ErrMalformedRequest"}"#), "{header}");
        assert_eq!(refused.header("Error-Type"), Some("ErrMalformedRequest"), "{header}");
    }
}

#[test]
fn a_runtime_that_asks_for_no_more_is_unavailable() {
    let emulator = Emulator::without_program().as_rie().concurrency(1).console(Console::Silent);
    let emulator = emulator.timeout(Duration::from_millis(10)).init_timeout(Duration::from_millis(20));
    let emulator = emulator.listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.listens().unwrap();
    let mut peer = Peer::connect(emulator.runtime_api());
    peer.ask_next();
    // That another exchange is over means that the request has arrived.
    assert_eq!(Peer::connect(emulator.runtime_api()).respond("none", b"").status, 400);
    let late = post(address, INVOKE, &[], b"{}");
    assert!(late.text().contains("Task timed out"), "{}", late.text());
    let unavailable = post(address, INVOKE, &[], b"{}");
    assert_eq!((unavailable.status, unavailable.text()), (400, r#"{"errorType":"Runtime.Unavailable"}"#));
}

#[test]
fn who_comes_without_need_or_twice_is_refused() {
    let (emulator, address) = start(Emulator::without_program(), 2);
    let get = Wire::connect(address).exchange(capture("mifront-10-get-405.req.bin"));
    compare(&get, "mifront-10-get-405");
    assert_eq!(get.header("Allow"), None);
    thread::scope(|scope| {
        let id = ["X-Amzn-RequestId: 11111111-2222"];
        let first = scope.spawn(move || post(address, INVOKE, &id, b"{}"));
        let mut peer = Peer::connect(emulator.runtime_api());
        let given = peer.next();
        let second = post(address, INVOKE, &id, b"{}");
        compare(&second, "mifront-23-dup-request-id-11");
        assert_eq!(peer.respond_as(&given.id, Some("application/json"), &given.event), accepted());
        compare(&first.join().unwrap(), "mifront-23-dup-request-id-10");
        for (n, name) in ["mifront-20-concurrent", "mifront-21-concurrent"].into_iter().enumerate() {
            let caller = scope.spawn(move || post(address, INVOKE, &[], format!("{{\"k\":{n}}}").as_bytes()));
            let given = peer.next();
            peer.respond_as(&given.id, Some("application/json"), &given.event);
            compare(&caller.join().unwrap(), name);
        }
        let callers = [(); 2].map(|()| scope.spawn(move || post(address, INVOKE, &[], b"{}")));
        let mut peers = [(); 2].map(|()| Peer::connect(emulator.runtime_api()));
        let given: Vec<_> = peers.iter_mut().map(|peer| peer.next().id).collect();
        let third = post(address, INVOKE, &[], b"{}");
        assert_eq!((third.status, third.text()), (400, r#"{"errorType":"Runtime.Unavailable"}"#));
        for (peer, id) in peers.iter_mut().zip(given) {
            peer.respond(&id, b"");
        }
        for caller in callers {
            assert_eq!(caller.join().unwrap().status, 200);
        }
    });
}
