//! Several events at a time.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use lambwire_emulator::{Console, Emulator, Event, Outcome, Running};

use crate::root::{BOOTSTRAP, Root, expect_answer};

/// A handler that answers when as many files as the event says are there, after it has made one of its own.
const MEETING: &str = r#"
echo $$ >> loaded
handler() {
    case $1 in
    [0-9]*)
        : > "here-$$"
        while [ "$(ls here-* | wc -l)" -lt "$1" ]; do sleep 0.01; done
        echo "[$$]" ;;
    '"environment"') echo "[\"${LAMBWIRE_INSTANCE-none} $AWS_LAMBDA_MAX_CONCURRENCY\"]" ;;
    '"parent"') setsid sleep 300 & echo $! > left; kill -9 $PPID; sleep 60 ;;
    esac
}
"#;

fn serve(root: &Root, arguments: &[&str]) -> Running {
    let mut command = Command::new(BOOTSTRAP);
    command.args(arguments).env_remove("_HANDLER");
    let emulator = Emulator::new(command).handler("").task_root(root.path("").to_str().unwrap()).concurrency(3);
    emulator.timeout(Duration::from_secs(12)).console(Console::Silent).start().unwrap()
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
fn one_that_is_killed_takes_its_processes_along_and_is_replaced() {
    let root = Root::new().with("app.sh", MEETING);
    let running = serve(&root, &["--workers", "2", "app.handler"]);
    scope(|scope| {
        scope.spawn(|| running.invoke_blocking(Event::new("\"parent\"")));
        wait_for("the process that is left", || {
            fs::read_to_string(root.path("left")).is_ok_and(|pid| pid.ends_with('\n'))
        });
        let left = Path::new("/proc").join(fs::read_to_string(root.path("left")).unwrap().trim());
        wait_for("the end of what was left", || !left.exists());
        assert_eq!(meet(&running, 2).len(), 2);
    });
}

#[test]
fn a_handler_that_does_not_load_ends_all() {
    let root = Root::new().with("app.sh", "echo loaded >> loaded; exit 3");
    let running = serve(&root, &["app.handler"]);
    let answer = running.invoke_blocking(Event::new("1")).unwrap();
    assert_eq!(answer.outcome, Outcome::Failure);
    assert!(String::from_utf8_lossy(&answer.body).contains("status 3"));
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < patience, "{what} never came about");
        sleep(Duration::from_millis(5));
    }
}
