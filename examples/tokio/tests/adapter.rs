//! The adapter against a Runtime API of lambwire-testing, and, where the bytes matter, one that a script plays.

#![expect(clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{JoinHandle, spawn};

use lambwire_runtime::Failure;
use lambwire_runtime::lambwire::{Prelude, RequestKind};
use lambwire_testing::{Api, Event, Fault};
use tokio::sync::mpsc::channel;
use tokio_adapter::{Response, Runtime};

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
const OVER: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";

fn event(event: &str) -> String {
    let len = event.len();
    format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: {len}\r\n\r\n{event}")
}

/// Reads until these bytes have come, and gives all that came.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let (mut text, mut byte) = (String::new(), [0]);
    while !text.ends_with(end) {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "the runtime hung up behind {text}");
        text.push(char::from(byte[0]));
    }
    text
}

fn scripted(script: impl FnOnce(&TcpListener) -> String + Send + 'static) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap().to_string(), spawn(move || script(&listener)))
}

/// Serves to the end, and gives the errors of responses.
fn serve(api: &str) -> Vec<String> {
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let mut runtime = Runtime::connect(api).await.unwrap();
        let mut observed = Vec::new();
        let end = runtime.serve(async |event, _| answer(event), |_, error| observed.push(error.to_string())).await;
        assert!(end.is_fatal() && end.to_string().starts_with("next refused with status 500"), "{end}");
        observed
    })
}

fn answer(event: &[u8]) -> Result<Response<'static>, Failure> {
    match event {
        b"panic" => panic!("asked to"),
        b"large" => Ok(vec![b' '; 6_000_000].into()),
        b"stream" => {
            let (tx, rx) = channel(2);
            tx.try_send(Ok(b"one".to_vec())).unwrap();
            tx.try_send(Err(Failure::new("Function.Test", "on the way"))).unwrap();
            Ok(Response::stream("text/plain", rx))
        }
        b"http" => Ok(Response::stream_http(&Prelude::new(201), channel(1).1)?),
        event => Ok(event.to_ascii_uppercase().into()),
    }
}

#[test]
fn events_are_answered_and_fail_and_are_streamed() {
    let api = Api::start().unwrap();
    let address = api.address();
    let runtime = spawn(move || serve(&address));
    let [hello, panic, stream, http] = ["hello", "panic", "stream", "http"]
        .map(|event| api.invoke(Event::new(event).invocation_id("nonce")).answered().unwrap());
    assert_eq!((&*hello.text(), hello.is_streamed, hello.invocation_id.as_deref()), ("HELLO", false, Some("nonce")));
    assert_eq!((panic.kind, panic.error_type.as_deref()), (RequestKind::Error, Some("Function.Panic")));
    assert!(panic.report_text().contains("asked to"), "{}", panic.report_text());
    assert_eq!(
        (&*stream.text(), stream.is_streamed, stream.error_type.as_deref()),
        ("one", true, Some("Function.Test"))
    );
    assert!(stream.report_text().contains("on the way"), "{}", stream.report_text());
    assert!(http.text().starts_with(r#"{"statusCode":201"#) && http.is_streamed, "{}", http.text());
    api.frozen().unwrap();
    assert_eq!(api.connections(), 1);
    drop(api);
    assert_eq!(runtime.join().unwrap(), [""; 0]);
}

#[test]
fn connections_that_are_lost_are_made_again() {
    for fault in [Fault::Close, Fault::Reset, Fault::CloseAfter(30)] {
        let api = Api::start().unwrap();
        api.break_next(fault);
        api.break_answer(Fault::Close);
        let address = api.address();
        let runtime = spawn(move || serve(&address));
        let answers = ["a", "b"].map(|event| api.invoke(event).answered().unwrap());
        assert_eq!(answers.map(|answer| answer.text().into_owned()), ["A", "B"]);
        assert_eq!(api.connections(), 3);
        drop(api);
        assert_eq!(runtime.join().unwrap(), [""; 0]);
    }
}

#[test]
fn the_next_event_is_asked_for_in_the_write_of_the_response() {
    let (address, script) = scripted(|listener| {
        let (mut stream, _) = listener.accept().unwrap();
        read_until(&mut stream, "\r\n\r\n");
        stream.write_all(event("hello").as_bytes()).unwrap();
        // No reply before both requests are here.
        let both = read_until(&mut stream, "HELLO") + &read_until(&mut stream, "\r\n\r\n");
        stream.write_all([ACCEPTED, OVER].concat().as_bytes()).unwrap();
        both
    });
    assert_eq!(serve(&address), [""; 0]);
    let both = script.join().unwrap();
    assert!(
        both.contains("/id/response HTTP/1.1") && both.contains("GET /2018-06-01/runtime/invocation/next"),
        "{both}"
    );
}

#[test]
fn a_refusal_amid_a_large_response_is_read_and_a_lost_connection_replaced() {
    let (address, script) = scripted(|listener| {
        // The first connection dies while it is idle.
        drop(listener.accept().unwrap());
        let (mut stream, _) = listener.accept().unwrap();
        read_until(&mut stream, "\r\n\r\n");
        stream.write_all(event("large").as_bytes()).unwrap();
        read_until(&mut stream, "\r\n\r\n");
        let refusal = "HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(refusal.as_bytes()).unwrap();
        let (mut next, _) = listener.accept().unwrap();
        let head = read_until(&mut next, "\r\n\r\n");
        next.write_all(OVER.as_bytes()).unwrap();
        head
    });
    assert_eq!(serve(&address), ["response of 6000000 bytes refused with status 413"]);
    assert!(script.join().unwrap().starts_with("GET "));
}
