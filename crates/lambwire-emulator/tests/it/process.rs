//! Programs that are started, die, hang, and are started again.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use lambwire_emulator::{Answer, Console, Emulator, Event, Outcome, Running, StartError};

use crate::child;
use crate::library::{TIMED_OUT, brief};
use crate::patience::{AMPLE, wait_until};

fn start(command: Command) -> Running {
    let emulator = Emulator::new(command).console(Console::Silent);
    emulator.timeout(AMPLE).init_timeout(AMPLE).start().unwrap()
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn invoke(emulator: &Running, event: &str) -> Answer {
    emulator.invoke_blocking(Event::new(event)).unwrap()
}

#[track_caller]
fn check(emulator: &Running, event: &str, outcome: Outcome, expected: &str) {
    let answer = invoke(emulator, event);
    let expected = expected.replace("ID", &answer.request_id);
    assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    assert_eq!(answer.outcome, outcome);
}

fn exit_error(reason: &str) -> String {
    format!(r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: ID Error: {reason}"}}"#)
}

fn is_alive(pid: &str) -> bool {
    let process = Path::new("/proc").join(pid);
    // A process that nobody has waited for is dead all the same, as soon as its other threads are gone.
    let threads = std::fs::read_dir(process.join("task")).map_or(0, Iterator::count);
    let status = std::fs::read_to_string(process.join("status"));
    threads > 1 || status.is_ok_and(|status| !status.contains("State:\tZ"))
}

#[test]
fn an_event_goes_through_a_program_and_back() {
    let emulator = start(child::runtime());
    check(&emulator, r#"{"a":1}"#, Outcome::Success, r#"{"a":1}"#);
    check(&emulator, "", Outcome::Success, "");
}

#[test]
fn a_program_that_dies_before_its_first_invocation_fails_each_caller() {
    for (script, reason) in [
        ("exit 3", "Runtime exited with error: exit status 3"),
        ("exit 0", "Runtime exited without providing a reason"),
        ("kill -9 $$", "Runtime exited with error: signal: killed"),
        ("kill -15 $$", "Runtime exited with error: signal: terminated"),
    ] {
        let emulator = start(shell(script));
        for _ in 0..2 {
            check(&emulator, "{}", Outcome::Failure, &exit_error(reason));
        }
    }
}

#[test]
fn a_program_that_dies_with_an_invocation_is_started_again_for_the_next() {
    let emulator = start(child::runtime());
    for (event, reason) in [
        ("exit 3", "Runtime exited with error: exit status 3"),
        ("exit 0", "Runtime exited without providing a reason"),
    ] {
        check(&emulator, event, Outcome::Failure, &exit_error(reason));
        check(&emulator, "again", Outcome::Success, "again");
    }
    let answer = invoke(&emulator, "abort");
    assert!(String::from_utf8_lossy(&answer.body).contains("signal: aborted"));
}

#[test]
fn a_program_that_dies_between_invocations_is_started_again_for_the_next() {
    let emulator = start(child::runtime());
    let pid = String::from_utf8(invoke(&emulator, "pid").body).unwrap();
    let killed = shell(&format!("kill -9 {pid}")).status().unwrap();
    assert!(killed.success());
    wait_until("its end", || !is_alive(&pid));
    check(&emulator, "again", Outcome::Success, "again");
}

#[test]
fn an_answer_counts_though_the_program_dies_behind_it() {
    let emulator = start(child::runtime());
    check(&emulator, "last words", Outcome::Success, "words");
    check(&emulator, "again", Outcome::Success, "again");
}

#[test]
fn a_handled_error_is_passed_on_as_it_is() {
    let emulator = start(child::runtime());
    let report = r#"{"errorMessage":"boom","errorType":"MyError","stackTrace":["a"]}"#;
    check(&emulator, &format!("fail {report}"), Outcome::Failure, report);
    check(&emulator, "again", Outcome::Success, "again");
}

#[test]
fn an_init_error_goes_to_every_caller_whether_the_program_ends_or_not() {
    for command in [child::init_error(), child::init_error_that_stays()] {
        let emulator = start(command);
        for _ in 0..3 {
            check(&emulator, "{}", Outcome::Failure, child::INIT_REPORT);
        }
    }
}

#[test]
fn a_program_that_takes_too_long_is_killed_and_started_again() {
    let emulator = start(child::runtime());
    let pid = || {
        let answer = invoke(&emulator, "pid");
        assert_eq!(answer.outcome, Outcome::Success);
        String::from_utf8(answer.body).unwrap()
    };
    let first = pid();
    let late = emulator.invoke_blocking(brief("hang")).unwrap();
    let id = &late.request_id;
    let expected = format!(r#"{{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: {id} Error: {TIMED_OUT}"}}"#);
    assert_eq!((String::from_utf8(late.body).unwrap(), late.outcome), (expected, Outcome::Failure));
    let second = pid();
    assert_ne!(first, second);
    assert!(!is_alive(&first));
    // What comes behind the answer is part of the invocation, too.
    let stayed = loop {
        let before = pid();
        // On a busy machine, the answer may be late.
        if emulator.invoke_blocking(brief("stay here")).unwrap().body == b"here" {
            break before;
        }
    };
    assert_ne!(pid(), stayed);
}

#[test]
fn a_program_that_never_asks_is_killed() {
    let emulator = Emulator::new(shell("sleep 1000"))
        .console(Console::Silent)
        .timeout(Duration::from_millis(10))
        .init_timeout(Duration::from_millis(20))
        .start()
        .unwrap();
    let expected =
        r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ID Error: Task timed out after 0.02 seconds"}"#;
    check(&emulator, "{}", Outcome::Failure, expected);
}

#[test]
fn what_a_program_leaves_running_is_killed_with_it() {
    let pids = std::env::temp_dir().join(format!("lambwire-emulator-{}", std::process::id()));
    let script = format!("sleep 1000 & echo $! > {}; exit 3", pids.display());
    let emulator = start(shell(&script));
    invoke(&emulator, "{}");
    let pid = std::fs::read_to_string(&pids).unwrap();
    std::fs::remove_file(&pids).unwrap();
    wait_until("its end", || !is_alive(pid.trim()));
}

#[test]
fn a_program_that_cannot_be_started_is_named() {
    let error = Emulator::new(Command::new("/nonexistent/bootstrap")).start().unwrap_err();
    assert!(matches!(&error, StartError::Program { name, .. } if name == "/nonexistent/bootstrap"));
    assert!(error.to_string().starts_with("cannot start /nonexistent/bootstrap: "));
}

#[test]
fn a_program_that_is_gone_when_it_is_needed_again_fails_the_caller() {
    let path = std::env::temp_dir().join(format!("lambwire-bootstrap-{}", std::process::id()));
    std::os::unix::fs::symlink("/bin/sh", &path).unwrap();
    let mut command = Command::new(&path);
    command.args(["-c", "exit 4"]);
    let emulator = start(command);
    let reason = exit_error("Runtime exited with error: exit status 4");
    check(&emulator, "{}", Outcome::Failure, &reason);
    std::fs::remove_file(&path).unwrap();
    let answer = invoke(&emulator, "{}");
    let body = String::from_utf8(answer.body).unwrap();
    assert!(body.starts_with(r#"{"errorType":"Runtime.InvalidEntrypoint","#), "{body}");
}

#[test]
fn a_program_finds_its_configuration_in_its_environment() {
    let emulator = Emulator::new(child::runtime())
        .console(Console::Silent)
        .name("mine")
        .handler("app.handler")
        .memory_mb(512)
        .task_root("/task")
        .runtime_dir("/runtime")
        .start()
        .unwrap();
    for (key, value) in [
        ("_HANDLER", "app.handler"),
        ("AWS_LAMBDA_FUNCTION_NAME", "mine"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("LAMBDA_TASK_ROOT", "/task"),
        ("LAMBDA_RUNTIME_DIR", "/runtime"),
        ("AWS_LAMBDA_RUNTIME_API", &emulator.runtime_api().to_string()),
    ] {
        check(&emulator, &format!("variable {key}"), Outcome::Success, value);
    }
}

#[test]
fn a_program_ends_with_its_emulator() {
    let emulator = start(child::runtime());
    let pid = String::from_utf8(invoke(&emulator, "pid").body).unwrap();
    assert!(is_alive(&pid));
    drop(emulator);
    assert!(!is_alive(&pid));
}
