//! A runtime's turns: when it may speak, and what becomes of the connection.

use lambwire::{Body, Client, Event, Mode, ReceiveError, Reply, Request, RequestId, RequestKind, SendError};

use crate::cuts::{Asking, feed, hear_cut, plain_request};

pub(crate) const NOTHING: Body = Body::Exact(0);
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";

pub(crate) fn client(asked: &[RequestKind]) -> Client {
    let mut client = Client::new("127.0.0.1:9001").unwrap();
    for &kind in asked {
        client.send(&plain_request(kind), NOTHING, &mut [0; 256]).unwrap();
    }
    client
}

/// A client that has announced this body for a response.
pub(crate) fn answering(mode: Mode, body: Body) -> Client {
    let mut client = client(&[]);
    client.send(&response(mode), body, &mut [0; 512]).unwrap();
    client
}

pub(crate) fn response(mode: Mode) -> Request<'static> {
    Request::Response { id: RequestId::new("x").unwrap(), invocation_id: None, content_type: None, mode }
}

/// Checks that a client is, or is not, ready after this reply, however that is cut.
#[track_caller]
fn check_reuse(kind: RequestKind, wire: &str, expected: bool) {
    let asking = Asking::new(&[kind]);
    assert!(hear_cut(&asking, wire.as_bytes()).stop.is_ok(), "{wire:?}");
    let mut client = asking.client;
    assert!(!client.is_ready());
    for cut in 0..wire.len() {
        let mut client = client.clone();
        feed(&mut client, wire.as_bytes(), [cut]);
        assert!(!client.is_ready(), "ready at {cut} of {wire:?}");
    }
    feed(&mut client, wire.as_bytes(), [wire.len()]);
    assert_eq!(client.is_ready(), expected, "{wire:?}");
    let sent = client.send(&Request::Next, NOTHING, &mut [0; 256]);
    assert_eq!(sent.is_ok(), expected);
    if !expected {
        assert_eq!(sent, Err(SendError::Closed));
        assert!(client.reconnected().is_ready());
    }
}

#[test]
fn a_client_is_ready_after_an_exchange_that_went_well_to_its_end() {
    for wire in [
        "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 103 Hints\r\nConnection: close\r\nContent-Length: 9\r\n\r\nHTTP/1.1 202 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 202 Accepted\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n",
    ] {
        check_reuse(RequestKind::Response, wire, true);
    }
}

#[test]
fn a_client_is_not_ready_once_the_connection_is_to_close() {
    for wire in [
        "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nConnection: x, CLOSE\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\nConnection: keep-alive\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 202 Accepted\r\nConnection: close, keep-alive\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 202 Accepted\r\n\r\nall of it until the end",
        "HTTP/1.0 202 Accepted\r\nConnection: keep-alive\r\n\r\nall of it until the end",
    ] {
        check_reuse(RequestKind::Response, wire, false);
    }
}

#[test]
fn a_body_until_close_ends_with_the_connection_and_only_there() {
    let mut client = client(&[RequestKind::Response]);
    let wire = b"HTTP/1.1 202 X\r\n\r\nabc";
    let heard = feed(&mut client, wire, [wire.len()]);
    assert_eq!((&heard.messages[0].body[..], heard.messages[0].trailers), (&b"abc"[..], None));
    assert_eq!(heard.messages[0].framing, Body::UntilClose);
    client.receive_eof().unwrap();
    assert!(matches!(client.receive(b"").unwrap().event, Event::End { .. }));
    assert_eq!(client.receive(b"").unwrap().event, Event::Paused);
    assert!(!client.is_ready());
}

#[test]
fn a_refusal_that_comes_before_the_request_is_written_ends_the_connection() {
    let mut client = answering(Mode::Buffered, Body::Exact(10));
    client.frame(3).unwrap();
    let wire = b"HTTP/1.1 413 X\r\nContent-Length: 2\r\n\r\n{}";
    let heard = feed(&mut client, wire, [wire.len()]);
    assert_eq!(heard.messages[0].head, Reply::Rejected { status: 413 });
    assert!(!client.is_ready());
    client.frame(7).unwrap();
    assert!(!client.is_ready(), "late is too late");
    assert_eq!(client.send(&Request::Next, NOTHING, &mut [0; 256]), Err(SendError::Closed));
}

#[test]
fn an_interim_reply_before_the_request_is_written_changes_nothing() {
    let mut client = answering(Mode::Buffered, Body::Exact(10));
    let wire = b"HTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(feed(&mut client, wire, [wire.len()]).interims, 1);
    client.frame(10).unwrap();
    feed(&mut client, ACCEPTED, [ACCEPTED.len()]);
    assert!(client.is_ready());
}

#[test]
fn next_may_run_ahead_of_the_reply_to_an_answer_and_nothing_else_may() {
    use RequestKind::{Error, InitError, Next, Response, RestoreError, RestoreNext};
    let all = [Next, Response, Error, InitError, RestoreNext, RestoreError];
    for first in all {
        for second in all {
            let mut client = client(&[first]);
            let sent = client.send(&plain_request(second), NOTHING, &mut [0; 256]);
            let may = matches!(first, Response | Error) && second == Next;
            assert_eq!(sent.err(), (!may).then_some(SendError::InvalidState), "{second} behind {first}");
            if may {
                let third = client.send(&Request::Next, NOTHING, &mut [0; 256]);
                assert_eq!(third, Err(SendError::InvalidState));
            }
        }
    }
    for body in [Body::Exact(1), Body::Chunked] {
        let sent = answering(Mode::Buffered, body).send(&Request::Next, NOTHING, &mut [0; 256]);
        assert_eq!(sent, Err(SendError::InvalidState), "the answer is not written");
    }
}

#[test]
fn a_request_ahead_gets_no_reply_if_the_one_before_closes_the_connection() {
    let mut client = client(&[RequestKind::Error, RequestKind::Next]);
    let wire = b"HTTP/1.1 202 X\r\nConnection: close\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 X\r\n\r\n";
    let heard = feed(&mut client, wire, [wire.len()]);
    assert_eq!((heard.messages.len(), heard.stop), (1, Err(ReceiveError::NoReply)));
}

#[test]
fn a_connection_that_closes_says_what_was_lost() {
    let closed = |asked: &[RequestKind], wire: &[u8]| {
        let mut client = client(asked);
        feed(&mut client, wire, [wire.len()]);
        let result = client.receive_eof();
        assert!(!client.is_ready());
        result
    };
    assert_eq!(closed(&[], b""), Ok(()));
    assert_eq!(closed(&[RequestKind::Next], b""), Err(ReceiveError::NoReply));
    assert_eq!(closed(&[RequestKind::Next], b"H"), Err(ReceiveError::CutShort));
    assert_eq!(closed(&[RequestKind::Response], &ACCEPTED[..30]), Err(ReceiveError::CutShort));
    assert_eq!(closed(&[RequestKind::Response], ACCEPTED), Ok(()));
    assert_eq!(closed(&[RequestKind::Response, RequestKind::Next], ACCEPTED), Err(ReceiveError::NoReply));
}
