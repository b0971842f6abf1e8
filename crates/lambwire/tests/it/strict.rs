//! What no end may take: a message that two readers could read in two ways.

use lambwire::{Body, ReceiveError, Reply, RequestKind, Server};

use crate::cuts::{Accepting, Asking, Peer, hear_cut};

pub(crate) const POST: &str = "POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: x\r\n";
const INVOCATION: &str = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\n";

/// Checks that a request is refused, and that the server can say so once.
#[track_caller]
fn check_request(wire: &str, error: ReceiveError) {
    check_request_bytes(wire.as_bytes(), error);
}

#[track_caller]
fn check_request_bytes(wire: &[u8], error: ReceiveError) {
    assert_eq!(hear_cut(&Accepting::default(), wire).stop, Err(error), "{}", wire.escape_ascii());
}

/// Checks that a reply to `next` is refused.
#[track_caller]
pub(crate) fn check_reply(wire: &str, error: ReceiveError) {
    check_reply_to(RequestKind::Next, wire.as_bytes(), error);
}

#[track_caller]
fn check_reply_to(kind: RequestKind, wire: &[u8], error: ReceiveError) {
    let heard = hear_cut(&Asking::new(&[kind]), wire);
    assert_eq!(heard.stop, Err(error), "{}", wire.escape_ascii());
}

/// Checks that these headers spoil a message in either direction, with a body that fits any of them.
#[track_caller]
fn check_headers(headers: &str, error: ReceiveError) {
    check_request(&format!("{POST}{headers}\r\n5\r\nabcde\r\n0\r\n\r\n"), error);
    check_reply(&format!("{INVOCATION}{headers}\r\n5\r\nabcde\r\n0\r\n\r\n"), error);
}

#[test]
fn two_lengths_are_refused() {
    for headers in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nX: y\r\ncontent-length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "transfer-encoding: CHUNKED\r\nCONTENT-LENGTH: 5\r\n",
    ] {
        check_headers(headers, ReceiveError::TwoLengths);
    }
}

#[test]
fn a_length_is_one_plain_number() {
    for value in [
        "+5",
        "-5",
        "5,5",
        "5, 5",
        "5 5",
        "0x5",
        "5;",
        "",
        "five",
        "5.0",
        "1e1",
        "18446744073709551616",
        "99999999999999999999999",
    ] {
        check_headers(&format!("Content-Length: {value}\r\n"), ReceiveError::BadLength);
    }
}

#[test]
fn chunked_is_the_only_transfer_encoding() {
    for value in [
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "identity",
        "",
        "xchunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked\x0b",
    ] {
        let expected = if value.contains('\x0b') { ReceiveError::BadHeader } else { ReceiveError::BadTransferEncoding };
        check_headers(&format!("Transfer-Encoding: {value}\r\n"), expected);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    check_headers(twice, ReceiveError::BadTransferEncoding);
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check_request(old, ReceiveError::BadTransferEncoding);
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    check_reply(old, ReceiveError::BadTransferEncoding);
}

#[test]
fn a_header_is_a_name_a_colon_and_a_value_on_one_line() {
    for line in [
        "Content-Length : 5\r\n",
        "Content-Length\t: 5\r\n",
        " Content-Length: 5\r\n",
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        "A\r\n",
        ": b\r\n",
        "A B: c\r\n",
        "A\0: b\r\n",
        "A: b\0c\r\n",
        "A: b\rc\r\n",
        "A: b\r\r\n",
        "A: \x7f\r\n",
        "A: \x1b[2J\r\n",
        "(A): b\r\n",
        "é: b\r\n",
    ] {
        check_headers(line, ReceiveError::BadHeader);
    }
}

#[test]
fn a_request_has_one_host() {
    for head in
        ["GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n"]
    {
        check_request(&format!("{head}\r\n"), ReceiveError::BadHost);
    }
    assert_eq!(hear_cut(&Accepting::default(), b"GET / HTTP/1.0\r\n\r\n").messages.len(), 1);
}

#[test]
fn a_line_ends_with_carriage_return_and_line_feed() {
    for line in ["A: b\n", "A: b\n\r\n", "\n", "Content-Length: 5\n\n"] {
        check_headers(line, ReceiveError::BareLineFeed);
    }
    check_request("GET / HTTP/1.1\nHost: x\r\n\r\n", ReceiveError::BareLineFeed);
    check_reply("HTTP/1.1 200 OK\n\n", ReceiveError::BareLineFeed);
    check_request("\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", ReceiveError::BareLineFeed);
}

#[test]
fn a_first_line_is_that_of_http_1() {
    use ReceiveError::BadFirstLine;
    for (line, error) in [
        ("", BadFirstLine),
        ("GARBAGE", BadFirstLine),
        ("GET", BadFirstLine),
        ("GET /", BadFirstLine),
        (" GET / HTTP/1.1", BadFirstLine),
        ("GET  / HTTP/1.1", BadFirstLine),
        ("GET /  HTTP/1.1", BadFirstLine),
        ("GET /a b HTTP/1.1", BadFirstLine),
        ("GET / HTTP/1.1 ", BadFirstLine),
        ("GET /\0 HTTP/1.1", BadFirstLine),
        ("GET /\t HTTP/1.1", BadFirstLine),
        ("G\u{e9}T / HTTP/1.1", BadFirstLine),
        ("HTTP/1.1 200 OK", BadFirstLine),
        ("\x16\x03\x01\x02", BadFirstLine),
    ] {
        check_request(&format!("{line}\r\n\r\n"), error);
    }
    check_request_bytes(b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", BadFirstLine);
    for (line, error) in [
        ("", BadFirstLine),
        ("GARBAGE", BadFirstLine),
        ("GET / HTTP/1.1", BadFirstLine),
        ("HTTP/1.1", BadFirstLine),
        (" HTTP/1.1 200 OK", BadFirstLine),
        ("HTTP/1.1  200 OK", BadFirstLine),
        ("HTTP/1.1 20 OK", BadFirstLine),
        ("HTTP/1.1 2000 OK", BadFirstLine),
        ("HTTP/1.1 +20 OK", BadFirstLine),
        ("HTTP/1.1 200OK", BadFirstLine),
        ("HTTP/1.1 OK", BadFirstLine),
        ("HTTP/1.1 200 O\0K", BadFirstLine),
        ("HTTP/1.1 200 O\rK", BadFirstLine),
    ] {
        check_reply(&format!("{line}\r\n\r\n"), error);
    }
}

#[test]
fn versions_are_1_1_and_1_0() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/1.x", "HTTP/1,1"] {
        check_request(&format!("GET / {version}\r\n\r\n"), ReceiveError::BadVersion);
        check_reply(&format!("{version} 200 OK\r\n\r\n"), ReceiveError::BadVersion);
    }
    for odd in ["http/1.1", "HTTP/1.", "HTTP/11", "HTTP/3", "HTTPS/1.1"] {
        check_request(&format!("GET / {odd}\r\n\r\n"), ReceiveError::BadVersion);
        check_reply(&format!("{odd} 200 OK\r\n\r\n"), ReceiveError::BadFirstLine);
    }
    assert_eq!(ReceiveError::BadVersion.status_hint(), 505);
}

#[test]
fn a_status_is_100_to_599_and_no_switch_of_protocols() {
    for status in [0, 1, 99, 101, 600, 999] {
        check_reply(&format!("HTTP/1.1 {status:03} X\r\n\r\n"), ReceiveError::BadStatus(status));
    }
}

#[test]
fn a_chunk_has_one_size() {
    let heads = [
        format!("{POST}Transfer-Encoding: chunked\r\n\r\n"),
        format!("{INVOCATION}Transfer-Encoding: chunked\r\n\r\n"),
    ];
    let [request, reply] = heads;
    for (chunks, error) in [
        ("\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("+5\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("0x5\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        (" 5\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("5 \r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("5 ;a\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        (";a\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("5\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("5;a\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("5\rabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("5;\0\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("00000000000000005\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("10000000000000005\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkLine),
        ("5\r\nabcdef\r\n0\r\n\r\n", ReceiveError::BadChunkEnd),
        ("5\r\nabcde\n0\r\n\r\n", ReceiveError::BadChunkEnd),
        ("5\r\nabcde0\r\n\r\n", ReceiveError::BadChunkEnd),
        ("4\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkEnd),
        ("6\r\nabcde\r\n0\r\n\r\n", ReceiveError::BadChunkEnd),
        ("0\r\nA: b\n\r\n", ReceiveError::BareLineFeed),
        ("0\r\nA\r\n\r\n", ReceiveError::BadTrailer),
        ("0\r\nA : b\r\n\r\n", ReceiveError::BadTrailer),
        ("0\r\nA: b\r\n c\r\n\r\n", ReceiveError::BadTrailer),
        ("0\r\nContent-Length: 5\r\n\r\n", ReceiveError::BadTrailer),
        ("0\r\nTransfer-Encoding: chunked\r\n\r\n", ReceiveError::BadTrailer),
        ("0\r\nhost: b\r\n\r\n", ReceiveError::BadTrailer),
        ("5\r\nabcde\r\n", ReceiveError::CutShort),
        ("5\r\nabc", ReceiveError::CutShort),
        ("0\r\n", ReceiveError::CutShort),
        ("0\r\nA: b\r\n", ReceiveError::CutShort),
        ("", ReceiveError::CutShort),
    ] {
        check_request(&format!("{request}{chunks}"), error);
        check_reply(&format!("{reply}{chunks}"), error);
    }
}

#[test]
fn a_message_that_is_cut_short_is_none() {
    check_request("G", ReceiveError::CutShort);
    check_request(&format!("{POST}Content-Length: 5\r\n\r\nabcd"), ReceiveError::CutShort);
    check_reply("", ReceiveError::NoReply);
    check_reply("H", ReceiveError::CutShort);
    check_reply(INVOCATION, ReceiveError::CutShort);
    check_reply(&format!("{INVOCATION}Content-Length: 5\r\n\r\nabcd"), ReceiveError::CutShort);
    check_reply("HTTP/1.1 100 Continue\r\n\r\n", ReceiveError::NoReply);
    check_reply("HTTP/1.1 100 Continue\r\n\r\nH", ReceiveError::CutShort);
}

#[test]
fn bytes_that_nobody_asked_for_are_refused() {
    check_reply_to(RequestKind::Response, b"HTTP/1.1 204 \r\nContent-Length: 3\r\n\r\nabc", ReceiveError::Unsolicited);
    check_reply("HTTP/1.1 408 X\r\nContent-Length: 0\r\n\r\nHTTP", ReceiveError::Unsolicited);
    check_reply(&format!("{INVOCATION}Content-Length: 1\r\n\r\nab"), ReceiveError::Unsolicited);
    let silent = lambwire::Client::new("127.0.0.1:9001").unwrap();
    assert_eq!(hear_cut(&silent, b"HTTP/1.1 200 OK\r\n\r\n").stop, Err(ReceiveError::Unsolicited));
}

#[test]
fn a_request_that_was_refused_can_be_answered_once() {
    for (wire, status) in [
        ("GARBAGE\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx", 400),
    ] {
        let mut server = Server::new();
        crate::cuts::feed(&mut server, wire.as_bytes(), [wire.len()]);
        let error = Peer::receive(&mut server, b"").unwrap_err();
        assert_eq!(error.status_hint(), status);
        let mut out = [0; 256];
        let refused = Reply::Rejected { status };
        let len = server.send(&refused, Body::Exact(0), &mut out).unwrap();
        let text = std::str::from_utf8(&out[..len]).unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains("Connection: close\r\n"), "{text}");
        assert!(server.send(&refused, Body::Exact(0), &mut out).is_err());
        assert!(!server.is_open());
    }
}
