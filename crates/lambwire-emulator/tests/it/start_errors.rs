//! Why the program does not start, and what its user is told: wrong usage, programs that are none, addresses that are taken.

use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::child;
use crate::program::{said, stderr};
use crate::started::{Started, emulator, with_program};

#[test]
fn why_a_program_has_not_started_is_logged_once() {
    for role in ["init-error", "init-error-stay"] {
        let mut command = emulator(&["--timeout", "300", "--event-json", "{}"]);
        let output = command.env(child::variable().0, role).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert_eq!(said(&output, "the runtime cannot start: "), 1, "{role}: {}", stderr(&output));
        assert_eq!(stderr(&output).matches("nothing here").count(), 1, "{role}: {}", stderr(&output));
    }
}

#[test]
fn a_restore_that_fails_is_reported() {
    let failed = "RESTORE_REPORT Restore Duration: ";
    for (role, status) in [
        ("restore-error", "\tStatus: error\tError Type: Runtime.AfterRestoreError"),
        ("restore-exit", "\tStatus: error\tError Type: Runtime.ExitError"),
    ] {
        let mut command = emulator(&["--timeout", "300", "--snap-start", "--event-json", "{}"]);
        let output = command.env(child::variable().0, role).output().unwrap();
        let lines = stderr(&output);
        let reports: Vec<_> = lines.lines().filter(|line| line.starts_with(failed)).collect();
        assert!(reports.len() == 1 && reports[0].ends_with(status), "{role}: {lines}");
    }
    let mut command = emulator(&["--timeout", "300", "--snap-start", "--log-format", "json", "--event-json", "{}"]);
    let output = command.env(child::variable().0, "restore-error").output().unwrap();
    let lines = stderr(&output).lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let of_restore: Vec<_> = lines.filter(|line| line["type"].as_str().unwrap().contains(".restore")).collect();
    let types: Vec<_> = of_restore.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["platform.restoreStart", "platform.restoreRuntimeDone", "platform.restoreReport"]);
    assert!(of_restore[1..].iter().all(|line| line["record"]["status"] == "error"), "{of_restore:?}");
    assert!(of_restore[1..].iter().all(|line| line["record"]["errorType"] == "Runtime.AfterRestoreError"));
}

#[test]
fn wrong_usage_and_programs_that_cannot_be_started_exit_with_2() {
    let run = |options: &[&str], program: &str| with_program(options, program).output().unwrap();
    let output = run(&["--event-json", "{}"], "/nonexistent/bootstrap");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("lambwire-emulator: cannot start /nonexistent/bootstrap: "));
    let output = run(&["--event-json", "{}", "--directory", "/nonexistent/code"], "true");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("lambwire-emulator: cannot start in /nonexistent/code: "),
        "{}",
        stderr(&output)
    );
    let output = run(&["--event", r#"{"a":1}"#], "true");
    assert!(stderr(&output).ends_with(": JSON itself is sent with --event-json\n"), "{}", stderr(&output));
    let output = run(&["--event-json", "{a:1}"], "true");
    assert!(stderr(&output).contains("a shell takes double quotes away"), "{}", stderr(&output));
    let output = run(&["--event", "/nonexistent/event"], "true");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot read the event from /nonexistent/event: "));
    for options in [
        &["--timeout", "0"][..],
        &["--timeout", "901"],
        &["--memory", "64"],
        &["--concurrency", "0"],
        &["--listen", "nowhere"],
        &["--timeout", "never"],
        &["--snap-start", "--concurrency", "2"],
        &["--freeze=water"],
        &["--watch=/nonexistent/code"],
        &["--event-json", "{}", "--event", "-"],
        &["--event-json", "{}", "--listen", "127.0.0.1:0"],
    ] {
        assert_eq!(run(options, "true").status.code(), Some(2), "{options:?}");
    }
}

#[test]
fn a_region_that_can_stand_in_no_arn_is_refused_before_a_start() {
    for (options, variables, variable) in [
        (&["--env", "AWS_REGION=us east"][..], &[][..], "AWS_REGION"),
        (&[], &[("AWS_REGION", "us east")], "AWS_REGION"),
        (&["--env", "AWS_DEFAULT_REGION=us east"], &[("AWS_REGION", "us-east-1")], "AWS_DEFAULT_REGION"),
    ] {
        let options = [options, &["--event-json", "{}"]].concat();
        let output = with_program(&options, "true").envs(variables.iter().copied()).output().unwrap();
        let said = format!("lambwire-emulator: {variable} is \"us east\", no name of a region, ");
        assert!(output.status.code() == Some(2) && stderr(&output).starts_with(&said), "{}", stderr(&output));
    }
}

/// What the emulator says of a command line that is wrong.
#[track_caller]
fn refused(options: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    let output = command.args(options).env_remove("RUST_LOG").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{options:?} {}", stderr(&output));
    stderr(&output).to_owned()
}

#[test]
fn wrong_usage_is_told_what_is_right() {
    for (options, advice) in [
        (&["bootstrap", "app.handler"][..], "put `--` before the program: `-- bootstrap app.handler`"),
        (&["--timeout", "3", "./bootstrap"], "put `--` before the program"),
        (&["--timout", "3", "--", "true"], "a similar argument exists: '--timeout'"),
        (&["--listen", ":8080", "--", "true"], "such as 127.0.0.1:8080"),
        (&["--memory", "512MB", "--", "true"], "not a number of MB from 128 to 10240"),
        (&["--timeout", "abc", "--", "true"], "nor `off`"),
        (&["--timeout", "1000", "--", "true"], "with --concurrency"),
        (&["--config", "x.toml", "--timeout", "3"], "in the file, `timeout` is a key of [functions.NAME]"),
        (&["--config", "x.toml", "--", "true"], "in the file, `command` is a key of [functions.NAME]"),
    ] {
        let text = refused(options);
        assert!(text.contains(advice) && text.lines().count() < 10, "{options:?} {text}");
    }
    assert!(!refused(&["--bogus", "--", "true"]).contains("tip"));
}

#[test]
fn an_address_that_is_taken_is_said_with_what_chooses_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    for (options, option) in [
        (&["--listen", &*port, "--", "true"][..], "--listen"),
        (&["--listen", "0", "--url", &port, "--", "true"], "--url"),
        (&["--listen", "0", "--runtime-api", &port], "--runtime-api"),
        (&["--event-json", "{}", "--runtime-api", &port], "--runtime-api"),
        (
            &[
                "--compat",
                "rie",
                "--runtime-interface-emulator-address",
                &address,
                "--runtime-api-address",
                "localhost:0",
            ],
            "--runtime-interface-emulator-address",
        ),
    ] {
        let text = refused(options);
        let expected = format!("cannot listen at 127.0.0.1:{port}: ");
        let advice = format!("chosen with {option}");
        assert!(text.lines().any(|line| line.contains(&expected) && line.ends_with(&advice)), "{text}");
    }
}

#[test]
fn one_shot_without_a_program_says_what_it_waits_for() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(["--event-json", "{}", "--runtime-api", "0"]).env_remove("RUST_LOG");
    let mut emulator = Started::new(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    let lines = emulator.stderr().lines().map_while(Result::ok);
    let mut said = lines.take_while(|line| !line.starts_with("export _HANDLER=")).collect::<Vec<_>>().into_iter();
    assert!(said.next().unwrap().contains("no PROGRAM"));
    assert!(said.any(|line| line.starts_with("export AWS_LAMBDA_RUNTIME_API='127.0.0.1:")));
}

#[test]
fn a_program_that_cannot_be_one_is_told_what_is_wrong_with_it() {
    let directory = std::env::temp_dir().join(format!("lambwire-mistakes-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("folder")).unwrap();
    let handler = "a handler is run by bootstrap: `-- bootstrap app.handler`";
    for (name, text, mode) in [
        ("app.py", "def handler(event, context): return 1\n", 0o644),
        ("plain", "return 1\n", 0o755),
        ("windows", "#!/bin/sh\r\nexit 0\r\n", 0o755),
        ("orphan", "#!/nonexistent/sh -e\n", 0o755),
        ("foreign", "\x7fELF\x01\x01\x01", 0o755),
    ] {
        std::fs::write(directory.join(name), text).unwrap();
        std::fs::set_permissions(directory.join(name), PermissionsExt::from_mode(mode)).unwrap();
    }
    for (program, advice) in [
        ("app.py", handler),
        ("none.py", "a handler is run by bootstrap: `-- bootstrap none.handler`"),
        ("app.handler", handler),
        ("./app.py", handler),
        ("./app.py", "it is not executable (its mode is 0644): chmod +x it"),
        ("./plain", "it is neither an ELF executable nor a script with #!"),
        ("./windows", "its lines end in CR LF"),
        ("./orphan", "it is there, and /nonexistent/sh of its first line is not"),
        ("./foreign", "it is built for another machine"),
        ("./folder", "it is a directory"),
        ("./missing", &*format!("it is looked for in {}", directory.display())),
        ("missing-program", &*format!("it is neither in PATH nor in {}", directory.display())),
        ("plain", &*format!("it is in {}, and not in PATH: write ./plain", directory.display())),
    ] {
        for when in ["now", "call"] {
            let mut command = with_program(&["--event-json", "{}", "--start", when], program);
            let output = command.current_dir(&directory).output().unwrap();
            assert_eq!(output.status.code(), Some(if when == "now" { 2 } else { 1 }), "{program} {}", stderr(&output));
            assert!(said(&output, advice) > 0, "{program}: {}", stderr(&output));
        }
    }
    let directory_option = directory.to_str().unwrap();
    for (script, times) in [("exit 0", 1), ("exit 3", 0)] {
        std::fs::write(directory.join("app.sh"), script).unwrap();
        let mut command = with_program(&["--event-json", "{}", "--directory", directory_option], "sh");
        let output = command.arg("app.sh").output().unwrap();
        let count = said(&output, &format!("has not asked for an event: {handler}"));
        assert!(if times == 0 { count == 0 } else { count > 0 }, "{}", stderr(&output));
    }
    std::fs::remove_dir_all(directory).unwrap();
}
