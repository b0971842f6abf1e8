//! Responses that callers have as the function sends them.

use std::io::Read;
use std::thread;
use std::time::Duration;

use lambwire_emulator::limits::STREAM_BYTES;
use lambwire_emulator::{Event, Outcome};

use crate::library::{invoke_with, quiet};
use crate::peer::{Peer, accepted};
use crate::runtime_api::response_path;
use crate::wire::{Wire, post_bytes};

const STREAM: &str = "/2021-11-15/functions/function/response-streaming-invocations";

/// A message of an event stream.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    event_type: String,
    payload: Vec<u8>,
}

/// Reads what a caller of a stream gets, message by message.
struct Caller {
    wire: Wire,
    /// What has been received of the body.
    body: Vec<u8>,
}

impl Caller {
    fn call(address: std::net::SocketAddr, headers: &[&str]) -> Self {
        let mut wire = Wire::connect(address);
        wire.write(post_bytes(STREAM, headers, b"{}"));
        Self { wire, body: Vec::new() }
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.wire.0.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        String::from_utf8(head).unwrap()
    }

    /// Reads a chunk of the body; whether there was one.
    fn chunk(&mut self) -> bool {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            self.wire.0.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        let len = usize::from_str_radix(str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut chunk = vec![0; len + 2];
        self.wire.0.read_exact(&mut chunk).unwrap();
        self.body.extend(&chunk[..len]);
        len > 0
    }

    fn message(&mut self) -> Option<Message> {
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap()) as usize;
        while self.body.len() < 12 || self.body.len() < number(&self.body[..4]) {
            if !self.chunk() {
                assert!(self.body.is_empty());
                return None;
            }
        }
        let total = number(&self.body[..4]);
        let message: Vec<u8> = self.body.drain(..total).collect();
        assert_eq!(message[8..12], crc32(&message[..8]).to_be_bytes());
        assert_eq!(message[total - 4..], crc32(&message[..total - 4]).to_be_bytes());
        let headers_end = 12 + number(&message[4..8]);
        let mut headers = &message[12..headers_end];
        let mut values = Vec::new();
        while !headers.is_empty() {
            let name_len = usize::from(headers[0]);
            let name = String::from_utf8(headers[1..=name_len].to_vec()).unwrap();
            assert_eq!(headers[1 + name_len], 7);
            let value_len = usize::from(u16::from_be_bytes([headers[2 + name_len], headers[3 + name_len]]));
            let value = &headers[4 + name_len..4 + name_len + value_len];
            values.push((name, String::from_utf8(value.to_vec()).unwrap()));
            headers = &headers[4 + name_len + value_len..];
        }
        let names: Vec<&str> = values.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [":event-type", ":content-type", ":message-type"]);
        assert_eq!(values[2].1, "event");
        Some(Message { event_type: values.swap_remove(0).1, payload: message[headers_end..total - 4].to_vec() })
    }

    /// The last message, which is complete.
    fn complete(&mut self) -> serde_json::Value {
        let last = self.message().unwrap();
        assert_eq!(last.event_type, "InvokeComplete");
        assert_eq!(self.message(), None);
        serde_json::from_slice(&last.payload).unwrap()
    }
}

/// Checksums bit by bit, as the definition has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

fn start() -> (lambwire_emulator::Running, std::net::SocketAddr) {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.listens().unwrap();
    (emulator, address)
}

/// Begins to stream, and returns the connection.
fn begin_stream(emulator: &lambwire_emulator::Running, id: &str) -> Wire {
    let mut wire = Wire::connect(emulator.runtime_api());
    wire.write(format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/x-stream\r\nTransfer-Encoding: chunked\r\n\
         Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n",
        response_path(id)
    ));
    wire
}

#[test]
fn the_first_piece_is_at_the_caller_before_the_last_is_sent() {
    let (emulator, address) = start();
    let mut caller = Caller::call(address, &["X-Amz-Log-Type: Tail"]);
    let mut peer = Peer::connect(emulator.runtime_api());
    let id = peer.next().id;
    let mut wire = begin_stream(&emulator, &id);
    wire.write("5\r\nfirst\r\n");
    let head = caller.head().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.contains("application/vnd.amazon.eventstream"), "{head}");
    assert!(head.contains("x-amz-executed-version: $latest") && head.contains(&id), "{head}");
    let piece = |text: &str| Some(Message { event_type: "PayloadChunk".into(), payload: text.into() });
    assert_eq!(caller.message(), piece("first"));
    wire.write("4\r\nlast\r\n0\r\n\r\n");
    assert_eq!(wire.read().status, 202);
    assert_eq!(caller.message(), piece("last"));
    // With the log, the invocation is over.
    peer.ask_next();
    let complete = caller.complete();
    assert_eq!(complete.get("ErrorCode"), None);
    assert!(complete["LogResult"].as_str().unwrap().len() > 50);
}

#[test]
fn every_failure_stands_in_the_last_message() {
    let report = br#"{"errorType":"E","errorMessage":"m"}"#;
    type Play = fn(&mut Peer, &str, &[u8]);
    let plays: [(Play, &str); 3] = [
        (|peer, id, report| drop(peer.fail(id, report)), "E"),
        (|peer, id, report| drop(peer.stream(id, &[b"part"], Some(report))), "E"),
        (|peer, id, _| drop(peer.fail(id, b"")), "Runtime.Unknown"),
    ];
    for (play, code) in plays {
        let (emulator, address) = start();
        let mut caller = Caller::call(address, &[]);
        let mut peer = Peer::connect(emulator.runtime_api());
        let id = peer.next().id;
        play(&mut peer, &id, report);
        caller.head();
        let mut last = caller.message().unwrap();
        if last.event_type == "PayloadChunk" {
            assert_eq!(last.payload, b"part");
            last = caller.message().unwrap();
        }
        let complete: serde_json::Value = serde_json::from_slice(&last.payload).unwrap();
        assert_eq!(complete["ErrorCode"], code);
        assert!(complete["ErrorDetails"].as_str().unwrap().contains(code));
        assert_eq!(caller.message(), None);
    }
}

#[test]
fn a_response_that_is_no_stream_is_one_all_the_same() {
    let (emulator, address) = start();
    let mut caller = Caller::call(address, &[]);
    let mut peer = Peer::connect(emulator.runtime_api());
    let id = peer.next().id;
    assert_eq!(peer.respond(&id, b"whole"), accepted());
    caller.head();
    assert_eq!(caller.message().unwrap().payload, b"whole");
    assert_eq!(caller.complete(), serde_json::json!({}));
}

#[test]
fn a_caller_who_leaves_does_not_stop_the_function() {
    let (emulator, address) = start();
    let caller = Caller::call(address, &[]);
    let mut peer = Peer::connect(emulator.runtime_api());
    let id = peer.next().id;
    drop(caller);
    let piece = vec![b'x'; 1024 * 1024];
    let pieces: Vec<&[u8]> = (0..16).map(|_| piece.as_slice()).collect();
    assert_eq!(peer.stream(&id, &pieces, None), accepted());
}

#[test]
fn a_slow_caller_does_not_stop_the_function_when_the_time_is_over() {
    let emulator = quiet().timeout(Duration::from_millis(300)).concurrency(2).start().unwrap();
    let stream = emulator.invoke_stream(Event::new("{}")).unwrap();
    let mut peer = Peer::connect(emulator.runtime_api());
    let id = peer.next().id;
    // More than there is room for on the way.
    let piece = vec![b'x'; 1024 * 1024];
    let pieces: Vec<&[u8]> = (0..64).map(|_| piece.as_slice()).collect();
    assert_eq!(peer.stream(&id, &pieces, None).status, 410);
    let answer = smol::block_on(stream.answer()).unwrap();
    assert!(String::from_utf8(answer.body).unwrap().contains("Task timed out after 0.30 seconds"));
}

#[test]
fn a_large_stream_passes_and_a_plain_caller_has_it_whole() {
    let emulator = quiet().start().unwrap();
    let piece = vec![b'x'; 1024 * 1024];
    let pieces: Vec<&[u8]> = (0..16).map(|_| piece.as_slice()).collect();
    let answer = invoke_with(&emulator, Event::new("{}"), |peer| {
        let id = peer.next().id;
        assert_eq!(peer.stream(&id, &pieces, None), accepted());
        peer.ask_next();
    });
    assert_eq!((answer.outcome, answer.body.len()), (Outcome::Success, 16 * piece.len()));
}

#[test]
fn a_stream_at_the_limit_passes_and_one_byte_more_does_not() {
    let limit = usize::try_from(STREAM_BYTES).unwrap();
    for excess in [0, 1] {
        let emulator = quiet().start().unwrap();
        let mut stream = emulator.invoke_stream(Event::new("{}")).unwrap();
        let received = thread::spawn(move || {
            smol::block_on(async {
                let mut total = 0;
                while let Some(piece) = stream.piece().await {
                    total += piece.len();
                }
                (total, stream.answer().await.unwrap())
            })
        });
        let mut peer = Peer::connect(emulator.runtime_api());
        let id = peer.next().id;
        let piece = vec![b'x'; 1024 * 1024];
        let mut pieces: Vec<&[u8]> = (0..limit / piece.len()).map(|_| piece.as_slice()).collect();
        pieces.push(&piece[..excess]);
        let said = peer.stream(&id, &pieces, None);
        assert_eq!(said.status, if excess == 0 { 202 } else { 413 });
        assert_eq!(said.body.contains("(209715200 bytes)"), excess == 1, "{}", said.body);
        let (total, answer) = received.join().unwrap();
        assert_eq!(total, limit, "{excess}");
        assert_eq!(answer.outcome, if excess == 0 { Outcome::Success } else { Outcome::Failure });
        let report = String::from_utf8_lossy(&answer.body);
        assert_eq!(report.contains("(209715200 bytes)"), excess == 1, "{report}");
    }
}
