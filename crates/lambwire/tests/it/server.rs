//! A server's turns: when it may speak, and what becomes of the connection.

use lambwire::{Body, Event, ReceiveError, Reply, SendError, Server};

use crate::cuts::{Accepting, Stop, feed};
use crate::pipelining::NOTHING;
use crate::send_errors::check_unsent;

pub(crate) const NEXT: &[u8] = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";

pub(crate) fn server(wire: &[u8]) -> Server {
    let mut server = Server::new();
    feed(&mut server, wire, [wire.len()]);
    server
}

/// The text of a reply by `server`, and whether the connection takes another request after it.
fn replied(mut server: Server, reply: &Reply<'_>, body: Body) -> (String, bool) {
    let mut out = [0; 512];
    let len = server.send(reply, body, &mut out).unwrap();
    (String::from_utf8(out[..len].to_vec()).unwrap(), server.is_open())
}

#[test]
fn a_server_closes_when_the_request_asks_or_compels_it_to() {
    for (head, is_open) in [
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", true),
        ("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", false),
        ("POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", false),
        ("POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc", true),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab", false),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false),
        ("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", true),
    ] {
        let (text, stays) = replied(server(head.as_bytes()), &Reply::Accepted, NOTHING);
        assert_eq!(stays, is_open, "{head:?}");
        assert_eq!(text.contains("Connection: close\r\n"), !is_open, "{text}");
        assert_eq!(text.contains("Content-Length"), !head.starts_with("HEAD"), "{text}");
    }
}

#[test]
fn http_1_0_gets_no_chunks() {
    let asked = server(b"GET /2018-06-01/runtime/invocation/next HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let reply = Reply::Rejected { status: 500 };
    let (text, is_open) = replied(asked.clone(), &reply, Body::Chunked);
    assert!(!is_open && text.contains("Connection: close\r\n") && !text.contains("chunked"), "{text}");
    let mut asked = asked;
    asked.send(&reply, Body::Chunked, &mut [0; 256]).unwrap();
    let frame = asked.frame(5).unwrap();
    assert_eq!((frame.before(), frame.after(), asked.finish(&mut [])), (&b""[..], &b""[..], Ok(0)));
}

#[test]
fn http_1_0_is_told_that_the_connection_goes_on() {
    let reply = Reply::Rejected { status: 500 };
    for (wanted, said) in [("keep-alive", "Connection: keep-alive\r\n"), ("close", "Connection: close\r\n")] {
        let asked = server(format!("GET / HTTP/1.0\r\nConnection: {wanted}\r\n\r\n").as_bytes());
        let (text, is_open) = replied(asked, &reply, NOTHING);
        assert!(text.contains(said) && is_open == (wanted == "keep-alive"), "{text}");
    }
}

#[test]
fn a_request_behind_an_early_reply_is_not_read() {
    let mut server = server(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
    server.send(&Reply::Rejected { status: 413 }, NOTHING, &mut [0; 256]).unwrap();
    // What is left of the body can be received, so that the client gets to read the reply.
    let wire = [b"abc", NEXT].concat();
    let received = server.receive(&wire).unwrap();
    assert_eq!((received.used, received.event), (3, Event::Data(b"abc")));
    assert!(matches!(server.receive(NEXT).unwrap().event, Event::End { .. }));
    assert_eq!(server.receive(NEXT).unwrap().event, Event::Paused);
    assert_eq!(server.send(&Reply::Accepted, NOTHING, &mut [0; 256]), Err(SendError::InvalidState));
    assert!(!server.is_open());
}

#[test]
fn a_request_behind_one_that_closes_is_not_read() {
    let wire = [b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", NEXT].concat();
    let mut server = Accepting::default();
    let heard = feed(&mut server, &wire, [wire.len()]);
    assert_eq!((heard.messages.len(), heard.left, heard.stop), (1, NEXT.len(), Ok(Stop::Paused)));
}

#[test]
fn leave_to_send_a_body_is_given_once_and_only_if_it_is_awaited() {
    let head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n";
    let mut waited = server(head.as_bytes());
    assert!(waited.expects_continue());
    let mut out = [0; 64];
    let len = waited.send_continue(&mut out).unwrap();
    assert_eq!(&out[..len], b"HTTP/1.1 100 Continue\r\n\r\n");
    check_unsent(&waited, |server| server.send_continue(&mut [0; 64]), SendError::InvalidState);
    assert_eq!(waited.receive(b"{}").unwrap().event, Event::Data(b"{}"));
    assert!(matches!(waited.receive(b"").unwrap().event, Event::End { .. }));
    let (text, is_open) = replied(waited, &Reply::Accepted, NOTHING);
    assert!(is_open, "{text}");

    // Refused without the body, the request is never whole.
    let mut refused = server(head.as_bytes());
    refused.send(&Reply::Rejected { status: 413 }, NOTHING, &mut [0; 256]).unwrap();
    check_unsent(&refused, |server| server.send_continue(&mut [0; 64]), SendError::InvalidState);
    let (text, is_open) = replied(server(head.as_bytes()), &Reply::Rejected { status: 413 }, NOTHING);
    assert!(!is_open && text.contains("Connection: close\r\n"), "{text}");
    let old = head.replace("HTTP/1.1", "HTTP/1.0");
    assert!(!server(old.as_bytes()).expects_continue());
    assert!(!server((head.to_owned() + "{}").as_bytes()).expects_continue());
}

#[test]
fn what_one_request_asked_does_not_bear_on_the_next() {
    for first in ["HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"] {
        let mut server = Accepting::default();
        feed(&mut server, first.as_bytes(), [first.len()]);
        let garbage = b"GARBAGE\r\n\r\n";
        assert!(feed(&mut server, garbage, [garbage.len()]).stop.is_err());
        let (text, _) = replied(server.server, &Reply::Rejected { status: 400 }, Body::Chunked);
        assert!(text.contains("Transfer-Encoding: chunked\r\n"), "{text}");
    }
}

#[test]
fn a_server_that_loses_its_client_says_whether_a_request_was_lost() {
    for (wire, expected) in [
        (&b""[..], Ok(())),
        (b"G", Err(ReceiveError::CutShort)),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{", Err(ReceiveError::CutShort)),
        (NEXT, Ok(())),
    ] {
        let mut server = server(wire);
        assert_eq!(server.receive_eof(), expected);
        assert!(!server.is_open());
    }
    // One that only stops sending can still be answered.
    let mut asked = server(NEXT);
    asked.receive_eof().unwrap();
    assert!(replied(asked, &Reply::Accepted, NOTHING).0.contains("Connection: close\r\n"));
}

#[test]
fn nobody_waits_for_leave_once_the_request_has_failed() {
    let wire = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nx";
    let failed = server(wire);
    assert!(!failed.expects_continue());
    check_unsent(&failed, |server| server.send_continue(&mut [0; 64]), SendError::InvalidState);
}

#[test]
fn a_server_wants_input_until_the_request_is_whole_and_pauses_until_it_has_replied() {
    let event = |server: &mut Server| server.receive(b"").unwrap().event;
    let mut new = Server::new();
    assert_eq!(event(&mut new), Event::NeedInput);
    let mut begun = server(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(event(&mut begun), Event::NeedInput);
    let mut asked = server(NEXT);
    assert_eq!(event(&mut asked), Event::Paused);
    asked.send(&Reply::NothingYet, Body::Exact(0), &mut [0; 128]).unwrap();
    assert_eq!(event(&mut asked), Event::NeedInput);
    asked.receive_eof().unwrap();
    assert_eq!(event(&mut asked), Event::Paused);
}
