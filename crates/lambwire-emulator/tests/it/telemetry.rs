//! The Telemetry API, as those who subscribe see it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use lambwire_emulator::{Console, Emulator, Event, Freeze, Outcome, Running};
use serde_json::{Value, json};

use crate::child;
use crate::extensions::Directory;
use crate::library::{invoke_with, quiet};
use crate::patience::{AMPLE, accept, is_end, wait_until};
use crate::peer::Peer;
use crate::wire::{Answered, INVOKE, Wire, free_port, post};

/// An extension in the process of the runtime.
pub(crate) fn register(emulator: &Running) -> (Wire, String) {
    register_for(emulator, "watcher", "{}")
}

/// An extension that wishes for these events.
fn register_for(emulator: &Running, name: &str, wish: &str) -> (Wire, String) {
    let mut wire = Wire::connect(emulator.runtime_api());
    let registered = wire.exchange(format!(
        "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: {name}\r\n\
         Content-Length: {}\r\n\r\n{wish}",
        wish.len()
    ));
    let id = registered.header("lambda-extension-identifier").unwrap().to_owned();
    (wire, id)
}

fn subscribe(wire: &mut Wire, id: &str, body: &str) -> Answered {
    subscribe_to("/2022-07-01/telemetry", wire, id, body)
}

pub(crate) fn subscribe_to(path: &str, wire: &mut Wire, id: &str, body: &str) -> Answered {
    let len = body.len();
    wire.exchange(format!(
        "PUT {path} HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {id}\r\nContent-Length: \
         {len}\r\n\r\n{body}"
    ))
}

pub(crate) fn wish(schema: &str, destination: &Value) -> String {
    let buffering = json!({ "timeoutMs": 25 });
    let types = ["platform", "function", "extension"];
    json!({ "schemaVersion": schema, "types": types, "buffering": buffering, "destination": destination }).to_string()
}

pub(crate) fn ask_for_event(id: &str) -> String {
    format!("GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\nLambda-Extension-Identifier: {id}\r\n\r\n")
}

/// Takes one request of a subscriber's connection, and answers it with this status.
fn take_batch(stream: &mut BufReader<TcpStream>, status: u16) -> Option<Vec<Value>> {
    let mut len = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            len = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body).ok()?;
    stream.get_mut().write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
    serde_json::from_slice(&body).ok()
}

/// Subscribes over TCP, and gives the records as they come.
fn subscribe_over_tcp(wire: &mut Wire, id: &str, schema: &str) -> impl Iterator<Item = Value> + use<> {
    records_of("/2022-07-01/telemetry", wire, id, schema)
}

/// The same for either API.
pub(crate) fn records_of(path: &str, wire: &mut Wire, id: &str, schema: &str) -> impl Iterator<Item = Value> + use<> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let destination = json!({ "protocol": "TCP", "port": listener.local_addr().unwrap().port() });
    assert_eq!(subscribe_to(path, wire, id, &wish(schema, &destination)).status, 200);
    let lines = BufReader::new(accept(&listener)).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

/// The next record of this type.
fn find(records: &mut impl Iterator<Item = Value>, name: &str) -> Value {
    records.find(|record| record["type"] == name).unwrap()["record"].take()
}

/// The types of records, in the order in which they came.
fn types(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["type"].as_str().unwrap()).collect()
}

/// Has an invocation answered, and the runtime ask for another.
fn invoke(emulator: &Running) {
    invoke_with(emulator, Event::new("{}"), |peer| {
        let given = peer.next();
        peer.respond(&given.id, b"{}");
        peer.ask_next();
    });
}

const LIFE: [&str; 8] = [
    "platform.initStart",
    "platform.telemetrySubscription",
    "platform.initRuntimeDone",
    "platform.extension",
    "platform.initReport",
    "platform.start",
    "platform.runtimeDone",
    "platform.report",
];

#[track_caller]
fn check_life(records: &[Value]) {
    assert_eq!(types(records), LIFE);
    assert!(records.iter().all(|record| record["time"].as_str().unwrap().ends_with('Z')));
    let of = |name: &str| &records.iter().find(|record| record["type"] == name).unwrap()["record"];
    assert_eq!(of("platform.initStart")["initializationType"], "on-demand");
    let report = of("platform.report");
    assert_eq!(report["status"], "success");
    let metrics = &report["metrics"];
    assert!(
        metrics["billedDurationMs"].is_u64() && metrics["memorySizeMB"].is_u64() && metrics["maxMemoryUsedMB"].is_u64()
    );
    assert_eq!(report["requestId"], of("platform.start")["requestId"]);
    let spans = &of("platform.runtimeDone")["spans"];
    assert_eq!((&spans[0]["name"], &spans[1]["name"]), (&json!("responseLatency"), &json!("responseDuration")));
}

#[test]
fn a_subscriber_over_http_has_the_life_of_an_environment_in_batches() {
    for schema in ["2022-07-01", "2022-12-13", "2025-01-29"] {
        let emulator = quiet().start().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mut wire, id) = register(&emulator);
        let destination = json!({ "protocol": "HTTP", "URI": format!("http://sandbox.localdomain:{port}/x?y") });
        let subscribed = subscribe(&mut wire, &id, &wish(schema, &destination));
        assert_eq!((subscribed.status, subscribed.text()), (200, "\"OK\""));
        assert_eq!(subscribed.header("Content-Type"), Some("text/plain; charset=utf-8"));
        let received = thread::spawn(move || {
            let mut stream = BufReader::new(accept(&listener));
            let mut records = Vec::new();
            while records.len() < LIFE.len() {
                records.extend(take_batch(&mut stream, 200).unwrap());
            }
            records
        });
        invoke(&emulator);
        check_life(&received.join().unwrap());
    }
}

/// As the extensions of DataDog, Elastic and AWS's samples do.
#[test]
fn an_extension_may_ask_for_more_only_when_it_has_heard_that_the_runtime_is_done() {
    for schema in ["2022-07-01", "2022-12-13", "2025-01-29"] {
        let emulator = quiet().start().unwrap();
        let (mut wire, id) = register_for(&emulator, "watcher", r#"{"events":["INVOKE"]}"#);
        let mut records = subscribe_over_tcp(&mut wire, &id, schema);
        let watcher = thread::spawn(move || {
            wire.write(ask_for_event(&id));
            find(&mut records, "platform.initReport");
            for status in ["success", "error"] {
                let event = wire.read();
                assert_eq!(event.header("Content-Type"), Some("application/json"));
                let event: Value = serde_json::from_slice(&event.body).unwrap();
                assert_eq!(records.next().unwrap()["type"], "platform.start");
                let took = ["platform.runtimeDone", "platform.report"].map(|name| {
                    let mut record = records.next().unwrap();
                    assert_eq!(record["type"], name);
                    let record = record["record"].take();
                    assert_eq!((&record["requestId"], record["status"].as_str()), (&event["requestId"], Some(status)));
                    if name == "platform.runtimeDone" {
                        assert_eq!(record["metrics"]["producedBytes"], "{}".len());
                        wire.write(ask_for_event(&id));
                    }
                    record["metrics"]["durationMs"].as_f64().unwrap()
                });
                assert!(took[0] < took[1], "{took:?}");
            }
        });
        let answer = invoke_with(&emulator, Event::new("1"), |peer| {
            let given = peer.next();
            peer.respond(&given.id, b"{}");
            thread::scope(|scope| {
                let second = scope.spawn(|| emulator.invoke_blocking(Event::new("2")).unwrap());
                // The environment is the same.
                let given = peer.next();
                peer.fail(&given.id, b"{}");
                peer.ask_next();
                assert_eq!(second.join().unwrap().outcome, Outcome::Failure);
            });
        });
        assert_eq!(answer.outcome, Outcome::Success);
        watcher.join().unwrap();
    }
}

#[test]
fn who_hears_of_the_end_alone_hears_that_the_runtime_is_done_while_others_are_at_work() {
    let directory = Directory::new("slow");
    for name in ["watcher", "worker"] {
        directory.add(name, "sleep 1000");
    }
    let emulator = quiet().extensions(directory.bin()).unwrap().start().unwrap();
    let (mut watcher, watcher_id) = register_for(&emulator, "watcher", r#"{"events":["SHUTDOWN"]}"#);
    let (mut worker, worker_id) = register_for(&emulator, "worker", r#"{"events":["INVOKE"]}"#);
    let mut records = subscribe_over_tcp(&mut watcher, &watcher_id, "2022-12-13");
    watcher.write(ask_for_event(&watcher_id));
    worker.write(ask_for_event(&worker_id));
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        let given = peer.next();
        assert_eq!(worker.read().status, 200);
        peer.respond(&given.id, b"{}");
        peer.ask_next();
        assert_eq!(find(&mut records, "platform.runtimeDone")["requestId"], given.id);
        worker.write(ask_for_event(&worker_id));
        assert_eq!(find(&mut records, "platform.report")["requestId"], given.id);
    });
    assert_eq!(answer.outcome, Outcome::Success);
}

/// Nothing is started for a caller who comes before the runtime asks: somebody else has started that.
#[test]
fn a_subscription_outlives_a_caller_who_is_there_before_the_runtime() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut wire, id) = register(&emulator);
    let destination = json!({ "protocol": "TCP", "port": port });
    assert_eq!(subscribe(&mut wire, &id, &wish("2022-07-01", &destination)).status, 200);
    let taken = post(emulator.listens().unwrap(), INVOKE, &["X-Amz-Invocation-Type: Event"], b"{}");
    assert_eq!(taken.status, 202);
    let mut peer = Peer::connect(emulator.runtime_api());
    let given = peer.next();
    peer.respond(&given.id, b"{}");
    peer.ask_next();
    let lines = BufReader::new(accept(&listener)).lines().take(LIFE.len());
    let records: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    check_life(&records);
}

#[test]
fn a_runtime_that_follows_one_that_was_late_can_be_subscribed_to_before_a_caller_comes() {
    let emulator = quiet().timeout(Duration::from_millis(10)).init_timeout(AMPLE).start().unwrap();
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        peer.next();
        // It is parted with.
        assert!(is_end(peer.stream.peek(&mut [0])));
    });
    assert_eq!(answer.outcome, Outcome::Failure);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut wire, id) = register(&emulator);
    let destination = json!({ "protocol": "TCP", "port": port });
    assert_eq!(subscribe(&mut wire, &id, &wish("2022-07-01", &destination)).status, 200);
    let mut lines = BufReader::new(accept(&listener)).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["type"], "platform.initStart");
}

#[test]
fn a_subscriber_over_tcp_has_a_record_a_line() {
    let emulator = quiet().start().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut wire, id) = register(&emulator);
    let destination = json!({ "protocol": "TCP", "port": port });
    assert_eq!(subscribe(&mut wire, &id, &wish("2025-01-29", &destination)).status, 200);
    // It was connected before the reply.
    let stream = BufReader::new(accept(&listener));
    invoke(&emulator);
    let lines = stream.lines().take(LIFE.len());
    let records: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    check_life(&records);
}

#[test]
fn what_a_program_prints_is_reported_line_by_line() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut command = Command::new("sh");
    command.args(["-c", "echo one; echo; echo two >&2; sleep 1000"]);
    let emulator = Emulator::new(command).console(Console::Silent).start().unwrap();
    let (mut wire, id) = register(&emulator);
    let destination = json!({ "protocol": "TCP", "port": port });
    assert_eq!(subscribe(&mut wire, &id, &wish("2025-01-29", &destination)).status, 200);
    let mut lines = Vec::new();
    for line in BufReader::new(accept(&listener)).lines() {
        let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if record["type"] == "function" {
            lines.push(record["record"].as_str().unwrap().to_owned());
        }
        if lines.len() == 3 {
            break;
        }
    }
    lines.sort();
    assert_eq!(lines, ["", "one", "two"]);
}

#[test]
fn a_record_in_a_frame_is_one_whatever_lines_it_has() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut command = Command::new("sh");
    let frame = r"\245\132\000\027\000\000\000\003\000\000\000\000\000\000\000\000a\nb";
    let script = format!("printf '{frame}' > /proc/self/fd/$_LAMBDA_TELEMETRY_LOG_FD; sleep 1000");
    command.args(["-c", &script]);
    let emulator = Emulator::new(command).console(Console::Silent).log_frames().start().unwrap();
    let (mut wire, id) = register(&emulator);
    let destination = json!({ "protocol": "TCP", "port": port });
    assert_eq!(subscribe(&mut wire, &id, &wish("2025-01-29", &destination)).status, 200);
    let lines = BufReader::new(accept(&listener)).lines();
    let mut records = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    assert_eq!(records.find(|record| record["type"] == "function").unwrap()["record"], "a\nb");
}

#[test]
fn a_subscriber_that_refuses_a_batch_learns_what_it_has_lost() {
    let emulator = quiet().start().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mut wire, id) = register(&emulator);
    let destination = json!({ "protocol": "HTTP", "URI": format!("http://sandbox.localdomain:{port}") });
    assert_eq!(subscribe(&mut wire, &id, &wish("2022-12-13", &destination)).status, 200);
    let mut stream = BufReader::new(accept(&listener));
    let lost = take_batch(&mut stream, 500).unwrap();
    let heard = take_batch(&mut stream, 200).unwrap();
    assert_eq!(types(&heard), ["platform.logsDropped"]);
    assert_eq!(heard[0]["record"]["droppedRecords"], lost.len());
    // Nobody else is harmed.
    invoke(&emulator);
}

#[test]
fn what_cannot_be_subscribed_to_is_refused_by_name() {
    let emulator = quiet().start().unwrap();
    let (mut wire, id) = register(&emulator);
    let somewhere = json!({ "protocol": "HTTP", "URI": "http://sandbox.localdomain:1" });
    let refused = subscribe(&mut wire, &id, &wish("2020-01-01", &somewhere));
    assert_eq!(refused.status, 400);
    let body: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(body["errorType"], "ValidationError");
    let nobody = free_port();
    let refused = subscribe(&mut wire, &id, &wish("2025-01-29", &json!({ "protocol": "TCP", "port": nobody })));
    assert!(refused.text().contains("could not TCP dial"), "{}", refused.text());
    assert_eq!(subscribe(&mut wire, "nobody", "{}").status, 403);
    invoke(&emulator);
    let late = subscribe(&mut wire, &id, &wish("2025-01-29", &somewhere));
    assert!(late.text().contains("Telemetry.SubscriptionClosed"), "{}", late.text());
}

/// A runtime that starts when this file is there, so that extensions may come before.
pub(crate) fn waiting(go: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("while [ ! -e {} ]; do sleep 0.1; done; exec \"$@\"", go.display()), "sh"]);
    let (key, value) = child::variable();
    command.arg(std::env::current_exe().unwrap()).args(child::arguments()).env(key, value);
    command
}

#[test]
#[cfg(target_os = "linux")]
fn a_program_is_not_frozen_while_a_subscriber_takes_a_batch() {
    let go = std::env::temp_dir().join(format!("lambwire-telemetry-go-{}", std::process::id()));
    let emulator = Emulator::new(waiting(&go)).console(Console::Silent).timeout(AMPLE).init_timeout(AMPLE);
    let emulator = emulator.freeze(Freeze::Processes).start().unwrap();
    let (mut wire, id) = register(&emulator);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let uri = format!("http://sandbox.localdomain:{}", listener.local_addr().unwrap().port());
    let destination = json!({ "protocol": "HTTP", "URI": uri });
    assert_eq!(subscribe(&mut wire, &id, &wish("2022-12-13", &destination)).status, 200);
    // It does not say that it has the batch.
    let mut batch = accept(&listener);
    std::fs::write(&go, "").unwrap();
    let pid = String::from_utf8(emulator.invoke_blocking(Event::new("pid")).unwrap().body).unwrap();
    std::fs::remove_file(&go).unwrap();
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    wait_until("a freeze", || stat().rsplit_once(") ").unwrap().1.starts_with('T'));
    batch.set_nonblocking(true).unwrap();
    let rest = batch.read_to_end(&mut Vec::new());
    assert!(rest.is_ok(), "it was given up before: {rest:?}");
}
