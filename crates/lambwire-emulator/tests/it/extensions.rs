//! Extensions, in processes of their own and in the runtime's, and what else they and the function may ask.

use std::io::BufRead;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Stdio, exit};
use std::{env, fs, thread};

use lambwire_emulator::{Console, Emulator, Event, Outcome, Running};

use crate::child;
use crate::library::{invoke_with, quiet};
use crate::patience::AMPLE;
use crate::started::Served;
use crate::wire::{Answered, INVOKE, Wire, post};

/// The file for what an extension hears; its place says that this process is to be one.
const HEARD: &str = "LAMBWIRE_TEST_EXTENSION_HEARD";

/// Says that it cannot start, and what it does then.
const FAILS: &str = "LAMBWIRE_TEST_EXTENSION_FAILS";

fn register(wire: &mut Wire, name: &str, body: &str) -> Answered {
    wire.exchange(format!(
        "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: {name}\r\n\
         Lambda-Extension-Accept-Feature: accountId\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn ask_for_event(id: &str) -> String {
    format!("GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {id}\r\n\r\n")
}

#[test]
fn plays_the_extension_when_asked() {
    let Ok(heard) = env::var(HEARD) else { return };
    let address: SocketAddr = env::var("AWS_LAMBDA_RUNTIME_API").unwrap().parse().unwrap();
    let mut wire = Wire::connect(address);
    let tell = |line: &str| {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&heard).unwrap();
        std::io::Write::write_all(&mut file, format!("{line}\n").as_bytes()).unwrap();
    };
    assert!(env::var_os("_HANDLER").is_none());
    let registered = register(&mut wire, "watcher", r#"{"events":["INVOKE","SHUTDOWN"]}"#);
    assert_eq!(registered.status, 200, "{}", registered.text());
    tell("registered");
    let id = registered.header("lambda-extension-identifier").unwrap().to_owned();
    if let Ok(fate) = env::var(FAILS)
        && !fs::read_to_string(&heard).unwrap().contains("failed")
    {
        let report = r#"{"errorMessage":"no key","errorType":"X"}"#;
        let said = wire.exchange(format!(
            "POST /2020-01-01/extension/init/error HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {id}\r\n\
             Lambda-Extension-Function-Error-Type: Extension.NoKey\r\nContent-Length: {}\r\n\r\n{report}",
            report.len()
        ));
        assert_eq!(said.status, 202);
        match fate.as_str() {
            "exits" => exit(1),
            "exits once" => {
                tell("failed");
                exit(1);
            }
            _ => loop {
                thread::park();
            },
        }
    }
    loop {
        let event: serde_json::Value = serde_json::from_slice(&wire.exchange(ask_for_event(&id)).body).unwrap();
        match event["eventType"].as_str().unwrap() {
            "SHUTDOWN" => {
                assert!(event["deadlineMs"].as_u64().is_some());
                tell(&format!("SHUTDOWN {}", event["shutdownReason"].as_str().unwrap()));
                exit(0);
            }
            _ => {
                assert_eq!(event["tracing"]["type"], "X-Amzn-Trace-Id");
                tell(&format!("INVOKE {}", event["requestId"].as_str().unwrap()));
            }
        }
        if env::var_os("LAMBWIRE_TEST_EXTENSION_CRASHES").is_some() {
            exit(7);
        }
    }
}

/// A directory with an extension in it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("lambwire-extensions-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("bin")).unwrap();
        let directory = Self(path);
        let program = env::current_exe().unwrap();
        let arguments = "--exact extensions::plays_the_extension_when_asked --nocapture";
        directory.add("watcher", &format!("exec {} {arguments}", program.display()));
        directory
    }

    /// Has an extension be this script.
    pub(crate) fn add(&self, name: &str, script: &str) {
        let path = self.bin().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    /// Where extensions are.
    pub(crate) fn bin(&self) -> PathBuf {
        self.0.join("bin")
    }

    fn heard(&self) -> PathBuf {
        self.0.join("heard")
    }

    fn read(&self) -> String {
        fs::read_to_string(self.heard()).unwrap_or_default()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The emulator is a process of its own, so that its extensions have an environment of their own.
fn run(directory: &Directory, options: &[&str], event: &str) -> std::process::Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(["--extensions", directory.bin().to_str().unwrap()]);
    command
        .args(options)
        .args(["--event-json", &child::event(event), "--"])
        .arg(env::current_exe().unwrap())
        .args(child::arguments());
    let (key, value) = child::variable();
    command.env(key, value).env(HEARD, directory.heard());
    command.output().unwrap()
}

#[test]
fn an_extension_hears_of_every_invocation_and_of_the_end() {
    let directory = Directory::new("heard");
    let output = run(&directory, &["--timeout", "300"], "hello");
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"\"hello\""[..]), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    let id = log.split("START RequestId: ").nth(1).unwrap().split(' ').next().unwrap();
    assert_eq!(directory.read(), format!("registered\nINVOKE {id}\nSHUTDOWN spindown\n"));
}

#[test]
fn an_extension_hears_of_a_time_out() {
    let directory = Directory::new("timeout");
    let output = run(&directory, &["--timeout", "2", "--init-timeout", "300"], "hang");
    assert_eq!(output.status.code(), Some(1));
    assert!(directory.read().ends_with("SHUTDOWN timeout\n"), "{}", directory.read());
}

#[test]
fn an_extension_that_ends_fails_the_caller() {
    let directory = Directory::new("crash");
    let options = ["--timeout", "300", "--env", "LAMBWIRE_TEST_EXTENSION_CRASHES=1"];
    let output = run(&directory, &options, "hang");
    assert_eq!(output.status.code(), Some(1));
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.starts_with(r#"{"errorType":"Extension.Crash","errorMessage":"RequestId: "#), "{answer}");
    assert!(answer.ends_with(r#" Error: exit status 7"}"#), "{answer}");
}

#[test]
fn an_extension_that_cannot_start_fails_the_caller_whether_it_ends_or_not() {
    for fate in ["stays", "exits"] {
        let directory = Directory::new(fate);
        let variable = format!("{FAILS}={fate}");
        let output = run(&directory, &["--timeout", "300", "--env", &variable], "{}");
        assert_eq!(output.status.code(), Some(1), "{fate}");
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(answer.starts_with(r#"{"errorType":"Extension.InitError","errorMessage":"RequestId: "#), "{answer}");
        assert!(answer.ends_with(r#" Error: extension watcher: Extension.NoKey: no key"}"#), "{answer}");
        let said = String::from_utf8(output.stderr).unwrap();
        for part in [
            "lambwire-emulator: extension watcher has failed: Extension.NoKey: no key\n",
            "\tPhase: init\tStatus: error\tError Type: Extension.InitError\n",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
}

#[test]
fn who_comes_after_an_extension_that_could_not_start_has_it_started_again() {
    let directory = Directory::new("once");
    let program = env::current_exe().unwrap();
    let arguments = "--exact extensions::plays_the_extension_when_asked --nocapture";
    let variables = format!("{FAILS}='exits once' {HEARD}={}", directory.heard().display());
    directory.add("watcher", &format!("{variables} exec {} {arguments}", program.display()));
    let emulator = Emulator::new(child::runtime()).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE);
    let emulator = emulator.extensions(directory.bin()).unwrap().start_when_called().start().unwrap();
    let invoke = || emulator.invoke_blocking(Event::new("1")).unwrap();
    let failed = String::from_utf8(invoke().body).unwrap();
    assert!(failed.starts_with(r#"{"errorType":"Extension.InitError""#), "{failed}");
    assert_eq!(invoke().body, b"1");
    assert!(directory.read().starts_with("registered\nfailed\nregistered\n"), "{}", directory.read());
}

#[test]
fn an_extension_in_the_process_that_cannot_start_fails_whoever_waits() {
    let emulator = quiet().start().unwrap();
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        let mut wire = Wire::connect(emulator.runtime_api());
        let registered = register(&mut wire, "inside", "{}");
        let id = registered.header("lambda-extension-identifier").unwrap().to_owned();
        peer.next();
        let said = wire.exchange(format!(
            "POST /2020-01-01/extension/init/error HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {id}\r\n\
             Lambda-Extension-Function-Error-Type: Extension.NoKey\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(said.status, 202);
    });
    let body = String::from_utf8(answer.body).unwrap();
    assert!(body.ends_with(r#" Error: extension inside: Extension.NoKey"}"#), "{body}");
}

#[test]
fn an_extension_that_fails_beside_a_program_of_somebody_else_is_started_again_for_a_caller() {
    let directory = Directory::new("failing");
    directory.add("watcher", &format!("echo tried >>{}; exit 7", directory.heard().display()));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(["--listen", "0", "--runtime-api", "0", "--extensions", directory.bin().to_str().unwrap()]);
    let mut emulator = Served::new(command.env_remove("RUST_LOG").stderr(Stdio::piped()));
    let address = emulator.address();
    let mut errors = emulator.process.stderr().lines().map_while(Result::ok);
    assert!(errors.any(|line| line.ends_with("exit status 7; the next caller has it started again")));
    for tries in 2..5 {
        let answer = post(address, INVOKE, &[], b"{}");
        assert!(answer.text().starts_with(r#"{"errorType":"Extension.Crash""#), "{}", answer.text());
        assert_eq!(directory.read().lines().count(), tries);
    }
}

#[test]
fn extensions_register_anew_after_a_start_whose_program_was_missing() {
    let directory = Directory::new("missing");
    let program = directory.0.join("program");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(["--listen", "0", "--timeout", "300", "--extensions", directory.bin().to_str().unwrap(), "--"]);
    let (key, value) = child::variable();
    command.arg(&program).env(key, value).env(HEARD, directory.heard()).env_remove("RUST_LOG");
    let mut emulator = Served::new(command.stderr(Stdio::piped()));
    let address = emulator.address();
    let mut errors = emulator.process.stderr().lines().map_while(Result::ok);
    assert!(errors.any(|line| line.contains("cannot start ") && line.contains("No such file")));
    let invoke = || post(address, INVOKE, &[], b"{}");
    let failed = invoke();
    assert!(failed.text().starts_with(r#"{"errorType":"Runtime.InvalidEntrypoint""#), "{}", failed.text());
    let runtime = [&[env::current_exe().unwrap().to_str().unwrap()][..], &child::arguments()].concat().join(" ");
    fs::write(&program, format!("#!/bin/sh\nexec {runtime}\n")).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    // What the starts before have told is another matter.
    let _ = fs::remove_file(directory.heard());
    assert_eq!(invoke().text(), "{}");
    assert!(directory.read().starts_with("registered\n"), "{}", directory.read());
}

#[test]
fn an_extension_that_cannot_be_run_is_named() {
    let directory = Directory::new("unfit");
    let path = directory.0.join("bin/watcher");
    for (text, mode, reason) in [
        ("#!/bin/sh\n", 0o644, "it is not executable"),
        ("#!/bin/sh\r\n", 0o755, ": its lines end in CR LF"),
        ("no program", 0o755, "neither an ELF executable nor a script"),
    ] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let at_once = run(&directory, &[], "{}");
        let said = String::from_utf8(at_once.stderr).unwrap();
        let expected = format!("lambwire-emulator: cannot start the extension {}: ", path.display());
        assert!(
            at_once.status.code() == Some(2) && said.starts_with(&expected) && said.contains(reason),
            "{text:?}: {said}"
        );
        let called = run(&directory, &["--start", "call"], "{}");
        let answer = String::from_utf8(called.stdout).unwrap();
        let report = r#"{"errorType":"Extension.LaunchError","errorMessage":"RequestId: "#;
        let reason = format!("Error: fork/exec {}: ", path.display());
        assert!(answer.starts_with(report) && answer.contains(&reason), "{text:?}: {answer}");
    }
}

#[test]
fn an_extension_that_has_not_registered_is_named() {
    let directory = Directory::new("awaited");
    let path = directory.bin().join("watcher");
    directory.add("watcher", "sleep 300");
    let output = run(&directory, &["--timeout", "0.1", "--init-timeout", "0.1"], "{}");
    let said = String::from_utf8(output.stderr).unwrap();
    let named = format!("lambwire-emulator: extension {}: started ", path.display());
    assert!(
        said.lines().any(|line| line.starts_with(&named) && line.ends_with(" s ago, has not registered as watcher")),
        "{said}"
    );
}

#[test]
fn an_extension_that_registers_by_another_name_than_its_file_s_is_told_that() {
    let directory = Directory::new("renamed");
    let [one, other] = ["watcher", "watcher.sh"].map(|name| directory.bin().join(name));
    fs::rename(one, other).unwrap();
    let output = run(&directory, &["--timeout", "300"], "{}");
    let said = String::from_utf8(output.stderr).unwrap();
    let told = "lambwire-emulator: an extension registers as watcher, and no file has that name: still to register: \
                watcher.sh\n";
    assert!(said.contains(told), "{said}");
}

#[test]
fn an_extension_in_the_process_hears_of_invocations() {
    let emulator = quiet().name("mine").handler("app.handler").start().unwrap();
    let mut wire = Wire::connect(emulator.runtime_api());
    let registered = register(&mut wire, "inside", r#"{"events":["INVOKE"]}"#);
    let function =
        r#"{"accountId":"012345678912","functionName":"mine","functionVersion":"$LATEST","handler":"app.handler"}"#;
    assert_eq!((registered.status, registered.text()), (200, &*format!("{function}\n")));
    let id = registered.header("lambda-extension-identifier").unwrap().to_owned();
    wire.write(ask_for_event(&id));
    let answer = invoke_with(&emulator, Event::new("e"), |peer| {
        let given = peer.next();
        let heard = wire.read();
        assert!(heard.header("lambda-extension-event-identifier").is_some());
        let event: serde_json::Value = serde_json::from_slice(&heard.body).unwrap();
        assert_eq!((event["eventType"].as_str(), event["requestId"].as_str()), (Some("INVOKE"), Some(&*given.id)));
        assert_eq!(event["deadlineMs"].as_u64(), given.deadline_ms);
        peer.respond(&given.id, b"done");
        // The next one has to wait for the extension.
        wire.write(ask_for_event(&id));
    });
    assert_eq!((answer.outcome, &*answer.body), (Outcome::Success, &b"done"[..]));
}

fn start_program() -> Running {
    let emulator = Emulator::new(child::runtime()).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE);
    emulator.start().unwrap()
}

#[test]
fn a_function_learns_where_it_runs_if_it_shows_its_token() {
    let emulator = Emulator::new(child::runtime()).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE);
    let emulator = emulator.env("AWS_REGION", "eu-central-1").start().unwrap();
    let variable = |name: &str| {
        let answer = emulator.invoke_blocking(Event::new(format!("variable {name}"))).unwrap();
        String::from_utf8(answer.body).unwrap()
    };
    let (address, token) = (variable("AWS_LAMBDA_METADATA_API"), variable("AWS_LAMBDA_METADATA_TOKEN"));
    let path = "/2026-01-15/metadata/execution-environment";
    let ask = |method: &str, token: &str| {
        let mut wire = Wire::connect(address.parse().unwrap());
        wire.exchange(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"))
    };
    let answer = ask("GET", &token);
    assert_eq!((answer.status, answer.text()), (200, r#"{"AvailabilityZoneID":"euc1-az1"}"#));
    assert_eq!(answer.header("Cache-Control"), Some("private, max-age=43200, immutable"));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(ask("GET", "another").status, 401);
    let refused = ask("POST", &token);
    assert_eq!((refused.status, refused.header("Allow")), (405, Some("GET")));
}

#[test]
fn a_program_always_finds_where_its_code_is() {
    let emulator = start_program();
    let answer = emulator.invoke_blocking(Event::new("variable LAMBDA_TASK_ROOT")).unwrap();
    assert!(!answer.body.is_empty());
}
