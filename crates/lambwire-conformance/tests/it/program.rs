use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use rustix::process::{Pid, Signal, kill_process};

/// Long enough for whatever a program is waited for.
const AMPLE: &str = "--timeout=300";

/// The directory of the examples, which are built beside the tests.
fn example(name: &str) -> String {
    let test = std::env::current_exe().unwrap();
    let path: PathBuf = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    path.to_str().unwrap().to_owned()
}

fn kit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lambwire-conformance")).args(args).output().unwrap()
}

/// A port that nobody else gets for as long as the socket is there, and at which nobody listens.
fn unlistened() -> (OwnedFd, SocketAddr) {
    let reserved = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&reserved, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = getsockname(&reserved).unwrap().try_into().unwrap();
    (reserved, address)
}

#[track_caller]
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < Duration::from_secs(300), "{what} never came about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn check(args: &[&str], status: i32, expected: &str) {
    let output = kit(args);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(status), "{text}");
    assert!(text.contains(expected), "{text}");
}

#[test]
fn our_runtime_holds_what_is_tried() {
    check(&["runtime", AMPLE, "--only", "1,4,5,9", "--", &example("echo_mio")], 0, "50/50     20/20");
}

#[test]
fn our_concurrent_runtime_holds_what_is_tried() {
    check(&["runtime", AMPLE, "--only", "8", "--with", "concurrency", "--", &example("echo_smol")], 0, "8/8       2/2");
}

#[test]
fn what_cannot_be_tried_is_skipped() {
    let skipped = "       1\n1 skipped: not asked for: --with concurrency\n";
    check(&["runtime", AMPLE, "--only", "8-1", "--", &example("echo_mio")], 0, skipped);
}

#[test]
fn a_requirement_is_explained() {
    let echo = example("echo_mio");
    check(&["runtime", AMPLE, "--explain", "1-2", "--", &echo], 0, "POST /2018-06-01/runtime/invocation/");
    check(&["runtime", AMPLE, "--explain", "1-2", "--", &echo], 0, "held:");
}

#[test]
fn a_runtime_that_ends_is_reported() {
    check(&["runtime", AMPLE, "--", "sh", "-c", "exit 3"], 1, "does not answer an event: ended");
}

#[test]
fn a_runtime_that_hangs_is_reported() {
    check(&["runtime", "--timeout", "1", "--", "sleep", "100"], 1, "does not answer an event: hung");
}

#[test]
fn a_runtime_that_misses_a_must_is_reported() {
    let (echo, missing) = (example("faulty"), "header Lambda-Runtime-Invocation-Id is missing");
    check(&["runtime", AMPLE, "--only", "2-24", "--", &echo], 1, missing);
}

#[test]
fn wrong_usage_is_reported() {
    check(&["runtime"], 2, "required");
    check(&["runtime", AMPLE, "--only", "99-1", "--", "true"], 2, "no requirement and no suite is 99-1");
    check(&["runtime", "--", "/nowhere/program"], 2, "/nowhere/program cannot be started");
    check(&["runtime", "--junit", "/nowhere/file", "--only", "1-1", "--", &example("echo_mio")], 2, "/nowhere/file");
}

#[test]
fn a_server_that_is_none_is_reported() {
    check(&["server"], 2, "neither the address of a server nor a program");
    check(&["server", "ftp://127.0.0.1"], 2, "ftp://127.0.0.1 is no address");
    check(&["server", AMPLE, "--", "sh", "-c", "exit 3"], 2, "the server has ended with exit status: 3");
}

#[test]
fn a_server_that_misses_a_must_is_reported() {
    let nobody = example("faulty");
    let args = ["server", AMPLE, "--api", "http://127.0.0.1:{port}", "--only", "21-1", "--", &nobody, "{port}"];
    check(&args, 1, "the status is 501, not 200");
}

#[test]
fn outcomes_are_written_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    let [xml, lines] = ["out.xml", "out.jsonl"].map(|name| dir.path().join(name));
    let (xml_name, lines_name) = (xml.to_str().unwrap(), lines.to_str().unwrap());
    let echo = example("echo_mio");
    let output = kit(&[
        "runtime", AMPLE, "--json", "--junit", xml_name, "--record", lines_name, "--only", "1-2,8-1", "--", &echo,
    ]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["requirements"][0]["verdict"], "held");
    assert_eq!(json["requirements"][1]["verdict"], "skipped");
    let xml = std::fs::read_to_string(xml).unwrap();
    assert!(xml.contains("<testcase name=\"1-2 answers an event\"") && xml.contains("<skipped message="), "{xml}");
    let lines = std::fs::read_to_string(lines).unwrap();
    assert!(lines.lines().count() >= 4 && lines.contains("/response HTTP/1.1"), "{lines}");
}

#[test]
fn what_was_recorded_is_played_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("exchanges.jsonl");
    let file = file.to_str().unwrap();
    let (kit, echo) = (env!("CARGO_BIN_EXE_lambwire-conformance"), example("echo_mio"));
    // The kit stands between itself and a runtime.
    check(&["runtime", AMPLE, "--only", "1-3", "--", kit, "record", "--output", file, "--", &echo], 0, "1/1");
    let text = std::fs::read_to_string(file).unwrap();
    let exchanges = lambwire_conformance::exchange::read(&text).unwrap();
    // The last answer may have been on its way when the kit ended the runtime.
    assert!(exchanges.len() >= 4 && exchanges[1].request.ends_with("/response"), "{text}");
    check(&["replay", AMPLE, file, "--", &echo], 0, "0 differences");
    let other = text.replacen(r#"{\"n\":2}"#, r#"{\"n\":3}"#, 1);
    std::fs::write(file, other).unwrap();
    check(&["replay", AMPLE, file, "--", &echo], 1, ", 1 difference\n");
    check(&["replay", AMPLE, file, "--", "sh", "-c", "exit 4"], 1, "ended: the process ended with exit status: 4");
}

/// Starts a program in a recording, sends the recording SIGTERM once the program has said that it is ready, and returns the
/// exit status.
fn status_after_sigterm(script: &str) -> Option<i32> {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-conformance"));
    command.args(["record", "--output"]).arg(dir.path().join("exchanges.jsonl")).args(["--", "sh", "-c", script]);
    let (_reserved, api) = unlistened();
    let mut child = command.env("AWS_LAMBDA_RUNTIME_API", api.to_string()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn a_recording_passes_sigterm_on_and_ends_as_the_program_does() {
    let wait = "echo ready; while :; do sleep 0.02; done";
    assert_eq!(status_after_sigterm(&format!("trap 'exit 7' TERM; {wait}")), Some(7));
    assert_eq!(status_after_sigterm(wait), Some(128 + 15));
}

#[test]
fn a_recording_masks_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("exchanges.jsonl");
    let file = file.to_str().unwrap();
    let (kit, echo) = (env!("CARGO_BIN_EXE_lambwire-conformance"), example("echo_mio"));
    // A client context comes with the event.
    check(&["runtime", AMPLE, "--only", "2-13", "--", kit, "record", "--output", file, "--", &echo], 0, "1/1");
    let text = std::fs::read_to_string(file).unwrap();
    let context = text.split_once(r#""Lambda-Runtime-Client-Context",""#).unwrap().1;
    assert!(context.starts_with('*'), "{text}");
    check(
        &["runtime", AMPLE, "--only", "1-3", "--", kit, "record", "--mask-payloads", "--output", file, "--", &echo],
        0,
        "1/1",
    );
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(r#"{\"n\":0}"#) && !text.contains(r#"{\"n\":2}"#), "{text}");
}

#[test]
fn a_recording_that_is_none_is_reported() {
    check(&["replay", "/nowhere/file", "--", "true"], 2, "/nowhere/file cannot be read");
    check(&["replay", "/dev/null", "--", "true"], 2, "/dev/null has no exchange in it");
    check(&["record", "--", "true"], 2, "AWS_LAMBDA_RUNTIME_API is not set");
}

#[test]
#[cfg(target_os = "linux")]
fn a_recording_that_cannot_be_written_is_reported() {
    let (kit, echo) = (env!("CARGO_BIN_EXE_lambwire-conformance"), example("echo_mio"));
    let dir = tempfile::tempdir().unwrap();
    let said = dir.path().join("said");
    let script = format!("exec \"$0\" record --output /dev/full -- \"$1\" 2>>{}", said.display());
    check(&["runtime", AMPLE, "--only", "1-3", "--", "sh", "-c", &script, kit, &echo], 0, "1/1");
    let said = std::fs::read_to_string(said).unwrap();
    assert!(said.contains("/dev/full cannot be written: No space left"), "{said}");
}

#[test]
fn an_api_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-conformance"));
    command.args(["record", "--output"]).arg(dir.path().join("out.jsonl")).args(["--", &example("echo_mio")]);
    let (_reserved, api) = unlistened();
    let output = command.env("AWS_LAMBDA_RUNTIME_API", api.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("the API at {api} cannot be reached: Connection refused")), "{said}");
}

#[test]
fn what_ends_the_kit_ends_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let recording = dir.path().join("one.jsonl");
    let one = r#"{"request":"GET /","request_headers":[],"request_body":{"text":""},"status":200,"reply_headers":[],"reply_body":{"text":""}}"#;
    std::fs::write(&recording, one).unwrap();
    let recording = recording.to_str().unwrap();
    let kit = env!("CARGO_BIN_EXE_lambwire-conformance");
    let script = "sleep 300 & echo $$ $! >pids.new; mv pids.new pids; wait";
    for args in [&["runtime", AMPLE][..], &["replay", AMPLE, recording], &["server", AMPLE]] {
        for number in [Signal::TERM, Signal::INT, Signal::HUP] {
            // Whoever runs this may ignore some of them.
            let mut command = Command::new("env");
            command.args(["--default-signal=TERM,INT,HUP", kit]).args(args).args(["--", "sh", "-c", script]);
            let mut child = command.current_dir(&dir).spawn().unwrap();
            let pids = dir.path().join("pids");
            wait_until("its start", || pids.exists());
            kill_process(Pid::from_child(&child), number).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(number.as_raw()));
            for pid in std::fs::read_to_string(&pids).unwrap().split_whitespace() {
                let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                wait_until("its end", || stat().is_empty() || stat().contains(") Z "));
            }
            std::fs::remove_file(&pids).unwrap();
        }
    }
}
