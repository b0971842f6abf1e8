//! A runtime in a process of its own: this test binary, run again.

use std::env;
use std::io::Write;
use std::process::{Command, exit};
use std::thread;

use lambwire::limits::PAYLOAD_BYTES;
use rustix::process::Signal;

use crate::patience::wait_until;
use crate::peer::Peer;
use crate::wire::Wire;

/// Says that this process is to be a runtime, and how it starts.
const ROLE: &str = "LAMBWIRE_TEST_RUNTIME";

/// What it reports if it cannot start, in place of the usual.
pub(crate) const REPORT: &str = "LAMBWIRE_TEST_REPORT";

pub(crate) const INIT_REPORT: &str = r#"{"errorType":"Runtime.NoSuchThing","errorMessage":"nothing here"}"#;

/// A program that asks for events and does what they say.
pub(crate) fn runtime() -> Command {
    role("serve")
}

/// A program that takes as many events at a time as it may, on as many connections.
pub(crate) fn concurrent_runtime() -> Command {
    role("serve-concurrent")
}

/// A program that reports that it cannot start, and ends.
pub(crate) fn init_error() -> Command {
    role("init-error")
}

/// A program that reports that it cannot start, and stays.
pub(crate) fn init_error_that_stays() -> Command {
    role("init-error-stay")
}

/// A program that reports that it cannot start, and asks for events all the same.
pub(crate) fn init_error_that_asks() -> Command {
    role("init-error-ask")
}

/// A program that waits to be restored from a snapshot before it asks for events.
pub(crate) fn snapshot() -> Command {
    role("snapshot")
}

/// A program of no language that Lambda has.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn role(role: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments()).env(ROLE, role);
    command
}

/// An event that tells a runtime what to do, as JSON.
pub(crate) fn event(words: &str) -> String {
    serde_json::to_string(words).unwrap()
}

/// What makes this binary be nothing but a runtime.
pub(crate) fn arguments() -> [&'static str; 4] {
    // With one thread, as on one processor, the name of the test begins the first line that the runtime prints.
    ["--exact", "child::plays_the_runtime_when_asked", "--nocapture", "--test-threads=2"]
}

/// The variable that does, with its value.
pub(crate) fn variable() -> (&'static str, &'static str) {
    (ROLE, "serve")
}

#[test]
fn plays_the_runtime_when_asked() {
    let Ok(role) = env::var(ROLE) else { return };
    let api = env::var("AWS_LAMBDA_RUNTIME_API").unwrap();
    let mut peer = Peer::connect(api.parse().unwrap());
    match role.as_str() {
        "serve" => serve(&mut peer),
        "snapshot" => {
            assert_eq!(peer.restore_next().status, 200);
            serve(&mut Peer::connect(api.parse().unwrap()));
        }
        "restore-error" => {
            assert_eq!(peer.restore_next().status, 200);
            peer.fail_to_restore(INIT_REPORT.as_bytes());
            exit(1)
        }
        "restore-exit" => {
            assert_eq!(peer.restore_next().status, 200);
            exit(1)
        }
        "serve-concurrent" => {
            let n = env::var("AWS_LAMBDA_MAX_CONCURRENCY").unwrap().parse().unwrap();
            thread::scope(|scope| {
                for _ in 0..n {
                    scope.spawn(|| serve(&mut Peer::connect(api.parse().unwrap())));
                }
            });
        }
        role => {
            let report = env::var(REPORT).unwrap_or_else(|_| INIT_REPORT.to_owned());
            peer.fail_to_start(report.as_bytes());
            match role {
                "init-error" => exit(1),
                "init-error-ask" => peer.ask_next(),
                _ => {}
            }
            hang();
        }
    }
}

fn serve(peer: &mut Peer) {
    loop {
        // Sent away, the runtime ends.
        let given = peer.try_next().unwrap_or_else(|_| exit(1));
        let event = String::from_utf8(given.event).unwrap();
        // Over HTTP, and on the command line, it is JSON.
        let words = serde_json::from_str(&event).unwrap_or_else(|_| event.clone());
        let (kind, rest) = words.split_once(' ').unwrap_or((&words, ""));
        match kind {
            "exit" => exit(rest.parse().unwrap()),
            "abort" => std::process::abort(),
            "hang" => hang(),
            "kill" => rustix::process::kill_process(rustix::process::getpid(), Signal::KILL).unwrap(),
            "partial" => {
                let head = format!("POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\n", given.id);
                peer.stream.write_all(format!("{head}Content-Length: 9\r\n\r\nhalf").as_bytes()).unwrap();
                exit(1);
            }
            "badmode" => {
                let head = format!("POST /2018-06-01/runtime/invocation/{}/response HTTP/1.1\r\nHost: x\r\n", given.id);
                let mode = "Lambda-Runtime-Function-Response-Mode: none\r\nContent-Length: 0\r\n\r\n";
                assert_eq!(Wire(peer.stream.try_clone().unwrap()).exchange(head + mode).status, 400);
                exit(1);
            }
            "oversize-error" => {
                let head = format!("POST /2018-06-01/runtime/invocation/{}/error HTTP/1.1\r\nHost: x\r\n", given.id);
                let body = "x".repeat(usize::try_from(PAYLOAD_BYTES).unwrap() + 1);
                let mut wire = Wire(peer.stream.try_clone().unwrap());
                assert_eq!(wire.exchange(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).status, 413);
                exit(1);
            }
            "complain" => {
                eprintln!("{rest}");
                peer.fail(&given.id, rest.as_bytes());
            }
            "fail" => drop(peer.fail(&given.id, rest.as_bytes())),
            "variable" => drop(peer.respond(&given.id, env::var(rest).unwrap_or_default().as_bytes())),
            "regions" => {
                let variable = |name| env::var(name).unwrap_or_default();
                let arn = given.function_arn.unwrap();
                let regions =
                    [&variable("AWS_REGION"), &variable("AWS_DEFAULT_REGION"), arn.split(':').nth(3).unwrap()];
                peer.respond(&given.id, regions.join(" ").as_bytes());
            }
            "print" => {
                println!("{rest}");
                peer.respond(&given.id, rest.as_bytes());
            }
            "meet" => {
                let path = std::path::Path::new(rest);
                std::fs::write(path, "").unwrap();
                wait_until("the others", || path.with_file_name("go").exists());
                peer.respond(&given.id, std::process::id().to_string().as_bytes());
            }
            "pid" => drop(peer.respond(&given.id, std::process::id().to_string().as_bytes())),
            "last" => {
                peer.respond(&given.id, rest.as_bytes());
                exit(0);
            }
            "shell" => {
                let status = Command::new("sh").args(["-c", rest]).status().unwrap();
                peer.respond(&given.id, status.to_string().as_bytes());
            }
            "stay" => {
                peer.respond(&given.id, rest.as_bytes());
                hang();
            }
            _ => drop(peer.respond(&given.id, event.as_bytes())),
        }
    }
}

fn hang() -> ! {
    loop {
        thread::park();
    }
}
