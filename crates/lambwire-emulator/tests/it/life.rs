//! The life of environments: snapshots, freezing, what is changed while they run, and when they begin.

use std::io::{BufRead, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use lambwire_emulator::{Answer, Console, Emulator, Event, Freeze, Outcome, Running};

use crate::child;
use crate::freeze::{SUBJECTS, subject_command, wait_until_frozen};
use crate::library::quiet;
use crate::patience::{AMPLE, wait_until};
use crate::peer::{Peer, accepted, said};
use crate::started::{Served, Started, started_by};
use crate::wire::{INVOKE, post};

fn emulator(command: Command) -> Emulator {
    Emulator::new(command).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE)
}

fn text(answer: &Answer) -> &str {
    str::from_utf8(&answer.body).unwrap()
}

#[test]
fn a_snapshot_is_restored_for_the_first_caller() {
    let emulator = quiet().snap_start().start().unwrap();
    thread::scope(|scope| {
        let answer = scope.spawn(|| emulator.invoke_blocking(Event::new("{}").log_tail()).unwrap());
        let mut peer = Peer::connect(emulator.runtime_api());
        assert_eq!(peer.restore_next(), said(200, ""));
        let given = peer.next();
        assert_eq!(peer.respond(&given.id, b"done"), accepted());
        peer.ask_next();
        let answer = answer.join().unwrap();
        assert_eq!(answer.body, b"done");
        let tail = String::from_utf8(answer.log_tail.unwrap()).unwrap();
        assert!(tail.contains("\tRestore Duration: ") && !tail.contains("Init Duration"), "{tail}");
    });
}

#[test]
fn a_connection_need_not_outlive_a_snapshot() {
    let emulator = quiet().snap_start().freeze(Freeze::Connections).start().unwrap();
    thread::scope(|scope| {
        let answer = scope.spawn(|| emulator.invoke_blocking(Event::new("{}")).unwrap());
        let mut peer = Peer::connect(emulator.runtime_api());
        assert_eq!(peer.restore_next(), said(200, ""));
        assert_eq!(peer.stream.read(&mut [0]).unwrap(), 0);
        let mut peer = Peer::connect(emulator.runtime_api());
        let given = peer.next();
        assert_eq!(peer.respond(&given.id, b"done"), accepted());
        assert_eq!(answer.join().unwrap().body, b"done");
    });
}

#[test]
fn a_runtime_that_cannot_go_on_from_its_snapshot_fails_the_caller_with_its_report() {
    let emulator = quiet().snap_start().start().unwrap();
    thread::scope(|scope| {
        let answer = scope.spawn(|| emulator.invoke_blocking(Event::new("{}")).unwrap());
        assert_eq!(Peer::connect(emulator.runtime_api()).restore_next(), said(200, ""));
        let mut peer = Peer::connect(emulator.runtime_api());
        assert_eq!(peer.fail_to_restore(br#"{"errorType":"Runtime.AfterRestoreError"}"#), accepted());
        let answer = answer.join().unwrap();
        assert_eq!((answer.outcome, text(&answer)), (Outcome::Failure, r#"{"errorType":"Runtime.AfterRestoreError"}"#));
    });
}

#[test]
fn a_program_stands_still_in_its_snapshot() {
    let directory = env::temp_dir().join(format!("lambwire-snapshot-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("pid");
    let mut command = Command::new("sh");
    // The program takes the place of the shell.
    command.args(["-c", r#"echo $$ > "$0.new"; mv "$0.new" "$0"; exec "$@""#]).arg(&file);
    let emulator = emulator(started_by(command, &child::snapshot())).snap_start().start().unwrap();
    wait_until("its start", || file.exists());
    let pid = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    wait_until_frozen(pid);
    let answer = emulator.invoke_blocking(Event::new("pid")).unwrap();
    assert_eq!(text(&answer), pid.to_string());
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn nobody_asks_to_be_restored_without_snap_start() {
    let emulator = quiet().start().unwrap();
    let mut peer = Peer::connect(emulator.runtime_api());
    assert_eq!(peer.restore_next().status, 404);
    assert_eq!(peer.fail_to_restore(b"{}").status, 404);
}

#[test]
fn what_has_nothing_to_do_is_frozen_and_goes_on_for_the_next_caller() {
    let emulator = emulator(child::runtime()).freeze(Freeze::Processes).start().unwrap();
    let mut pids = Vec::new();
    for _ in 0..3 {
        let answer = emulator.invoke_blocking(Event::new("pid")).unwrap();
        let pid = text(&answer).parse().unwrap();
        wait_until_frozen(pid);
        pids.push(pid);
    }
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
}

#[test]
fn runtimes_that_lose_their_connections_while_they_are_frozen_get_the_next_event_all_the_same() {
    for subject in SUBJECTS {
        let emulator = emulator(subject_command(subject)).freeze(Freeze::Connections).start().unwrap();
        for event in ["1", "2", "3"] {
            let answer = emulator.invoke_blocking(Event::new(event)).unwrap();
            assert_eq!((answer.outcome, text(&answer)), (Outcome::Success, event), "{subject}");
        }
    }
}

#[test]
fn a_program_that_has_changed_is_started_again() {
    let directory = env::temp_dir().join(format!("lambwire-changed-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let emulator = emulator(child::runtime()).watch(&directory).start().unwrap();
    let pid = |emulator: &Running| text(&emulator.invoke_blocking(Event::new("pid")).unwrap()).to_owned();
    let first = pid(&emulator);
    for count in 0.. {
        // The first look may come later than the first change.
        fs::write(directory.join("app.py"), count.to_string()).unwrap();
        thread::sleep(2 * std::time::Duration::from_millis(750));
        if pid(&emulator) != first {
            break;
        }
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_program_that_changes_while_it_has_an_event_is_started_again_afterwards() {
    let directory = env::temp_dir().join(format!("lambwire-changed-amid-{}", std::process::id()));
    let (watched, met) = (directory.join("watched"), directory.join("met"));
    fs::create_dir_all(&watched).unwrap();
    let emulator = emulator(child::runtime()).watch(&watched).start().unwrap();
    let pid = |event: String| text(&emulator.invoke_blocking(Event::new(event)).unwrap()).to_owned();
    thread::scope(|scope| {
        let first = scope.spawn(|| pid(format!("meet {}", met.display())));
        wait_until("the event", || met.exists());
        // Time for the first look, and for the change to be seen; with less, this proves less.
        for text in ["1", "2"] {
            thread::sleep(2 * std::time::Duration::from_millis(750));
            fs::write(watched.join("app.py"), text).unwrap();
        }
        thread::sleep(2 * std::time::Duration::from_millis(750));
        fs::write(directory.join("go"), "").unwrap();
        let first = first.join().unwrap();
        wait_until("another process", || pid("pid".to_owned()) != first);
    });
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_program_is_started_again_with_the_variables_that_a_file_has_by_then() {
    let file = env::temp_dir().join(format!("lambwire-variables-changed-{}", std::process::id()));
    fs::write(&file, "A=before\nB=1\n").unwrap();
    // What is watched beside it never changes.
    let emulator = emulator(child::runtime()).env_file(&file).env("C", "named").watch("/dev/null").start().unwrap();
    let variable = |name: &str| {
        let answer = emulator.invoke_blocking(Event::new(format!("variable {name}"))).unwrap();
        text(&answer).to_owned()
    };
    assert_eq!(["A", "B", "C"].map(variable), ["before", "1", "named"]);
    for count in 0.. {
        // The first look may come later than the first change.
        fs::write(&file, format!("A=after\nC=file\n#{count}")).unwrap();
        thread::sleep(2 * std::time::Duration::from_millis(750));
        if variable("A") == "after" {
            break;
        }
    }
    assert_eq!(["B", "C"].map(variable), ["", "named"]);
    // A mistake is for whoever calls next to see, and for the next change to mend.
    fs::write(&file, "A\n").unwrap();
    wait_until("the mistake", || variable("A").contains("line 1 of "));
    fs::write(&file, "A=mended\n").unwrap();
    wait_until("the next change", || variable("A") == "mended");
    fs::remove_file(file).unwrap();
}

/// A pipe of this name, which has to be removed.
pub(crate) fn fifo(name: &str) -> PathBuf {
    let path = env::temp_dir().join(format!("lambwire-{name}-{}", std::process::id()));
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn variables_that_came_through_a_pipe_stay_and_a_file_that_has_become_one_is_named() {
    let path = fifo("variables-pipe");
    let writing = path.clone();
    let writer = thread::spawn(move || fs::write(writing, "A=piped\n").unwrap());
    let emulator = emulator(child::runtime()).env_file(&path).start().unwrap();
    writer.join().unwrap();
    let invoke = |event: &str| emulator.invoke_blocking(Event::new(event)).unwrap();
    for _ in 0..2 {
        assert_eq!(text(&invoke("variable A")), "piped");
        invoke("exit 1");
    }
    fs::remove_file(&path).unwrap();

    fs::write(&path, "A=1\n").unwrap();
    let emulator = self::emulator(child::runtime()).env_file(&path).start().unwrap();
    let invoke = |event: &str| emulator.invoke_blocking(Event::new(event)).unwrap();
    assert_eq!(text(&invoke("variable A")), "1");
    fs::remove_file(&path).unwrap();
    let path = fifo("variables-pipe");
    invoke("exit 1");
    let answer = invoke("variable A");
    assert!(text(&answer).contains("it is no file any more"), "{}", text(&answer));
    fs::remove_file(path).unwrap();
}

#[test]
fn a_program_may_be_started_for_the_first_caller() {
    let nowhere = || emulator(Command::new("/nonexistent/bootstrap"));
    assert!(nowhere().start().is_err());
    let answer = nowhere().start_when_called().start().unwrap().invoke_blocking(Event::new("{}")).unwrap();
    assert!(text(&answer).contains("Runtime.InvalidEntrypoint"), "{}", text(&answer));
}

#[test]
fn without_a_time_out_a_runtime_has_a_deadline_all_the_same() {
    let emulator = quiet().without_timeout().start().unwrap();
    let answer = crate::library::invoke_with(&emulator, Event::new("{}"), |peer| {
        let given = peer.next();
        assert!(given.deadline_ms.is_some());
        peer.respond(&given.id, b"{}");
    });
    assert_eq!(answer.outcome, Outcome::Success);
}

fn program(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(options).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

#[test]
fn without_a_program_it_says_what_to_export_and_serves_who_comes() {
    let options = [
        "--listen",
        "127.0.0.1:0",
        "--runtime-api",
        "127.0.0.1:0",
        "--timeout",
        "off",
        "--handler",
        "it's",
        "--env",
        "A=b",
    ];
    let mut emulator = Served::new(&mut program(&options));
    let address = emulator.address();
    let api = emulator.ready["runtime_api"].as_str().unwrap().to_owned();
    let mut lines = emulator.stdout.by_ref().lines();
    let mut expected = vec![format!("export AWS_LAMBDA_RUNTIME_API='{api}'"), r"export _HANDLER='it'\''s'".to_owned()];
    expected.push("export A='b'".to_owned());
    expected.push("unset AWS_LAMBDA_MAX_CONCURRENCY".to_owned());
    while !expected.is_empty() {
        let line = lines.next().unwrap().unwrap();
        expected.retain(|expected| *expected != line);
    }
    let mut peer = Peer::connect(api.parse().unwrap());
    thread::scope(|scope| {
        let answer = scope.spawn(|| post(address, INVOKE, &[], b"1"));
        let given = peer.next();
        peer.respond(&given.id, &given.event);
        assert_eq!(answer.join().unwrap().text(), "1");
    });
}

#[test]
fn a_start_that_fails_or_takes_long_is_reported() {
    let lines = |options: &[&str], script: &str| {
        let output = program(options).args(["--event-json", "{}", "--", "sh", "-c", script]).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let crashed = lines(&["--timeout", "300"], "exit 3");
    assert!(crashed.contains("\tPhase: init\tStatus: error\tError Type: Runtime.ExitError\n"), "{crashed}");
    let late = lines(&["--timeout", "0.01", "--init-timeout", "0.02"], "sleep 1000");
    assert!(late.contains("\tPhase: init\tStatus: timeout\n"), "{late}");
    let serve = |script: &str| {
        let mut command = program(&["--listen", "127.0.0.1:0", "--", "sh", "-c", script]);
        Started::new(command.stdout(Stdio::null()).stderr(Stdio::piped()))
    };
    let mut slow = serve("sleep 1000");
    let said = " s ago, has not asked for an event yet; a runtime finds where by AWS_LAMBDA_RUNTIME_API";
    let mut told = slow.stderr().lines().map_while(Result::ok).filter_map(|line| {
        let (_, seconds) = line.strip_suffix(said)?.split_once("sh: started ")?;
        seconds.parse::<u64>().ok()
    });
    // The time that has passed, which on a busy machine may be more.
    assert!(told.next().is_some_and(|seconds| seconds >= 3));
    // One that has ended is not waited for.
    let mut ended_early = serve("exit 3");
    let mut stderr = ended_early.stderr();
    thread::sleep(Duration::from_secs(4));
    drop(ended_early);
    let mut ended = String::new();
    stderr.read_to_string(&mut ended).unwrap();
    assert!(!ended.contains("has not asked"), "{ended}");
}

#[test]
#[cfg(target_os = "linux")]
fn memory_of_a_process_that_has_ended_is_reported() {
    let (key, value) = child::variable();
    let reported_mb = |seconds: u32| -> u32 {
        // What has no end of a line is kept whole.
        let event = child::event(&format!("shell (head -c 67108864 /dev/zero; sleep {seconds}) | tail >/dev/null"));
        let mut command = program(&["--timeout", "300", "--event-json", &event, "--"]);
        command.arg(env::current_exe().unwrap()).args(child::arguments()).env(key, value);
        let lines = String::from_utf8(command.output().unwrap().stderr).unwrap();
        let used = lines.split_once("Max Memory Used: ").unwrap_or_else(|| panic!("{lines}")).1;
        used.split(' ').next().unwrap().parse().unwrap()
    };
    // On a busy machine it may be gone before the emulator has looked.
    assert!([1, 4, 16, 64].into_iter().any(|seconds| reported_mb(seconds) >= 64));
}

#[test]
fn a_runtime_that_takes_no_part_in_snapshots_is_named() {
    let (key, value) = child::variable();
    let event = child::event("variable AWS_LAMBDA_INITIALIZATION_TYPE");
    let mut command = program(&["--snap-start", "--timeout", "300", "--event-json", &event]);
    command.arg("--").arg(env::current_exe().unwrap()).args(child::arguments()).env(key, value);
    let output = command.output().unwrap();
    assert_eq!(str::from_utf8(&output.stdout), Ok("snap-start"));
    let lines = String::from_utf8(output.stderr).unwrap();
    assert!(lines.contains("LABEL com.amazonaws.lambda.feature.snapstart=\"Allow\""), "{lines}");
}
