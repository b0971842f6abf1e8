//! A file of functions that changes while they are served.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::child;
use crate::patience::{AMPLE, patient, wait_until};
use crate::several::{directory, emulator, path, runtime};
use crate::started::{Served, Started};
use crate::wire::post;

/// The variable A as the function has it; nothing while nobody listens.
fn variable_a(address: SocketAddr, name: &str) -> Option<String> {
    variable(address, name, "A")
}

fn variable(address: SocketAddr, name: &str, variable: &str) -> Option<String> {
    answer(address, name, &format!("variable {variable}"))
}

fn answer(address: SocketAddr, name: &str, words: &str) -> Option<String> {
    let event = child::event(words);
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(AMPLE)).ok()?;
    let head = format!("POST {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", path(name));
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{event}", event.len()).as_bytes()).ok()?;
    let mut reply = String::new();
    stream.read_to_string(&mut reply).ok()?;
    Some(reply.split_once("\r\n\r\n")?.1.to_owned())
}

#[test]
fn functions_are_started_anew_when_their_file_has_changed() {
    let directory = directory("rewritten");
    let ((role, value), command) = (child::variable(), runtime());
    let file = directory.join("functions.toml");
    // What is watched beside it never changes.
    let write = |name: &str, value_of_a: &str| {
        let env = format!("env = {{ {role} = \"{value}\", A = \"{value_of_a}\" }}");
        let watch = "watch = \"/dev/null\"\ntimeout = 300";
        fs::write(&file, format!("[functions.{name}]\ncommand = {command}\n{env}\n{watch}\n")).unwrap();
    };
    write("before", "1");
    let mut emulator = Served::new(emulator(&file, &[]).stderr(Stdio::piped()));
    let mut errors = emulator.process.stderr().lines();
    let refused = std::thread::spawn(move || (errors.next().unwrap().unwrap(), errors));
    let address = emulator.address();
    // It prints more than a pipe holds, and would wait for a reader.
    drop(emulator.stdout);
    let ask = |name: &str| variable_a(address, name);
    assert_eq!(ask("before").as_deref(), Some("1"));
    // The first look may come later than the first change.
    let mut count = 0;
    while !refused.is_finished() {
        count += 1;
        fs::write(&file, format!("[functions.wrong]\nbogus = {count}\n")).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1500));
        assert_eq!(ask("before").as_deref(), Some("1"));
    }
    let (refused, mut errors) = refused.join().unwrap();
    assert!(refused.contains("functions.toml: line 2: functions.wrong: unexpected key bogus"), "{refused}");
    write("after", "2");
    wait_until("the functions of the changed file", || ask("after").as_deref() == Some("2"));
    assert!(
        errors.any(|line| line.unwrap().ends_with(": the file of functions has changed, and they are started again"))
    );
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_change_says_that_it_waits_for_who_has_called_before() {
    let directory = directory("waits");
    let ((role, value), command) = (child::variable(), runtime());
    let file = directory.join("functions.toml");
    let write = |value_of_a: &str| {
        let env = format!("env = {{ {role} = \"{value}\", A = \"{value_of_a}\" }}");
        let function = format!("command = {command}\n{env}\nwatch = \"/dev/null\"\ntimeout = 300\n");
        fs::write(&file, format!("[functions.a]\n{function}[functions.z]\n{function}")).unwrap();
    };
    write("1");
    let mut emulator = Served::new(emulator(&file, &[]).stderr(Stdio::piped()));
    let mut lines = emulator.process.stderr().lines().map_while(Result::ok);
    let address = emulator.address();
    std::thread::scope(|scope| {
        let event = format!("meet {}", directory.join("met").display());
        let answered = scope.spawn(move || answer(address, "a", &event));
        wait_until("the call", || directory.join("met").exists());
        let said = scope.spawn(move || lines.any(|line| line.contains("have been answering who had called before")));
        // The first look may come later than the first change.
        while !said.is_finished() {
            write("2");
            std::thread::sleep(std::time::Duration::from_millis(1500));
        }
        assert!(said.join().unwrap());
        // By the port of z, which ends when a has.
        let refused = answer(address, "a", "").unwrap();
        fs::write(directory.join("go"), "").unwrap();
        assert_ne!(answered.join().unwrap(), None);
        assert!(refused.contains("the emulator is ending, or starts its functions again"), "{refused}");
    });
    wait_until("the functions of the changed file", || variable_a(address, "a").as_deref() == Some("2"));
    drop(emulator);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn functions_go_on_when_those_of_a_changed_file_cannot_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("url = \"{}\"", taken.local_addr().unwrap());
    // Whether only a start finds it, so that the functions are started again as they were.
    let wrong = [
        (&*url, "cannot listen at ", true),
        ("dead-letter = \"/nonexistent/x\"", "cannot write dead letters to /nonexistent/x: ", true),
        ("env-file = \"missing.env\"", "missing.env: ", false),
        ("directory = \"missing\"", "cannot start in ", false),
        ("extensions = \"missing\"", "cannot read the extensions in ", false),
        ("command = [\"/nonexistent/program\"]", "cannot start /nonexistent/program: ", false),
        ("command = [\"no-such-program\"]", "cannot start no-such-program: ", false),
    ];
    std::thread::scope(|scope| {
        for (position, (line, said, is_found_by_a_start)) in wrong.into_iter().enumerate() {
            scope.spawn(move || a_mistake_changes_nothing(position, line, said, is_found_by_a_start));
        }
    });
}

fn a_mistake_changes_nothing(position: usize, mistake: &str, said: &str, is_found_by_a_start: bool) {
    let directory = directory(&format!("mistake-{position}"));
    let ((role, value), command) = (child::variable(), format!("command = {}\n", runtime()));
    let file = directory.join("functions.toml");
    let write = |a: usize, line: &str| {
        let command = if line.starts_with("command") { "" } else { &*command };
        // The function watches the directory of the file, and is not to take that for its own.
        let env = format!("env = {{ {role} = \"{value}\", A = \"{a}\" }}\nwatch = \".\"\ntimeout = 300\n");
        fs::write(&file, format!("[functions.a]\n{command}{env}{line}\n")).unwrap();
    };
    write(0, "");
    let mut emulator = Served::new(emulator(&file, &[]).stderr(Stdio::piped()));
    let address = emulator.address();
    let process = || answer(address, "a", "pid");
    let first = process();
    // It prints more than a pipe holds, and would wait for a reader.
    drop(emulator.stdout);
    let (errors, lines) = std::sync::mpsc::channel();
    let stderr = emulator.process.stderr();
    std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| errors.send(line)));
    // The first look may come later than the first change.
    for count in 1.. {
        write(count, mistake);
        let mut heard = std::iter::from_fn(|| lines.recv_timeout(std::time::Duration::from_millis(1500)).ok());
        if heard.any(|line| line.contains("functions.toml: functions.a: ") && line.contains(said)) {
            break;
        }
    }
    // Where only the start finds it, nobody listens for a while.
    let mut a = None;
    wait_until("an answer", || {
        a = variable_a(address, "a");
        a.is_some()
    });
    assert_eq!(a.as_deref(), Some("0"), "{mistake}");
    assert_eq!(process() != first, is_found_by_a_start, "{mistake}");
    // A file without a mistake counts again.
    write(1, "");
    wait_until("the mended file", || variable_a(address, "a").as_deref() == Some("1"));
    // They are started once: time for another look, which finds nothing.
    let restarted = process();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(process(), restarted);
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn failed_events_of_several_functions_stay_whole_in_a_pipe_when_they_are_started_again() {
    let directory = directory("letters");
    let (pipe, file) = (directory.join("pipe"), directory.join("functions.toml"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut reader = patient(fs::File::options().read(true).write(true).open(&pipe).unwrap());
    let write = |count: usize| {
        let table = "command = [\"false\"]\ndead-letter = \"pipe\"\nwatch = \"/dev/null\"\n";
        // The line `ready` names the third, and so the file that is served.
        let third = format!("[functions.v{count}]\nruntime-api = \"127.0.0.1:0\"\nwatch = \"/dev/null\"\n");
        fs::write(&file, format!("[functions.a]\n{table}[functions.b]\n{table}{third}")).unwrap();
    };
    write(0);
    let emulator = Served::new(emulator(&file, &[]).stderr(Stdio::piped()));
    let address = emulator.address();
    let Served { mut process, stdout, .. } = emulator;
    let (readies, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let lines = stdout.lines().map_while(Result::ok);
        lines.filter(|line| line.starts_with("ready ")).try_for_each(|line| readies.send(line))
    });
    // Each is larger than a pipe.
    let fail = |name: &str| {
        let event = format!("\"{}\"", name.repeat(200 * 1024));
        let taken = post(address, &path(name), &["X-Amz-Invocation-Type: Event"], event.as_bytes());
        assert_eq!(taken.status, 202);
    };
    fail("a");
    let mut first = [0];
    // It is being written.
    reader.read_exact(&mut first).unwrap();
    // The first look may come later than the first change.
    let mut count = 0;
    let mut served = loop {
        count += 1;
        write(count);
        if let Ok(line) = ready.recv_timeout(std::time::Duration::from_millis(1500)) {
            break line;
        }
    };
    // Until the last change has been seen, they may be started again, and nobody listens for a while.
    while !served.contains(&format!("\"v{count}\"")) {
        served = ready.recv_timeout(AMPLE).unwrap();
    }
    fail("b");
    fail("a");
    let mut letters = first.chain(reader).lines().map(|line| line.unwrap());
    let mut names: Vec<_> = letters
        .by_ref()
        .take(3)
        .map(|letter| {
            let letter: Value = serde_json::from_str(&letter).unwrap();
            letter["requestPayload"].as_str().unwrap()[..1].to_owned()
        })
        .collect();
    names[1..].sort();
    assert_eq!(names, ["a", "a", "b"]);
    process.signal(Signal::TERM);
    let mut said = String::new();
    process.stderr().read_to_string(&mut said).unwrap();
    assert!(!said.contains("cannot be kept"), "{said}");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn what_a_pipe_had_is_there_when_functions_are_started_anew() {
    let directory = directory("piped");
    let (pipe, file) = (directory.join("pipe"), directory.join("functions.toml"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ((role, value), command) = (child::variable(), runtime());
    let write = |memory: usize| {
        let env = format!("env = {{ {role} = \"{value}\" }}\nenv-file = \"pipe\"\nmemory = {memory}\n");
        let table = format!("[functions.a]\ncommand = {command}\n{env}watch = \"/dev/null\"\ntimeout = 300\n");
        fs::write(&file, table).unwrap();
    };
    write(128);
    let writer = std::thread::spawn(move || fs::write(pipe, "A=piped\n").unwrap());
    let emulator = Served::new(&mut emulator(&file, &[]));
    writer.join().unwrap();
    let address = emulator.address();
    let has_changed = || variable(address, "a", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE").is_some_and(|size| size != "128");
    // The first look may come later than the first change. Nobody writes to the pipe again.
    let changed = (129..600).any(|memory| {
        write(memory);
        std::thread::sleep(std::time::Duration::from_millis(1500));
        has_changed()
    });
    assert!(changed && variable_a(address, "a").as_deref() == Some("piped"));
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_file_that_can_be_read_once_is_not_watched() {
    let (table, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"[functions.a]\ncommand = [\"cat\"]\nwatch = \"/dev/null\"\n").unwrap();
    drop(writer);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(["--listen", "127.0.0.1:0", "--config", "/dev/stdin"]).env_remove("RUST_LOG");
    command.stdin(table).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut line = String::new();
    Started::new(&mut command).stderr().read_line(&mut line).unwrap();
    assert_eq!(line, "lambwire-emulator: /dev/stdin is no file, but can be read once: it is not watched\n");
}
