//! Invocations that come oddly, and other replies to `next`.

use std::time::Duration;

use lambwire::limits::PAYLOAD_BYTES;
use lambwire_emulator::fault::{Action, Plan, Reply, Script};

use super::{Case, acts, answered, counted, ended, in_next, invocation, raw};

pub(super) fn cases() -> Vec<Case> {
    [statuses(), bodies(), segments()].into_iter().flatten().collect()
}

/// What `next` is answered with instead of an invocation.
fn statuses() -> Vec<Case> {
    let transition = br#"{"errorMessage":"State transition","errorType":"InvalidStateTransition"}"#;
    let refused = |status: u16, body: &[u8]| Script::new().next(Reply::refused(status, body));
    let gives_up = |why: &str| ended(&format!("next refused with status {why}"), 1, 0, 1);
    vec![
        Case::new("an invocation, without a fault", in_next([]), answered(2, 1, 1)),
        Case::new("next: 204", in_next([Reply::NothingYet.into()]), answered(3, 1, 1)),
        Case::new("next: 204, five times", in_next([(); 5].map(|()| Reply::NothingYet.into())), answered(7, 1, 1)),
        Case::new("next: 408 with a body", in_next([Reply::refused(408, "{}").into()]), answered(3, 1, 1)),
        Case::new(
            "next: 408 that closes",
            in_next([raw("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")]),
            answered(3, 1, 2),
        ),
        Case::new("next: 202", Script::new().next(Reply::Accepted), gives_up("202")),
        Case::new("next: 301", refused(301, b""), gives_up("301")),
        Case::new("next: 400", refused(400, b"no"), gives_up("400")),
        Case::new(
            "next: 403 with a reason",
            refused(403, transition),
            gives_up("403: State transition (InvalidStateTransition)"),
        ),
        Case::new("next: 404 with plain text", refused(404, b"404 page not found\n"), gives_up("404")),
        Case::new("next: 429", refused(429, b""), gives_up("429")),
        Case::new(
            "next: 500 with a reason",
            refused(500, br#"{"errorMessage":"Internal Server Error","errorType":"InternalServerError"}"#),
            gives_up("500: Internal Server Error (InternalServerError)"),
        ),
        Case::new("next: 500 without a body", refused(500, b""), gives_up("500")),
        Case::new(
            "next: 500 without a length, until the end",
            Script::new().next(acts([Reply::raw("HTTP/1.1 500 No\r\n\r\n<html>").into(), Action::Close])),
            gives_up("500"),
        ),
        Case::new("next: 503", refused(503, b""), gives_up("503")),
        Case::new("next: silence", Script::new().next(acts([Action::Silence])), counted("waits", 1, 0, 1)),
    ]
}

fn sized(framing: &str, rest: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\n{framing}\r\n\r\n");
    [head.as_bytes(), rest].concat()
}

/// How long an event is, and says that it is.
fn bodies() -> Vec<Case> {
    const CHUNKED: &str = "Transfer-Encoding: chunked";
    let event = |len: u64| [&b"respond"[..], &vec![b' '; usize::try_from(len).unwrap() - 7]].concat();
    let chunked = |len: u64, chunk: usize| {
        Script::new().next(Reply::Invocation { id: "a".to_owned(), event: event(len), chunk: Some(chunk) })
    };
    let wrong = |why: &str| ended(&format!("reply to next cannot be understood: {why}"), 1, 0, 1);
    let too_large = counted("waits, reported Function.EventTooLarge", 2, 1, 2);
    vec![
        Case::new("an empty event", Script::new().next(Reply::invocation("a", "")), answered(2, 1, 1)),
        Case::new("an event in chunks of one byte", chunked(300, 1), answered(2, 1, 1)),
        Case::new("an event of 1 MiB in chunks of 7 bytes", chunked(1 << 20, 7), answered(2, 1, 1)),
        Case::new(
            "an event as large as any",
            Script::new().next(Reply::invocation("a", event(PAYLOAD_BYTES))),
            answered(2, 1, 1),
        ),
        Case::new("an event as large as any, in chunks", chunked(PAYLOAD_BYTES, 65_536), answered(2, 1, 1)),
        Case::new(
            "an event of 1 TB, announced",
            invocation(sized("Content-Length: 1000000000000", b"respond")),
            too_large.clone(),
        ),
        Case::new("an event of 7 MB", Script::new().next(Reply::invocation("a", event(7_000_000))), too_large.clone()),
        Case::new("an event of 7 MB, in chunks", chunked(7_000_000, 65_536), too_large),
        Case::new(
            "an event until the end",
            Script::new().next(acts([Reply::raw(sized("X: y", b"respond")).into(), Action::Close])),
            answered(2, 1, 2),
        ),
        Case::new(
            "a chunk with an extension",
            invocation(sized(CHUNKED, b"7;a=b\r\nrespond\r\n0\r\n\r\n")),
            answered(2, 1, 1),
        ),
        Case::new(
            "a chunk with trailers",
            invocation(sized(CHUNKED, b"7\r\nrespond\r\n0\r\nX: y\r\n\r\n")),
            answered(2, 1, 1),
        ),
        Case::new(
            "a chunk without a size",
            invocation(sized(CHUNKED, b"\r\nrespond\r\n0\r\n\r\n")),
            wrong("malformed chunk size"),
        ),
        Case::new(
            "a chunk of size +7",
            invocation(sized(CHUNKED, b"+7\r\nrespond\r\n0\r\n\r\n")),
            wrong("malformed chunk size"),
        ),
        Case::new(
            "a chunk of 17 digits",
            invocation(sized(CHUNKED, b"00000000000000007\r\nrespond\r\n0\r\n\r\n")),
            wrong("malformed chunk size"),
        ),
        Case::new(
            "a chunk that is longer than its size",
            invocation(sized(CHUNKED, b"6\r\nrespond\r\n0\r\n\r\n")),
            wrong("chunk longer than its size"),
        ),
        Case::new(
            "a chunk of 2^64 - 1 bytes, and silence",
            Script::new()
                .next(acts([Reply::raw(sized(CHUNKED, b"ffffffffffffffff\r\nrespond")).into(), Action::Silence])),
            counted("waits", 1, 0, 1),
        ),
        Case::new(
            "a trailer that gives a length",
            invocation(sized(CHUNKED, b"7\r\nrespond\r\n0\r\nContent-Length: 1\r\n\r\n")),
            wrong("malformed or forbidden trailer"),
        ),
    ]
}

/// How the bytes arrive.
fn segments() -> Vec<Case> {
    let good = || Reply::invocation("a", "respond");
    let in_pieces = |say: Reply, len: usize, pause: u64| -> Plan {
        acts([Action::Pieces { say, len, pause: Duration::from_millis(pause) }])
    };
    let interims = |count: usize| ["HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"].repeat(count).concat();
    let behind = |before: &str| Script::new().next(acts([Reply::raw(before).into(), good().into()]));
    vec![
        Case::new(
            "an invocation in segments of one byte",
            Script::new().next(in_pieces(good(), 1, 0)),
            answered(2, 1, 1),
        ),
        Case::new(
            "an invocation, a byte a millisecond",
            Script::new().next(in_pieces(good(), 1, 1)),
            answered(2, 1, 1),
        ),
        Case::new(
            "chunks in segments of one byte",
            Script::new().next(in_pieces(
                Reply::Invocation { id: "a".to_owned(), event: b"respond".to_vec(), chunk: Some(2) },
                1,
                0,
            )),
            answered(2, 1, 1),
        ),
        Case::new(
            "half a head, and silence",
            Script::new().next(acts([Action::Part { say: good(), len: 40 }, Action::Silence])),
            counted("waits", 1, 0, 1),
        ),
        Case::new("an interim reply first", behind("HTTP/1.1 100 Continue\r\n\r\n"), answered(2, 1, 1)),
        Case::new("eight interim replies first", behind(&interims(8)), answered(2, 1, 1)),
        Case::new(
            "nine interim replies first",
            behind(&interims(9)),
            ended("reply to next cannot be understood: too many interim replies", 1, 0, 1),
        ),
        Case::new(
            "a switch of protocols",
            behind("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            ended("reply to next cannot be understood: unusable status 101", 1, 0, 1),
        ),
    ]
}
