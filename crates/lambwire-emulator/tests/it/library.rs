//! The library with a runtime in this process: what callers get of what the runtime says.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire::{Field, SendError};
use lambwire_emulator::{Answer, Console, Emulator, Event, InvokeError, Outcome, Running, limits};
use smol::future::poll_once;

use crate::patience::{AMPLE, is_end};
use crate::peer::{Peer, accepted, said};
use crate::wire::Wire;

pub(crate) fn start() -> Running {
    quiet().start().unwrap()
}

pub(crate) fn quiet() -> Emulator {
    let emulator = Emulator::without_program().console(Console::Silent);
    emulator.timeout(AMPLE).init_timeout(AMPLE)
}

/// What becomes of an event that takes longer than it may.
pub(crate) const TIMED_OUT: &str = "Task timed out after 1.00 seconds";

/// An event that may take a second, and others all the time that they need.
pub(crate) fn brief(payload: &str) -> Event {
    Event::new(payload).timeout(Duration::from_secs(1))
}

/// Invokes the function while `play` plays its runtime.
pub(crate) fn invoke_with(emulator: &Running, event: Event, play: impl FnOnce(&mut Peer)) -> Answer {
    thread::scope(|scope| {
        let answer = scope.spawn(|| emulator.invoke_blocking(event).unwrap());
        play(&mut Peer::connect(emulator.runtime_api()));
        answer.join().unwrap()
    })
}

/// A runtime that gives every event back, until the emulator ends.
pub(crate) fn echo(emulator: &Running) -> JoinHandle<()> {
    let mut peer = Peer::connect(emulator.runtime_api());
    thread::spawn(move || {
        loop {
            peer.ask_next();
            if is_end(peer.stream.peek(&mut [0])) {
                return;
            }
            let given = peer.asked_next().unwrap();
            assert_eq!(peer.respond(&given.id, &given.event), accepted());
        }
    })
}

#[test]
fn a_runtime_gets_all_that_comes_along_with_an_event() {
    let emulator = start();
    let event = Event::new("{}")
        .function_arn("arn:aws:lambda:eu-west-1:123456789012:function:f:v1")
        .trace_id("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
        .client_context(r#"{"custom":{"k":"ü"}}"#)
        .cognito_identity(r#"{"cognitoIdentityId":"i"}"#)
        .tenant_id("blue");
    let answer = invoke_with(&emulator, event, |peer| {
        let given = peer.next();
        assert_eq!(given.event, b"{}");
        assert!(given.deadline_ms.is_some());
        let text = |text: &Option<String>| text.clone().unwrap();
        assert_eq!(text(&given.function_arn), "arn:aws:lambda:eu-west-1:123456789012:function:f:v1");
        assert_eq!(text(&given.trace_id), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1");
        assert_eq!(text(&given.client_context), r#"{"custom":{"k":"ü"}}"#);
        assert_eq!(text(&given.cognito_identity), r#"{"cognitoIdentityId":"i"}"#);
        assert_eq!(text(&given.tenant_id), "blue");
        assert_eq!(peer.respond_as(&given.id, Some("text/x-mine"), b"done"), accepted());
    });
    assert_eq!(answer.outcome, Outcome::Success);
    assert_eq!(answer.content_type, "text/x-mine");
    assert_eq!(answer.body, b"done");
}

#[test]
fn an_event_alone_comes_with_an_id_an_arn_a_deadline_and_a_trace() {
    let emulator = quiet().name("mine").start().unwrap();
    let mut id = String::new();
    let answer = invoke_with(&emulator, Event::new(""), |peer| {
        let given = peer.next();
        assert!(given.function_arn.unwrap().ends_with(":function:mine"));
        assert!(given.trace_id.unwrap().starts_with("Root=1-"));
        assert!(given.deadline_ms.is_some());
        assert_eq!((given.client_context, given.tenant_id), (None, None));
        id = given.id;
        peer.respond(&id, b"");
    });
    assert_eq!(answer.request_id, id);
    assert_eq!(answer.content_type, "application/json");
}

#[test]
fn a_streamed_response_is_collected() {
    let emulator = start();
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        let id = peer.next().id;
        assert_eq!(peer.stream(&id, &[b"a", b"bc", b"\0"], None), accepted());
    });
    assert_eq!(answer.outcome, Outcome::Success);
    assert_eq!(answer.content_type, "text/x-stream");
    assert_eq!(answer.body, b"abc\0");
}

#[test]
fn a_trailer_that_is_no_base64_is_named_in_the_report() {
    let emulator = start();
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        let given = peer.next();
        let mut wire = Wire(peer.stream.try_clone().unwrap());
        let answered = wire.exchange(format!(
            "POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\n\
             Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\
             Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n\
             0\r\nLambda-Runtime-Function-Error-Type: Function.X\r\nLambda-Runtime-Function-Error-Body: {{}}\r\n\r\n",
            given.id
        ));
        assert_eq!(answered.status, 202);
    });
    assert_eq!(answer.outcome, Outcome::Failure);
    let expected =
        r#"{"errorType":"Function.X","errorMessage":"The trailer Lambda-Runtime-Function-Error-Body is no base64"}"#;
    assert_eq!(str::from_utf8(&answer.body), Ok(expected));
}

#[test]
fn a_stream_that_fails_gives_the_report_and_not_the_part() {
    for (report, expected) in
        [(&br#"{"errorType":"E"}"#[..], r#"{"errorType":"E"}"#), (b"", r#"{"errorType":"Function.Broken","#)]
    {
        // The last one may not have seen yet that who asked it has gone.
        let emulator = start();
        let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
            let id = peer.next().id;
            assert_eq!(peer.stream(&id, &[b"partial"], Some(report)), accepted());
            peer.ask_next();
        });
        assert_eq!(answer.outcome, Outcome::Failure);
        assert!(answer.body.starts_with(expected.as_bytes()));
    }
}

#[test]
fn an_error_without_a_report_gets_one() {
    let emulator = start();
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        let id = peer.next().id;
        assert_eq!(peer.fail(&id, b""), accepted());
    });
    assert_eq!(answer.outcome, Outcome::Failure);
    assert!(answer.body.starts_with(br#"{"errorType":"Runtime.Unknown","#));
}

#[test]
fn a_response_at_the_limit_passes_and_one_byte_more_does_not() {
    let emulator = start();
    let limit = usize::try_from(PAYLOAD_BYTES).unwrap();
    let too_large = r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#;
    let refused = "{\"errorMessage\":\"Exceeded maximum allowed payload size (6291556 bytes).\",\"errorType\":\"RequestEntityTooLarge\"}\n";
    for len in [limit - 1, limit, limit + 1] {
        let mut wire = crate::wire::Wire::connect(emulator.runtime_api());
        let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
            let id = peer.next().id;
            // Written out, as the client of the core sends no such thing.
            let path = crate::runtime_api::response_path(&id);
            let said = wire.exchange(crate::wire::post_bytes(&path, &[], &vec![b'x'; len]));
            if len > limit {
                assert_eq!((said.status, said.text()), (413, refused));
            } else {
                assert_eq!(said.status, 202);
            }
            // The connection goes on, and so does the runtime.
            let again = wire.exchange(crate::wire::post_bytes(&path, &[], b""));
            assert_eq!(again.status, 403);
            peer.ask_next();
        });
        if len > limit {
            assert_eq!(answer.outcome, Outcome::Failure);
            assert_eq!(answer.body, too_large.as_bytes());
        } else {
            assert_eq!(answer.body.len(), len);
        }
    }
}

#[test]
fn an_event_at_the_limit_passes_and_one_byte_more_does_not() {
    let emulator = start();
    let limit = usize::try_from(PAYLOAD_BYTES).unwrap();
    for len in [limit - 1, limit] {
        invoke_with(&emulator, Event::new(vec![b'x'; len]), |peer| {
            let given = peer.next();
            assert_eq!(given.event.len(), len);
            peer.respond(&given.id, b"");
            peer.ask_next();
        });
    }
    let refused = emulator.invoke_blocking(Event::new(vec![b'x'; limit + 1]));
    assert_eq!(refused, Err(InvokeError::EventTooLarge { bytes: limit + 1 }));
}

#[test]
fn what_cannot_be_sent_to_a_runtime_is_not_taken() {
    let emulator = start();
    assert_eq!(
        emulator.invoke_blocking(Event::new("").tenant_id("a\r\nb")),
        Err(InvokeError::InvalidValue(SendError::InvalidValue(Field::TenantId.label())))
    );
}

#[test]
fn a_response_that_is_cut_short_fails_the_caller_when_the_runtime_goes_on() {
    let emulator = start();
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        let id = peer.next().id;
        let mut wire = crate::wire::Wire::connect(emulator.runtime_api());
        let path = crate::runtime_api::response_path(&id);
        wire.write(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"));
        wire.0.shutdown(std::net::Shutdown::Write).unwrap();
        // The refusal tells that the loss has been noticed.
        assert_eq!(wire.read().status, 400);
        peer.ask_next();
    });
    assert_eq!(answer.outcome, Outcome::Failure);
    assert!(answer.body.starts_with(br#"{"errorType":"Runtime.TruncatedResponse","#));
}

#[test]
fn a_runtime_that_takes_too_long_is_parted_with() {
    let emulator = quiet().timeout(Duration::from_millis(10)).start().unwrap();
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        peer.next();
        // The emulator ends the connection; nothing comes by it before.
        assert!(is_end(peer.stream.peek(&mut [0])));
    });
    assert_eq!(answer.outcome, Outcome::Failure);
    assert!(String::from_utf8(answer.body).unwrap().contains("Task timed out after 0.01 seconds"));
}

#[test]
fn fifty_callers_at_once_get_each_their_own_answer() {
    let emulator = start();
    let runtime = echo(&emulator);
    thread::scope(|scope| {
        for n in 0..50 {
            let emulator = &emulator;
            scope.spawn(move || {
                let event = format!("event {n}");
                let answer = emulator.invoke_blocking(Event::new(event.as_str())).unwrap();
                assert_eq!(answer.body, event.as_bytes());
            });
        }
    });
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn as_many_callers_as_the_limit_are_taken_and_one_more_is_not() {
    let emulator = start();
    smol::block_on(async {
        let mut waiting = Vec::new();
        for _ in 0..limits::CALLERS {
            let mut caller = Box::pin(emulator.invoke(Event::new("{}")));
            assert_eq!(poll_once(&mut caller).await, None);
            waiting.push(caller);
        }
        assert_eq!(emulator.invoke(Event::new("{}")).await, Err(InvokeError::Throttled));
    });
}

#[test]
fn an_invocation_is_over_when_the_runtime_asks_for_the_next() {
    let emulator = start();
    let mut peer = Peer::connect(emulator.runtime_api());
    thread::scope(|scope| {
        let first = scope.spawn(|| emulator.invoke_blocking(Event::new("1")).unwrap());
        let given = peer.next();
        assert_eq!(peer.respond(&given.id, b"one"), accepted());
        // The caller has the answer before the runtime has asked for more.
        assert_eq!(first.join().unwrap().body, b"one");
        let second = scope.spawn(|| emulator.invoke_blocking(Event::new("2")).unwrap());
        let given = peer.next();
        assert_eq!(given.event, b"2");
        assert_eq!(peer.fail(&given.id, b"two"), accepted());
        assert_eq!(second.join().unwrap().body, b"two");
        let refused = r#"{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}"#;
        assert_eq!(peer.respond("other", b""), said(400, &format!("{refused}\n")));
    });
}
