//! Programs that speak the worker protocol, and what becomes of those that break it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use lambwire_emulator::{Event, Outcome};
use rustix::process::{Pid, Signal, kill_process};

use crate::root::{Root, end_of, expect_answer, expect_error, wait_for};

/// The beginning of a worker: how it reads and writes.
const WORKER: &str = r#"#!/bin/sh
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
id=-
say() { printf '%s %s %s\n%s' "$1" "$id" "${#2}" "$2" >&9; }
close() { eval "exec 8<&- $LAMBWIRE_EVENTS_FD<&-"; }
next() { read -r _ id _ length <&8 && read -r context <&8 && event=$(head -c "$length" <&8); }
"#;

fn root_of(rest: &str) -> Root {
    Root::new().with_program("bin/worker", format!("{WORKER}{rest}"))
}

/// A worker that does what the event says, in shell.
fn obedient() -> Root {
    root_of("say ready ''\nwhile next; do eval \"$event\"; done\n")
}

#[test]
fn a_program_answers() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    expect_answer(&running, "say result '{\"a\":1}'", r#"{"a":1}"#);
    expect_answer(&running, "say text hello", "\"hello\"");
    expect_answer(&running, "say text '[1]'", "[1]");
}

#[test]
fn an_answer_comes_in_pieces() {
    let root = obedient();
    let running = root.serve(&["./bin/worker"]);
    expect_answer(&running, "say chunk a; say chunk b; say end ''", "ab");
    expect_answer(&running, "say end ''", "");
    let event = Event::new(r#"say prelude '{"statusCode":201}'; say chunk a; say end ''"#);
    let answer = running.invoke_blocking(event).unwrap();
    assert_eq!(answer.content_type, "application/vnd.awslambda.http-integration-response");
    assert_eq!(answer.body, b"{\"statusCode\":201}\0\0\0\0\0\0\0\0a");
}

#[test]
fn an_answer_in_pieces_has_the_media_type_that_it_says() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    for (event, expected) in [
        ("say type text/event-stream; say chunk a; say end ''", ("text/event-stream", "a")),
        ("say type text/plain; say end ''", ("text/plain", "")),
        ("say chunk a; say end ''", ("application/octet-stream", "a")),
    ] {
        let answer = running.invoke_blocking(Event::new(event)).unwrap();
        assert_eq!((answer.content_type.as_str(), answer.body.as_slice()), (expected.0, expected.1.as_bytes()));
    }
    let report = r#"say error '{"errorType":"My.Error","errorMessage":"no"}'"#;
    expect_error(&running, &format!("say type text/plain; {report}"), "My.Error", &[]);
    expect_error(&running, "say chunk a; say type text/plain", "Runtime.BadFrame", &["'type'", "out of turn"]);
    expect_error(
        &running,
        "say type \"$(printf 'a\\nb: c')\"; say chunk a; say end ''",
        "Function.UnsendableResponse",
        &[],
    );
    expect_answer(&running, "say result 1", "1");
}

#[test]
fn an_error_is_passed_on() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    let error = r#"say error '{"errorType":"My.Error","errorMessage":"no","stackTrace":["a:1"]}'"#;
    expect_error(&running, error, "My.Error", &[r#""errorMessage":"no""#, r#""stackTrace":["a:1"]"#]);
    expect_error(&running, &format!("say chunk a; {error}"), "My.Error", &["a:1"]);
    expect_answer(&running, "say result 1", "1");
}

#[test]
fn what_a_report_says_besides_is_passed_on_as_it_came() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    let cause = r#""cause":{"errorType":"B","errorMessage":"b","stackTrace":["b:1"],"cause":{"errorType":"C","errorMessage":"c"}}"#;
    for report in [
        format!(r#"{{"errorType":"A","errorMessage":"a","stackTrace":["a:1"],{cause}}}"#),
        format!(r#"{{ {cause}, "stackTrace" : ["a:1"], "errorMessage":"a\u00e9","errorType":"A"}}"#),
        format!(r#"{{"errorType":"A","errorMessage":"a","trace":["a:1"],{cause}}}"#),
    ] {
        let answer = running.invoke_blocking(Event::new(format!("say error '{report}'"))).unwrap();
        assert_eq!((answer.outcome, String::from_utf8_lossy(&answer.body).into_owned()), (Outcome::Failure, report));
    }
}

#[test]
fn whatever_ends_a_worker_is_named_and_the_next_event_is_answered() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    for (event, error_type, parts) in [
        ("echo bye >&2; exit 0", "Runtime.ExitError", &["worker exited with status 0 before", "bye"][..]),
        ("say fatal '{\"errorType\":\"My.End\",\"errorMessage\":\"no more\"}'", "My.End", &["no more"]),
        ("exit 3", "Runtime.ExitError", &["exited with status 3"]),
        ("kill -9 $$", "Runtime.ExitError", &["signal 9 (SIGKILL, which the kernel sends when memory runs out)"]),
        ("kill -SEGV $$", "Runtime.ExitError", &["signal 11 (SIGSEGV)"]),
        ("echo Out of memory! >&2; exit 1", "Runtime.OutOfMemory", &["status 1", "Out of memory!"]),
        ("exec 9>&-; eval \"exec $LAMBWIRE_ANSWERS_FD>&-\"; sleep 60", "Runtime.BadFrame", &["closed its answers"]),
        ("echo Hello >&9", "Runtime.BadFrame", &["found 'Hello"]),
        ("echo result $id 99999999 >&9", "Function.ResponseSizeTooLarge", &["99999999 bytes, limit is 6291556"]),
        ("say ready ''", "Runtime.BadFrame", &["'ready' of the worker protocol is out of turn"]),
        ("say chunk a; say result 1", "Runtime.BadFrame", &["'result' of the worker protocol is out of turn"]),
        ("say chunk a; exit 5", "Runtime.ExitError", &["exited with status 5"]),
    ] {
        expect_error(&running, event, error_type, parts);
        expect_answer(&running, "say result '\"well\"'", "\"well\"");
    }
}

#[test]
fn what_a_worker_leaves_running_ends_with_it() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    let event = format!("sleep 300 & echo $! > {}; exit 1", root.path("pid").display());
    expect_error(&running, &event, "Runtime.ExitError", &[]);
    let pid = fs::read_to_string(root.path("pid")).unwrap();
    // The next answer is given by another worker, which is started when the first one's are gone.
    expect_answer(&running, "say result 1", "1");
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn a_worker_that_has_ended_between_events_is_replaced() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    let pid = running.invoke_blocking(Event::new("say result $$; exit")).unwrap().body;
    let process = Path::new("/proc").join(str::from_utf8(&pid).unwrap());
    wait_for("its end", || !process.exists());
    expect_answer(&running, "say result 3", "3");
}

#[test]
fn a_worker_that_has_not_read_all_of_an_event_is_replaced() {
    let heads = "read -r first id _ length <&8 && read -r context <&8";
    let root = root_of(&format!("say ready ''\nwhile {heads}; do say text \"$first $length\"; done\n"));
    let running = root.serve(&["bin/worker"]);
    // More than a pipe holds.
    expect_answer(&running, &"x".repeat(300_000), "\"event 300000\"");
    expect_answer(&running, "x", "\"event 1\"");
}

#[test]
fn an_answer_to_another_event_is_nobodys() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    expect_answer(&running, "old=$id; say result 1", "1");
    expect_answer(&running, "new=$id; id=$old; say result '\"of another\"'; id=$new; say result 2", "2");
    expect_answer(&running, "new=$id; id=$old; say chunk late; say end ''; id=$new; say result 3", "3");
}

#[test]
fn a_result_that_is_not_json_is_an_error_and_bytes_are_what_they_are() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    expect_error(&running, "say result '{\"a\":Inf}'", "Runtime.MarshalError", &["answer is not JSON", "column 6"]);
    expect_error(&running, "say result ''", "Runtime.MarshalError", &["EOF"]);
    expect_answer(&running, "say bytes '{\"a\":NaN}'", "{\"a\":NaN}");
    expect_answer(&running, "say bytes ''", "");
}

#[test]
fn a_worker_that_has_spoken_between_events_is_replaced() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    expect_answer(&running, "say result 1; say result 2; : > done", "1");
    wait_for("the second answer", || root.path("done").exists());
    expect_answer(&running, "say result 3", "3");
}

#[test]
fn what_is_written_freely_is_no_answer() {
    let root = obedient();
    let running = root.serve(&["bin/worker"]);
    // More than a pipe holds.
    let event = "i=0; while [ $i -lt 3000 ]; do echo a line of the log that is somewhat long; i=$((i+1)); done";
    expect_answer(&running, &format!("{event}; echo and one more >&2; say result 1"), "1");
}

#[test]
fn a_worker_that_does_not_load_a_second_time_is_an_answer() {
    let root = root_of("[ -e loaded ] && exit 9\ntouch loaded\nsay ready ''\nwhile next; do eval \"$event\"; done\n");
    let running = root.serve(&["bin/worker"]);
    expect_error(&running, "exit 1", "Runtime.ExitError", &["status 1 before it had answered"]);
    for _ in 0..2 {
        expect_error(&running, "say result 1", "Runtime.ExitError", &["status 9 and has not said 'ready'"]);
    }
    fs::remove_file(root.path("loaded")).unwrap();
    // The one that has failed to load may have been started already.
    let _ = running.invoke_blocking(Event::new("say result 1")).unwrap();
    let answer = running.invoke_blocking(Event::new("say result 1")).unwrap();
    assert_eq!(answer.outcome, Outcome::Success);
}

/// What a bootstrap that invokes this worker by hand says first. The worker, which may wait for ever, is ended.
fn first_word(root: &Root) -> String {
    let mut child = root.command(&["invoke", "bin/worker"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    end_of(&mut child);
    line
}

#[test]
fn a_worker_that_is_never_ready_is_told_of() {
    let word = first_word(&root_of("exec sleep 300\n"));
    assert!(word.contains("/bin/worker was started 3 s ago and has not said 'ready'"), "{word}");
    assert!(word.contains("--exec"), "{word}");
}

#[test]
fn an_answer_to_another_event_is_told_of() {
    let word = first_word(&root_of("say ready ''\nnext\nid=other\nsay result 1\nexec sleep 300\n"));
    assert!(word.contains("RequestId: other an answer of the worker is refused"), "{word}");
    assert!(word.ends_with("what it has to answer: [invoke]\n"), "{word}");
}

/// A worker that closes its events with its first answer, and lives on.
const DEAF: &str = "say ready ''\nnext\nclose\nsay result \"$event\"\nexec sleep 300\n";

#[test]
fn a_worker_that_takes_no_more_events_is_replaced_before_the_next() {
    let root = root_of(&format!("echo >> started\n{DEAF}"));
    let running = root.serve(&["bin/worker"]);
    for event in ["1", "2", "3"] {
        expect_answer(&running, event, event);
    }
    assert_eq!(fs::read_to_string(root.path("started")).unwrap().lines().count(), 3);
}

#[test]
fn a_worker_that_takes_no_event_at_all_is_lost() {
    let root = root_of("close\nsay ready ''\nexec sleep 300\n");
    let running = root.serve(&["bin/worker"]);
    for _ in 0..2 {
        expect_error(&running, "1", "Runtime.WorkerLost", &["worker closed its events before it had answered"]);
    }
}
