//! Programs that are run once an event.

use std::process::Command;

use lambwire_emulator::Event;

use crate::root::{Root, expect_answer, expect_error, expect_timed_out_saying, margin};

#[test]
fn a_program_is_run_anew_for_every_event() {
    let root =
        Root::new().with_program("app", "#!/bin/sh\necho log >&2\nread -r event; printf '[%s,%s]' \"$event\" $$\n");
    let running = root.serve(&["--exec", "app"]);
    let first = running.invoke_blocking(Event::new("1\n")).unwrap().body;
    let second = running.invoke_blocking(Event::new("1\n")).unwrap().body;
    assert!(first.starts_with(b"[1,") && first != second);
}

#[test]
fn a_status_is_an_error() {
    let root = Root::new().with_program("app", "#!/bin/sh\necho partial\necho oh no >&2\nexit 7\n");
    let running = root.serve(&["--exec", "app"]);
    for _ in 0..2 {
        expect_error(&running, "{}", "Runtime.ExitError", &["program exited with status 7", "log:\\noh no"]);
    }
}

#[test]
fn the_context_and_the_trace_id_are_in_the_environment() {
    let root = Root::new().with_program("app", "#!/bin/sh\necho \"[$LAMBWIRE_CONTEXT,\\\"$_X_AMZN_TRACE_ID\\\"]\"\n");
    let answer = root.serve(&["--exec", "app"]).invoke_blocking(Event::new("{}").trace_id("Root=1-b")).unwrap();
    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.starts_with(r#"[{"function_name":"function","#) && body.ends_with(",\"Root=1-b\"]\n"), "{body}");
}

#[test]
fn large_events_pass_through_and_those_that_are_not_read_do_no_harm() {
    let event = "x".repeat(1 << 20);
    let root = Root::new().with_program("cat", "#!/bin/sh\nexec cat\n").with_program("none", "#!/bin/sh\necho 1\n");
    expect_answer(&root.serve(&["--exec", "cat"]), &event, &event);
    expect_answer(&root.serve(&["--exec", "none"]), &event, "1\n");
}

#[test]
fn a_function_is_no_program() {
    let root = Root::new().with("app.sh", "handler() { :; }\n");
    let output = root.run(&["invoke", "--exec", "app.handler"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--exec takes a program, and this handler is a function in a file"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_was_running_before_the_bootstrap_goes_on() {
    let root = Root::new().with_program("app", "#!/bin/sh\necho 1\n");
    let script = "sleep 300 >/dev/null 2>&1 & echo $!; exec \"$0\" invoke --exec app";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(root.bootstrap_alone()).env("LAMBDA_TASK_ROOT", root.path(""));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (pid, answer) = said.split_once('\n').unwrap();
    let is_ended = Command::new("sh").args(["-c", "kill -9 $0"]).arg(pid).status().unwrap();
    assert!(is_ended.success(), "{:?}", output.stderr);
    assert_eq!(answer, "1\n\n");
}

#[test]
fn who_ignores_the_ends_of_children_hears_of_them_all_the_same() {
    let root = Root::new()
        .with_program("app", "#!/bin/sh\nexit 7\n")
        .with("app.sh", "handler() { sh -c 'exit 4' || echo $?; }\n");
    let invoke = |arguments: &[&str]| {
        let mut command = Command::new("env");
        command.arg("--ignore-signal=CHLD").arg(root.bootstrap_alone()).arg("invoke").args(arguments);
        let output = command.env("LAMBDA_TASK_ROOT", root.path("")).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(invoke(&["--exec", "app"]).contains("program exited with status 7"));
    assert!(invoke(&["app"]).contains("worker exited with status 7 and has not said 'ready'"));
    assert_eq!(invoke(&["app.handler", "1"]).trim_end(), "4");
}

#[test]
fn a_program_out_of_time_is_ended() {
    let script = "#!/bin/sh\necho dozing >&2\n: >\"$LAMBDA_TASK_ROOT/said\"\nsleep 1000\n";
    let root = Root::new().with_program("app", script);
    expect_timed_out_saying(&root, &root.serve(&["--exec", &margin(), "app"]), "{}", "dozing");
}

#[test]
fn an_endless_answer_is_too_large() {
    let root = Root::new().with_program("app", "#!/bin/sh\nexec yes\n");
    expect_error(&root.serve(&["--exec", "app"]), "{}", "Function.ResponseSizeTooLarge", &["limit is 6291556"]);
}
