//! The program sends one event, prints the answer, and ends.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::child;
use crate::program::{stderr, stdout};
use crate::started::{emulator, started_by, with_program};

fn shell(options: &[&str], script: &str) -> Output {
    with_program(options, "sh").args(["-c", script]).output().unwrap()
}

#[test]
fn one_shot_prints_the_answer_alone_and_exits_with_0() {
    let output = emulator(&["--timeout", "300", "--event-json", r#"{"a":1}"#]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), r#"{"a":1}"#);
    let lines = stderr(&output);
    for start in ["START RequestId: ", "END RequestId: ", "REPORT RequestId: "] {
        assert_eq!(lines.lines().filter(|line| line.starts_with(start)).count(), 1, "{lines}");
    }
    assert!(lines.contains("\tInit Duration: ") && lines.contains("\tMemory Size: 128 MB\t"));
}

#[test]
fn one_shot_reads_the_event_from_a_file_or_from_standard_input() {
    let path = std::env::temp_dir().join(format!("lambwire-event-{}", std::process::id()));
    std::fs::write(&path, "\"from a file\"").unwrap();
    let options = ["--timeout", "300", "--event", path.to_str().unwrap()];
    let output = emulator(&options).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "\"from a file\""));

    let mut command = emulator(&["--timeout", "300", "--event", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\"from a pipe\"").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "\"from a pipe\""));
}

#[test]
fn one_shot_exits_with_1_if_the_function_fails_in_whichever_way() {
    let run = |event: &str| {
        let event = child::event(event);
        emulator(&["--timeout", "300", "--event-json", &event]).output().unwrap()
    };
    for (event, expected) in [
        (r#"fail {"errorMessage":"boom"}"#, r#"{"errorMessage":"boom"}"#),
        ("exit 3", "exit status 3"),
        ("abort", "signal: aborted"),
    ] {
        let output = run(event);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stdout(&output).contains(expected), "{}", stdout(&output));
    }
    for script in ["exit 3", "kill -9 $$"] {
        assert_eq!(shell(&["--timeout", "300", "--event-json", "{}"], script).status.code(), Some(1));
    }
    let output = shell(&["--timeout", "0.01", "--init-timeout", "0.02", "--event-json", "{}"], "sleep 1000");
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("Task timed out after 0.02 seconds"));
}

#[test]
fn one_shot_keeps_what_the_program_prints_out_of_the_answer() {
    let output = shell(&["--timeout", "300", "--event-json", "{}"], "echo hello; exit 3");
    assert!(stdout(&output).starts_with(r#"{"errorType":"Runtime.ExitError""#));
    assert!(stderr(&output).contains("hello\n"));
}

#[test]
fn who_has_closed_standard_output_hears_what_is_lost() {
    for (redirection, count) in [(">&-", 1), (">/dev/null", 0), ("", 0)] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec \"$@\" {redirection}"), "sh"]);
        let output = started_by(shell, &emulator(&["--timeout", "300", "--event-json", "1"])).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let said = stderr(&output).matches("standard output is closed, or /dev/null: the answer is lost").count();
        assert_eq!(said, count, "{redirection}: {}", stderr(&output));
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_said_to_be_that() {
    let mut command = emulator(&["--timeout", "300", "--event-json", "1"]);
    let output = command.stdout(File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = "lambwire-emulator: cannot write the answer to standard output: No space left on device (os error 28)\n";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
}

#[test]
fn an_answer_has_a_line_of_its_own_where_the_log_goes_to_the_same_place() {
    let mut shell = Command::new("sh");
    shell.args(["-c", r#""$@" 2>&1"#, "sh"]);
    let output = started_by(shell, &emulator(&["--timeout", "300", "--event-json", "{}"])).output().unwrap();
    let lines: Vec<&str> = stdout(&output).lines().collect();
    assert!(lines.contains(&"{}"), "{lines:?}");
}

#[test]
fn one_shot_takes_what_lambda_takes_and_names_what_is_wrong_with_the_rest() {
    let path = std::env::temp_dir().join(format!("lambwire-wrong-event-{}", std::process::id()));
    let file = path.to_str().unwrap();
    std::fs::write(&path, "{\n  \"a\": 1,\n}\n").unwrap();
    let place = "is no JSON: key must be a string at line 3 column 1";
    for (options, standard_input, expected) in [
        (["--event", file], "", format!("the event of {file} {place}")),
        (["--event", "-"], "{\n  \"a\": 1,\n}\n", format!("the event of standard input {place}")),
        (["--event-json", "{'a': 1}"], "", "the event of --event-json is no JSON: key must be a string at".to_owned()),
        (["--event-json", ""], "", "the event of --event-json is no JSON: EOF".to_owned()),
    ] {
        let mut command = emulator(&options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It may have ended without reading.
        let _ = child.stdin.take().unwrap().write_all(standard_input.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{options:?}");
        assert!(stderr(&output).starts_with(&format!("lambwire-emulator: {expected}")), "{}", stderr(&output));
    }
    std::fs::remove_file(&path).unwrap();
}
