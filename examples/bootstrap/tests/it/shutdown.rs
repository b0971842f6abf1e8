//! SIGTERM: the handler hears of it, ends, and nothing is left.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use crate::root::{BOOTSTRAP, NEXT, Root, end_of, expect_request, request, wait_for, wait_until_read};

/// A worker whose handler hears of it by a signal, and says so in a file.
const CAREFUL: &str = r#"#!/bin/sh
trap 'echo heard > heard; exit 0' TERM
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
setsid sleep 300 & echo $! > left
printf 'ready - %s\n%s' 16 '{"sigterm":true}' >&9
while read -r _ id _ length <&8; do echo > event; done & wait
"#;

#[test]
fn a_handler_hears_of_it_and_nothing_is_left() {
    let root = Root::new().with_program("worker", CAREFUL);
    let (mut child, api) = root.start(&["worker"], false);
    let _events = api.accept();
    let mut extension = api.accept();
    expect_request(&mut extension, "POST /2020-01-01/extension/register");
    wait_for("the worker", || root.path("left").exists());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(end_of(&mut child).success());
    assert_eq!(fs::read_to_string(root.path("heard")).unwrap(), "heard\n");
    let left = fs::read_to_string(root.path("left")).unwrap();
    assert!(!Path::new("/proc").join(left.trim()).exists());
}

#[test]
fn what_ends_by_it_after_its_time_is_over_is_no_crash() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    // Where time is left, the caller still waits for an answer.
    for (deadline_ms, is_over) in [(now - 1, true), (now + 600_000, false)] {
        let root = Root::new().with_program("worker", CAREFUL);
        let (mut child, api) = root.start(&["worker"], false);
        let mut connection = api.accept();
        let mut extension = api.accept();
        expect_request(&mut extension, "POST /2020-01-01/extension/register");
        let registered = b"HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: x\r\nContent-Length: 2\r\n\r\n{}";
        extension.write_all(registered).unwrap();
        expect_request(&mut connection, NEXT);
        let head = format!("Lambda-Runtime-Aws-Request-Id: a\r\nLambda-Runtime-Deadline-Ms: {deadline_ms}\r\n");
        write!(connection, "HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\r\n{{}}").unwrap();
        wait_for("the event", || root.path("event").exists());
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let mut asked = String::new();
        if !is_over {
            asked = request(&mut connection);
            assert!(asked.starts_with("POST /2018-06-01/runtime/invocation/a/error"), "{asked}");
            connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
        assert!(end_of(&mut child).success());
        connection.read_to_string(&mut asked).unwrap();
        assert_eq!(asked.matches(NEXT).count(), 0, "{asked}");
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(log.contains("Runtime.ExitError"), !is_over, "{log}");
    }
}

/// A worker that sends it to the bootstrap, and answers at once.
const HASTY: &str = r#"#!/bin/sh
trap '' TERM
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
printf 'ready - 0\n' >&9
while read -r _ id _ _ <&8; do kill -TERM $PPID; printf 'text %s 1\n1' "$id" >&9; done
"#;

#[test]
fn no_event_is_asked_for_once_it_has_come() {
    // The thread that hears of it may be later than the answer.
    for _ in 0..8 {
        let root = Root::new().with_program("worker", HASTY);
        let (mut child, api) = root.start(&["worker"], false);
        let mut connection = api.accept();
        expect_request(&mut connection, NEXT);
        give(&mut connection, "a");
        let mut asked = request(&mut connection);
        assert!(asked.starts_with("POST /2018-06-01/runtime/invocation/a/"), "{asked}");
        connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert!(end_of(&mut child).success());
        connection.read_to_string(&mut asked).unwrap();
        assert_eq!(asked.matches(NEXT).count(), 0, "{asked}");
        // It waits for another, as does one to which the signal came when it was about to.
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(log, "");
    }
}

/// A worker that ends when it is given no more events.
const OBEDIENT: &str = r#"#!/bin/sh
trap '' TERM
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
printf 'ready - 0\n' >&9
while read -r _ id _ length <&8; do
    read -r _ <&8; head -c "$length" <&8 >&2
    printf 'text %s 1\n1' "$id" >&9
done
echo > ended
"#;

#[test]
fn an_event_that_has_begun_to_come_is_answered() {
    let event = event("a");
    for begun in [1, event.len() - 3, event.len() - 1] {
        let root = Root::new().with_program("worker", OBEDIENT);
        let (mut child, api) = root.start(&["worker"], false);
        let mut connection = api.accept();
        expect_request(&mut connection, NEXT);
        connection.write_all(&event.as_bytes()[..begun]).unwrap();
        wait_until_read(&connection);
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        wait_for("the end of the worker", || root.path("ended").exists());
        connection.write_all(&event.as_bytes()[begun..]).unwrap();
        expect_error_at_the_end(&mut child, &mut connection);
    }
}

#[test]
fn an_event_that_was_asked_for_before_it_came_is_answered() {
    let root = Root::new().with_program("worker", OBEDIENT);
    let (mut child, api) = root.start(&["worker"], false);
    let mut connection = api.accept();
    expect_request(&mut connection, NEXT);
    give(&mut connection, "first");
    let asked = request(&mut connection);
    assert!(asked.starts_with("POST /2018-06-01/runtime/invocation/first/response") && asked.contains(NEXT), "{asked}");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    wait_for("the end of the worker", || root.path("ended").exists());
    let both = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned() + &event("a");
    connection.write_all(both.as_bytes()).unwrap();
    expect_error_at_the_end(&mut child, &mut connection);
}

/// The answer to an event `a` that no program could be given any more.
#[track_caller]
fn expect_error_at_the_end(child: &mut Child, connection: &mut TcpStream) {
    let asked = request(connection);
    assert!(asked.starts_with("POST /2018-06-01/runtime/invocation/a/error"), "{asked}");
    assert!(asked.contains("came as the bootstrap was ending: it was sent SIGTERM"), "{asked}");
    connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(end_of(child).success());
}

/// A worker that nothing but SIGKILL ends.
const STUCK: &str = r#"#!/bin/sh
trap '' TERM
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
printf 'ready - 0\n' >&9
read -r _ id _ _ <&8; echo > event; sleep 300
"#;

#[test]
fn an_event_whose_handler_is_stuck_is_answered_in_time() {
    let root = Root::new().with_program("worker", STUCK);
    let (mut child, mut connection) = terminated_amid_an_event(&root);
    let asked = request(&mut connection);
    assert!(asked.starts_with("POST /2018-06-01/runtime/invocation/a/error"), "{asked}");
    connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(end_of(&mut child).success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("has not ended 1500 ms after SIGTERM") && log.contains("(SIGKILL)"), "{log}");
}

/// A worker that writes to its log for good.
const TALKATIVE: &str = r#"#!/bin/sh
trap '' TERM
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
printf 'ready - 0\n' >&9
read -r _ id _ _ <&8; echo $$ > event; exec yes >&2
"#;

#[test]
fn a_log_that_nobody_reads_holds_up_no_end() {
    let root = Root::new().with_program("worker", TALKATIVE);
    let (mut child, _connection) = terminated_amid_an_event(&root);
    // What it has written meanwhile is more than a pipe holds.
    assert!(end_of(&mut child).success());
    let pid = fs::read_to_string(root.path("event")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn a_worker_that_waits_for_no_signal_ends_by_it() {
    // Whoever starts a process may hold signals back, or ignore them, which is inherited.
    for inherited in ["--block-signal=TERM", "--ignore-signal=TERM", "--default-signal=TERM"] {
        let root = Root::new().with("app.sh", "echo $$ > pid\nhandler() { echo 1; }\n");
        let mut command = Command::new("env");
        let (mut child, api) = root.start_by(command.args([inherited, BOOTSTRAP, "app.handler"]), false);
        let _asking = api.accept();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert!(end_of(&mut child).success());
        let pid = fs::read_to_string(root.path("pid")).unwrap();
        assert!(!Path::new("/proc").join(pid.trim()).exists());
    }
}

#[test]
fn a_worker_that_is_still_loading_is_ended() {
    let root = Root::new().with("app.sh", "echo $$ > pid\nsleep 300\nhandler() { echo 1; }\n");
    let (mut child, _api) = root.start(&["app.handler"], false);
    wait_for("the worker", || fs::read_to_string(root.path("pid")).is_ok_and(|pid| pid.ends_with('\n')));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    end_of(&mut child);
    let pid = fs::read_to_string(root.path("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn what_ends_between_two_events_is_logged() {
    let root = Root::new().with_program(
        "worker",
        r#"#!/bin/sh
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
say() { printf '%s %s %s\n%s' "$1" "$2" "${#3}" "$3" >&9; }
say ready - ''
read -r _ id _ length <&8 && read -r _ <&8 && head -c "$length" <&8
say result "$id" 1
say fatal - '{"errorType":"Late","errorMessage":"too late","stackTrace":["a:1"]}'
echo $$ > ended
exit 7
"#,
    );
    let (mut child, api) = root.start(&["worker"], false);
    let mut connection = api.accept();
    expect_request(&mut connection, NEXT);
    give(&mut connection, "first");
    expect_request(&mut connection, "POST /2018-06-01/runtime/invocation/first/response");
    wait_for("its end", || {
        let pid = fs::read_to_string(root.path("ended")).unwrap_or_default();
        pid.ends_with('\n') && !Path::new("/proc").join(pid.trim()).exists()
    });
    // The request for the second has come with the response to the first.
    connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
    give(&mut connection, "second");
    expect_request(&mut connection, "POST /2018-06-01/runtime/invocation/second/response");
    child.kill().unwrap();
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    child.wait().unwrap();
    for part in ["Late: too late\n    a:1", "exited with status 7 between two events"] {
        assert!(log.contains(part), "{part} is not in {log}");
    }
}

#[test]
fn what_ends_an_invocation_by_hand_ends_all_that_it_has_started() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let script = "handler() { setsid sleep 300 & echo $$ $! > pids.new; mv pids.new pids; sleep 300; }\n";
        let root = Root::new().with("app.sh", script);
        let mut command = Command::new("env");
        // Whoever runs this may ignore some of them.
        command.args(["--default-signal=TERM,INT,HUP", BOOTSTRAP, "invoke", "app.handler"]);
        let (mut child, _api) = root.start_by(command.stdout(Stdio::null()), false);
        wait_for("the handler", || root.path("pids").exists());
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(end_of(&mut child).signal(), Some(signal.as_raw()));
        for pid in fs::read_to_string(root.path("pids")).unwrap().split_whitespace() {
            assert!(!Path::new("/proc").join(pid).exists());
        }
    }
}

/// Sends SIGTERM to the bootstrap when its worker has written a line to the file `event`.
fn terminated_amid_an_event(root: &Root) -> (Child, TcpStream) {
    let (child, api) = root.start(&["worker"], false);
    let mut connection = api.accept();
    expect_request(&mut connection, NEXT);
    give(&mut connection, "a");
    wait_for("the event", || fs::read_to_string(root.path("event")).is_ok_and(|line| line.ends_with('\n')));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    (child, connection)
}

fn give(connection: &mut TcpStream, id: &str) {
    connection.write_all(event(id).as_bytes()).unwrap();
}

fn event(id: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: {id}\r\nContent-Length: 2\r\n\r\n{{}}")
}

/// A shell runs its trap when what it waits for is over, and what it says then is the last that is logged.
#[test]
fn what_a_handler_says_at_the_end_is_passed_on() {
    let script = "trap 'echo flushing >&2; sleep 0.1; echo flushed >&2; exit 0' TERM\nhandler() { :; }\n";
    let root = Root::new().with("app.sh", script);
    let (mut child, api) = root.start(&["app.handler"], false);
    let _events = api.accept();
    let mut extension = api.accept();
    expect_request(&mut extension, "POST /2020-01-01/extension/register");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(end_of(&mut child).success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert_eq!(log, "flushing\nflushed\n");
}
