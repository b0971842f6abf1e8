//! Whole messages in one lent buffer: the same ones that the events tell of.

use lambwire::{
    Body, Client, Headers, Inbox, Message, Progress, ReceiveError, Reply, Request, Server, Verb, WholeReply,
    WholeRequest,
};

use crate::captures::{self, Capture};
use crate::cuts::{Accepting, Asking, Heard, Peer, Stop, hear, plain_request};

/// A peer whose messages an inbox can collect.
pub(crate) trait Collector: Peer {
    type Whole: std::fmt::Debug + PartialEq;

    fn collect(&mut self, inbox: &mut Inbox, buf: &mut [u8]) -> Result<Progress<Self::Whole>, ReceiveError>;

    fn read<'b>(&self, whole: Self::Whole, buf: &'b [u8]) -> Result<Message<'b, Self::Head<'b>>, ReceiveError>;

    fn is_same(collected: Self::Head<'_>, heard: Self::Head<'_>) -> bool;
}

impl Collector for Client {
    type Whole = WholeReply;

    fn collect(&mut self, inbox: &mut Inbox, buf: &mut [u8]) -> Result<Progress<WholeReply>, ReceiveError> {
        inbox.receive_reply(self, buf)
    }

    fn read<'b>(&self, whole: WholeReply, buf: &'b [u8]) -> Result<Message<'b, Reply<'b>>, ReceiveError> {
        whole.read(buf)
    }

    fn is_same(collected: Reply<'_>, heard: Reply<'_>) -> bool {
        collected == heard
    }
}

impl Collector for Asking {
    type Whole = WholeReply;

    fn collect(&mut self, inbox: &mut Inbox, buf: &mut [u8]) -> Result<Progress<WholeReply>, ReceiveError> {
        inbox.receive_reply(&mut self.client, buf)
    }

    fn read<'b>(&self, whole: WholeReply, buf: &'b [u8]) -> Result<Message<'b, Reply<'b>>, ReceiveError> {
        whole.read(buf)
    }

    fn is_same(collected: Reply<'_>, heard: Reply<'_>) -> bool {
        collected == heard
    }
}

impl Collector for Server {
    type Whole = WholeRequest;

    fn collect(&mut self, inbox: &mut Inbox, buf: &mut [u8]) -> Result<Progress<WholeRequest>, ReceiveError> {
        inbox.receive_request(self, buf)
    }

    fn read<'b>(&self, whole: WholeRequest, buf: &'b [u8]) -> Result<Message<'b, Request<'b>>, ReceiveError> {
        Ok(whole.read(self, buf))
    }

    fn is_same(collected: Request<'_>, heard: Request<'_>) -> bool {
        collected == heard
    }
}

impl Collector for Accepting {
    type Whole = WholeRequest;

    fn collect(&mut self, inbox: &mut Inbox, buf: &mut [u8]) -> Result<Progress<WholeRequest>, ReceiveError> {
        inbox.receive_request(&mut self.server, buf)
    }

    fn read<'b>(&self, whole: WholeRequest, buf: &'b [u8]) -> Result<Message<'b, Request<'b>>, ReceiveError> {
        Ok(whole.read(&self.server, buf))
    }

    fn is_same(collected: Request<'_>, heard: Request<'_>) -> bool {
        collected == heard
    }
}

/// Collects what `wire` says, read up to each of `ends` in turn into a buffer that begins with `space` bytes, and
/// checks it against the events. Gives how often the buffer was enlarged.
#[track_caller]
pub(crate) fn check_inbox<P: Collector>(peer: &P, wire: &[u8], ends: &[usize], space: usize) -> usize {
    let expected = hear(peer, wire, [wire.len()]);
    let mut messages = expected.messages.iter().filter(|heard| heard.trailers.is_some());
    let (mut peer, mut inbox, mut buf) = (peer.clone(), Inbox::new(), vec![0xaa; space]);
    let (mut at, mut enlarged, mut is_closed) = (0, 0, false);
    loop {
        match peer.collect(&mut inbox, &mut buf) {
            Ok(Progress::Whole(whole)) => {
                match peer.read(whole, &buf) {
                    Ok(message) => check_message::<P>(message, messages.next().expect("one message too many")),
                    Err(error) => {
                        assert_eq!(Err(error), expected.stop);
                        break;
                    }
                }
                peer.speak();
            }
            Ok(Progress::NeedSpace { total }) => {
                assert!(total > buf.len());
                enlarged += 1;
                // What is announced may be more than there is memory.
                buf.resize(total.min(buf.len() + wire.len() + 1), 0xaa);
            }
            Ok(Progress::NeedInput) if at < wire.len() => {
                let end = ends.iter().copied().find(|&end| end > at).unwrap_or(wire.len());
                let room = inbox.space(&mut buf);
                assert!(!room.is_empty(), "input is wanted, and there is no room for it");
                let len = room.len().min(end - at);
                room[..len].copy_from_slice(&wire[at..at + len]);
                inbox.filled(len);
                at += len;
            }
            Ok(Progress::NeedInput) if is_closed => {
                assert!(expected.stop.is_ok(), "{:?} is missing", expected.stop);
                break;
            }
            Ok(Progress::NeedInput) => {
                is_closed = true;
                if let Err(error) = peer.receive_eof() {
                    check_error(error, expected.stop);
                    break;
                }
            }
            Err(error) => {
                check_error(error, expected.stop);
                assert_eq!(peer.collect(&mut inbox, &mut buf), Err(error), "errors are final");
                break;
            }
        }
    }
    assert!(messages.next().is_none(), "a message is missing");
    enlarged
}

/// An inbox tells of a bad request id when the reply is whole and is read, so that worse things come before it.
#[track_caller]
fn check_error(error: ReceiveError, heard: Result<Stop, ReceiveError>) {
    use ReceiveError::{BadRequestId, NoRequestId, TwoRequestIds};
    if !matches!(heard, Err(NoRequestId | BadRequestId | TwoRequestIds)) {
        assert_eq!(Err(error), heard);
    }
}

#[track_caller]
fn check_message<P: Collector>(message: Message<'_, P::Head<'_>>, heard: &Heard<'_, P::Head<'_>>) {
    assert!(P::is_same(message.head, heard.head), "{:?} is not {:?}", message.head, heard.head);
    assert_eq!(message.headers, heard.headers);
    assert_eq!(message.body, heard.body);
    assert_eq!(Some(message.trailers), heard.trailers);
}

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
        assert_eq!(check_inbox(peer, wire, &[wire.len()], wire.len() + 1), 0);
    }
    for space in [0, 1, 100, wire.len()] {
        check_inbox(peer, wire, &bytewise, space);
    }
    for cut in (0..wire.len()).step_by(wire.len() / 50 + 1) {
        check_inbox(peer, wire, &[cut], 0);
        check_inbox(peer, wire, &[cut], wire.len());
    }
}

/// A reply to `next` with this end of its head and this body.
fn reply(wire: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\n{wire}")
}

fn asking(verbs: &[Verb]) -> Asking {
    Asking::new(verbs)
}

#[test]
fn a_buffer_of_the_size_of_the_message_is_enough() {
    let wire = reply("Content-Length: 11\r\n\r\nhello world");
    let bytewise: Vec<usize> = (0..=wire.len()).collect();
    for ends in [&bytewise[..], &[wire.len()], &[wire.len() - 11], &[wire.len() - 1]] {
        assert_eq!(check_inbox(&asking(&[Verb::Next]), wire.as_bytes(), ends, wire.len()), 0);
    }
}

#[test]
fn a_buffer_that_is_too_small_says_what_is_needed_as_soon_as_it_is_known() {
    let wire = reply("Content-Length: 11\r\n\r\nhello world");
    let head = wire.len() - 11;
    for space in head..wire.len() {
        let (mut inbox, mut buf) = (Inbox::new(), vec![0; space]);
        let mut client = asking(&[Verb::Next]).client;
        buf[..head].copy_from_slice(&wire.as_bytes()[..head]);
        inbox.filled(head);
        let progress = inbox.receive_reply(&mut client, &mut buf);
        assert_eq!(progress, Ok(Progress::NeedSpace { total: wire.len() }));
        // Enlarged or not, nothing is lost.
        assert_eq!(check_inbox(&asking(&[Verb::Next]), wire.as_bytes(), &[head], space), 1, "{space}");
    }
    // As long as the head is not whole, one byte more is all that is known to be needed.
    let (mut inbox, mut buf) = (Inbox::new(), vec![0; 20]);
    let mut client = asking(&[Verb::Next]).client;
    inbox.space(&mut buf).copy_from_slice(&wire.as_bytes()[..20]);
    inbox.filled(20);
    let progress = inbox.receive_reply(&mut client, &mut buf);
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
        assert_eq!(check_inbox(&asking(&[Verb::Next]), wire.as_bytes(), ends, space), 0);
    }
    assert!(check_inbox(&asking(&[Verb::Next]), wire.as_bytes(), &bytewise, head.len() + 40) > 0);
}

#[test]
fn trailers_are_collected_behind_chunks() {
    let head =
        "POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let wire = format!("{head}3\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\nC:\r\n\r\nGET /");
    let (mut inbox, mut buf) = (Inbox::new(), wire.clone().into_bytes());
    inbox.filled(buf.len());
    let mut server = Server::new();
    let Ok(Progress::Whole(whole)) = inbox.receive_request(&mut server, &mut buf) else { panic!("no message") };
    let message = whole.read(&server, &buf);
    assert_eq!(message.body, b"abcde");
    assert_eq!(message.trailers.get("a"), Some(&b"b"[..]));
    assert_eq!(message.trailers.iter().count(), 2);
    assert!(!inbox.is_empty(), "the next request has begun");
    for space in 0..wire.len() {
        check_inbox(&Accepting::default(), wire.as_bytes(), &[space], space);
    }
}

#[test]
fn replies_that_come_in_one_read_are_given_one_after_the_other() {
    let accepted = "HTTP/1.1 202 Accepted\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
    let wire = format!("{accepted}{}", reply("Content-Length: 2\r\n\r\n{}"));
    let mut client = Client::new("127.0.0.1:9001").unwrap();
    for verb in [Verb::Response, Verb::Next] {
        client.send(&plain_request(verb), Body::Exact(0), &mut [0; 256]).unwrap();
    }
    let (mut inbox, mut buf) = (Inbox::new(), wire.into_bytes());
    inbox.filled(buf.len());
    let (mut heads, mut bodies) = (Vec::new(), Vec::new());
    for is_last in [false, true] {
        let Ok(Progress::Whole(whole)) = inbox.receive_reply(&mut client, &mut buf) else { panic!("no message") };
        let message = whole.read(&buf).unwrap();
        heads.push(message.head.status());
        bodies.push(message.body.to_vec());
        assert_eq!(inbox.is_empty(), is_last);
    }
    assert_eq!((heads, bodies), (vec![202, 200], vec![b"{\"status\":\"OK\"}\n".to_vec(), b"{}".to_vec()]));
    assert!(client.is_ready());
    assert_eq!(inbox.receive_reply(&mut client, &mut buf), Ok(Progress::NeedInput));
}

#[test]
fn what_follows_a_reply_unasked_is_seen() {
    let wire = reply("Content-Length: 0\r\n\r\nHTTP/1.1 200");
    let (mut inbox, mut buf) = (Inbox::new(), wire.into_bytes());
    inbox.filled(buf.len());
    let mut client = asking(&[Verb::Next]).client;
    assert!(matches!(inbox.receive_reply(&mut client, &mut buf), Ok(Progress::Whole(_))));
    assert!(!inbox.is_empty());
    assert_eq!(inbox.receive_reply(&mut client, &mut buf), Err(ReceiveError::Unsolicited));
    assert!(!client.is_ready());
}

#[test]
fn interim_replies_are_passed_over() {
    let interims = "HTTP/1.1 100 Continue\r\n\r\n".repeat(2);
    let wire = format!("{interims}{}", reply("Content-Length: 2\r\n\r\n{}"));
    for space in 0..=wire.len() {
        check_inbox(&asking(&[Verb::Next]), wire.as_bytes(), &[wire.len()], space);
        check_inbox(&asking(&[Verb::Next]), wire.as_bytes(), &[space], wire.len());
    }
}

#[test]
fn interim_replies_take_no_space_from_the_real_one() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let last = reply("Content-Length: 2\r\n\r\n{}");
    let wire = format!("{interim}{last}");
    assert_eq!(check_inbox(&asking(&[Verb::Next]), wire.as_bytes(), &[wire.len()], last.len()), 0);
}

#[test]
fn a_smaller_buffer_loses_nothing() {
    let wire = reply("Content-Length: 5\r\n\r\nhello").into_bytes();
    let mut client = asking(&[Verb::Next]).client;
    let (mut inbox, mut buf) = (Inbox::new(), wire.clone());
    inbox.filled(wire.len() - 2);
    assert_eq!(inbox.receive_reply(&mut client, &mut buf), Ok(Progress::NeedInput));
    for space in 0..wire.len() - 2 {
        let progress = inbox.receive_reply(&mut client, &mut buf[..space]);
        assert_eq!(progress, Ok(Progress::NeedSpace { total: wire.len() - 2 }));
    }
    inbox.filled(2);
    let Ok(Progress::Whole(whole)) = inbox.receive_reply(&mut client, &mut buf) else { panic!("not whole") };
    assert_eq!(whole.read(&buf).unwrap().body, b"hello");
}

#[test]
fn a_body_until_close_is_whole_when_the_connection_has_closed() {
    let wire = reply("\r\nhello");
    let (mut inbox, mut buf) = (Inbox::new(), wire.into_bytes());
    inbox.filled(buf.len());
    let mut client = asking(&[Verb::Next]).client;
    let progress = inbox.receive_reply(&mut client, &mut buf);
    assert!(matches!(progress, Ok(Progress::NeedSpace { .. })), "{progress:?}");
    client.receive_eof().unwrap();
    let Ok(Progress::Whole(whole)) = inbox.receive_reply(&mut client, &mut buf) else { panic!("no message") };
    let message = whole.read(&buf).unwrap();
    assert_eq!((message.body, message.trailers), (&b"hello"[..], Headers::default()));
    assert!(!client.is_ready());
}
