//! Several events at a time.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread::scope;
use std::time::Duration;

use lambwire_emulator::{Event, Outcome, Running};
use rustix::process::{Pid, Signal, kill_process};

use crate::root::{
    BOOTSTRAP, NEXT, Root, end_of, expect_answer, expect_error, expect_error_of, expect_request, request, wait_for,
};

/// A handler that answers when as many files as the event says are there, after it has made one of its own.
const MEETING: &str = r#"
echo $$ >> loaded
handler() {
    case $1 in
    [0-9]*)
        : > "here-$$"
        while [ "$(ls here-* | wc -l)" -lt "$1" ]; do sleep 0.01; done
        echo "[$$]" ;;
    '"environment"') echo "[\"${LAMBWIRE_KEEPER-none} $AWS_LAMBDA_MAX_CONCURRENCY\"]" ;;
    '"parent"') setsid sleep 300 & echo $! > left; kill -9 $PPID; sleep 60 ;;
    '"itself"') setsid sleep 300 & echo $! > left; kill -9 $$; sleep 60 ;;
    '"leave"') (setsid sleep 300 & echo $! > kept) & wait; echo 1 ;;
    esac
}
"#;

/// How many events there are at a time.
const CONCURRENCY: usize = 3;

fn serve(root: &Root, arguments: &[&str]) -> Running {
    root.emulator(arguments).concurrency(CONCURRENCY).start().unwrap()
}

/// The processes that have answered so many events at a time, which wait for each other.
fn meet(running: &Running, count: usize) -> Vec<String> {
    let ask = || String::from_utf8(running.invoke_blocking(Event::new(count.to_string())).unwrap().body).unwrap();
    let mut answers: Vec<String> = scope(|scope| {
        let asked: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
        asked.into_iter().map(|asked| asked.join().unwrap()).collect()
    });
    answers.sort();
    answers.dedup();
    answers
}

#[test]
fn as_many_events_as_lambda_says_are_answered_at_a_time() {
    let root = Root::new().with("app.sh", MEETING);
    let running = serve(&root, &["app.handler"]);
    assert_eq!(meet(&running, 3).len(), 3);
    expect_answer(&running, "\"environment\"", "[\"none 3\"]");
    assert_eq!(fs::read_to_string(root.path("loaded")).unwrap().lines().count(), 3);
}

#[test]
fn the_command_line_says_how_many_and_they_are_started_when_they_are_needed() {
    let root = Root::new().with("app.sh", MEETING);
    let running = serve(&root, &["--workers", "3", "app.handler"]);
    let loaded = || fs::read_to_string(root.path("loaded")).unwrap().lines().count();
    assert_eq!(meet(&running, 1).len(), 1);
    // The first, and whoever was given the event.
    assert!(loaded() < 3);
    assert_eq!(meet(&running, 3).len(), 3);
    assert_eq!(loaded(), 3);
}

#[test]
fn one_whose_event_is_over_is_replaced_and_the_next_event_is_answered() {
    let root = Root::new()
        .with("app.sh", "echo $$ >> loaded\nhandler() { [ \"$1\" != 1000 ] || sleep 1000; echo \"[$$]\"; }\n");
    for arguments in [&["--workers", "2", "app.handler"][..], &["app.handler"]] {
        let running = serve(&root, arguments);
        let brief = || Event::new("1000").timeout(Duration::from_secs(2));
        scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    expect_error_of(&running, brief(), "Sandbox.Timedout", &["timed out after 2.00 seconds"])
                });
            }
        });
        for _ in 0..3 {
            let answer = running.invoke_blocking(Event::new("1")).unwrap();
            assert_eq!(answer.outcome, Outcome::Success, "{}", String::from_utf8_lossy(&answer.body));
        }
    }
}

#[test]
fn one_that_is_killed_answers_by_an_error_and_takes_its_processes_along_and_no_others() {
    let root = Root::new().with("app.sh", MEETING);
    let running = serve(&root, &["--workers", "2", "app.handler"]);
    assert_eq!(meet(&running, 2).len(), 2);
    for whom in ["\"parent\"", "\"itself\""] {
        expect_answer(&running, "\"leave\"", "1");
        let kept = fs::read_to_string(root.path("kept")).unwrap();
        expect_error(&running, whom, "Runtime.ExitError", &["killed by signal 9", "before it had answered"]);
        let left = fs::read_to_string(root.path("left")).unwrap();
        // The next answer of that server is given by another worker, which is started when the first one's are gone.
        for file in root.path("").read_dir().unwrap().flatten().map(|entry| entry.path()) {
            if file.file_name().unwrap().to_str().unwrap().starts_with("here-") {
                fs::remove_file(file).unwrap();
            }
        }
        assert_eq!(meet(&running, 2).len(), 2);
        wait_for("the end of what was left", || !runs(&left));
        // Whoever was killed may have been the one that has left it.
        assert!(runs(&kept) || fs::read_to_string(root.path("loaded")).unwrap().lines().count() > 2);
    }
}

fn runs(pid: &str) -> bool {
    Path::new("/proc").join(pid.trim()).exists()
}

#[test]
fn a_handler_that_does_not_load_ends_all() {
    let root = Root::new().with("app.sh", "echo loaded >> loaded; exit 3");
    let running = serve(&root, &["app.handler"]);
    let answer = running.invoke_blocking(Event::new("1")).unwrap();
    assert_eq!(answer.outcome, Outcome::Failure);
    assert!(String::from_utf8_lossy(&answer.body).contains("status 3"));
}

#[test]
fn sigterm_reaches_the_handlers_of_all_and_nothing_is_left() {
    let script = "trap 'echo $$ >> ended; exit 0' TERM\nsetsid sleep 300 & echo $! >> left\nhandler() { echo 1; }\n";
    let root = Root::new().with("app.sh", script);
    let (mut child, api) = root.start(&["--workers", "3", "app.handler"], false);
    // The first connects before it registers as an extension, and asks when the others do.
    let first = api.accept();
    let mut extension = api.accept();
    expect_request(&mut extension, "POST /2020-01-01/extension/register");
    extension.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut asking = [first, api.accept(), api.accept()];
    asking.iter_mut().for_each(|connection| expect_request(connection, NEXT));
    for (number, connection) in asking.iter_mut().enumerate() {
        let head =
            format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id-{number}\r\nContent-Length: 2\r\n\r\n{{}}");
        connection.write_all(head.as_bytes()).unwrap();
        expect_request(connection, &format!("POST /2018-06-01/runtime/invocation/id-{number}/response"));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(end_of(&mut child).success());
    let lines = |name| fs::read_to_string(root.path(name)).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(lines("ended").len(), 3);
    assert!(lines("ended").iter().chain(&lines("left")).all(|pid| !runs(pid)));
}

#[test]
fn the_hooks_of_all_run_around_a_snapshot() {
    let script = "before_snapshot() { echo $$ >> before; }\nafter_restore() { echo $$ >> after; }\nhandler() { :; }\n";
    let root = Root::new().with("app.sh", script);
    let (mut child, api) = root.start(&["--workers", "3", "app.handler"], true);
    let lines = |name| fs::read_to_string(root.path(name)).unwrap_or_default().lines().count();
    let mut connection = api.accept();
    expect_request(&mut connection, "GET /2018-06-01/runtime/restore/next");
    assert_eq!((lines("before"), lines("after")), (3, 0));
    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut asking: Vec<TcpStream> = (0..3).map(|_| api.accept()).collect();
    asking.iter_mut().for_each(|connection| expect_request(connection, NEXT));
    assert_eq!(lines("after"), 3);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_hook_of_one_that_fails_is_reported() {
    let script = "before_snapshot() { mkdir once 2>&- || exit 3; }\nhandler() { :; }\n";
    let root = Root::new().with("app.sh", script);
    let (mut child, api) = root.start(&["--workers", "2", "app.handler"], true);
    let mut connection = api.accept();
    expect_request(&mut connection, "POST /2018-06-01/runtime/init/error");
    connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(end_of(&mut child).code(), Some(64));
}

/// A worker whose hooks fail as the variable says.
const FAILING_HOOKS: &str = r#"#!/bin/sh
eval "exec 3<&$LAMBWIRE_EVENTS_FD 4>&$LAMBWIRE_ANSWERS_FD"
wishes='{"snapshot":true}'
printf 'ready - %s\n%s' ${#wishes} "$wishes" >&4
while read -r kind _ <&3; do
    report='{"errorType":"OSError","errorMessage":"bad hook","stackTrace":["app.py:3"]}'
    case $kind in
    "$FAILS") printf 'error - %s\n%s' ${#report} "$report" >&4 ;;
    *) echo 'done - 0' >&4 ;;
    esac
done
"#;

#[test]
fn a_hook_that_fails_is_reported_and_ends_all_as_with_awss_client() {
    let root = Root::new().with_program("worker", FAILING_HOOKS);
    for (kind, path, error_type, status) in [
        ("before-snapshot", "init/error", "Runtime.BeforeSnapshotError", 64),
        ("after-restore", "restore/error", "Runtime.AfterRestoreError", 65),
    ] {
        let (mut child, api) = root.start_by(Command::new(BOOTSTRAP).arg("./worker").env("FAILS", kind), true);
        let mut connection = api.accept();
        if kind == "after-restore" {
            expect_request(&mut connection, "GET /2018-06-01/runtime/restore/next");
            connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            connection = api.accept();
        }
        let request = request(&mut connection);
        assert!(request.starts_with(&format!("POST /2018-06-01/runtime/{path} ")), "{request}");
        assert!(request.contains(&format!("Lambda-Runtime-Function-Error-Type: {error_type}\\r\\n")), "{request}");
        let body = r#"{"errorMessage":"bad hook","errorType":"OSError","stackTrace":["app.py:3"]}"#;
        assert!(request.ends_with(&body.escape_default().to_string()), "{request}");
        connection.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!(end_of(&mut child).code(), Some(status), "{kind}");
    }
}

#[test]
fn the_end_of_one_is_the_end_of_all() {
    let root = Root::new().with("app.sh", "echo $$ >> started\nhandler() { :; }\n");
    let (mut child, api) = root.start(&["--workers", "2", "app.handler"], false);
    let mut asking: Vec<TcpStream> = (0..2).map(|_| api.accept()).collect();
    asking.iter_mut().for_each(|connection| expect_request(connection, NEXT));
    asking[0].write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(end_of(&mut child).code(), Some(1));
    assert!(!runs(&fs::read_to_string(root.path("started")).unwrap()));
}

#[test]
fn who_waits_when_all_end_hears_why() {
    let root = Root::new().with("app.sh", "handler() { echo > begun; sleep 300; }\n");
    let (mut child, api) = root.start(&["--workers", "2", "app.handler"], false);
    let mut asking: Vec<TcpStream> = (0..2).map(|_| api.accept()).collect();
    asking.iter_mut().for_each(|connection| expect_request(connection, NEXT));
    let head = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nContent-Length: 2\r\n\r\n{}";
    asking[0].write_all(head.as_bytes()).unwrap();
    wait_for("the handler", || root.path("begun").exists());
    asking[1].write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n").unwrap();
    let mut said = String::new();
    asking[0].read_to_string(&mut said).unwrap();
    end_of(&mut child);
    let why = said.split_once("as the bootstrap was ending: ").unwrap().1;
    assert!(why.contains("500"), "{said}");
}

#[test]
fn programs_that_are_run_for_each_event_and_do_not_start_are_named() {
    let root = Root::new().with_program("program", "#!/bin/sh\nread -r line\nprintf \"[$line]\"\n");
    let running = serve(&root, &["--exec", "program"]);
    expect_answer(&running, "1", "[1]");
    fs::write(root.path("program"), "#!/no/such\n").unwrap();
    expect_error(&running, "1", "Runtime.NoInterpreter", &["/no/such"]);
}
