//! The URL of a function: HTTP to an event, and back.

use std::io::Read;
use std::net::SocketAddr;
use std::thread;

use lambwire_emulator::{Emulator, Running, UrlFormat};
use serde_json::{Value, json};

use crate::library::quiet;
use crate::peer::{Peer, accepted};
use crate::wire::{Answered, Wire};

fn start() -> (Running, SocketAddr) {
    let emulator = quiet().url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.url().unwrap();
    (emulator, address)
}

/// A URL of this kind, and the reply to a request while `play` plays the runtime.
fn ask_of(emulator: Emulator, request: &str, play: impl FnOnce(&mut Peer, &str)) -> Answered {
    let emulator = emulator.url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.url().unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(|| Wire::connect(address).exchange(request));
        let mut peer = Peer::connect(emulator.runtime_api());
        let id = peer.next().id;
        play(&mut peer, &id);
        caller.join().unwrap()
    })
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[test]
fn an_event_has_the_trace_header_of_its_invocation_and_of_a_function_url_its_id() {
    let own = "Root=1-6b0c0030-7dca63a5fc2b1125e5a3823f;Parent=1dd499308a63c585;Sampled=1";
    let line = |value: &str| format!("X-Amzn-Trace-Id: {value}\r\n");
    for (header, is_own) in [(String::new(), false), (line(own), true), (line("Root=\u{fc}"), false)] {
        for format in [UrlFormat::V2, UrlFormat::V1, UrlFormat::Alb] {
            let emulator = quiet().url_format(format).url(([127, 0, 0, 1], 0).into()).start().unwrap();
            let address = emulator.url().unwrap();
            let request = format!("GET /a HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
            thread::scope(|scope| {
                let caller = scope.spawn(|| Wire::connect(address).exchange(request));
                let mut peer = Peer::connect(emulator.runtime_api());
                let given = peer.next();
                let event: Value = serde_json::from_slice(&given.event).unwrap();
                let trace_id = given.trace_id.unwrap();
                let name = if format == UrlFormat::V1 { "X-Amzn-Trace-Id" } else { "x-amzn-trace-id" };
                assert_eq!(event["headers"][name], *trace_id);
                assert!(trace_id.starts_with("Root=1-") && is_own == (trace_id == own), "{trace_id}");
                // API Gateway has ids of its own.
                let is_invocation = event["requestContext"]["requestId"] == *given.id;
                assert_eq!(is_invocation, format == UrlFormat::V2, "{format:?}");
                peer.respond(&given.id, b"1");
                caller.join().unwrap();
            });
        }
    }
}

#[test]
fn a_load_balancer_wants_a_status() {
    for (answer, status) in [("{}", 502), (r#"{"statusCode":201,"body":"x"}"#, 201)] {
        let reply = ask_of(quiet().url_format(UrlFormat::Alb), GET, |peer, id| {
            peer.respond(id, answer.as_bytes());
        });
        assert_eq!(reply.status, status);
    }
}

#[test]
fn a_browser_that_asks_beforehand_is_answered_without_the_function() {
    let cors = r#"{"AllowOrigins":["https://a.example"],"AllowMethods":["PUT"]}"#;
    let asked = "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n\
                 Access-Control-Request-Method: PUT\r\n\r\n";
    let emulator = quiet().url_cors(cors).unwrap().url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let reply = Wire::connect(emulator.url().unwrap()).exchange(asked);
    assert_eq!((reply.status, reply.header("access-control-allow-methods")), (200, Some("PUT")));
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\n\r\n";
    let reply = ask_of(quiet().url_cors(cors).unwrap(), request, |peer, id| drop(peer.respond(id, b"1")));
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://a.example"));
}

#[test]
fn a_stream_comes_through_the_url_before_it_has_ended() {
    let emulator = quiet().url_streaming().url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.url().unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(move || {
            let mut wire = Wire::connect(address);
            wire.write(GET);
            let head = wire.read();
            // What has come is here while the rest is not.
            let first = [wire.read_line(), wire.read_line()];
            (head, first, wire)
        });
        let mut peer = Peer::connect(emulator.runtime_api());
        let id = peer.next().id;
        let mut stream = peer.begin_stream(&id, "application/vnd.awslambda.http-integration-response");
        stream.write(br#"{"statusCode":206,"headers":{"X-Mine":"yes"}}"#);
        stream.write(&[&[0; 8][..], b"one"].concat());
        let (head, first, mut wire) = caller.join().unwrap();
        assert_eq!((head.status, head.header("x-mine")), (206, Some("yes")));
        assert_eq!(first, ["3", "one"]);
        stream.write(b"two");
        assert_eq!(stream.end(), accepted());
        assert_eq!([wire.read_line(), wire.read_line(), wire.read_line()], ["3", "two", "0"]);
    });
}

#[test]
fn a_stream_that_fails_is_502_before_it_begins_and_cut_behind_that() {
    let reply = ask_of(quiet().url_streaming(), GET, |peer, id| drop(peer.fail(id, b"{}")));
    assert_eq!((reply.status, reply.text()), (502, "Internal Server Error"));
    let reply = ask_of(quiet().url_streaming(), GET, |peer, id| drop(peer.respond(id, b"")));
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/octet-stream")));
    let emulator = quiet().url_streaming().url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.url().unwrap();
    thread::scope(|scope| {
        let caller = scope.spawn(move || {
            let mut wire = Wire::connect(address);
            wire.write(GET);
            assert_eq!(wire.read().status, 200);
            let mut rest = Vec::new();
            let _ = wire.0.read_to_end(&mut rest);
            String::from_utf8(rest).unwrap()
        });
        let mut peer = Peer::connect(emulator.runtime_api());
        let id = peer.next().id;
        peer.stream(&id, &[b"one"], Some(br#"{"errorMessage":"boom"}"#));
        let rest = caller.join().unwrap();
        assert!(rest.starts_with("3\r\none\r\n") && !rest.contains("\r\n0\r\n"), "{rest}");
    });
}

/// Sends a request while `play` answers it; returns what the function and the caller got.
fn ask(request: &str, play: impl FnOnce(&mut Peer, &str)) -> (Value, Answered) {
    let (emulator, address) = start();
    thread::scope(|scope| {
        let caller = scope.spawn(|| Wire::connect(address).exchange(request));
        let mut peer = Peer::connect(emulator.runtime_api());
        let given = peer.next();
        play(&mut peer, &given.id);
        (serde_json::from_slice(&given.event).unwrap(), caller.join().unwrap())
    })
}

#[test]
fn a_request_becomes_an_event_and_the_answer_a_response() {
    let request = "POST /pa2%Fth/1?a=1&a=2&b=x%20y HTTP/1.1\r\nHost: localhost:8081\r\nContent-Type: application/json\r\n\
                   Cookie: c=1; d=2\r\nX-Two: 1\r\nX-Two: 2\r\nUser-Agent: me\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
    let (event, answer) = ask(request, |peer, id| {
        let answer = json!({
            "statusCode": 201,
            "headers": { "X-Mine": "yes", "Content-Type": "text/html" },
            "cookies": ["a=b", "c=d; Secure"],
            "body": "aGk=",
            "isBase64Encoded": true,
        });
        peer.respond(id, answer.to_string().as_bytes());
    });
    assert_eq!((&event["version"], &event["routeKey"]), (&json!("2.0"), &json!("$default")));
    assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/pa2%Fth/1"), &json!("a=1&a=2&b=x%20y")));
    assert_eq!(event["queryStringParameters"], json!({ "a": "1,2", "b": "x y" }));
    assert_eq!(event["cookies"], json!(["c=1", "d=2"]));
    assert_eq!((&event["headers"]["x-two"], &event["headers"]["cookie"]), (&json!("1,2"), &Value::Null));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{\"a\":1}"), &json!(false)));
    let http = &event["requestContext"]["http"];
    assert_eq!((&http["method"], &http["protocol"]), (&json!("POST"), &json!("HTTP/1.1")));
    assert_eq!((&http["sourceIp"], &http["userAgent"]), (&json!("127.0.0.1"), &json!("me")));
    assert!(event["requestContext"]["timeEpoch"].is_u64());

    assert_eq!((answer.status, answer.text()), (201, "hi"));
    assert_eq!((answer.header("X-Mine"), answer.header("Content-Type")), (Some("yes"), Some("text/html")));
    let cookies: Vec<&str> = answer.head.lines().filter(|line| line.starts_with("set-cookie: ")).collect();
    assert_eq!(cookies, ["set-cookie: a=b", "set-cookie: c=d; Secure"]);
}

#[test]
fn bytes_come_as_base64_and_a_bare_answer_is_a_body() {
    let request = "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\nhi";
    let (event, answer) = ask(request, |peer, id| drop(peer.respond(id, br#"{"a":1}"#)));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("aGk="), &json!(true)));
    assert_eq!((answer.status, answer.text()), (200, r#"{"a":1}"#));
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
}

#[test]
fn a_failure_is_a_bad_gateway_without_a_word_of_why() {
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (event, answer) = ask(request, |peer, id| drop(peer.fail(id, br#"{"errorMessage":"secret"}"#)));
    assert_eq!(event.get("body"), None);
    assert_eq!((answer.status, answer.text()), (502, "Internal Server Error"));
}

#[test]
fn a_stream_with_a_prelude_is_a_response() {
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (_, answer) = ask(request, |peer, id| {
        let body = b"{\"statusCode\":202,\"headers\":{\"X-A\":\"b\"},\"cookies\":[\"e=f\"]}\0\0\0\0\0\0\0\0body";
        peer.respond_as(id, Some("application/vnd.awslambda.http-integration-response"), body);
    });
    assert_eq!((answer.status, answer.text()), (202, "body"));
    assert_eq!((answer.header("X-A"), answer.header("Set-Cookie")), (Some("b"), Some("e=f")));
}
