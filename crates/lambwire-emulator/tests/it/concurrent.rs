//! Several invocations at a time to one runtime.

use std::thread;
use std::time::Duration;

use lambwire::limits::{ERROR_BYTES, PAYLOAD_BYTES};
use lambwire_emulator::{Console, Emulator, Event, Outcome, Running, limits};

use smol::future::poll_once;

use crate::child;
use crate::library::{self, brief, quiet};
use crate::patience::AMPLE;
use crate::peer::{Given, Peer, accepted, said};
use crate::runtime_api::{INVALID_ID, INVALID_MODE, response_path};
use crate::wire::{Wire, post_bytes};

const TIMED_OUT: &str = "{\"errorMessage\":\"Invoke timeout\",\"errorType\":\"InvokeTimeout\"}\n";

fn start() -> Running {
    quiet().concurrency(2).start().unwrap()
}

/// Has `play` answer one invocation, in whichever way, and returns what its caller gets.
#[track_caller]
fn check(emulator: &Running, outcome: Outcome, body: &str, play: impl FnOnce(&mut Peer, Given)) {
    let answer = crate::library::invoke_with(emulator, Event::new("e"), |peer| {
        let given = peer.next();
        play(peer, given);
    });
    let expected = body.replace("ID", &answer.request_id);
    assert_eq!((answer.outcome, String::from_utf8(answer.body).unwrap()), (outcome, expected));
}

#[test]
fn each_connection_has_an_invocation_of_its_own_and_a_third_caller_waits() {
    let emulator = start();
    let mut peers = [0; 3].map(|_| Peer::connect(emulator.runtime_api()));
    thread::scope(|scope| {
        let callers = ["a", "b", "c"].map(|event| {
            let emulator = &emulator;
            scope.spawn(move || emulator.invoke_blocking(Event::new(event)).unwrap().body)
        });
        let [first, second, third] = &mut peers;
        let (a, b) = (first.next(), second.next());
        assert_ne!(a, b);
        third.ask_next();
        // Answered on whichever connection, the later one first.
        assert_eq!(first.respond(&b.id, &b.event), accepted());
        let c = third.asked_next().unwrap();
        assert!(![&a.id, &b.id].contains(&&c.id));
        assert_eq!(first.respond(&c.id, &c.event), accepted());
        assert_eq!(second.respond(&a.id, &a.event), accepted());
        assert_eq!(callers.map(|caller| caller.join().unwrap()), [b"a", b"b", b"c"]);
    });
}

#[test]
fn an_answer_is_taken_with_the_nonce_or_none_and_only_once() {
    let emulator = start();
    check(&emulator, Outcome::Success, "done", |peer, given| {
        let nonce = given.invocation_id.unwrap();
        assert_eq!(peer.respond_with(&given.id, b"another", b"stale"), said(410, TIMED_OUT));
        assert_eq!(peer.respond("none", b"x"), said(400, INVALID_ID));
        assert_eq!(peer.respond_with(&given.id, &nonce, b"done"), accepted());
        assert_eq!(peer.respond(&given.id, b"again"), said(400, INVALID_ID));
        assert_eq!(peer.fail(&given.id, b"again"), said(400, INVALID_ID));
    });
    check(&emulator, Outcome::Failure, "report", |peer, given| {
        assert_eq!(peer.fail(&given.id, b"report"), accepted());
    });
}

#[test]
fn a_late_answer_hears_of_the_time_out_once_and_the_connection_goes_on() {
    let emulator = quiet().timeout(Duration::from_millis(50)).concurrency(2).start().unwrap();
    let mut peer = Peer::connect(emulator.runtime_api());
    thread::scope(|scope| {
        let late = scope.spawn(|| emulator.invoke_blocking(Event::new("late")).unwrap());
        let given = peer.next();
        let answer = late.join().unwrap();
        assert_eq!(answer.outcome, Outcome::Failure);
        assert!(String::from_utf8(answer.body).unwrap().contains("Task timed out after 0.05 seconds"));
        assert_eq!(peer.respond(&given.id, b"x"), said(410, TIMED_OUT));
        assert_eq!(peer.respond(&given.id, b"x"), said(400, INVALID_ID));
        let next = scope.spawn(|| emulator.invoke_blocking(Event::new("next")).unwrap());
        assert_eq!(peer.next().event, b"next");
        next.join().unwrap();
    });
}

#[test]
fn an_init_error_behind_the_first_next_is_without_effect() {
    let emulator = start();
    check(&emulator, Outcome::Success, "done", |peer, given| {
        assert_eq!(peer.fail_to_start(b"{}"), accepted());
        assert_eq!(peer.respond(&given.id, b"done"), accepted());
    });
}

#[test]
fn a_bad_mode_ends_the_invocation_and_nothing_else() {
    let emulator = start();
    let body = r#"{"errorType":"Runtime.InvalidResponseModeHeader","errorMessage":"RequestId: ID Error: Invalid function response mode"}"#;
    check(&emulator, Outcome::Failure, body, |_, given| {
        let mut wire = Wire::connect(emulator.runtime_api());
        let header = "Lambda-Runtime-Function-Response-Mode: buffered";
        let refused = wire.exchange(post_bytes(&response_path(&given.id), &[header], b"{}"));
        assert_eq!((refused.status, refused.text()), (400, INVALID_MODE));
    });
    check(&emulator, Outcome::Success, "done", |peer, given| {
        peer.respond(&given.id, b"done");
    });
}

#[test]
fn a_response_that_is_too_large_ends_the_invocation_and_a_report_may_be_sent_again() {
    let emulator = start();
    let too_large = r#"{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}"#;
    let body = |len: u64| vec![b'x'; usize::try_from(len).unwrap()];
    check(&emulator, Outcome::Failure, too_large, |peer, given| {
        let mut wire = Wire::connect(emulator.runtime_api());
        let refused = wire.exchange(post_bytes(&response_path(&given.id), &[], &body(PAYLOAD_BYTES + 1)));
        assert_eq!(refused.status, 413);
        assert_eq!(peer.fail(&given.id, b"report"), said(400, INVALID_ID));
    });
    for len in [ERROR_BYTES - 1, ERROR_BYTES, ERROR_BYTES + 1] {
        let expected = if len > ERROR_BYTES { "short".to_owned() } else { String::from_utf8(body(len)).unwrap() };
        check(&emulator, Outcome::Failure, &expected, |peer, given| {
            let mut wire = Wire::connect(emulator.runtime_api());
            let path = format!("/2018-06-01/runtime/invocation/{}/error", given.id);
            let said = wire.exchange(post_bytes(&path, &[], &body(len)));
            assert_eq!(said.status, if len > ERROR_BYTES { 413 } else { 202 });
            if len > ERROR_BYTES {
                assert_eq!(peer.fail(&given.id, b"short"), accepted());
            }
        });
    }
}

#[test]
fn a_response_that_is_cut_short_ends_the_invocation() {
    let emulator = start();
    let body = r#"{"errorType":"Runtime.TruncatedResponse","errorMessage":"RequestId: ID Error: Response was not sent to its end"}"#;
    check(&emulator, Outcome::Failure, body, |_, given| {
        let mut wire = Wire::connect(emulator.runtime_api());
        let path = response_path(&given.id);
        wire.write(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"));
    });
}

#[test]
fn whoever_waits_at_the_end_loses_the_connection() {
    let emulator = start();
    let mut peer = Peer::connect(emulator.runtime_api());
    peer.ask_next();
    // That another exchange is over means that the request has arrived.
    let mut other = Peer::connect(emulator.runtime_api());
    assert_eq!(other.respond("none", b""), said(400, INVALID_ID));
    drop(other);
    let end = thread::spawn(|| drop(emulator));
    assert!(peer.is_closed());
    end.join().unwrap();
}

#[test]
fn what_is_under_way_at_the_end_is_carried_out() {
    let emulator = start();
    let mut peers = [0; 2].map(|_| Peer::connect(emulator.runtime_api()));
    smol::block_on(async {
        for event in ["a", "b"] {
            // It is carried out even if nobody waits.
            assert_eq!(poll_once(Box::pin(emulator.invoke(Event::new(event)))).await, None);
        }
        let given = peers.each_mut().map(Peer::next);
        let mut end = Box::pin(emulator.finish());
        assert_eq!(poll_once(&mut end).await, None);
        for (peer, given) in peers.iter_mut().zip(given) {
            assert_eq!(peer.respond(&given.id, &given.event), accepted());
        }
        end.await;
    });
}

fn start_program(n: usize) -> Running {
    let emulator = Emulator::new(child::concurrent_runtime()).console(Console::Silent).concurrency(n);
    emulator.timeout(AMPLE).init_timeout(AMPLE).start().unwrap()
}

#[test]
fn a_program_finds_how_many_invocations_it_is_given_at_a_time() {
    for n in [0, 1, limits::CONCURRENCY, limits::CONCURRENCY + 1] {
        let emulator = start_program(n);
        let answer = |event: &str| emulator.invoke_blocking(Event::new(event)).unwrap().body;
        let expected = n.clamp(1, limits::CONCURRENCY).to_string();
        assert_eq!(answer("variable AWS_LAMBDA_MAX_CONCURRENCY"), expected.as_bytes());
        assert_eq!(answer("variable AWS_LAMBDA_INITIALIZATION_TYPE"), b"lambda-managed-instances");
    }
}

#[test]
fn a_program_that_dies_fails_all_that_it_has_and_is_started_again() {
    let emulator = start_program(3);
    smol::block_on(async {
        let mut hanging = [0; 2].map(|_| Box::pin(emulator.invoke(Event::new("hang"))));
        for hung in &mut hanging {
            assert_eq!(poll_once(hung).await, None);
        }
        // With two that hang, only the third connection answers.
        let pid = emulator.invoke(Event::new("pid")).await.unwrap().body;
        let dying = emulator.invoke(Event::new("exit 3")).await.unwrap();
        assert!(String::from_utf8(dying.body).unwrap().contains("exit status 3"));
        for hung in hanging {
            assert_eq!(hung.await.unwrap().outcome, Outcome::Failure);
        }
        let again = emulator.invoke(Event::new("pid")).await.unwrap();
        assert_eq!(again.outcome, Outcome::Success);
        assert_ne!(again.body, pid);
    });
}

#[test]
fn a_time_out_does_not_end_the_program() {
    let emulator = start_program(2);
    let pid = || emulator.invoke_blocking(Event::new("pid")).unwrap();
    let before = pid();
    let answer = emulator.invoke_blocking(brief("hang")).unwrap();
    assert!(String::from_utf8(answer.body).unwrap().contains(library::TIMED_OUT));
    assert_eq!(pid().body, before.body);
}

#[test]
fn an_init_error_goes_to_every_caller() {
    for command in [child::init_error(), child::init_error_that_stays()] {
        let emulator = Emulator::new(command).console(Console::Silent).concurrency(2);
        let emulator = emulator.init_timeout(Duration::from_secs(300)).start().unwrap();
        for _ in 0..3 {
            let answer = emulator.invoke_blocking(Event::new("{}")).unwrap();
            assert_eq!((answer.outcome, answer.body.as_slice()), (Outcome::Failure, child::INIT_REPORT.as_bytes()));
        }
    }
}

#[test]
fn a_program_that_never_asks_is_killed() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "sleep 1000"]);
    let emulator = Emulator::new(command).console(Console::Silent).concurrency(2);
    let emulator = emulator.timeout(Duration::from_millis(10)).init_timeout(Duration::from_millis(20)).start().unwrap();
    let answer = emulator.invoke_blocking(Event::new("{}")).unwrap();
    assert!(String::from_utf8(answer.body).unwrap().contains("Task timed out after 0.02 seconds"));
}
