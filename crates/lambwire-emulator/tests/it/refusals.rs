//! Requests of callers that no function gets to see.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::limits;

use crate::front::{invoke, start};
use crate::library::{echo, quiet};
use crate::wire::{Answered, INVOKE, Wire, post, post_bytes};

#[track_caller]
fn check_refused(target: &str, headers: &[&str], status: u16, name: &str, message: &str) {
    let (_emulator, address) = start();
    let answer = post(address, target, headers, b"{}");
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("x-amzn-ErrorType"), Some(name));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["__type"], name);
    assert!(body["message"].as_str().unwrap().contains(message), "{body}");
}

#[test]
fn what_is_no_invocation_is_refused_by_name() {
    let content = "InvalidRequestContentException";
    for (header, message) in [
        ("X-Amz-Client-Context: !", "client context given is not base64"),
        ("X-Amz-Client-Context: /w==", "client context given is not UTF-8"),
        // A NUL between braces.
        ("X-Amz-Client-Context: ewB9", "invalid client context"),
        ("X-Amz-Tenant-Id: \u{e9}\t\u{80}\r\nX-Amz-Client-Context: !", "client context"),
    ] {
        check_refused(INVOKE, &[header], 400, content, message);
    }
    let parameter = "InvalidParameterValueException";
    check_refused(INVOKE, &["X-Amz-Invocation-Type: Later"], 400, parameter, "Later");
    check_refused("/2015-03-31/functions/a%20b/invocations", &[], 400, parameter, "a b");
    check_refused(
        "/2015-03-31/functions/f:1/invocations?Qualifier=2",
        &[],
        400,
        parameter,
        "no qualifier of the function f:1: 2",
    );
    check_refused(
        &format!("{INVOKE}?Qualifier=a%20b"),
        &[],
        400,
        parameter,
        "no qualifier of the function function: a b",
    );
    check_refused(&format!("{INVOKE}?Qualifier=%ff"), &[], 400, parameter, "the qualifier is not UTF-8");
    check_refused("/", &[], 404, "ResourceNotFoundException", "no such path");
    check_refused("/2015-03-31/functions/function/invocations/", &[], 404, "ResourceNotFoundException", "no such path");
}

#[test]
fn a_client_context_too_long_for_aws_is_refused() {
    let header = format!("X-Amz-Client-Context: {}", "e".repeat(limits::CLIENT_CONTEXT_BYTES + 1));
    check_refused(INVOKE, &[&header], 400, "InvalidRequestContentException", "limit is 3583");
}

#[test]
fn other_methods_are_refused_with_the_one_that_is_allowed() {
    let (_emulator, address) = start();
    for method in ["GET", "PUT", "DELETE"] {
        let answer = Wire::connect(address).exchange(format!("{method} {INVOKE} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!(answer.status, 405);
        assert_eq!(answer.header("Allow"), Some("POST"));
    }
}

#[test]
fn an_event_at_the_limit_passes_and_one_byte_more_does_not() {
    let limit = usize::try_from(PAYLOAD_BYTES).unwrap();
    for len in [limit - 1, limit] {
        let (answer, _) = invoke(INVOKE, &[], &vec![b'1'; len]);
        assert_eq!((answer.status, answer.body.len()), (200, len));
    }
    let (_emulator, address) = start();
    let answer = post(address, INVOKE, &[], &vec![b'1'; limit + 1]);
    assert_eq!(answer.status, 413);
    assert_eq!(answer.header("x-amzn-ErrorType"), Some("RequestTooLargeException"));
    assert!(answer.text().contains(&(limit + 1).to_string()), "{}", answer.text());
}

#[test]
fn callers_beyond_the_limit_are_throttled() {
    let (emulator, address) = start();
    let mut wire = Wire::connect(address);
    let event = post_bytes(INVOKE, &["X-Amz-Invocation-Type: Event"], b"");
    for _ in 0..limits::CALLERS {
        assert_eq!(wire.exchange(&event).status, 202);
    }
    let answer = wire.exchange(&event);
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("x-amzn-ErrorType"), Some("TooManyRequestsException"));
    assert!(answer.text().contains("Rate Exceeded."), "{}", answer.text());
    drop(emulator);
}

#[test]
fn a_body_is_json_or_none_at_all() {
    let (answer, given) = invoke(INVOKE, &[], b"");
    assert_eq!((answer.status, given.event.as_slice()), (200, &b"{}"[..]));
    let message = "Could not parse request body into json: Could not parse payload into json: ";
    let (_emulator, address) = start();
    for body in ["{", "hello", "{}{}", "\u{feff}{}", "'x'"] {
        let answer = post(address, INVOKE, &[], body.as_bytes());
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.header("x-amzn-ErrorType"), Some("InvalidRequestContentException"));
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert!(body["message"].as_str().unwrap().starts_with(message), "{body}");
        assert_eq!(body["Type"], "User");
    }
}

/// The reply to a request, and whether the connection ends behind it.
fn reply_to(address: SocketAddr, request: impl AsRef<[u8]>) -> (Answered, bool) {
    let mut wire = Wire::connect(address);
    let reply = wire.exchange(request);
    let is_closed = reply.header("Connection") == Some("close") && wire.is_closed();
    (reply, is_closed)
}

#[test]
fn a_request_that_names_no_host_or_two_is_refused_on_every_port_for_callers() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let ports = [emulator.listens().unwrap(), emulator.url().unwrap()];
    for (target, address) in [(INVOKE, ports[0]), ("/", ports[0]), ("/page/invocations", ports[0]), ("/", ports[1])] {
        for (hosts, expected) in [
            ("", "missing required Host header"),
            ("Host: localhost\r\nHost: localhost\r\n", "too many Host headers"),
            ("Host: a/b\r\n", "malformed Host header"),
        ] {
            let (reply, _) = reply_to(address, format!("GET {target} HTTP/1.1\r\n{hosts}\r\n"));
            assert_eq!((reply.status, reply.header("x-amzn-ErrorType")), (400, Some("MalformedHttpRequestException")));
            assert!(reply.text().contains(expected), "{}", reply.text());
        }
    }
    let runtime = echo(&emulator);
    let old = format!("POST {INVOKE} HTTP/1.0\r\nContent-Length: 1\r\n\r\n1");
    assert_eq!(Wire::connect(ports[0]).exchange(old).text(), "1");
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn an_event_that_says_it_is_too_large_is_refused_before_it_comes() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let ports = [emulator.listens().unwrap(), emulator.url().unwrap()];
    let runtime = echo(&emulator);
    for address in ports {
        for expect in ["", "Expect: 100-continue\r\n"] {
            let head = |len: u64| {
                format!("POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len}\r\n{expect}\r\n")
            };
            let (reply, is_closed) = reply_to(address, head(PAYLOAD_BYTES + 1));
            assert_eq!((reply.status, is_closed), (413, true), "{}", reply.head);
            // One that is not may come.
            let mut wire = Wire::connect(address);
            wire.write(head(1024 * 1024));
            if !expect.is_empty() {
                assert_eq!(wire.read().status, 100);
            }
            wire.write(vec![b'1'; 1024 * 1024]);
            assert_eq!(wire.read().status, 200);
        }
    }
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn an_event_in_chunks_is_refused_when_so_much_has_come_and_not_at_its_end() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let size = usize::try_from(PAYLOAD_BYTES).unwrap() + 1;
    let head = format!("POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n");
    for address in [emulator.listens().unwrap(), emulator.url().unwrap()] {
        let (reply, is_closed) = reply_to(address, [head.as_bytes(), &vec![b'1'; size]].concat());
        assert_eq!((reply.status, is_closed), (413, true), "{}", reply.head);
    }
}

#[test]
fn a_body_that_is_coded_by_more_than_chunks_is_refused() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).url(([127, 0, 0, 1], 0).into()).start().unwrap();
    for address in [emulator.listens().unwrap(), emulator.url().unwrap()] {
        for codings in ["gzip, chunked", "gzip\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: chunked"]
        {
            let head = format!("POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: {codings}\r\n\r\n");
            let (reply, is_closed) = reply_to(address, head + "1\r\n1\r\n0\r\n\r\n");
            assert_eq!((reply.status, is_closed), (501, true), "{codings}: {}", reply.head);
            assert!(reply.text().contains("of Transfer-Encoding chunked alone is known"), "{}", reply.text());
        }
    }
}

#[test]
fn a_chunk_that_is_none_is_refused_with_what_is_wrong_and_where() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let head = format!("POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for address in [emulator.listens().unwrap(), emulator.url().unwrap()] {
        for (chunks, bytes, why) in [
            ("x\r\n", 0, "chunk size"),
            ("2\r\n12\r\n+1\r\n3\r\n", 2, "chunk size"),
            ("2\r\n12\r\n1\r\n345\r\n", 3, "chunk body"),
        ] {
            let (reply, is_closed) = reply_to(address, [&head, chunks].concat().into_bytes());
            assert_eq!((reply.status, is_closed), (400, true), "{chunks}: {}", reply.head);
            let place = format!("the body is malformed after {bytes} bytes: ");
            assert!(reply.text().contains(&place) && reply.text().contains(why), "{chunks}: {}", reply.text());
        }
    }
}

#[test]
fn a_target_that_is_no_path_is_refused_on_every_port_for_callers() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).url(([127, 0, 0, 1], 0).into()).start().unwrap();
    for address in [emulator.listens().unwrap(), emulator.url().unwrap()] {
        for (start, status, expected) in [
            ("CONNECT example.com:443", 501, "this is no proxy"),
            ("CONNECT localhost:8080", 501, "this is no proxy"),
            ("GET localhost:8080", 400, "for CONNECT alone"),
            ("OPTIONS *", 400, "the target *"),
            ("GET *", 400, "the target *"),
        ] {
            let reply = Wire::connect(address).exchange(format!("{start} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            assert_eq!(reply.status, status, "{start}: {}", reply.head);
            assert!(reply.text().contains(expected), "{start}: {}", reply.text());
        }
    }
    // With a host before it, it is one.
    let runtime = echo(&emulator);
    let port = emulator.url().unwrap();
    let reply = Wire::connect(port).exchange("GET http://localhost/a?b HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let event: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&"/a".into(), &"b".into()));
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn a_name_that_may_lead_here_by_trickery_is_refused_by_the_url_as_well() {
    let emulator = quiet().allow_host("own.example").url(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.url().unwrap();
    let runtime = echo(&emulator);
    let ask = |host: &str| Wire::connect(address).exchange(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let refused = ask("other.example");
    assert_eq!((refused.status, refused.header("x-amzn-ErrorType")), (403, Some("AccessDeniedException")));
    assert!(refused.text().contains("--allow-host other.example"));
    for host in ["localhost", "127.0.0.1:1", "own.example:1"] {
        assert_eq!(ask(host).status, 200, "{host}");
    }
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn whoever_sends_all_of_an_event_before_it_reads_has_the_refusal() {
    let (_emulator, address) = start();
    let size = 32 * 1024 * 1024;
    let body = vec![b'1'; size];
    let head = |framing: &str| format!("POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n").into_bytes();
    let whole = [head(&format!("Content-Length: {size}")), body.clone()].concat();
    let chunk = format!("{size:x}\r\n").into_bytes();
    let chunked = [head("Transfer-Encoding: chunked"), chunk, body, b"\r\n0\r\n\r\n".to_vec()].concat();
    for request in [whole, chunked] {
        let (reply, is_closed) = reply_to(address, request);
        assert_eq!((reply.status, is_closed), (413, true), "{}", reply.head);
    }
}

#[test]
fn a_connection_goes_on_after_a_refusal_if_its_body_is_no_larger_than_an_event() {
    let (_emulator, address) = start();
    let mut wire = Wire::connect(address);
    for (target, status) in [("/nowhere", 404), ("/2015-03-31/functions/a%20b/invocations", 400)] {
        assert_eq!(wire.exchange(post_bytes(target, &[], &vec![b'1'; 1024 * 1024])).status, status);
    }
    // Who waits for leave to send it does not get any.
    let (reply, is_closed) = reply_to(
        address,
        "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!((reply.status, is_closed), (404, true), "{}", reply.head);
}

#[test]
fn a_head_that_does_not_come_has_so_long_behind_each_request_and_not_longer() {
    let (_emulator, address) = start();
    let mut wire = Wire::connect(address);
    for _ in 0..2 {
        assert_eq!(wire.exchange(post_bytes("/nowhere", &[], b"1")).status, 404);
        sleep(Duration::from_secs(1));
    }
    let since = Instant::now();
    assert_eq!(wire.exchange(post_bytes("/nowhere", &[], b"1")).status, 404);
    wire.write("POST /nowhere");
    assert!(wire.is_closed() && since.elapsed() >= limits::HEAD_TIMEOUT);
}

#[test]
fn a_body_that_does_not_come_has_so_long_and_not_longer() {
    let (_emulator, address) = start();
    let since = Instant::now();
    let head = format!("POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n1");
    let (reply, is_closed) = reply_to(address, head);
    assert_eq!((reply.status, reply.header("x-amzn-ErrorType")), (408, Some("RequestTimeoutException")));
    assert!(is_closed && since.elapsed() >= limits::BODY_TIMEOUT);
}
