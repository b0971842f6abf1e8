//! Runtimes and Runtime APIs with the proxy in between.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use lambwire_emulator::{Console, Emulator, Event, Outcome, Running};
use lambwire_mio::lambwire::{self, Reply, Request, StreamError};
use proxy::{Passed, serve};
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

/// Long enough for whatever a test waits for that does come.
const AMPLE: Duration = Duration::from_secs(300);

const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nX-Unknown: 1\r\n\r\n";
const INVOCATION: &[u8] =
    b"HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: a\r\nX-Other: 2\r\nContent-Length: 2\r\n\r\n{}";
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
const STREAM: &[u8] = b"POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\n\
    Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\
    Trailer: Lambda-Runtime-Function-Error-Type, X-Mine\r\n\r\n3;ext=1\r\none\r\n0\r\n\
    Lambda-Runtime-Function-Error-Type: Function.E\r\nX-Mine: 3\r\n\r\n";

/// Bytes of a body that no two connections hold: the most that Linux gives a socket's buffers is some 10 MB.
const UNBUFFERED_BYTES: usize = 64 * 1024 * 1024;

/// Bytes of a chunk of a large stream.
const CHUNK: usize = 50_000;

/// The two ends of one connection through the proxy, and what it has shown.
struct Line {
    runtime: TcpStream,
    api: TcpStream,
    seen: Receiver<String>,
    proxy: SocketAddr,
    listener: TcpListener,
}

fn line() -> Line {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (proxy, seen) = start(listener.local_addr().unwrap());
    let (runtime, api) = pair(proxy, &listener);
    Line { runtime, api, seen, proxy, listener }
}

/// A proxy on a thread.
fn start(api: SocketAddr) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, seen) = channel();
    thread::spawn(move || {
        let observe = || {
            let sender = sender.clone();
            // Nobody may look any more.
            move |passed: Passed<'_>| drop(sender.send(words(&passed)))
        };
        serve(&listener, &api.to_string(), observe)
    });
    (address, seen)
}

/// What passes, in words: a semicolon ends a head, and a message.
fn words(passed: &Passed<'_>) -> String {
    use lambwire::Event;
    match passed {
        Passed::Request(Event::Head { head: Request::Response { id, mode, .. }, .. }) => {
            format!("response {id} {mode:?};")
        }
        Passed::Request(Event::Head { head, .. }) => format!("{};", head.kind()),
        Passed::Reply(Event::Head { head: Reply::Invocation(context), .. }) => {
            format!("invocation {};", context.request_id)
        }
        Passed::Reply(Event::Head { head, .. }) => format!("{};", head.status()),
        Passed::Request(Event::Data(data)) | Passed::Reply(Event::Data(data)) => String::from_utf8_lossy(data).into(),
        Passed::Request(Event::End { trailers }) | Passed::Reply(Event::End { trailers }) => {
            let error = StreamError::find(*trailers).map(|error| String::from_utf8_lossy(error.error_type));
            error.map_or(";".into(), |error| format!(" {error};"))
        }
        other => format!("{other:?}"),
    }
}

/// A connection of a runtime, and the one that the proxy makes for it.
fn pair(proxy: SocketAddr, listener: &TcpListener) -> (TcpStream, TcpStream) {
    let runtime = TcpStream::connect(proxy).unwrap();
    let (api, _) = listener.accept().unwrap();
    for end in [&runtime, &api] {
        end.set_read_timeout(Some(AMPLE)).unwrap();
    }
    (runtime, api)
}

/// Demands that the bytes come out as they go in, however they are cut.
fn passes(mut from: &TcpStream, mut to: &TcpStream, bytes: &[u8], len: usize) {
    for piece in bytes.chunks(len) {
        from.write_all(piece).unwrap();
        let mut read = vec![0; piece.len()];
        to.read_exact(&mut read).unwrap();
        assert_eq!(read, piece);
    }
}

fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

fn read_error(mut stream: &TcpStream) -> ErrorKind {
    stream.read(&mut [0]).unwrap_err().kind()
}

#[test]
fn every_byte_passes_as_it_came_and_is_shown() {
    for len in [1, 7, usize::MAX] {
        let Line { runtime, api, seen, .. } = line();
        passes(&runtime, &api, NEXT, len);
        passes(&api, &runtime, INVOCATION, len);
        passes(&runtime, &api, STREAM, len);
        passes(&api, &runtime, b"HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig", len);
        drop((runtime, api));
        let expected = "next;;invocation a;{};response a Streaming;one Function.E;413;big;";
        let mut text = String::new();
        while text.len() < expected.len() {
            text += &seen.recv().unwrap();
        }
        assert_eq!(text, expected);
    }
}

#[test]
fn a_request_behind_an_answer_does_not_wait_for_the_reply() {
    let Line { runtime, api, seen, .. } = line();
    passes(&runtime, &api, NEXT, usize::MAX);
    passes(&api, &runtime, INVOCATION, usize::MAX);
    passes(&runtime, &api, &[STREAM, NEXT].concat(), usize::MAX);
    passes(&api, &runtime, &[ACCEPTED, INVOCATION].concat(), usize::MAX);
    let seen: Vec<_> = seen.iter().skip(8).take(7).collect();
    assert_eq!(seen.concat(), "next;;202;;invocation a;{};");
}

#[test]
fn what_is_not_understood_passes_without_being_shown() {
    let Line { runtime, api, seen, .. } = line();
    passes(&runtime, &api, b"PUT /2022-07-01/telemetry HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", usize::MAX);
    passes(&api, &runtime, b"\x00 is no reply", usize::MAX);
    passes(&runtime, &api, b"nor is this a request", 1);
    assert!(seen.recv().unwrap().starts_with("Unknown("));
    drop((runtime, api));
    assert!(seen.recv_timeout(Duration::ZERO).is_err());
}

#[test]
fn a_large_head_passes() {
    let Line { runtime, api, seen, .. } = line();
    let filler = "x".repeat(200_000);
    let request = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\nX-Large: {filler}\r\n\r\n");
    passes(&runtime, &api, request.as_bytes(), 50_000);
    assert_eq!(seen.recv().unwrap(), "next;");
}

#[test]
fn a_stream_of_100_mb_passes_as_it_comes() {
    let Line { runtime, api, seen, .. } = line();
    let (head, _) = STREAM.split_at(STREAM.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4);
    passes(&runtime, &api, head, usize::MAX);
    let chunk = [format!("{CHUNK:x}\r\n").into_bytes(), vec![b'x'; CHUNK], b"\r\n".to_vec()].concat();
    for _ in 0..100_000_000 / CHUNK {
        passes(&runtime, &api, &chunk, usize::MAX);
    }
    passes(&runtime, &api, b"0\r\n\r\n", usize::MAX);
    passes(&api, &runtime, ACCEPTED, usize::MAX);
    drop((runtime, api));
    let text = seen.iter().take_while(|word| word != "202;").map(|word| word.len()).sum::<usize>();
    assert_eq!(text, "response a Streaming;".len() + 100_000_000 + ";".len());
}

#[test]
fn either_end_may_close() {
    let Line { runtime, mut api, .. } = line();
    drop(runtime);
    assert_eq!(api.read(&mut [0]).unwrap(), 0);

    let Line { mut runtime, api, .. } = line();
    drop(api);
    assert_eq!(runtime.read(&mut [0]).unwrap(), 0);
}

#[test]
fn either_end_may_close_one_direction() {
    let Line { runtime, mut api, .. } = line();
    passes(&runtime, &api, NEXT, usize::MAX);
    runtime.shutdown(Shutdown::Write).unwrap();
    assert_eq!(api.read(&mut [0]).unwrap(), 0);
    passes(&api, &runtime, INVOCATION, usize::MAX);
}

#[test]
fn either_end_may_reset() {
    let Line { runtime, api, .. } = line();
    passes(&runtime, &api, NEXT, 10);
    reset(runtime);
    assert_eq!(read_error(&api), ErrorKind::ConnectionReset);

    let Line { runtime, api, .. } = line();
    passes(&api, &runtime, &INVOCATION[..40], 10);
    reset(api);
    assert_eq!(read_error(&runtime), ErrorKind::ConnectionReset);
}

/// A port that nobody else gets for as long as the socket is there, and at which nobody listens.
fn unlistened() -> (OwnedFd, SocketAddr) {
    let reserved = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&reserved, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = getsockname(&reserved).unwrap().try_into().unwrap();
    (reserved, address)
}

#[test]
fn where_nobody_listens_a_connection_is_reset() {
    let (_reserved, closed) = unlistened();
    let (proxy, _seen) = start(closed);
    let mut runtime = TcpStream::connect(proxy).unwrap();
    // The reset may come before or after it has written, and is seen once.
    let failed = runtime.write_all(NEXT).and_then(|()| runtime.read_exact(&mut [0])).unwrap_err();
    assert!(matches!(failed.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{failed}");
}

#[test]
fn connections_do_not_wait_for_each_other() {
    let Line { runtime, api, proxy, listener, .. } = line();
    let mut others: Vec<_> = (0..8).map(|_| pair(proxy, &listener)).collect();
    others.push((runtime, api));
    for (runtime, api) in &others {
        passes(runtime, api, NEXT, usize::MAX);
    }
    for (runtime, api) in others.iter().rev() {
        passes(api, runtime, INVOCATION, usize::MAX);
    }
}

/// The function of this folder behind the program.
fn function() -> Running {
    let proxy = env!("CARGO_BIN_EXE_proxy");
    let mut command = Command::new(proxy);
    command.arg(std::path::Path::new(proxy).with_file_name("examples").join("function"));
    let emulator = Emulator::new(command).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE);
    emulator.start().unwrap()
}

#[test]
fn a_function_behind_the_program_answers_fails_and_streams() {
    let emulator = function();
    let invoke = |event: &str| emulator.invoke_blocking(Event::new(event)).unwrap();
    for event in ["{\"n\":1}", "\"fail\"", "{\"n\":2}", "\"stream\"", "\"break\"", "{\"n\":3}"] {
        let answer = invoke(event);
        let body = String::from_utf8_lossy(&answer.body);
        match event {
            "\"fail\"" => {
                assert_eq!(answer.outcome, Outcome::Failure);
                assert!(body.contains("as the event says"), "{body}");
            }
            "\"stream\"" => assert_eq!(body, "one two"),
            "\"break\"" => {
                assert_eq!(answer.outcome, Outcome::Failure);
                assert!(body.contains("on the way"), "{body}");
            }
            event => assert_eq!(body, event),
        }
    }
}

#[test]
fn the_program_is_as_the_function_is_when_it_ends() {
    let answer = function().invoke_blocking(Event::new("\"exit\"")).unwrap();
    let body = String::from_utf8_lossy(&answer.body);
    assert!(body.contains("exit status 7"), "{body}");
}

#[test]
fn a_refusal_passes() {
    let Line { mut runtime, mut api, .. } = line();
    let head = format!(
        "POST /2018-06-01/runtime/invocation/a/response HTTP/1.1\r\nHost: x\r\nContent-Length: {UNBUFFERED_BYTES}\r\n\r\n"
    );
    passes(&runtime, &api, head.as_bytes(), usize::MAX);
    // It comes while the body goes out, as much of it as is taken.
    let refusal = b"HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let mut writer = runtime.try_clone().unwrap();
    let written = thread::spawn(move || writer.write_all(&vec![b' '; UNBUFFERED_BYTES]));
    api.write_all(refusal).unwrap();
    let mut read = vec![0; refusal.len()];
    runtime.read_exact(&mut read).unwrap();
    assert_eq!(read, refusal);
    reset(api);
    assert!(written.join().unwrap().is_err());
}

/// Most bytes of memory that a connection takes on which nothing passes.
const SILENT_BYTES: usize = 100 * 1024;

#[test]
fn connections_on_which_nothing_passes_take_next_to_no_memory() {
    let api = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut runtime = Command::new(env!("CARGO_BIN_EXE_proxy"))
        .args(["sh", "-c", "echo $AWS_LAMBDA_RUNTIME_API; read line"])
        .env("AWS_LAMBDA_RUNTIME_API", api.local_addr().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(runtime.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let children = format!("/proc/{0}/task/{0}/children", runtime.id());
    let server = fs::read_to_string(children).unwrap().trim().to_owned();
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{server}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    };
    let before = resident();
    let connect = || {
        let runtime = TcpStream::connect(address.trim()).unwrap();
        // Whoever carries it has connected to the API.
        (runtime, api.accept().unwrap().0)
    };
    let count = 100;
    // An allocator may give more to those who come after others.
    for _ in 0..4 {
        let connections: Vec<_> = (0..count).map(|_| connect()).collect();
        let taken = resident().saturating_sub(before) / count;
        assert!(taken < SILENT_BYTES, "{taken} bytes each");
        for (mut runtime, api) in connections {
            drop(api);
            assert_eq!(runtime.read(&mut [0]).unwrap(), 0);
        }
    }
    drop(runtime.stdin.take());
    runtime.wait().unwrap();
}

#[test]
fn what_is_wrong_with_a_command_line_is_named() {
    let said = |arguments: &[&str], api: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proxy"));
        command
            .args(arguments)
            .env_remove("AWS_LAMBDA_RUNTIME_API")
            .envs(api.map(|api| ("AWS_LAMBDA_RUNTIME_API", api)));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["true"], None).contains("AWS_LAMBDA_RUNTIME_API is not set"));
    let (_reserved, api) = unlistened();
    let api = Some(api.to_string());
    assert!(said(&[], api.as_deref()).contains("usage: proxy PROGRAM"));
    let missing = said(&["/nonexistent/runtime"], api.as_deref());
    assert!(missing.contains("cannot start /nonexistent/runtime: No such file"), "{missing}");
}
