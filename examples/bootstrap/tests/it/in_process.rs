//! Several events at a time in one process.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::thread::scope;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambwire_emulator::{Answer, Event, Outcome, Running};
use rustix::process::{Pid, Signal, kill_process};
use smol::block_on;

use crate::root::{
    BRIEF, NEXT, PATIENCE, Root, brief, end_of, expect_answer, expect_error, expect_error_of, expect_request, margin,
    request, wait_for,
};

/// A worker that takes three events at a time, and does what each says, in shell. What `keep` has kept is answered later.
const WORKER: &str = r#"#!/bin/sh
eval "exec 8<&$LAMBWIRE_EVENTS_FD 9>&$LAMBWIRE_ANSWERS_FD"
say() { printf '%s %s %s\n%s' "$1" "$2" "${#3}" "$3" >&9; }
keep() { kept="$id $kept"; count=$((count + 1)); : > "kept-$count"; }
each() { for id in $kept; do eval "$1"; done; kept= count=0; }
kept= count=0
echo "$$ $LAMBWIRE_CONCURRENCY" >> started
say ready - "{\"concurrency\":${LAMBWIRE_CONCURRENCY-1}}"
while read -r _ id _ length <&8 && read -r context <&8; do
    event=$(head -c "$length" <&8)
    eval "$event"
done
echo ended >> ended
"#;

/// Has the worker say more than there is room for on the way.
const LARGE_STREAM: &str =
    "for _ in $(seq 32); do echo \"chunk $id 1000000\" >&9; head -c 1000000 /dev/zero >&9; done; say end $id ''";

/// How many events there are at a time.
const CONCURRENCY: usize = 4;

fn serve(root: &Root, arguments: &[&str]) -> Running {
    root.emulator(arguments).concurrency(CONCURRENCY).start().unwrap()
}

fn root() -> Root {
    Root::new().with_program("worker", WORKER)
}

fn started(root: &Root) -> usize {
    fs::read_to_string(root.path("started")).unwrap().lines().count()
}

/// The answers to events of which each is sent when the last has been kept, and to one more that is sent then.
fn meet(root: &Root, running: &Running, events: &[&str], last: &str) -> Vec<Answer> {
    scope(|scope| {
        let mut asked = Vec::new();
        for (number, &event) in events.iter().enumerate() {
            asked.push(scope.spawn(move || running.invoke_blocking(Event::new(event)).unwrap()));
            let kept = root.path(&format!("kept-{}", number + 1));
            wait_for("an event that is kept", || kept.exists());
            fs::remove_file(kept).unwrap();
        }
        let last = running.invoke_blocking(Event::new(last)).unwrap();
        asked.into_iter().map(|asked| asked.join().unwrap()).chain([last]).collect()
    })
}

fn texts(answers: &[Answer]) -> Vec<String> {
    answers.iter().map(|answer| String::from_utf8_lossy(&answer.body).into_owned()).collect()
}

#[test]
fn one_process_answers_several_events_and_each_caller_gets_his_own() {
    let root = root();
    let running = serve(&root, &["--workers", "3", "--in-process", "3", "worker"]);
    let last = "say result $id 3; say result $own1 1; say chunk $own2 a; say chunk $own2 b; say end $own2 ''; count=0";
    for _ in 0..3 {
        let answers = meet(&root, &running, &["keep; own1=$id", "keep; own2=$id"], last);
        assert_eq!(texts(&answers), ["1", "ab", "3"]);
    }
    assert_eq!(started(&root), 1);
    expect_answer(&running, "say result $id \"\\\"$LAMBWIRE_CONCURRENCY\\\"\"", "\"3\"");
}

#[test]
fn as_many_processes_are_started_as_it_takes() {
    let root = root();
    let running = serve(&root, &["--workers", "4", "--in-process", "2", "worker"]);
    // Each is answered when all are there.
    let event = ": > here-$id; (while [ $(ls here-* | wc -l) -lt 4 ]; do sleep 0.01; done; say result $id $$) &";
    let answers = scope(|scope| {
        let asked: Vec<_> =
            (0..4).map(|_| scope.spawn(|| running.invoke_blocking(Event::new(event)).unwrap())).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    let mut processes = texts(&answers);
    processes.sort();
    processes.dedup();
    assert_eq!(processes.len(), 2);
    assert_eq!(started(&root), 2);
}

#[test]
fn a_handler_that_cannot_is_given_one_event_at_a_time() {
    let root = root().with("app.sh", "echo $$ >> started\nhandler() { echo \"[$$]\"; }\n");
    let running = serve(&root, &["--workers", "2", "--in-process", "2", "app.handler"]);
    let answers = scope(|scope| {
        let ask = || running.invoke_blocking(Event::new("1")).unwrap();
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(answers.iter().all(|answer| answer.outcome == Outcome::Success));
}

#[test]
fn the_end_of_a_process_answers_all_its_events_by_an_error() {
    let root = root();
    let running = serve(&root, &["--workers", "3", "--in-process", "3", "worker"]);
    for (last, error_type, part) in [
        ("exit 3", "Runtime.ExitError", "worker exited with status 3 before it had answered"),
        ("kill -9 $$", "Runtime.ExitError", "killed by signal 9"),
        ("echo Hello >&9", "Runtime.BadFrame", "found 'Hello"),
        ("say done $id ''", "Runtime.BadFrame", "'done' of the worker protocol is out of turn"),
        ("say result - 1", "Runtime.BadFrame", "'result' of the worker protocol is out of turn"),
    ] {
        let answers = meet(&root, &running, &["keep", "keep"], last);
        for text in texts(&answers) {
            assert!(text.contains(error_type) && text.contains(part), "{last}: {text}");
        }
        expect_answer(&running, "say result $id 1", "1");
    }
    let report = r#"{"errorType":"My.End","errorMessage":"no more"}"#;
    let answers = texts(&meet(&root, &running, &["keep", "keep"], &format!("say fatal $id '{report}'; exit 5")));
    assert!(answers[2].contains("My.End"), "{answers:?}");
    assert!(answers[..2].iter().all(|text| text.contains("status 5")), "{answers:?}");
    expect_answer(&running, "say result $id 1", "1");
}

#[test]
fn errors_and_late_answers_are_those_of_one_event() {
    let root = root();
    let running = serve(&root, &["--workers", "3", "--in-process", "3", "worker"]);
    let report = r#"{"errorType":"My.Error","errorMessage":"no"}"#;
    let last = format!("old=$id; each 'say result $id 1'; say error $old '{report}'");
    let answers = texts(&meet(&root, &running, &["keep", "keep"], &last));
    assert_eq!(answers[..2], ["1", "1"]);
    assert!(answers[2].contains("My.Error"), "{answers:?}");
    expect_answer(&running, "say result $old '\"of another\"'; say result $id 2", "2");
    expect_error(&running, "say result $id '{'", "Runtime.MarshalError", &["answer is not JSON"]);
    expect_answer(&running, "say text $id hello", "\"hello\"");
    assert_eq!(started(&root), 1);
}

#[test]
fn an_event_whose_time_is_over_is_one_alone_unless_the_process_says_nothing() {
    let root = root();
    let running = serve(&root, &["--workers", "3", "--in-process", "3", &margin(), "worker"]);
    let heard = scope(|scope| {
        let kept = scope.spawn(|| running.invoke_blocking(brief("keep")).unwrap());
        while !kept.is_finished() {
            expect_answer(&running, "say result $id 1", "1");
        }
        kept.join().unwrap()
    });
    assert!(texts(&[heard])[0].contains("Function.TimedOut"));
    assert_eq!(started(&root), 1);
    let silent = brief("sleep 1000");
    expect_error_of(&running, silent, "Function.TimedOut", &["no answer in the time that there was"]);
    expect_answer(&running, "say result $id 1", "1");
    assert_eq!(started(&root), 2);
}

#[test]
fn a_caller_who_takes_nothing_holds_a_process_up_until_his_time_is_over_and_not_longer() {
    let (root, running, stream) = loop {
        let root = root();
        let running = serve(&root, &["--workers", "2", "--in-process", "2", "worker"]);
        let mut stream = running.invoke_stream(Event::new(LARGE_STREAM).timeout(Duration::from_secs(2))).unwrap();
        // On a busy machine the time may be over before anything has come.
        if block_on(stream.piece()).is_some() {
            break (root, running, stream);
        }
    };
    // Its caller takes no more of it. The answer to the next event waits until that may go on.
    expect_answer(&running, "say result $id 1", "1");
    assert_eq!(started(&root), 1);
    assert_eq!(block_on(stream.answer()).unwrap().outcome, Outcome::Failure);
}

/// Where the Runtime API goes on taking nothing, it is for the bootstrap alone to see to that.
#[test]
fn an_api_that_takes_nothing_holds_no_other_event_up_when_the_time_is_over() {
    loop {
        let root = root();
        let (mut child, api) = root.start(&["--workers", "2", "--in-process", "2", &margin(), "worker"], false);
        let [mut slow, mut other] = [(); 2].map(|()| api.accept());
        expect_request(&mut slow, NEXT);
        expect_request(&mut other, NEXT);
        let deadline = now() + BRIEF;
        give(&mut slow, "slow", deadline, LARGE_STREAM);
        // The worker says more than may wait, and is not listened to; unless the event came when its time was over.
        let is_in_time = request(&mut slow).starts_with("POST /2018-06-01/runtime/invocation/slow/response");
        if is_in_time {
            give(&mut other, "other", deadline + PATIENCE, "say result $id 1");
            expect_request(&mut other, "POST /2018-06-01/runtime/invocation/other/response");
            assert_eq!(started(&root), 1);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if is_in_time {
            return;
        }
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Gives an event to whoever has asked for one.
fn give(connection: &mut TcpStream, id: &str, deadline: Duration, event: &str) {
    let (deadline_ms, len) = (deadline.as_millis(), event.len());
    let head = format!("Lambda-Runtime-Aws-Request-Id: {id}\r\nLambda-Runtime-Deadline-Ms: {deadline_ms}");
    write!(connection, "HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: {len}\r\n\r\n{event}").unwrap();
}

#[test]
fn large_events_and_answers_go_through() {
    let root = root();
    let in_process = ["--workers", "3", "--in-process", "3", "worker"];
    // With what a pipe holds, whether the system has made it so or the bootstrap, and what lies beside it.
    let lens = [0, 1, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 1_048_576, 6_000_000];
    for options in [&in_process[..], &in_process[4..]] {
        let running = serve(&root, options);
        for len in lens {
            let event = format!("say text $id ${{#event}} #{}", "x".repeat(len));
            expect_answer(&running, &event, &event.len().to_string());
            let event = format!("echo \"bytes $id {len}\" >&9; head -c {len} /dev/zero >&9");
            assert_eq!(running.invoke_blocking(Event::new(event)).unwrap().body.len(), len);
        }
    }
}

#[test]
fn an_answer_that_is_too_large_fails_its_event_alone() {
    /// Most bytes of an answer that Lambda takes.
    const MOST: usize = 6_291_556;
    let root = root();
    let running = serve(&root, &["--workers", "3", "--in-process", "3", "worker"]);
    let says =
        |kind: &str, id: &str, len: usize| format!("echo \"{kind} ${id} {len}\" >&9; head -c {len} /dev/zero >&9; ");
    let too_large = ["Function.ResponseSizeTooLarge", "answer of 6291557 bytes, limit is 6291556"];
    for len in [MOST - 1, MOST, MOST + 1] {
        let last = says("bytes", "id", len) + "each 'say result $id 1'";
        let answers = meet(&root, &running, &["keep", "keep"], &last);
        let answered = texts(&answers);
        assert_eq!(answered[..2], ["1", "1"], "{len}");
        if len > MOST {
            assert!(too_large.iter().all(|part| answered[2].contains(part)), "{}", answered[2]);
        } else {
            assert_eq!(answers[2].body.len(), len);
        }
    }
    let pieces = format!("old=$id; say chunk $id a; {} say chunk $id b; say end $id ''", says("chunk", "id", MOST + 1));
    expect_error(&running, &pieces, too_large[0], &too_large[1..]);
    // One that is late harms nobody.
    expect_answer(&running, &(says("bytes", "old", MOST + 1) + "say result $id 2"), "2");
    assert_eq!(started(&root), 1);
    // It is not waited for.
    expect_error(&running, "echo \"bytes $id 18446744073709551615\" >&9", too_large[0], &[]);
}

#[test]
fn a_process_without_events_is_given_no_more_after_sigterm() {
    let root = Root::new().with_program("worker", WORKER.replace("kept= count=0\n", "trap 'echo >> heard' TERM\n"));
    let (mut child, api) = root.start(&["--workers", "3", "--in-process", "3", "worker"], false);
    let _asking: Vec<_> = (0..3).map(|_| api.accept()).collect();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(end_of(&mut child).success());
    // It has ended by itself, which it does when there is nothing more to read.
    assert_eq!((root.path("heard").exists(), root.path("ended").exists()), (true, true));
}

#[test]
fn what_a_worker_does_not_take_another_does_and_what_it_has_taken_is_answered() {
    let root = root();
    let running = serve(&root, &["--workers", "2", "--in-process", "2", "worker"]);
    expect_answer(&running, "say result $id 0", "0");
    let deaf = "eval \"exec 8<&- $LAMBWIRE_EVENTS_FD<&-\"; keep; while [ ! -e go ]; do sleep 0.01; done; say result $id 1; exec sleep 300";
    scope(|scope| {
        let first = scope.spawn(|| running.invoke_blocking(Event::new(deaf)).unwrap());
        wait_for("the first event", || root.path("kept-1").exists());
        let second = scope.spawn(|| running.invoke_blocking(Event::new("say result $id 2")).unwrap());
        fs::write(root.path("go"), "").unwrap();
        assert_eq!(texts(&[first.join().unwrap(), second.join().unwrap()]), ["1", "2"]);
    });
    assert_eq!(started(&root), 2);
}
