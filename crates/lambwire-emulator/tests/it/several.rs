//! Several functions behind one port, described by a file, and AWS's emulator's command line.

use std::fs;
use std::io::BufRead;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lambwire_emulator::Outcome;
use rustix::fs::OFlags;
use rustix::process::Signal;
use serde_json::Value;

use crate::child;
use crate::library::{echo, quiet};
use crate::started::{Served, Started};
use crate::wire::{Answered, post};

pub(crate) fn path(name: &str) -> String {
    format!("/2015-03-31/functions/{name}/invocations")
}

#[test]
fn each_function_is_reached_by_its_name_alone() {
    let other = quiet().name("other").start().unwrap();
    let front = quiet().name("front").listen(([127, 0, 0, 1], 0).into()).also(&other).start().unwrap();
    let runtimes = [echo(&other), echo(&front)];
    let address = front.listens().unwrap();
    for name in ["other", "front", "function", "arn:aws:lambda:us-east-1:012345678912:function:other:3"] {
        let answer = post(address, &path(name), &[], b"1");
        assert_eq!((answer.status, answer.text()), (200, "1"), "{name}");
    }
    let taken = post(address, &path("other"), &["X-Amz-Invocation-Type: Event"], b"2");
    assert_eq!(taken.status, 202);
    let refused = post(address, &path("nobody"), &[], b"1");
    assert_eq!((refused.status, refused.header("x-amzn-errortype")), (404, Some("ResourceNotFoundException")));
    assert!(refused.text().contains("function:nobody"), "{}", refused.text());
    let streamed = other.invoke_blocking(lambwire_emulator::Event::new("3")).unwrap();
    assert_eq!(streamed.outcome, Outcome::Success);
    drop((other, front));
    for runtime in runtimes {
        runtime.join().unwrap();
    }
}

/// The emulator with the functions of this file.
pub(crate) fn emulator(file: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(["--listen", "127.0.0.1:0", "--config"]).arg(file).args(options).env_remove("RUST_LOG");
    command
}

/// What starts the runtime of [`child`], as a file has it.
pub(crate) fn runtime() -> String {
    let runtime = std::env::current_exe().unwrap();
    format!("{:?}", [&[runtime.to_str().unwrap()][..], &child::arguments()].concat())
}

pub(crate) fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("lambwire-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn a_file_describes_functions_with_what_they_find() {
    let directory = directory("config");
    let ((role, value), command) = (child::variable(), runtime());
    fs::write(directory.join("own.env"), format!("# ours\n{role}={value}\nA=from a file\n")).unwrap();
    let text = format!(
        "[functions.a]\ncommand = {command}\ntimeout = 300\nmemory = 256\nenv-file = \"own.env\"\nenv = {{ B = \"b\" }}\n\
         [functions.b]\ncommand = {command}\ntimeout = 300\nenv-file = \"own.env\"\nenv = {{ A = \"a\" }}\n"
    );
    let file = directory.join("functions.toml");
    fs::write(&file, text).unwrap();
    let emulator = Served::new(&mut emulator(&file, &[]));
    assert!(emulator.ready["others"]["a"]["runtime_api"].is_string(), "{}", emulator.ready);
    let address = emulator.address();
    let ask = |name: &str, variable: &str| -> Answered {
        post(address, &path(name), &[], format!("\"variable {variable}\"").as_bytes())
    };
    for (name, variable, expected) in [
        ("a", "A", "from a file"),
        ("a", "B", "b"),
        ("b", "A", "a"),
        ("a", "AWS_LAMBDA_FUNCTION_NAME", "a"),
        ("b", "AWS_LAMBDA_FUNCTION_NAME", "b"),
        ("a", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
    ] {
        assert_eq!(ask(name, variable).text(), expected, "{variable} of {name}");
    }
    fs::remove_dir_all(directory).unwrap();
}

/// What a server with functions of these names, each called once, prints: what it is ready for, and lines up to the last
/// REPORT.
fn printed(names: &[&str], options: &[&str]) -> (Value, Vec<String>) {
    let directory = directory(&format!("lines-{}-{}", names.len(), options.len()));
    let ((role, value), command) = (child::variable(), runtime());
    let table = |name: &&str| {
        format!("[functions.{name}]\ncommand = {command}\ntimeout = 300\nenv = {{ {role} = \"{value}\" }}\n")
    };
    let file = directory.join("functions.toml");
    fs::write(&file, names.iter().map(table).collect::<String>()).unwrap();
    let mut program = Started::new(emulator(&file, options).stdout(Stdio::piped()));
    let mut lines = program.stdout().lines().map_while(Result::ok);
    let ready = lines.next().unwrap();
    let ready: Value = serde_json::from_str(ready.strip_prefix("ready ").unwrap_or(&ready)).unwrap();
    let listens = ready.get("record").unwrap_or(&ready)["listen"].as_str().unwrap().parse().unwrap();
    let mut all = Vec::new();
    for name in names {
        assert_eq!(post(listens, &path(name), &[], br#""print hello""#).status, 200);
        for line in lines.by_ref() {
            let is_last = line.contains("REPORT RequestId: ") || line.contains("platform.report");
            all.push(line);
            if is_last {
                break;
            }
        }
    }
    fs::remove_dir_all(directory).unwrap();
    (ready, all)
}

/// All that is printed for functions a and z, which are started by hand, and m, which nobody calls.
fn exported(options: &[&str]) -> (PathBuf, Vec<String>) {
    let directory = directory(&format!("exported-{}", options.len()));
    let table = |name| format!("[functions.{name}]\nruntime-api = \"127.0.0.1:0\"\n");
    let file = directory.join("functions.toml");
    fs::write(&file, table("a") + "[functions.m]\ncommand = [\"cat\"]\nstart = \"call\"\n" + &table("z")).unwrap();
    let mut program = Started::new(emulator(&file, options).stdout(Stdio::piped()));
    let mut lines = program.stdout().lines().map_while(Result::ok);
    let ready = lines.next().unwrap();
    // What it has to say, it says before it ends.
    program.signal(Signal::TERM);
    fs::remove_dir_all(&directory).unwrap();
    (directory, [ready].into_iter().chain(lines).collect())
}

#[test]
fn each_function_that_is_started_by_hand_says_what_to_export_for_it() {
    let (directory, lines) = exported(&[]);
    let ready: Value = serde_json::from_str(lines[0].strip_prefix("ready ").unwrap()).unwrap();
    for name in ["a", "z"] {
        let block: Vec<_> = lines.iter().skip_while(|line| **line != format!("# {name}")).collect();
        let place = ready["others"].get(name).unwrap_or(&ready);
        let api = place["runtime_api"].as_str().unwrap();
        for expected in [
            format!("export AWS_LAMBDA_RUNTIME_API='{api}'"),
            format!("export AWS_LAMBDA_FUNCTION_NAME='{name}'"),
            format!("export LAMBDA_TASK_ROOT='{}'", directory.display()),
        ] {
            assert!(block.iter().take(20).any(|line| **line == expected), "{expected}: {block:?}");
        }
    }
    assert!(!lines.contains(&"# m".to_owned()), "{lines:?}");

    let (_, lines) = exported(&["--log-format", "json"]);
    let lines = lines.iter().map(|line| serde_json::from_str(line).unwrap());
    let exports: Vec<Value> = lines.filter(|line: &Value| line["type"] == "exports").collect();
    for name in ["a", "z"] {
        let record = &exports.iter().find(|line| line["function"] == name).unwrap()["record"];
        assert_eq!(record["AWS_LAMBDA_FUNCTION_NAME"], name);
        assert!(record["AWS_LAMBDA_MAX_CONCURRENCY"].is_null() && record["_HANDLER"].is_string(), "{record}");
    }
}

#[test]
fn each_line_names_its_function_where_there_are_several() {
    let (ready, lines) = printed(&["a", "b"], &[]);
    assert_eq!(ready["name"], "b", "{ready}");
    assert!(ready["others"]["a"].is_object(), "{ready}");
    for name in ["a", "b"] {
        for what in ["START RequestId: ", "hello", "END RequestId: ", "REPORT RequestId: "] {
            let start = format!("[{name}] {what}");
            assert_eq!(lines.iter().filter(|line| line.starts_with(&start)).count(), 1, "{start} {lines:?}");
        }
    }
    assert!(lines.iter().all(|line| line.starts_with("[a] ") || line.starts_with("[b] ")), "{lines:?}");
    let (_, lines) = printed(&["a", "b"], &["--log-format", "json"]);
    for line in &lines {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(line["function"] == "a" || line["function"] == "b", "{line}");
        assert!(line["type"].is_string() && !line["record"].is_null(), "{line}");
    }
    let (ready, lines) = printed(&["a"], &[]);
    assert!(ready.get("name").is_none() && lines.iter().any(|line| line.starts_with("START RequestId: ")), "{lines:?}");
}

#[test]
fn what_is_logged_of_a_function_names_it_where_there_are_several() {
    let directory = directory("logged");
    let file = directory.join("functions.toml");
    let table = |name| format!("[functions.{name}]\ncommand = [\"true\"]\n");
    fs::write(&file, table("a") + &table("b")).unwrap();
    for (options, expected) in [
        (&[][..], ["[a] lambwire-emulator: ", "[b] lambwire-emulator: "]),
        (&["--log-format", "json"], [r#"{"function":"a","level":"#, r#"{"function":"b","level":"#]),
    ] {
        let mut program = Started::new(emulator(&file, options).stdout(Stdio::null()).stderr(Stdio::piped()));
        let lines = program.stderr().lines().map_while(Result::ok);
        // Each program ends at once, which is said of it.
        let mut lines: Vec<String> = lines.filter(|line| line.contains("no invocation under way")).take(2).collect();
        lines.sort();
        assert!(
            lines.len() == 2 && lines.iter().zip(expected).all(|(line, expected)| line.starts_with(expected)),
            "{lines:?}"
        );
    }
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_file_is_read_once_for_a_start() {
    let directory = directory("once");
    let file = directory.join("functions.toml");
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let ((role, value), command) = (child::variable(), runtime());
    let table = format!("[functions.a]\ncommand = {command}\ntimeout = 300\nenv = {{ {role} = \"{value}\" }}\n");
    let pipe = file.clone();
    let writer = std::thread::spawn(move || fs::write(pipe, table).unwrap());
    let emulator = Served::new(&mut emulator(&file, &[]));
    writer.join().unwrap();
    let address = emulator.address();
    assert_eq!(post(address, &path("a"), &[], br#""variable AWS_LAMBDA_FUNCTION_NAME""#).text(), "a");
    // Where it has changed by then, that is for the next start.
    let again = fs::OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&file);
    assert_eq!(again.unwrap_err().raw_os_error(), Some(rustix::io::Errno::NXIO.raw_os_error()), "nobody reads it");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_file_that_is_wrong_is_refused_with_its_place() {
    let directory = directory("wrong");
    let run = |options: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator")).args(options).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let file = directory.join("functions.toml");
    fs::write(&file, "[functions.a]\nmemory = 1\n").unwrap();
    let (status, text) = run(&["--config", file.to_str().unwrap()]);
    assert!(
        status == Some(2) && text.contains("functions.toml: line 2: functions.a: ") && text.contains(" memory: "),
        "{text}"
    );
    fs::write(&file, "[functions.\"a/b\"]\n").unwrap();
    let no_name = r#""a/b" is no name of a function"#;
    for options in [["--config", file.to_str().unwrap()], ["--name", "a/b"]] {
        let (status, text) = run(&options);
        assert!(status == Some(2) && text.contains(no_name), "{text}");
    }
    fs::write(&file, "[functions.a]\n").unwrap();
    let (status, text) = run(&["--config", "/nonexistent.toml"]);
    assert!(status == Some(2) && text.contains("cannot read /nonexistent.toml"), "{text}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    fs::write(&file, format!("[functions.a]\nruntime-api = {}\n[functions.b]\n", address.port())).unwrap();
    let (status, text) = run(&["--config", file.to_str().unwrap(), "--listen", "0"]);
    let expected = format!("functions.a: cannot listen at {address}: ");
    assert!(status == Some(2) && text.contains(&expected), "{text}");
    assert!(text.ends_with("; another is chosen with runtime-api\n"), "{text}");
    let variables = directory.join("bad.env");
    fs::write(&variables, "A=1\n\nB\n").unwrap();
    let (status, text) = run(&["--env-file", variables.to_str().unwrap(), "--event-json", "{}", "--", "true"]);
    assert!(status == Some(2) && text.contains("line 3 of ") && text.contains("not NAME=VALUE"), "{text}");
    for options in [&["--", "true"][..], &["--timeout", "3"], &["--env-file", "x"], &["--watch"], &["--url"]] {
        let (status, text) = run(&[&["--config", file.to_str().unwrap()], options].concat());
        assert!(status == Some(2) && text.contains("cannot be used with"), "{options:?} {text}");
    }
    fs::remove_dir_all(directory).unwrap();
}
