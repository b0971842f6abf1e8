//! Invoke over HTTP, as callers see it.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::thread;

use lambwire_emulator::Running;
use smol::future::poll_once;

use crate::library::{echo, quiet};
use crate::patience::{AMPLE, wait_until};
use crate::peer::{Given, Peer, accepted};
use crate::wire::{Answered, INVOKE, Wire, post, post_bytes};

pub(crate) fn start() -> (Running, SocketAddr) {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.listens().unwrap();
    (emulator, address)
}

/// Posts an event while this plays the runtime, which gives the event back.
pub(crate) fn invoke(target: &str, headers: &[&str], event: &[u8]) -> (Answered, Given) {
    let (emulator, address) = start();
    thread::scope(|scope| {
        let answer = scope.spawn(|| post(address, target, headers, event));
        let mut peer = Peer::connect(emulator.runtime_api());
        let given = peer.next();
        peer.respond(&given.id, &given.event);
        (answer.join().unwrap(), given)
    })
}

#[test]
fn an_answer_has_the_headers_of_aws() {
    let (answer, given) = invoke(INVOKE, &[], b"{\"a\":1}");
    assert_eq!((answer.status, answer.text()), (200, "{\"a\":1}"));
    assert_eq!(answer.header("X-Amzn-RequestId"), Some(given.id.as_str()));
    assert_eq!(answer.header("X-Amz-Executed-Version"), Some("$LATEST"));
    assert_eq!(answer.header("X-Amz-Function-Error"), None);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
}

#[test]
fn the_media_type_of_a_function_is_kept() {
    let (emulator, address) = start();
    thread::scope(|scope| {
        let answer = scope.spawn(|| post(address, INVOKE, &[], b""));
        let mut peer = Peer::connect(emulator.runtime_api());
        let id = peer.next().id;
        assert_eq!(peer.respond_as(&id, Some("image/png"), b"\x89PNG"), accepted());
        let answer = answer.join().unwrap();
        assert_eq!(answer.header("Content-Type"), Some("image/png"));
        assert_eq!(answer.body, b"\x89PNG");
    });
}

#[test]
fn a_failure_is_200_with_a_header_that_says_so() {
    let (emulator, address) = start();
    thread::scope(|scope| {
        let answer = scope.spawn(|| post(address, INVOKE, &[], b""));
        let mut peer = Peer::connect(emulator.runtime_api());
        let id = peer.next().id;
        assert_eq!(peer.fail(&id, br#"{"errorMessage":"boom"}"#), accepted());
        let answer = answer.join().unwrap();
        assert_eq!((answer.status, answer.text()), (200, r#"{"errorMessage":"boom"}"#));
        assert_eq!(answer.header("X-Amz-Function-Error"), Some("Unhandled"));
        assert_eq!(answer.header("X-Amz-Executed-Version"), Some("$LATEST"));
    });
}

#[test]
fn what_comes_along_is_passed_on() {
    let headers = [
        "X-Amz-Client-Context: eyJjdXN0b20iOnsiayI6InYifX0=",
        "x-amzn-trace-id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
        "X-Amz-Tenant-Id: blue",
        "X-Amz-Cognito-Identity: {\"cognitoIdentityId\":\"i\"}",
        "X-Amz-Invocation-Type: RequestResponse",
        "X-Amz-Log-Type: None",
    ];
    let (answer, given) = invoke(INVOKE, &headers, b"");
    assert_eq!(answer.status, 200);
    let text = |text: Option<String>| text.unwrap();
    assert_eq!(text(given.client_context), r#"{"custom":{"k":"v"}}"#);
    assert_eq!(text(given.trace_id), "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1");
    assert_eq!(text(given.tenant_id), "blue");
    assert_eq!(text(given.cognito_identity), r#"{"cognitoIdentityId":"i"}"#);
}

#[test]
fn a_trace_header_that_is_none_is_as_good_as_absent() {
    for header in ["no trace", "Root=1-5bef4de7", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;A=\u{fc}"] {
        let (answer, given) = invoke(INVOKE, &[&format!("X-Amzn-Trace-Id: {header}")], b"1");
        assert_eq!(answer.status, 200);
        let trace_id = given.trace_id.unwrap();
        assert!(trace_id.starts_with("Root=1-") && trace_id.ends_with(";Sampled=0"), "{trace_id}");
    }
}

#[test]
fn an_event_of_a_durable_execution_is_answered_with_its_arn() {
    let event = br#"{"DurableExecutionArn": "5f7cc616/83fe8366", "CheckpointToken": "t"}"#;
    for header in ["X-Dex-Handler-Invoke: true", "X-Amz-Durable-Execution-Name: order-1"] {
        let (answer, given) = invoke(INVOKE, &[header], event);
        assert_eq!(answer.header("X-Amz-Durable-Execution-Arn"), Some("5f7cc616/83fe8366"));
        assert_eq!((answer.status, &*answer.body), (200, &*given.event));
    }
    let (answer, _) = invoke(INVOKE, &[], event);
    assert_eq!(answer.header("X-Amz-Durable-Execution-Arn"), None);
    let (emulator, address) = start();
    let taken = post(address, INVOKE, &["X-Amz-Invocation-Type: Event", "X-Dex-Handler-Invoke: true"], event);
    assert_eq!((taken.status, taken.header("X-Amz-Durable-Execution-Arn")), (202, Some("5f7cc616/83fe8366")));
    for name in ["a b", "order-1"] {
        let refused = post(address, INVOKE, &[&format!("X-Amz-Durable-Execution-Name: {name}")], b"{}");
        assert_eq!((refused.status, refused.header("X-Amzn-ErrorType")), (400, Some("InvalidParameterValueException")));
        assert!(refused.text().contains(name), "{}", refused.text());
    }
    drop(emulator);
}

#[test]
fn a_client_context_may_have_several_lines() {
    for (encoded, expected) in [
        // As `echo '{}' | base64` makes it.
        ("X-Amz-Client-Context: e30K", "{}"),
        // {"env":⏎  {}⏎}⏎, once with line feeds alone and once with carriage returns before them.
        ("X-Amz-Client-Context: eyJlbnYiOgogIHt9Cn0K", "{\"env\":   {} }"),
        ("X-Amz-Client-Context: eyJlbnYiOg0KICB7fQ0KfQ0K", "{\"env\":    {}  }"),
    ] {
        let (answer, given) = invoke(INVOKE, &[encoded], b"");
        assert_eq!((answer.status, given.client_context.as_deref()), (200, Some(expected)));
    }
}

#[test]
fn a_function_has_any_name_in_any_form() {
    for (function, end) in [
        ("function", ":function:function"),
        ("other-one", ":function:other-one"),
        ("f:v1", ":function:f:v1"),
        ("f%3Av1", ":function:f:v1"),
        ("f/invocations?Qualifier=%24LATEST", ":function:f:$LATEST"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:f", "eu-west-1:123456789012:function:f"),
        ("arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af", "eu-west-1:123456789012:function:f"),
    ] {
        let target = if function.contains('?') {
            format!("/2015-03-31/functions/{function}")
        } else {
            format!("/2015-03-31/functions/{function}/invocations")
        };
        let (_, given) = invoke(&target, &[], b"");
        let arn = given.function_arn.unwrap();
        assert!(arn.starts_with("arn:aws:lambda:") && arn.ends_with(end), "{arn}");
    }
}

#[test]
fn a_caller_who_was_there_before_the_end_is_answered() {
    let (emulator, address) = start();
    let caller = thread::spawn(move || post(address, INVOKE, &[], b"\"last\""));
    let mut peer = Peer::connect(emulator.runtime_api());
    let given = peer.next();
    let end = thread::spawn(|| smol::block_on(emulator.finish()));
    peer.respond(&given.id, &given.event);
    peer.ask_next();
    assert_eq!(caller.join().unwrap().text(), "\"last\"");
    end.join().unwrap();
}

#[test]
fn an_end_that_waits_for_a_caller_may_be_given_up() {
    let (emulator, address) = start();
    let mut peer = Peer::connect(emulator.runtime_api());
    let caller = thread::spawn(move || post(address, INVOKE, &[], b"\"last\""));
    peer.next();
    let (ended, end) = channel();
    thread::spawn(move || {
        let mut finish = Box::pin(emulator.finish());
        assert!(smol::block_on(poll_once(&mut finish)).is_none());
        // By then the caller's connection has heard of it, too.
        wait_until("nobody is taken", || TcpStream::connect(address).is_err());
        drop(finish);
        ended.send(()).unwrap();
    });
    end.recv_timeout(AMPLE).unwrap();
    assert_eq!(caller.join().unwrap().status, 500);
}

#[test]
fn a_dry_run_runs_nothing() {
    let (emulator, address) = start();
    let answer = post(address, INVOKE, &["X-Amz-Invocation-Type: DryRun"], b"\"dry\"");
    assert_eq!((answer.status, answer.text()), (204, ""));
    thread::scope(|scope| {
        scope.spawn(|| post(address, INVOKE, &[], b"\"wet\""));
        let mut peer = Peer::connect(emulator.runtime_api());
        let given = peer.next();
        assert_eq!(given.event, b"\"wet\"");
        peer.respond(&given.id, b"");
    });
}

#[test]
fn a_connection_carries_one_invocation_after_another() {
    let (emulator, address) = start();
    let runtime = echo(&emulator);
    let mut wire = Wire::connect(address);
    for n in 0..5 {
        let event = format!("{n}");
        assert_eq!(wire.exchange(post_bytes(INVOKE, &[], event.as_bytes())).text(), event);
    }
    let chunked = format!("POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(wire.exchange(chunked + "2\r\n12\r\n1\r\n3\r\n0\r\n\r\n").text(), "123");
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn a_caller_who_sends_no_more_gets_the_answer() {
    let (emulator, address) = start();
    let runtime = echo(&emulator);
    let mut wire = Wire::connect(address);
    wire.write(post_bytes(INVOKE, &[], b"\"last\""));
    wire.0.shutdown(Shutdown::Write).unwrap();
    assert_eq!(wire.read().text(), "\"last\"");
    assert!(wire.is_closed());
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn fifty_callers_at_once_get_each_their_own_answer() {
    let (emulator, address) = start();
    let runtime = echo(&emulator);
    let callers: Vec<_> = (0..50)
        .map(|n| {
            thread::spawn(move || {
                let event = format!("\"event {n}\"");
                assert_eq!(post(address, INVOKE, &[], event.as_bytes()).text(), event);
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn every_reply_has_an_id() {
    let (_emulator, address) = start();
    for (target, header) in
        [("/", "X: y"), (INVOKE, "X-Amz-Invocation-Type: DryRun"), (INVOKE, "X-Amz-Invocation-Type: No")]
    {
        let answer = post(address, target, &[header], b"{}");
        assert_eq!(answer.header("x-amzn-RequestId").unwrap().len(), 36, "{target} {header}");
    }
}

#[test]
fn the_version_that_is_executed_is_the_one_that_the_program_finds() {
    let (answer, given) = invoke("/2015-03-31/functions/f/invocations?Qualifier=7", &[], b"{}");
    assert_eq!(answer.header("X-Amz-Executed-Version"), Some("$LATEST"));
    assert!(given.function_arn.unwrap().ends_with(":function:f:7"));
}

#[test]
fn reserved_concurrency_throttles_callers_and_not_events() {
    let listening = quiet().listen(([127, 0, 0, 1], 0).into()).concurrency(2);
    let emulator = listening.reserved_concurrency(1).start().unwrap();
    let address = emulator.listens().unwrap();
    let (first, refused, accepted, second) = thread::scope(|scope| {
        let first = scope.spawn(|| post(address, INVOKE, &[], b"1"));
        let mut peer = Peer::connect(emulator.runtime_api());
        let given = peer.next();
        // Whoever is not throttled is answered here, so that nobody waits.
        let second = scope.spawn(|| {
            let mut peer = Peer::connect(emulator.runtime_api());
            let given = peer.next();
            peer.respond(&given.id, b"");
            given.event
        });
        let refused = post(address, INVOKE, &[], b"2");
        let accepted = post(address, INVOKE, &["X-Amz-Invocation-Type: Event"], b"3");
        let second = second.join().unwrap();
        peer.respond(&given.id, b"one");
        (first.join().unwrap(), refused, accepted, second)
    });
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("1")));
    assert!(refused.text().contains("ReservedFunctionConcurrentInvocationLimitExceeded"), "{}", refused.text());
    assert_eq!((accepted.status, second.as_slice()), (202, &b"3"[..]));
    assert_eq!(first.text(), "one");
}
