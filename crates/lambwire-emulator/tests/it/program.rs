//! The program `lambwire-emulator`.

use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use rustix::pty::OpenptFlags;

use crate::child;
use crate::life::fifo;
use crate::patience::{patient, wait_until};
use crate::started::{Served, Started, emulator, started_by, with_program};
use crate::wire::{INVOKE, post};

pub(crate) fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_start_names_the_version_that_the_program_finds() {
    let event = r#""variable AWS_LAMBDA_FUNCTION_VERSION""#;
    let mut command = emulator(&["--timeout", "300", "--event-json", event]);
    let output = command.env("AWS_LAMBDA_FUNCTION_VERSION", "7").output().unwrap();
    assert_eq!(stdout(&output), "7");
    assert!(stderr(&output).lines().any(|line| line.ends_with(" Version: 7")), "{}", stderr(&output));
}

#[test]
fn a_function_is_in_one_region() {
    let file = std::env::temp_dir().join(format!("lambwire-regions-{}", std::process::id()));
    std::fs::write(&file, "AWS_DEFAULT_REGION=of-file\n").unwrap();
    let file_option = ["--env-file", file.to_str().unwrap()];
    // Options, the two variables of the surroundings, and the two that the function finds with the region of its ARN.
    for (options, [region, default_region], expected) in [
        (&[][..], [None, None], "us-east-1 us-east-1 us-east-1"),
        (&[], [Some("a"), None], "a a a"),
        (&[], [None, Some("b")], "b b b"),
        (&[], [Some("a"), Some("b")], "a a a"),
        (&[], [Some(""), Some("b")], "b b b"),
        (&[], [Some(""), Some("")], "us-east-1 us-east-1 us-east-1"),
        (&["--env", "AWS_REGION=c"], [Some("a"), Some("b")], "c c c"),
        (&["--env", "AWS_DEFAULT_REGION=d"], [Some("a"), Some("b")], "d d d"),
        (&["--env", "AWS_REGION="], [None, Some("b")], "b b b"),
        (&["--env", "AWS_REGION=c", "--env", "AWS_DEFAULT_REGION=d"], [Some("a"), None], "c d c"),
        (&["--env", "AWS_REGION=", "--env", "AWS_DEFAULT_REGION=d"], [Some("a"), None], "d d d"),
        (&file_option, [Some("a"), None], "of-file of-file of-file"),
    ] {
        let mut command = emulator(&[options, &["--timeout", "300", "--event-json", r#""regions""#]].concat());
        for (name, value) in [("AWS_REGION", region), ("AWS_DEFAULT_REGION", default_region)] {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let output = command.output().unwrap();
        assert_eq!(stdout(&output), expected, "{options:?} {region:?} {default_region:?}: {}", stderr(&output));
    }
    std::fs::remove_file(&file).unwrap();
}

/// How often the emulator says this of itself.
pub(crate) fn said(output: &Output, what: &str) -> usize {
    stderr(output).lines().filter(|line| line.starts_with("lambwire-emulator: ") && line.contains(what)).count()
}

#[test]
fn an_error_that_the_function_reports_is_logged_once() {
    let run = |event: &str| {
        let output = emulator(&["--timeout", "300", "--event-json", &child::event(event)]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        output
    };
    let silent = run(r#"fail {"errorType":"Function.BadEvent","errorMessage":"no such order"}"#);
    assert_eq!(said(&silent, " Error: Function.BadEvent: no such order"), 1, "{}", stderr(&silent));
    let complained = run(r#"complain {"errorType":"Function.BadEvent","errorMessage":"no such order"}"#);
    assert_eq!(said(&complained, "no such order"), 0, "{}", stderr(&complained));
    assert_eq!(stderr(&complained).matches("no such order").count(), 1, "{}", stderr(&complained));
}

#[test]
fn an_output_that_nobody_reads_does_not_silence_the_other() {
    let mut served = Served::new(emulator(&["--timeout", "300", "--listen", "0"]).stderr(Stdio::piped()));
    let mut errors = served.process.stderr().lines().map_while(Result::ok);
    // More than a pipe holds, and nobody reads it.
    let event = child::event("shell yes | head -c 300000; echo said >&2");
    assert_eq!(post(served.address(), INVOKE, &[], event.as_bytes()).status, 200);
    assert!(errors.any(|line| line == "said"));
}

/// Whether a process is dead, waited for or not.
fn is_dead(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, fields)| fields.starts_with(['Z', 'X']))
}

#[test]
#[cfg(target_os = "linux")]
fn an_emulator_that_is_killed_leaves_nothing_running() {
    let mut command = with_program(&["--listen", "127.0.0.1:0"], "sh");
    command.args(["-c", "setsid sleep 120 & echo left $$ $!; wait"]).stdout(Stdio::piped());
    let mut emulator = Started::new(&mut command);
    let line = emulator.stdout().lines().map_while(Result::ok).find(|line| line.starts_with("left ")).unwrap();
    drop(emulator);
    for pid in line.split(' ').skip(1) {
        wait_until("the end of what it has started", || is_dead(pid));
    }
}

/// What a command writes to a terminal that is both of its outputs.
fn on_terminal(mut command: Command) -> String {
    let terminal = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    rustix::pty::grantpt(&terminal).unwrap();
    rustix::pty::unlockpt(&terminal).unwrap();
    let name = rustix::pty::ptsname(&terminal, Vec::new()).unwrap();
    let program_side = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    command.stdout(program_side.try_clone().unwrap()).stderr(program_side).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    // It has the last descriptor of the other side then.
    drop(command);
    let mut text = Vec::new();
    // When nobody is left at the other side, that is an error.
    let _ = patient(File::from(terminal)).read_to_end(&mut text);
    child.wait().unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_terminal_has_colours_and_obeys_nobody_else() {
    // Printed by the function, and answered.
    let event = &child::event("print \x1b[2J");
    let one_shot = |variables: &[(&str, &str)]| {
        let mut command = emulator(&["--timeout", "300", "--event-json", event]);
        command.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
        command
    };
    let coloured = on_terminal(one_shot(&[]));
    assert!(coloured.contains("\x1b[2mSTART RequestId: ") && coloured.contains("\x1b[0m"), "{coloured:?}");
    assert!(coloured.matches("^[[2J").count() == 2 && !coloured.contains("\x1b[2J"), "{coloured:?}");
    for plain in [on_terminal(one_shot(&[("NO_COLOR", "1")])), on_terminal(one_shot(&[("TERM", "dumb")]))] {
        assert!(plain.contains("^[[2J") && !plain.contains('\x1b'), "{plain:?}");
    }
    let output = one_shot(&[]).output().unwrap();
    assert!(!stderr(&output).contains("\x1b[2m"), "{}", stderr(&output));
}

#[test]
fn a_concurrency_is_said_to_the_program() {
    let event = &child::event("variable AWS_LAMBDA_MAX_CONCURRENCY");
    for (options, expected) in [(&["--concurrency", "2"][..], "2"), (&[], "")] {
        let options = [options, &["--timeout", "300", "--event-json", event]].concat();
        let output = emulator(&options).env("AWS_LAMBDA_MAX_CONCURRENCY", "9").output().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(0), expected));
    }
}

#[test]
fn a_line_ready_that_nothing_takes_is_said_to_be_lost_once() {
    let (unread, pipe) = std::io::pipe().unwrap();
    drop(unread);
    for stdout in [Stdio::from(File::create("/dev/full").unwrap()), pipe.into()] {
        let mut command = emulator(&["--listen", "127.0.0.1:0", "--timeout", "300"]);
        let mut emulator = Started::new(command.stdout(stdout).stderr(Stdio::piped()));
        let mut stderr = emulator.stderr();
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        let lost = "lambwire-emulator: cannot write to standard output, and what is printed there is lost: ";
        assert!(said.starts_with(lost), "{said}");
        emulator.signal(Signal::TERM);
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(said.matches(lost).count(), 1, "{said}");
    }
}

#[test]
fn a_line_among_those_of_other_environments_names_its_invocation() {
    let event = child::event("print hello");
    for (environments, is_marked) in [("1", false), ("2", true)] {
        let options = ["--environments", environments, "--timeout", "300", "--event-json", &event];
        let output = emulator(&options).output().unwrap();
        let said = stderr(&output);
        let id = said.split_once("START RequestId: ").and_then(|(_, rest)| rest.get(..8)).unwrap();
        let expected = if is_marked { format!("[{id}] hello") } else { "hello".to_owned() };
        assert!(said.lines().any(|line| line == expected), "{said}");
    }
}

#[test]
fn every_line_may_be_an_object_that_names_its_invocation() {
    let event = child::event(r#"print {"a":1}"#);
    let output = emulator(&["--log-format", "json", "--timeout", "300", "--event-json", &event]).output().unwrap();
    let lines: Vec<serde_json::Value> =
        stderr(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let find = |kind: &str| lines.iter().find(|line| line["type"] == kind).unwrap();
    let id = &find("platform.start")["record"]["requestId"];
    assert!(id.is_string());
    assert_eq!(find("platform.report")["record"]["requestId"], *id);
    assert_eq!(find("platform.runtimeDone")["record"]["status"], "success");
    assert_eq!(find("platform.initReport")["record"]["status"], "success");
    let printed = lines.iter().find(|line| line["record"]["a"] == 1).unwrap();
    assert_eq!(printed["requestId"], *id);
    let output = with_program(&["--log-format", "json", "--event-json", "{}"], "false").output().unwrap();
    let lines: Vec<serde_json::Value> =
        stderr(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["time"].as_str().unwrap().ends_with('Z')), "{lines:?}");
    assert!(lines.iter().any(|line| line["type"] == "emulator" && line["level"] == "ERROR"), "{lines:?}");
}

#[test]
fn a_program_that_is_started_again_because_it_has_changed_is_said_to_be() {
    let directory = std::env::temp_dir().join(format!("lambwire-said-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let option = format!("--watch={}", directory.display());
    let mut command = emulator(&["--listen", "0", "--timeout", "300", &option]);
    let mut emulator = Started::new(command.stdout(Stdio::null()).stderr(Stdio::piped()));
    let lines = emulator.stderr().lines().map_while(Result::ok);
    let said = std::thread::spawn(move || {
        let mut lines = lines;
        lines.any(|line| line == "lambwire-emulator: the program has changed, and is started again")
    });
    // The first look may come later than the first change.
    let mut count = 0;
    while !said.is_finished() {
        count += 1;
        std::fs::write(directory.join("app.py"), format!("{count}")).unwrap();
        sleep(Duration::from_millis(1500));
    }
    assert!(said.join().unwrap());
    std::fs::remove_dir_all(directory).unwrap();
}

#[test]
fn help_lists_the_exit_status_and_examples() {
    let output = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator")).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    for part in ["Examples:", "Exit status:", "--event-json", "--concurrency <N>", "ready {"] {
        assert!(stdout(&output).contains(part), "{part}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_server_outlives_its_terminal_if_it_is_to() {
    let mut emulator = serve("--ignore-signal=HUP");
    emulator.process.signal(Signal::HUP);
    assert_eq!(post(emulator.address(), INVOKE, &[], b"1").text(), "1");
    emulator.process.signal(Signal::TERM);
    assert_eq!(emulator.process.end().code(), Some(143));
}

#[test]
fn who_waits_for_a_pipe_hears_a_signal() {
    let path = fifo("signal-pipe");
    let name = path.to_str().unwrap();
    for options in [&["--env-file", name, "--", "true"][..], &["--config", name]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
        command.args(["--listen", "127.0.0.1:0"]).args(options).stdout(Stdio::null());
        let mut emulator = Started::new(&mut command);
        // Once this is open, the emulator reads.
        let _writer = File::options().write(true).open(&path).unwrap();
        emulator.signal(Signal::TERM);
        assert_eq!(emulator.end().code(), Some(143), "{options:?}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn variables_come_through_standard_input() {
    let mut command = emulator(&["--timeout", "300", "--env-file", "/dev/stdin", "--event-json", r#""variable A""#]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"A=piped\n").unwrap();
    assert_eq!(stdout(&child.wait_with_output().unwrap()), "piped");
}

/// An emulator that serves, with signals as this option of `env` has them.
fn serve(signals: &str) -> Served {
    let mut env = Command::new("env");
    env.arg(signals);
    Served::new(started_by(env, &emulator(&["--listen", "127.0.0.1:0", "--timeout", "300"])).stderr(Stdio::null()))
}

#[test]
fn a_server_says_where_it_listens_and_ends_with_a_signal_and_its_program_with_it() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        // Whoever runs this may ignore some of them.
        let mut emulator = serve("--default-signal=TERM,INT,HUP");
        let pid = post(emulator.address(), INVOKE, &[], b"\"pid\"").text().to_owned();
        let api = post(emulator.address(), INVOKE, &[], b"\"variable AWS_LAMBDA_RUNTIME_API\"");
        assert_eq!(api.text(), emulator.ready["runtime_api"].as_str().unwrap());
        emulator.process.signal(signal);
        assert_eq!(emulator.process.end().code(), Some(status));
        assert!(!std::path::Path::new("/proc").join(pid).exists());
        let mut rest = String::new();
        emulator.stdout.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("START RequestId: ") && rest.contains("\nREPORT RequestId: "), "{rest}");
    }
}
