//! The Runtime API on the wire: what is refused, and how messages may be cut.

use std::thread;

use lambwire::limits::REQUEST_HEAD_BYTES;
use lambwire_emulator::limits::RUNTIME_CONNECTIONS;
use lambwire_emulator::{Answer, Event, Outcome, Running};

use crate::library::{invoke_with, quiet, start};
use crate::peer::{Peer, accepted, said};
use crate::wire::{Answered, Wire, post_bytes};

/// What the emulator reads at a time.
const INPUT_BYTES: usize = 16 * 1024;

pub(crate) const NEXT: &str = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
pub(crate) const INVALID_ID: &str = "{\"errorMessage\":\"Invalid request ID\",\"errorType\":\"InvalidRequestID\"}\n";
pub(crate) const INVALID_MODE: &str =
    "{\"errorMessage\":\"Invalid function response mode\",\"errorType\":\"InvalidFunctionResponseMode\"}\n";

pub(crate) fn response_path(id: &str) -> String {
    format!("/2018-06-01/runtime/invocation/{id}/response")
}

pub(crate) fn transition(from: &str, to: &str) -> String {
    format!(
        "{{\"errorMessage\":\"State transition from {from} to {to} failed for runtime. Error: State transition is not \
         allowed\",\"errorType\":\"InvalidStateTransition\"}}\n"
    )
}

#[test]
fn requests_out_of_turn_are_refused_in_the_words_of_aws() {
    let emulator = start();
    invoke_with(&emulator, Event::new("e"), |peer| {
        assert_eq!(peer.respond("none", b"x"), said(400, INVALID_ID));
        assert_eq!(peer.fail("none", b"x"), said(400, INVALID_ID));
        let given = peer.next();
        assert_eq!(peer.next(), given, "the same event, again");
        assert_eq!(peer.respond("none", b"x"), said(400, INVALID_ID));
        assert_eq!(peer.fail_to_start(b"{}"), said(403, &transition("Running", "InitError")));
        assert_eq!(peer.respond(&given.id, b"x"), accepted());
        let sent = "RuntimeResponseSentState";
        assert_eq!(peer.respond(&given.id, b"x"), said(403, &transition(sent, "InvocationResponse")));
        assert_eq!(peer.fail(&given.id, b"x"), said(403, &transition(sent, "InvocationErrorResponse")));
        assert_eq!(peer.fail_to_start(b"{}"), said(403, &transition(sent, "InitError")));
    });
}

#[test]
fn a_runtime_that_cannot_start_leaves_room_for_another_before_anybody_calls() {
    for emulator in [start(), quiet().concurrency(2).start().unwrap()] {
        let mut peer = Peer::connect(emulator.runtime_api());
        assert_eq!(peer.fail_to_start(b"{}"), accepted());
        assert!(peer.is_closed());
        let mut successor = Peer::connect(emulator.runtime_api());
        successor.ask_next();
        let answer = invoke_with(&emulator, Event::new("e"), |_| {
            let given = successor.asked_next().unwrap();
            assert_eq!(successor.respond(&given.id, b"x"), accepted());
        });
        assert_eq!((answer.outcome, answer.body.as_slice()), (Outcome::Success, &b"x"[..]));
    }
}

#[test]
fn an_init_error_goes_to_the_caller_who_waits() {
    let emulator = start();
    let mut peer = Peer::connect(emulator.runtime_api());
    assert_eq!(peer.fail_to_start(b"early"), accepted());
    assert!(peer.is_closed());
    // Nobody was there to hear; for this caller another runtime is awaited.
    let answer = thread::scope(|scope| {
        let answer = scope.spawn(|| emulator.invoke_blocking(Event::new("e")).unwrap());
        while !answer.is_finished() {
            let mut successor = Peer::connect(emulator.runtime_api());
            assert_eq!(successor.fail_to_start(b"late"), accepted());
            assert!(successor.is_closed());
        }
        answer.join().unwrap()
    });
    assert_eq!((answer.outcome, answer.body.as_slice()), (Outcome::Failure, &b"late"[..]));
}

#[test]
fn a_bad_mode_is_refused_and_whoever_asks_next_is_served() {
    for mode in ["buffered", "Streaming"] {
        check_bad_mode(mode);
    }
}

fn check_bad_mode(mode: &str) {
    let emulator = start();
    let answer = invoke_with(&emulator, Event::new("e"), |peer| {
        let id = peer.next().id;
        let mut wire = Wire::connect(emulator.runtime_api());
        let header = format!("Lambda-Runtime-Function-Response-Mode: {mode}");
        let refused = wire.exchange(post_bytes(&response_path(&id), &[&header], b"{}"));
        assert_eq!((refused.status, refused.text()), (400, INVALID_MODE));
        let sent = "RuntimeResponseSentState";
        assert_eq!(peer.respond(&id, b"x"), said(403, &transition(sent, "InvocationResponse")));
    });
    let next = invoke_with(&emulator, Event::new("e"), |peer| {
        let id = peer.next().id;
        assert_eq!(peer.respond(&id, b"next"), accepted());
    });
    assert_eq!((next.outcome, next.body.as_slice()), (Outcome::Success, &b"next"[..]));
    assert_eq!(answer.outcome, Outcome::Failure);
    assert!(answer.body.starts_with(br#"{"errorType":"Runtime.InvalidResponseModeHeader","#));
}

#[test]
fn unknown_paths_are_not_found_and_methods_not_allowed_and_the_connection_goes_on() {
    let emulator = start();
    let mut wire = Wire::connect(emulator.runtime_api());
    for (method, path) in [("GET", "/"), ("GET", "/2018-06-01/runtime/invocation/next/")] {
        let said = wire.exchange(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"));
        assert_eq!((said.status, said.text()), (404, "404 page not found\n"), "{method} {path}");
    }
    for (method, path, allowed) in [
        ("PUT", "/2018-06-01/runtime/invocation/next", "GET"),
        ("GET", "/2018-06-01/runtime/invocation/i/response", "POST"),
        ("GET", "/2018-06-01/runtime/invocation/i/error", "POST"),
        ("GET", "/2020-01-01/extension/register", "POST"),
        ("POST", "/2022-07-01/telemetry", "PUT"),
    ] {
        let said = wire.exchange(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"));
        assert_eq!((said.status, said.header("allow"), said.text()), (405, Some(allowed), ""), "{method} {path}");
    }
    let said = wire.exchange("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((said.status, said.text()), (404, ""));
    let mut peer = Peer::connect(emulator.runtime_api());
    assert_eq!(peer.restore_next(), crate::peer::said(404, "404 page not found\n"));
}

/// Answers an invocation with these bytes, after `next` has been asked for on the same connection.
fn answer_with(request: impl Fn(&str) -> Vec<u8>, cut: usize) -> (Answered, Answer) {
    let emulator = start();
    let mut answered = None;
    let answer = invoke_with(&emulator, Event::new("e"), |_| {
        let mut wire = Wire::connect(emulator.runtime_api());
        wire.0.set_nodelay(true).unwrap();
        let given = wire.exchange(NEXT);
        let request = request(given.header("lambda-runtime-aws-request-id").unwrap());
        for piece in request.chunks(cut) {
            wire.write(piece);
        }
        answered = Some(wire.read());
    });
    (answered.unwrap(), answer)
}

#[test]
fn a_chunked_response_is_the_same_however_it_is_cut() {
    let request = |id: &str| {
        let path = response_path(id);
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        format!("{head}5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nX: y\r\n\r\n").into_bytes()
    };
    for cut in [1, 2, 3, 7, 64, 4096] {
        let (said, answer) = answer_with(request, cut);
        assert_eq!((said.status, said.text()), (202, "{\"status\":\"OK\"}\n"));
        assert_eq!(answer.body, b"hello world");
    }
}

#[test]
fn a_runtime_that_waits_for_leave_to_send_its_response_gets_it() {
    let emulator = start();
    let answer = invoke_with(&emulator, Event::new("e"), |peer| {
        let id = peer.next().id;
        let mut wire = Wire::connect(emulator.runtime_api());
        let expecting = |id: &str| {
            let path = response_path(id);
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        };
        assert_eq!(wire.exchange(expecting(&id)).status, 100);
        assert_eq!(wire.exchange("body").status, 202);
        // None is given for what is refused.
        assert_eq!(wire.exchange(expecting("none")).status, 400);
        assert!(wire.is_closed());
    });
    assert_eq!(answer.body, b"body");
}

#[test]
fn next_may_be_asked_for_behind_an_answer_however_the_bytes_are_cut() {
    for emulator in [quiet(), quiet().concurrency(2)] {
        check_pipelined(&emulator.start().unwrap());
    }
}

fn check_pipelined(emulator: &Running) {
    let mut wire = Wire::connect(emulator.runtime_api());
    wire.0.set_nodelay(true).unwrap();
    wire.write(NEXT);
    for (kind, cut) in [("response", usize::MAX), ("error", usize::MAX), ("response", 1), ("error", 1), ("response", 7)]
    {
        let event = format!("{kind} in pieces of {cut}");
        let answer = invoke_with(emulator, Event::new(event.as_str()), |_| {
            let given = wire.read();
            assert_eq!(given.text(), event);
            let id = given.header("lambda-runtime-aws-request-id").unwrap();
            let path = format!("/2018-06-01/runtime/invocation/{id}/{kind}");
            for piece in [&post_bytes(&path, &[], &given.body), NEXT.as_bytes()].concat().chunks(cut) {
                wire.write(piece);
            }
            assert_eq!(wire.read().status, 202);
        });
        assert_eq!(answer.body, event.as_bytes());
    }
}

#[test]
fn next_is_served_behind_an_answer_that_is_refused() {
    let emulator = start();
    let mut wire = Wire::connect(emulator.runtime_api());
    let answer = invoke_with(&emulator, Event::new("e"), |_| {
        wire.write([&post_bytes(&response_path("none"), &[], b"x"), NEXT.as_bytes()].concat());
        assert_eq!(wire.read().status, 400);
        let given = wire.read();
        let id = given.header("lambda-runtime-aws-request-id").unwrap();
        assert_eq!(wire.exchange(post_bytes(&response_path(id), &[], b"done")).status, 202);
    });
    assert_eq!(answer.body, b"done");
}

#[test]
fn an_event_goes_to_the_connection_that_is_still_there() {
    let emulator = start();
    let mut lost = Peer::connect(emulator.runtime_api());
    lost.ask_next();
    drop(lost);
    let answer = invoke_with(&emulator, Event::new("e"), |peer| {
        let given = peer.next();
        peer.respond(&given.id, b"done");
    });
    assert_eq!(answer.body, b"done");
}

#[test]
fn a_connection_whose_last_bytes_fill_the_buffer_is_seen_to_go() {
    let emulator = quiet().concurrency(2).start().unwrap();
    let mut lost = Wire::connect(emulator.runtime_api());
    let answer = |len: usize| post_bytes(&response_path("none"), &[], &vec![b'x'; len]);
    // The length of the body has five digits.
    let rest = INPUT_BYTES - NEXT.len() - (answer(10_000).len() - 10_000);
    assert_eq!(lost.exchange([&answer(rest), NEXT.as_bytes()].concat()).status, 400);
    drop(lost);
    let answer = invoke_with(&emulator, Event::new("e"), |peer| {
        assert_eq!(peer.respond("none", b""), said(400, INVALID_ID));
        let given = peer.next();
        peer.respond(&given.id, b"done");
    });
    assert_eq!(answer.body, b"done");
}

#[test]
fn what_is_not_understood_is_refused_and_harms_nobody_else() {
    let emulator = start();
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(REQUEST_HEAD_BYTES));
    for (bytes, status) in [
        ("garbage\r\n\r\n", 400),
        ("GET / HTTP/1.1\nHost: x\n\n", 400),
        ("GET / HTTP/3.0\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n+7\r\n", 400),
        (&long, 431),
    ] {
        let mut wire = Wire::connect(emulator.runtime_api());
        let said = wire.exchange(bytes);
        assert_eq!(said.status, status, "{}", &bytes[..bytes.len().min(80)]);
        assert_eq!(said.header("connection"), Some("close"));
        assert!(wire.is_closed());
    }
    let answer = invoke_with(&emulator, Event::new("e"), |peer| {
        let given = peer.next();
        peer.respond(&given.id, b"done");
    });
    assert_eq!(answer.body, b"done");
}

#[test]
fn a_chunk_that_is_none_is_refused_with_what_is_wrong_and_where() {
    let emulator = start();
    let path = response_path("none");
    for (chunks, why) in [
        ("+7\r\n", "malformed chunk size, after 0 bytes of the body"),
        ("2\r\nab\r\nx", "malformed chunk size, after 2 bytes of the body"),
        ("2\r\nab\r\n1\r\nabc", "chunk longer than its size, after 3 bytes of the body"),
    ] {
        let request = format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        let said = Wire::connect(emulator.runtime_api()).exchange(request);
        assert_eq!(said.status, 400, "{chunks}");
        assert!(said.text().contains(why), "{chunks}: {}", said.text());
    }
}

#[test]
fn as_many_connections_as_the_limit_are_served_and_one_more_is_closed() {
    let emulator = start();
    let ask = |wire: &mut Wire| wire.exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n").status;
    let mut wires: Vec<Wire> = Vec::new();
    for _ in 0..RUNTIME_CONNECTIONS {
        let mut wire = Wire::connect(emulator.runtime_api());
        assert_eq!(ask(&mut wire), 404);
        wires.push(wire);
    }
    assert!(Wire::connect(emulator.runtime_api()).is_closed());
    assert!(wires.iter_mut().all(|wire| ask(wire) == 404));
}

#[test]
fn a_body_that_is_larger_than_what_is_thrown_away_ends_the_connection() {
    let emulator = start();
    let answer = invoke_with(&emulator, Event::new("e"), |peer| {
        let id = peer.next().id;
        let mut wire = Wire::connect(emulator.runtime_api());
        let path = response_path(&id);
        wire.write(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n"));
        // Until the other end does not take any more.
        let megabyte = vec![0; 1024 * 1024];
        while std::io::Write::write_all(&mut wire.0, &megabyte).is_ok() {}
        peer.ask_next();
    });
    assert!(answer.body.starts_with(br#"{"errorType":"Function.ResponseSizeTooLarge","#));
}
