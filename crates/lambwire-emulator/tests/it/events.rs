//! Events that nobody waits for (`X-Amz-Invocation-Type: Event`), and what is kept of those that fail.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use lambwire_emulator::{Console, Emulator, Event, limits};
use rustix::process::Signal;

use crate::front::start;
use crate::library::quiet;
use crate::life::fifo;
use crate::patience::{Patient, patient, wait_until};
use crate::peer::{Peer, accepted};
use crate::started::{Served, with_program};
use crate::wire::{INVOKE, Wire, post, post_bytes};

#[test]
fn an_event_that_nobody_waits_for_is_carried_out() {
    let (emulator, address) = start();
    let mut wire = Wire::connect(address);
    for n in 0..3 {
        let event = format!("\"event {n}\"");
        let taken = wire.exchange(post_bytes(INVOKE, &["X-Amz-Invocation-Type: Event"], event.as_bytes()));
        assert_eq!((taken.status, taken.text()), (202, ""));
        assert!(taken.header("X-Amzn-RequestId").is_some());
    }
    let mut peer = Peer::connect(emulator.runtime_api());
    // What was taken is carried out even if the emulator is to end.
    let end = thread::spawn(|| smol::block_on(emulator.finish()));
    for n in 0..3 {
        let given = peer.next();
        assert_eq!(given.event, format!("\"event {n}\"").as_bytes());
        assert_eq!(peer.respond(&given.id, b""), accepted());
    }
    peer.ask_next();
    end.join().unwrap();
}

#[test]
fn events_that_cannot_be_kept_hold_up_nothing() {
    for (path, why) in [("/nonexistent/x".into(), "/nonexistent/x: No such file"), (fifo("unread"), "nobody reads")] {
        let error = quiet().dead_letters(&path).start().unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        let _ = std::fs::remove_file(path);
    }
    let (path, reader) = unread("read-no-more");
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).dead_letters(&path).start().unwrap();
    drop(reader);
    post(emulator.listens().unwrap(), INVOKE, &["X-Amz-Invocation-Type: Event"], b"1");
    let mut peer = Peer::connect(emulator.runtime_api());
    for _ in 0..3 {
        let given = peer.next();
        peer.fail(&given.id, br#"{"errorType":"E"}"#);
    }
    peer.ask_next();
    thread::scope(|scope| {
        let answer = scope.spawn(|| emulator.invoke_blocking(Event::new("2")).unwrap());
        let given = peer.asked_next().unwrap();
        peer.respond(&given.id, b"3");
        assert_eq!(answer.join().unwrap().body, b"3");
    });
    std::fs::remove_file(path).unwrap();
}

#[test]
fn an_event_that_nobody_waits_for_at_the_limit_passes_and_one_byte_more_does_not() {
    let (_emulator, address) = start();
    let limit = usize::try_from(limits::ASYNCHRONOUS_BYTES).unwrap();
    for len in [limit - 1, limit, limit + 1] {
        let reply = post(address, INVOKE, &["X-Amz-Invocation-Type: Event"], &vec![b'1'; len]);
        assert_eq!(reply.status, if len <= limit { 202 } else { 413 }, "{len}");
        assert_eq!(reply.text().contains("smaller than 1048577 bytes"), len > limit, "{}", reply.text());
    }
}

/// A pipe with a reader who reads when the test does.
fn unread(name: &str) -> (PathBuf, BufReader<Patient<File>>) {
    let path = fifo(name);
    let reader = patient(File::options().read(true).write(true).open(&path).unwrap());
    (path, reader)
}

/// Posts an event that is larger than a pipe, and nobody waits for.
fn post_large(address: SocketAddr) -> String {
    let event = format!("\"{}\"", "x".repeat(200 * 1024));
    assert_eq!(post(address, INVOKE, &["X-Amz-Invocation-Type: Event"], event.as_bytes()).status, 202);
    event
}

#[test]
fn a_reader_of_failed_events_may_be_slow_and_gets_them_whole() {
    let (path, reader) = unread("slowly-read");
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).dead_letters(&path).start().unwrap();
    let event = post_large(emulator.listens().unwrap());
    let mut peer = Peer::connect(emulator.runtime_api());
    for _ in 0..3 {
        let given = peer.next();
        peer.fail(&given.id, br#"{"errorType":"E"}"#);
    }
    let mut lines = reader.lines();
    let mut letter = String::new();
    thread::scope(|scope| {
        // The emulator has other things to do before anybody reads.
        let answer = scope.spawn(|| emulator.invoke_blocking(Event::new("2")).unwrap());
        let given = peer.next();
        peer.respond(&given.id, b"3");
        assert_eq!(answer.join().unwrap().body, b"3");
        letter = lines.next().unwrap().unwrap();
    });
    let letter: serde_json::Value = serde_json::from_str(&letter).unwrap();
    assert_eq!(letter["requestPayload"].to_string(), event);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn an_emulator_ends_and_names_failed_events_that_nobody_has_read() {
    let (path, mut reader) = unread("never-read");
    let mut command = with_program(&["--listen", "0", "--dead-letter", path.to_str().unwrap()], "false");
    let mut emulator = Served::new(command.stderr(Stdio::piped()));
    post_large(emulator.address());
    // It is being written.
    reader.read_exact(&mut [0]).unwrap();
    emulator.process.signal(Signal::TERM);
    let mut said = String::new();
    emulator.process.stderr().read_to_string(&mut said).unwrap();
    let expected = format!("1 event that has failed cannot be kept in {}: nobody has read it", path.display());
    assert!(said.contains(&expected), "{said}");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn an_event_that_fails_is_tried_again_twice_and_then_kept() {
    let path = std::env::temp_dir().join(format!("lambwire-dead-letters-{}", std::process::id()));
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).dead_letters(&path).start().unwrap();
    let address = emulator.listens().unwrap();
    let taken = post(address, INVOKE, &["X-Amz-Invocation-Type: Event"], b"{\"n\":1}");
    let mut peer = Peer::connect(emulator.runtime_api());
    let mut nonces = Vec::new();
    for _ in 0..3 {
        let given = peer.next();
        assert_eq!(Some(given.id.as_str()), taken.header("x-amzn-RequestId"));
        nonces.push(given.invocation_id);
        peer.fail(&given.id, br#"{"errorType":"E"}"#);
    }
    nonces.dedup();
    assert_eq!(nonces.len(), 3, "each try has a nonce of its own");
    peer.ask_next();
    let letter = letter_in(&path);
    let time = letter["timestamp"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    let context = &letter["requestContext"];
    assert_eq!(context["functionArn"], "arn:aws:lambda:us-east-1:012345678912:function:function:$LATEST");
    assert_eq!((&context["condition"], &context["approximateInvokeCount"]), (&"RetriesExhausted".into(), &3.into()));
    assert_eq!(letter["requestPayload"]["n"], 1);
    assert_eq!(letter["responseContext"]["functionError"], "Unhandled");
    assert_eq!(letter["responsePayload"]["errorType"], "E");
}

#[test]
fn without_reserved_concurrency_an_event_is_kept_and_not_run() {
    let path = std::env::temp_dir().join(format!("lambwire-not-run-{}", std::process::id()));
    // An event that ran would be kept as well, as one that has failed.
    let emulator = Emulator::new(Command::new("false")).console(Console::Silent).reserved_concurrency(0);
    let emulator = emulator.listen(([127, 0, 0, 1], 0).into()).dead_letters(&path).start().unwrap();
    let target = "/2015-03-31/functions/f/invocations?Qualifier=7";
    let taken = post(emulator.listens().unwrap(), target, &["X-Amz-Invocation-Type: Event"], b"{\"n\":1}");
    assert_eq!(taken.status, 202);
    let letter = letter_in(&path);
    let context = &letter["requestContext"];
    assert_eq!(context["requestId"].as_str(), taken.header("x-amzn-RequestId"));
    assert!(context["functionArn"].as_str().unwrap().ends_with(":function:f:7"), "{context}");
    let expected = (&"ZeroReservedConcurrency".into(), &0.into());
    assert_eq!((&context["condition"], &context["approximateInvokeCount"]), expected);
    assert_eq!(letter["requestPayload"]["n"], 1);
    assert_eq!((letter.get("responseContext"), letter.get("responsePayload")), (None, None));
}

/// The one event that was kept in this file, which is removed.
#[track_caller]
fn letter_in(path: &Path) -> serde_json::Value {
    let mut letter = String::new();
    wait_until("the letter", || {
        letter = std::fs::read_to_string(path).unwrap_or_default();
        letter.ends_with('\n')
    });
    std::fs::remove_file(path).unwrap();
    serde_json::from_str(&letter).unwrap()
}
