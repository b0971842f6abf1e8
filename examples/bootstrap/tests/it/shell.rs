//! Functions in a shell script.

use std::fs;
use std::path::Path;
use std::process::Command;

use lambwire_emulator::{Event, Outcome};

use crate::root::{Root, expect_answer, expect_error, expect_timed_out_saying, margin, wait_for};

#[test]
fn a_function_answers_with_what_it_prints() {
    let root = Root::new().with("app.sh", "echo loaded\nhandler() { echo 'a log' >&2; echo \"{\\\"got\\\":$1}\"; }\n");
    let running = root.serve(&["app.handler"]);
    expect_answer(&running, r#"{"a":"b"}"#, r#"{"got":{"a":"b"}}"#);
    expect_answer(&running, "1", r#"{"got":1}"#);
}

#[test]
fn text_that_is_no_json_becomes_a_string() {
    let root = Root::new().with("app.sh", "handler() { printf 'say \"é\"\\n'; }\n");
    expect_answer(&root.serve(&["app.handler"]), "{}", r#""say \"é\"""#);
}

#[test]
fn a_file_in_a_directory_and_a_name_with_dots_are_found() {
    let root = Root::new().with("a/b.c.sh", "f() { pwd; }\n");
    let running = root.serve(&["a/b.c.f"]);
    expect_answer(&running, "", &format!("\"{}\"", root.path("").display()).replace("/\"", "\""));
}

#[test]
fn a_trace_id_is_never_that_of_a_client_context() {
    let root = Root::new().with("app.sh", "handler() { echo \"[$_X_AMZN_TRACE_ID]\"; }\n");
    for (context, expected) in [
        (r#"{"trace_id":null,"client_context":{"trace_id":"theirs"}}"#, "[]"),
        (r#"{"trace_id":"ours","client_context":{"trace_id":null}}"#, "[ours]"),
    ] {
        fs::write(root.path("events"), format!("event id {} 2\n{context}\n{{}}", context.len() + 1)).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "exec sh -c \"$0\" 3<events 4>answers", include_str!("../../workers/sh/worker.sh")]);
        command.env("LAMBWIRE_EVENTS_FD", "3").env("LAMBWIRE_ANSWERS_FD", "4").env("LAMBWIRE_FUNCTION", "handler");
        command.env("LAMBWIRE_FILE", "./app.sh").env_remove("_X_AMZN_TRACE_ID").current_dir(&root).status().unwrap();
        let answers = fs::read_to_string(root.path("answers")).unwrap();
        assert_eq!(answers, format!("ready - 0\ntext id {}\n{expected}", expected.len()));
    }
}

#[test]
fn what_a_handler_has_left_behind_is_reaped_when_it_ends() {
    // It ends after the answer, and there is no other event.
    let script = "handler() { (sh -c 'echo $$; exec sleep 1' >left &); echo true; }\n";
    let root = Root::new().with("app.sh", script);
    let running = root.serve(&["app.handler"]);
    expect_answer(&running, "1", "true");
    let left = || fs::read_to_string(root.path("left")).unwrap_or_default();
    wait_for("what is left behind", || left().ends_with('\n'));
    let process = Path::new("/proc").join(left().trim());
    wait_for("its end", || !process.exists());
}

#[test]
fn descriptors_that_are_open_already_do_no_harm() {
    let root = Root::new().with("app.sh", "handler() { echo 1; }\n");
    let bootstrap = root.bootstrap_alone();
    for inherited in [3..=3, 3..=4, 3..=5, 3..=6, 3..=7] {
        let opened: String = inherited.map(|number| format!(" {number}</dev/null")).collect();
        let script = format!("exec \"$0\" invoke app.handler{opened}");
        let output = Command::new("sh")
            .arg("-c")
            .arg(script)
            .arg(&bootstrap)
            .current_dir(&root)
            .env("LAMBDA_TASK_ROOT", root.path(""))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{opened}: {output:?}");
    }
}

#[test]
fn the_context_is_the_second_argument_and_the_trace_id_in_the_environment() {
    let root = Root::new().with("app.sh", "handler() { echo \"[$2,\\\"$_X_AMZN_TRACE_ID\\\"]\"; }\n");
    let running = root.serve(&["app.handler"]);
    let event = Event::new("{}").trace_id("Root=1-a").client_context(r#"{"custom":{"k":"v"}}"#);
    let answer = running.invoke_blocking(event).unwrap();
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.outcome, Outcome::Success, "{body}");
    assert!(body.ends_with(r#","Root=1-a"]"#), "{body}");
    for part in [
        r#""function_name":"function""#,
        r#""function_version":"$LATEST""#,
        r#""memory_limit_in_mb":"128""#,
        r#""invoked_function_arn":"arn:aws:lambda:"#,
        &format!(r#""aws_request_id":"{}""#, answer.request_id),
        r#""log_group_name":"/aws/lambda/function""#,
        r#""trace_id":"Root=1-a","x_amzn_trace_id":"Root=1-a""#,
        r#""client_context":{"custom":{"k":"v"}}"#,
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
}

#[test]
fn a_status_is_an_error_and_the_next_event_is_answered() {
    let root = Root::new().with(
        "app.sh",
        "handler() { case $1 in 1) echo why >&2; return 3;; 2) exit 4;; 3) set -u; echo $NONE;; *) echo 0;; esac; }\n",
    );
    let running = root.serve(&["app.handler"]);
    expect_error(&running, "1", "Function.ExitStatus", &["handler exited with status 3", "log:\\nwhy"]);
    expect_error(&running, "2", "Function.ExitStatus", &["handler exited with status 4"]);
    expect_error(&running, "3", "Function.ExitStatus", &["NONE"]);
    expect_answer(&running, "4", "0");
}

#[test]
fn a_large_event_and_a_large_answer_pass() {
    let root = Root::new().with("app.sh", "handler() { printf %s \"$1\"; }\n");
    let running = root.serve(&["app.handler"]);
    let event = format!("\"{}\"", "x".repeat(1 << 20));
    expect_answer(&running, &event, &event);
}

#[test]
fn a_handler_out_of_time_is_reported_with_its_log_and_replaced() {
    let stuck = "{ echo stuck in here >&2; : >\"$LAMBDA_TASK_ROOT/said\"; sleep 1000; }";
    let root = Root::new().with("app.sh", format!("handler() {{ [ \"$1\" = 0 ] && {stuck}; echo 1; }}\n"));
    let running = root.serve(&[&margin(), "app.handler"]);
    expect_answer(&running, "1", "1");
    expect_timed_out_saying(&root, &running, "0", "stuck in here");
    expect_answer(&running, "1", "1");
}

#[test]
fn the_first_line_names_the_shell_and_its_options() {
    let root = Root::new()
        .with(
            "rich.sh",
            "#!/usr/bin/env bash\nset -euo pipefail\nIFS=$'\\n\\t'\nhandler() { [[ $1 == *n* ]] && echo \"$1\"; }\n",
        )
        .with("strict.sh", "#!/bin/sh -u\nhandler() { echo \"$NONE\"; }\n");
    expect_answer(&root.serve(&["rich.handler"]), r#"{"n":1}"#, r#"{"n":1}"#);
    expect_error(&root.serve(&["strict.handler"]), "1", "Function.ExitStatus", &["NONE"]);
    expect_answer(&root.serve(&["--interpreter", "bash", "strict.handler"]), "1", "\"\"");
}

#[test]
fn a_script_for_another_shell_than_the_one_that_runs_it_is_named() {
    let root = Root::new()
        .with("rich.sh", "#!/usr/bin/env bash\nhandler() { :; }\n")
        .with("plain.sh", "#!/bin/sh\nhandler() { :; }\n")
        .with("other.sh", "#!/usr/bin/python3\nhandler() { :; }\n");
    for (script, interpreter, is_named) in
        [("rich", "sh", true), ("rich", "bash", false), ("plain", "bash", false), ("other", "sh", false)]
    {
        let output = root.run(&["invoke", "--interpreter", interpreter, &format!("{script}.handler"), "1"]);
        let said = String::from_utf8_lossy(&output.stderr);
        for part in ["/rich.sh begins with #! and /", "/bash, but --interpreter has /", "/sh run it\n"] {
            assert_eq!(said.contains(part), is_named, "{said}");
        }
    }
}

#[test]
fn a_margin_that_leaves_no_time_is_named() {
    let root = Root::new().with("app.sh", "handler() { echo 1; }\n");
    let running = root.serve(&["--deadline-margin", "600000", "app.handler"]);
    expect_error(&running, "1", "Function.TimedOut", &["ms are left, less than the 600000 ms of --deadline-margin"]);
}
