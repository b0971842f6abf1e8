//! The command line.

use std::fs::{self, File};
use std::process::Command;

use lambwire_mio::lambwire::limits;

use crate::root::Root;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn one_event_is_answered_and_the_log_is_kept_apart() {
    let root = Root::new().with("app.sh", "echo loaded\nhandler() { echo a log >&2; echo \"[$1]\"; }\n");
    let output = root.run(&["invoke", "app.handler", r#"{"a":1}"#]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), "[{\"a\":1}]\n".to_owned()));
    assert_eq!(text(&output.stderr), "loaded\na log\n");
    assert_eq!(text(&root.run(&["invoke", "app.handler"]).stdout), "[{}]\n");
}

#[test]
fn a_failure_has_a_status_of_its_own() {
    let root = Root::new().with("app.sh", "handler() { return 3; }\n");
    let output = root.run(&["invoke", "app.handler"]);
    assert_eq!(output.status.code(), Some(1));
    let report = r#"{"errorMessage":"handler exited with status 3","errorType":"Function.ExitStatus"}"#;
    assert_eq!(text(&output.stdout), format!("{report}\n"));
}

#[test]
fn a_failure_is_told_where_nothing_can_be_logged() {
    let root = Root::new().with("app.sh", "handler() { return 3; }\n");
    let mut command = root.command(&["invoke", "app.handler"]);
    let output = command.stderr(File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("handler exited with status 3"));
}

#[test]
fn an_event_at_the_limit_is_taken_and_one_byte_more_is_not() {
    let limit = usize::try_from(limits::PAYLOAD_BYTES).unwrap();
    let root = Root::new().with_program("count", "#!/bin/sh\nexec wc -c\n");
    for len in [limit - 1, limit, limit + 1] {
        fs::write(root.path("event"), vec![b'1'; len]).unwrap();
        let mut command = root.command(&["invoke", "--exec", "count", "-"]);
        let output = command.stdin(File::open(root.path("event")).unwrap()).output().unwrap();
        if len <= limit {
            assert_eq!(text(&output.stdout).trim(), len.to_string());
        } else {
            let said = "bootstrap: event is larger than 6291556 bytes, the most that Lambda takes\n";
            assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), said.to_owned()));
        }
    }
}

#[test]
fn help_that_nobody_reads_is_a_failure() {
    let root = Root::new();
    let output = root.command(&["--help"]).stdout(File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("bootstrap: cannot write: "));
}

#[test]
fn without_lambda_and_emulator_two_lines_say_what_to_do() {
    let output = Root::new().run(&["app.handler"]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 2), "{said}");
    assert!(said.contains("AWS_LAMBDA_RUNTIME_API is not set") && said.contains("lambwire-emulator"), "{said}");
    assert!(said.contains("bootstrap invoke app.handler '{}'"), "{said}");
}

#[test]
fn an_emulator_in_the_path_gets_this_program() {
    let root = Root::new().with_program("lambwire-emulator", "#!/bin/sh\necho \"$@\"\n");
    let mut command = Command::new(root.bootstrap_alone());
    command.args(["--listen", "127.0.0.1:0", "app.handler"]).env("PATH", root.path(""));
    let output = command.env_remove("AWS_LAMBDA_RUNTIME_API").output().unwrap();
    let said = text(&output.stdout);
    assert!(said.starts_with("--listen 127.0.0.1:0 -- /"), "{said}");
    assert!(said.ends_with("/bootstrap --listen 127.0.0.1:0 app.handler\n"), "{said}");
}

#[test]
fn help_and_wrong_usage_are_told_apart() {
    let root = Root::new();
    let output = root.run(&["--help"]);
    assert!(output.status.success() && text(&output.stdout).contains("Usage:"));
    assert_eq!(text(&root.run(&["--version"]).stdout), concat!("bootstrap ", env!("CARGO_PKG_VERSION"), "\n"));
    let output = root.run(&["--fast"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "bootstrap: invalid option '--fast'; --help tells what there is\n");
}
