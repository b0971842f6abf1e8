//! Whole messages in one lent buffer: the same ones as the events give.

use lambwire::{Body, Client, Headers, MessageReader, Progress, ReceiveError, RequestKind, Server};

use crate::captures::{self, Capture};
use crate::collecting::{Collector, check_reader};
use crate::cuts::{Accepting, Asking, Heard, hear, plain_request};
use crate::pipelining::client;

#[test]
fn every_capture_is_collected_as_it_is_heard() {
    for (_, capture) in captures::all() {
        match &capture {
            Capture::Requests(server, bytes) => check_everywhere(server, bytes),
            Capture::Replies(client, _, bytes) => check_everywhere(client, bytes),
        }
    }
}

#[track_caller]
fn check_everywhere<P: Collector>(peer: &P, wire: &[u8]) {
    let bytewise: Vec<usize> = (0..=wire.len()).collect();
    let is_whole = |heard: &Heard<'_, _>| heard.trailers.is_some();
    if hear(peer, wire, [wire.len()]).messages.iter().all(is_whole) {
        assert_eq!(check_reader(peer, wire, &[wire.len()], wire.len() + 1), 0);
    }
    for space in [0, 1, 100, wire.len()] {
        check_reader(peer, wire, &bytewise, space);
    }
    for cut in (0..wire.len()).step_by(wire.len() / 50 + 1) {
        check_reader(peer, wire, &[cut], 0);
        check_reader(peer, wire, &[cut], wire.len());
    }
}

/// A reply to `next` with this end of its head and this body.
fn reply(wire: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\n{wire}")
}

fn asking(kinds: &[RequestKind]) -> Asking {
    Asking::new(kinds)
}

#[test]
fn a_buffer_of_the_size_of_the_message_is_enough() {
    let wire = reply("Content-Length: 11\r\n\r\nhello world");
    let bytewise: Vec<usize> = (0..=wire.len()).collect();
    for ends in [&bytewise[..], &[wire.len()], &[wire.len() - 11], &[wire.len() - 1]] {
        assert_eq!(check_reader(&asking(&[RequestKind::Next]), wire.as_bytes(), ends, wire.len()), 0);
    }
}

#[test]
fn a_buffer_that_is_too_small_says_what_is_needed_as_soon_as_it_is_known() {
    let wire = reply("Content-Length: 11\r\n\r\nhello world");
    let head = wire.len() - 11;
    for space in head..wire.len() {
        let (mut reader, mut buf) = (MessageReader::new(), vec![0; space]);
        let mut client = asking(&[RequestKind::Next]).client;
        buf[..head].copy_from_slice(&wire.as_bytes()[..head]);
        reader.filled(head);
        let progress = reader.receive_reply(&mut client, &mut buf);
        assert_eq!(progress, Ok(Progress::NeedSpace { total: wire.len() }));
        // Enlarged or not, nothing is lost.
        assert_eq!(check_reader(&asking(&[RequestKind::Next]), wire.as_bytes(), &[head], space), 1, "{space}");
    }
    // As long as the head is not whole, one byte more is all that is known to be needed.
    let (mut reader, mut buf) = (MessageReader::new(), vec![0; 20]);
    let mut client = asking(&[RequestKind::Next]).client;
    reader.space(&mut buf).copy_from_slice(&wire.as_bytes()[..20]);
    reader.filled(20);
    let progress = reader.receive_reply(&mut client, &mut buf);
    assert_eq!(progress, Ok(Progress::NeedSpace { total: 21 }));
}

#[test]
fn chunks_are_closed_up_in_place() {
    let head = reply("Transfer-Encoding: chunked\r\n\r\n");
    let chunks = "1;an=\"extension\"\r\nx\r\n".repeat(40);
    let wire = format!("{head}{chunks}0\r\n\r\n");
    // Room for the body, and for the longest piece of framing at a time.
    let space = head.len() + 40 + "\r\n1;an=\"extension\"\r\n".len();
    let bytewise: Vec<usize> = (0..=wire.len()).collect();
    for ends in [&bytewise[..], &[wire.len()], &[head.len() + 200]] {
        assert_eq!(check_reader(&asking(&[RequestKind::Next]), wire.as_bytes(), ends, space), 0);
    }
    assert!(check_reader(&asking(&[RequestKind::Next]), wire.as_bytes(), &bytewise, head.len() + 40) > 0);
}

#[test]
fn trailers_are_collected_behind_chunks() {
    let head =
        "POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let wire = format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\nC:\r\n\r\nGET /");
    let (mut reader, mut buf) = (MessageReader::new(), wire.clone().into_bytes());
    reader.filled(buf.len());
    let mut server = Server::new();
    let Ok(Progress::Complete(whole)) = reader.receive_request(&mut server, &mut buf) else { panic!("no message") };
    let message = whole.read(&server, &buf).unwrap();
    assert_eq!(message.body, b"abcde");
    assert_eq!(message.trailers.get("a"), Some(&b"b"[..]));
    assert_eq!(message.trailers.iter().count(), 2);
    assert!(!reader.is_empty(), "the next request has begun");
    for space in 0..wire.len() {
        check_reader(&Accepting::default(), wire.as_bytes(), &[space], space);
    }
}

#[test]
fn replies_that_come_in_one_read_are_given_one_after_the_other() {
    let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
    let wire = format!("{accepted}{}", reply("Content-Length: 2\r\n\r\n{}"));
    let mut client = Client::new("127.0.0.1:9001").unwrap();
    for kind in [RequestKind::Response, RequestKind::Next] {
        client.send(&plain_request(kind), Body::Exact(0), &mut [0; 256]).unwrap();
    }
    let (mut reader, mut buf) = (MessageReader::new(), wire.into_bytes());
    reader.filled(buf.len());
    let (mut heads, mut bodies) = (Vec::new(), Vec::new());
    for is_last in [false, true] {
        let Ok(Progress::Complete(whole)) = reader.receive_reply(&mut client, &mut buf) else { panic!("no message") };
        let message = whole.read(&buf).unwrap();
        heads.push(message.head.status());
        bodies.push(message.body.to_vec());
        assert_eq!(reader.is_empty(), is_last);
    }
    assert_eq!((heads, bodies), (vec![202, 200], vec![b"{\"status\":\"OK\"}\n".to_vec(), b"{}".to_vec()]));
    assert!(client.is_ready());
    assert_eq!(reader.receive_reply(&mut client, &mut buf), Ok(Progress::NeedInput));
}

#[test]
fn what_follows_a_reply_unasked_is_seen() {
    let wire = reply("Content-Length: 0\r\n\r\nHTTP/1.1 200");
    let (mut reader, mut buf) = (MessageReader::new(), wire.into_bytes());
    reader.filled(buf.len());
    let mut client = asking(&[RequestKind::Next]).client;
    assert!(matches!(reader.receive_reply(&mut client, &mut buf), Ok(Progress::Complete(_))));
    assert!(!reader.is_empty());
    assert_eq!(reader.receive_reply(&mut client, &mut buf), Err(ReceiveError::Unsolicited));
    assert!(!client.is_ready());
}

#[test]
fn interim_replies_are_passed_over() {
    let interims = "HTTP/1.1 100 Continue\r\n\r\n".repeat(2);
    let wire = format!("{interims}{}", reply("Content-Length: 2\r\n\r\n{}"));
    for space in 0..=wire.len() {
        check_reader(&asking(&[RequestKind::Next]), wire.as_bytes(), &[wire.len()], space);
        check_reader(&asking(&[RequestKind::Next]), wire.as_bytes(), &[space], wire.len());
    }
}

#[test]
fn interim_replies_take_no_space_from_the_real_one() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let last = reply("Content-Length: 2\r\n\r\n{}");
    let wire = format!("{interim}{last}");
    assert_eq!(check_reader(&asking(&[RequestKind::Next]), wire.as_bytes(), &[wire.len()], last.len()), 0);
}

#[test]
fn a_smaller_buffer_loses_nothing() {
    let wire = reply("Content-Length: 5\r\n\r\nhello").into_bytes();
    let mut client = asking(&[RequestKind::Next]).client;
    let (mut reader, mut buf) = (MessageReader::new(), wire.clone());
    reader.filled(wire.len() - 2);
    assert_eq!(reader.receive_reply(&mut client, &mut buf), Ok(Progress::NeedInput));
    for space in 0..wire.len() - 2 {
        let progress = reader.receive_reply(&mut client, &mut buf[..space]);
        assert_eq!(progress, Ok(Progress::NeedSpace { total: wire.len() - 2 }));
    }
    reader.filled(2);
    let Ok(Progress::Complete(whole)) = reader.receive_reply(&mut client, &mut buf) else { panic!("not whole") };
    assert_eq!(whole.read(&buf).unwrap().body, b"hello");
}

#[test]
fn a_body_until_close_is_whole_when_the_connection_has_closed() {
    let wire = reply("\r\nhello");
    let (mut reader, mut buf) = (MessageReader::new(), wire.into_bytes());
    reader.filled(buf.len());
    let mut client = asking(&[RequestKind::Next]).client;
    let progress = reader.receive_reply(&mut client, &mut buf);
    assert!(matches!(progress, Ok(Progress::NeedSpace { .. })), "{progress:?}");
    client.receive_eof().unwrap();
    let Ok(Progress::Complete(whole)) = reader.receive_reply(&mut client, &mut buf) else { panic!("no message") };
    let message = whole.read(&buf).unwrap();
    assert_eq!((message.body, message.trailers), (&b"hello"[..], Headers::default()));
    assert!(!client.is_ready());
}

#[test]
fn a_message_is_not_read_out_of_another_buffer() {
    let wire = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: 2\r\n\r\n{}more";
    let (mut client, mut reader, mut buf) = (client(&[RequestKind::Next]), MessageReader::new(), wire.to_vec());
    reader.filled(buf.len());
    let Ok(Progress::Complete(whole)) = reader.receive_reply(&mut client, &mut buf) else { panic!("no message") };
    for other in [&b""[..], &buf[1..], &buf[..buf.len() - 5], &[b'x'; 200]] {
        assert_eq!(whole.read(other).err(), Some(ReceiveError::OtherBuffer));
    }
    assert_eq!(whole.read(&buf).unwrap().body, b"{}");
    assert_eq!(reader.take_rest(&buf[1..]), None);
    assert_eq!(reader.take_rest(&buf), Some(&b"more"[..]));
    // Of a message that is not whole, all is left.
    assert_eq!(reader.take_rest(b"more..."), Some(&b"more"[..]));
}

#[test]
fn a_reader_that_is_lent_another_end_amid_a_message_asks_for_more() {
    let wire = reply("Content-Length: 2\r\n\r\n{");
    let (mut reader, mut buf) = (MessageReader::new(), [wire.as_bytes(), b" "].concat());
    reader.filled(wire.len());
    for _ in 0..2 {
        let mut client = client(&[RequestKind::Next]);
        assert_eq!(reader.receive_reply(&mut client, &mut buf), Ok(Progress::NeedInput));
    }
    assert_eq!(reader.receive_request(&mut Server::new(), &mut buf), Ok(Progress::NeedInput));
}
