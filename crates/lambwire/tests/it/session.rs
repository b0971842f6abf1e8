//! What a session does next, whatever becomes of its connections.

use std::error;
use std::fmt;
use std::time::Duration;

use lambwire::limits::{BACK_OFF, MESSAGE_BYTES, NOTHING_YET_PAUSE};
use lambwire::{
    Action, Body, Chain, Mode, Pipelining, Reply, Request, RequestId, RequestKind, SendError, Session, Turn,
};

use crate::cuts::plain_request;

const EVENT: &[u8] = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: 2\r\n\r\n{}";
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
const REPEATED: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
const NOTHING: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const BODY: &[u8] = b"answer";

/// What becomes of an action.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// A connection comes about.
    Opens,
    /// Nobody listens.
    Fails,
    /// All that was to be written is.
    Goes,
    /// So many bytes are written, and the connection is lost.
    Cut(usize),
    /// So many bytes are written, and there is something to read.
    Stops(usize),
    /// These bytes come.
    Comes(&'static [u8]),
    /// The connection comes to its end.
    Ends,
    /// The connection is lost.
    Breaks,
    /// A wait, of this length.
    Waits(Duration),
}

use Fate::*;

/// What a transport says.
#[derive(Debug)]
struct Failure(&'static str);

impl error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Takes a turn to its end, as fate has it.
#[track_caller]
fn drive(turn: &mut Turn<'_, '_, Vec<u8>, Failure>, fates: &[Fate]) {
    let mut fates = fates.iter();
    loop {
        match turn.poll() {
            Action::Done => break,
            Action::Grow(total) => {
                let buf = turn.buffer();
                assert!(total > buf.len());
                buf.resize(total, 0);
                continue;
            }
            action => {
                let text = format!("{action:?}");
                let fate = *fates.next().unwrap_or_else(|| panic!("not expected: {text}"));
                match (action, fate) {
                    (Action::Connect(_), Opens) => turn.connected(Ok(())),
                    (Action::Connect(_), Fails) => turn.connected(Err(Failure("nobody"))),
                    (Action::Sleep(pause), Waits(expected)) => {
                        assert_eq!(pause, expected);
                        turn.slept();
                    }
                    (Action::Write(parts), Goes) => {
                        let len = parts.concat().len();
                        turn.written(Ok(Some(len)));
                    }
                    (Action::Write(_), Cut(written)) => {
                        if written > 0 {
                            turn.written(Ok(Some(written)));
                        }
                        turn.written(Err(Failure("cut")));
                    }
                    (Action::Write(_), Stops(written)) => {
                        turn.written(Ok(Some(written)));
                        turn.written(Ok(None));
                    }
                    (Action::Read(space), Comes(bytes)) => {
                        space[..bytes.len()].copy_from_slice(bytes);
                        turn.read(Ok(bytes.len()));
                    }
                    (Action::Read(_), Ends) => turn.read(Ok(0)),
                    (Action::Read(_), Breaks) => turn.read(Err(Failure("broken"))),
                    (_, fate) => panic!("{text}, not {fate:?}"),
                }
            }
        }
    }
    assert_eq!(fates.next().map(|fate| format!("{fate:?}")), None, "left over");
}

/// The end of a turn in a line.
fn end(turn: Turn<'_, '_, Vec<u8>, Failure>) -> String {
    match turn.finish() {
        Ok(message) => said(&message.head),
        Err(error) => {
            let error = error.map(|failure| failure.unwrap_or(Failure("silent")), <[u8]>::to_vec);
            Chain(&error).to_string()
        }
    }
}

/// Carries out a request to its end, as fate has it, and compares that end in a line.
#[track_caller]
fn check(session: &mut Session, request: &Request<'_>, fates: &[Fate], expected: &str) {
    let (mut heads, mut buf) = ([0; 512], Vec::new());
    let mut turn = if *request == Request::Next {
        session.start_next(&mut heads).unwrap();
        session.turn_next(&heads, &[], &mut buf).unwrap()
    } else {
        session.start(request, Body::Exact(BODY.len() as u64), Pipelining::Off, &mut heads).unwrap();
        session.turn(&heads, BODY, &mut buf).unwrap()
    };
    drive(&mut turn, fates);
    assert_eq!(end(turn), expected);
}

fn said(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Invocation(context) => format!("invocation {}", context.request_id),
        reply => format!("{reply:?}"),
    }
}

#[track_caller]
fn check_new(kind: RequestKind, fates: &[Fate], expected: &str) {
    check(&mut session(), &plain_request(kind), fates, expected);
}

fn session() -> Session {
    Session::new("127.0.0.1:9001").unwrap()
}

fn after(try_number: usize) -> Fate {
    Waits(BACK_OFF[try_number])
}

#[test]
fn a_question_is_asked_again_until_the_waits_are_used_up() {
    check_new(RequestKind::Next, &[Opens, Goes, Comes(EVENT)], "invocation id");
    let lost = [Opens, Goes, Ends, Opens, Cut(7), Ends, after(1), Fails, after(2), Opens, Goes, Breaks, after(3)];
    check_new(
        RequestKind::Next,
        &[&lost[..], &[Opens, Goes, Comes(&EVENT[..9]), Comes(&EVENT[9..])]].concat(),
        "invocation id",
    );
    let part = [Comes(&EVENT[..40]), Ends, after(5), Opens, Goes, Comes(&EVENT[..40]), Breaks];
    let lost = [&lost[..], &[Opens, Cut(0), Ends, after(4), Opens, Goes], &part].concat();
    check_new(RequestKind::Next, &lost, "next: connection to the Runtime API failed: broken");
}

#[test]
fn nothing_yet_is_asked_again_without_end() {
    let asked = [Goes, Comes(NOTHING), Waits(NOTHING_YET_PAUSE)];
    check_new(RequestKind::Next, &[&[Opens][..], &asked.repeat(10), &[Goes, Comes(EVENT)]].concat(), "invocation id");
    let lost = [Goes, Ends, Opens, Goes, Ends, after(1), Opens, Goes, Comes(NOTHING), Waits(NOTHING_YET_PAUSE)];
    check_new(RequestKind::Next, &[&[Opens][..], &lost, &lost, &[Goes, Comes(EVENT)]].concat(), "invocation id");
}

/// So many tries of which each is lost thus, every one but the last with the wait behind it.
fn losses(count: usize, lost: &[Fate]) -> Vec<Fate> {
    let mut fates = Vec::new();
    for try_number in 0..count {
        fates.extend(lost);
        let pause = BACK_OFF.get(try_number).filter(|pause| !pause.is_zero());
        fates.extend(pause.map(|pause| Waits(*pause)));
    }
    fates
}

#[test]
fn as_many_losses_as_there_are_waits_are_borne_and_one_more_is_not() {
    let nobody = "next: connection to the Runtime API failed: nobody";
    let unheard = "response: connection to the Runtime API failed: nobody";
    let closed = "reply to next cannot be understood: connection closed before a reply";
    let asked = [Opens, Goes, Ends];
    for (kind, lost, reply, answered, given_up) in [
        (RequestKind::Next, &[Fails][..], EVENT, "invocation id", nobody),
        (RequestKind::Next, &asked, EVENT, "invocation id", closed),
        (RequestKind::Response, &[Fails], ACCEPTED, "Accepted", unheard),
    ] {
        let well = [Opens, Goes, Comes(reply)];
        for count in [BACK_OFF.len() - 1, BACK_OFF.len()] {
            check_new(kind, &[&losses(count, lost), &well[..]].concat(), answered);
        }
        check_new(kind, &losses(BACK_OFF.len() + 1, lost), given_up);
    }
}

#[test]
fn what_was_lost_before_nothing_yet_is_forgotten() {
    let most =
        [&losses(BACK_OFF.len(), &[Fails])[..], &[Opens, Goes, Comes(NOTHING), Waits(NOTHING_YET_PAUSE)]].concat();
    // The connection goes on, so that the first loss is of another kind.
    let again = |count| [&[Goes, Ends][..], &losses(count, &[Fails])[1..]].concat();
    for count in [BACK_OFF.len() - 1, BACK_OFF.len()] {
        check_new(
            RequestKind::Next,
            &[&most[..], &again(count), &[Opens, Goes, Comes(EVENT)]].concat(),
            "invocation id",
        );
    }
    let nobody = "next: connection to the Runtime API failed: nobody";
    check_new(RequestKind::Next, &[most, again(BACK_OFF.len() + 1)].concat(), nobody);
}

#[test]
fn an_answer_of_which_nothing_went_out_is_given_until_the_waits_are_used_up() {
    let fails = [Fails, Fails, after(1), Fails, after(2), Fails, after(3), Opens, Cut(0), Ends, after(4)];
    check_new(RequestKind::Response, &[&fails[..], &[Opens, Goes, Comes(ACCEPTED)]].concat(), "Accepted");
    let end = [Fails, after(5), Fails];
    check_new(
        RequestKind::Response,
        &[&fails[..], &end].concat(),
        "response: connection to the Runtime API failed: nobody",
    );
    let refused = "response refused with status 403";
    check_new(RequestKind::Response, &[Fails, Opens, Goes, Comes(REPEATED)], refused);
}

#[test]
fn an_answer_that_may_have_arrived_is_given_once_more_and_a_refusal_believed_no_more() {
    for lost in [Ends, Breaks] {
        check_new(RequestKind::Response, &[Opens, Goes, lost, Opens, Goes, Comes(ACCEPTED)], "Accepted");
        check_new(
            RequestKind::Response,
            &[Opens, Goes, lost, Opens, Goes, Comes(REPEATED)],
            "Rejected { status: 403 }",
        );
        let too_large = "response of 6 bytes refused with status 413";
        check_new(RequestKind::Response, &[Opens, Goes, lost, Opens, Goes, Comes(TOO_LARGE)], too_large);
    }
    let twice = "reply to response cannot be understood: connection closed before a reply";
    check_new(RequestKind::Response, &[Opens, Goes, Breaks, Opens, Goes, Ends], twice);
}

#[test]
fn an_answer_of_which_part_went_out_is_lost_unless_the_server_says_why() {
    let cut = "response: connection to the Runtime API failed: cut";
    check_new(RequestKind::Response, &[Opens, Cut(1), Ends], cut);
    check_new(RequestKind::Response, &[Opens, Cut(1), Comes(ACCEPTED)], cut);
    check_new(RequestKind::Response, &[Opens, Cut(1), Comes(TOO_LARGE)], "response of 6 bytes refused with status 413");
    check_new(
        RequestKind::Response,
        &[Opens, Goes, Comes(&ACCEPTED[..9]), Breaks],
        "response: connection to the Runtime API failed: broken",
    );
}

#[test]
fn what_is_too_large_is_told_of_with_its_size_if_that_was_known() {
    check_new(RequestKind::Response, &[Opens, Goes, Comes(TOO_LARGE)], "response of 6 bytes refused with status 413");
    check_new(RequestKind::Next, &[Opens, Goes, Comes(TOO_LARGE)], "next refused with status 413");
}

fn streaming() -> Request<'static> {
    let id = RequestId::new("id").unwrap();
    Request::Response { id, invocation_id: None, content_type: None, mode: Mode::Streaming }
}

/// Streams the body as pieces of which each has such fates, then ends the stream with the last fates.
#[track_caller]
fn check_stream(pieces: &[&[Fate]], last: &[Fate], expected: &str) {
    let mut session = session();
    let (mut heads, mut out, mut buf) = ([0; 512], [0; 64], Vec::new());
    session.start(&streaming(), Body::Chunked, Pipelining::Off, &mut heads).unwrap();
    for fates in pieces {
        let mut turn = session.turn(&heads, BODY, &mut buf).unwrap();
        drive(&mut turn, fates);
        if turn.poll() == Action::Done {
            if let Err(error) = turn.accepted() {
                let error = error.map(|failure| failure.unwrap_or(Failure("silent")), <[u8]>::to_vec);
                assert_eq!(Chain(&error).to_string(), expected);
                return;
            }
        }
    }
    let len = session.finish(None, &mut out).unwrap();
    let mut turn = session.turn(&heads, &out[..len], &mut buf).unwrap();
    drive(&mut turn, last);
    assert_eq!(end(turn), expected);
}

#[test]
fn a_stream_is_sent_again_only_if_nothing_of_it_was_written() {
    let cut = "response: connection to the Runtime API failed: cut";
    let closed = "reply to response cannot be understood: connection closed before a reply";
    check_stream(&[&[Opens, Goes], &[Goes]], &[Goes, Comes(ACCEPTED)], "Accepted");
    check_stream(&[&[Fails, Opens, Cut(0), Ends, after(1), Opens, Goes]], &[Goes, Comes(ACCEPTED)], "Accepted");
    check_stream(&[], &[Opens, Cut(0), Ends, Opens, Goes, Comes(ACCEPTED)], "Accepted");
    check_stream(&[&[Opens, Cut(1), Ends]], &[], cut);
    check_stream(&[&[Opens, Goes], &[Cut(0), Ends]], &[], cut);
    check_stream(&[&[Opens, Goes], &[Cut(0), Comes(ACCEPTED)]], &[], cut);
    check_stream(&[&[Opens, Goes]], &[Goes, Ends], closed);
    check_stream(&[], &[Opens, Goes, Ends], closed);
    check_stream(&[&[Opens, Goes], &[Stops(3), Comes(TOO_LARGE)]], &[], "response refused with status 413");
}

#[test]
fn a_connection_is_used_again_after_a_whole_exchange_only() {
    let (next, response) = (plain_request(RequestKind::Next), plain_request(RequestKind::Response));
    let mut session = session();
    check(&mut session, &next, &[Opens, Goes, Comes(EVENT)], "invocation id");
    check(&mut session, &response, &[Goes, Comes(TOO_LARGE)], "response of 6 bytes refused with status 413");
    check(&mut session, &next, &[Goes, Comes(EVENT)], "invocation id");
    let closes = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    check(&mut session, &response, &[Goes, Comes(closes)], "Accepted");
    let and_more =
        b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n";
    check(&mut session, &next, &[Opens, Goes, Comes(and_more)], "invocation id");
    let too_large = "response of 6 bytes refused with status 413";
    check(&mut session, &response, &[Opens, Cut(1), Comes(TOO_LARGE)], too_large);
    check(
        &mut session,
        &next,
        &[Opens, Goes, Comes(b"garbage\r\n\r\n")],
        "reply to next cannot be understood: first line is not HTTP/1",
    );
    check(&mut session, &next, &[Opens, Goes, Comes(EVENT)], "invocation id");
    session.disconnect();
    check(&mut session, &response, &[Opens, Goes, Comes(ACCEPTED)], "Accepted");
}

/// A session whose response went out with a `next` behind it, with such fates; gives the verdict on the response, and the
/// buffer of the replies.
fn pipelined(fates: &[Fate], replies: &[u8]) -> (Session, String, Vec<u8>) {
    let mut session = session();
    let (mut heads, mut buf) = ([0; 512], vec![0; 512]);
    let body = Body::Exact(BODY.len() as u64);
    session.start(&plain_request(RequestKind::Response), body, Pipelining::Next, &mut heads).unwrap();
    let mut turn = session.turn(&heads, BODY, &mut buf).unwrap();
    for fate in fates {
        match (turn.poll(), fate) {
            (Action::Connect(_), Opens) => turn.connected(Ok(())),
            (Action::Write(parts), Goes) => {
                let len = parts.concat().len();
                turn.written(Ok(Some(len)));
            }
            (Action::Write(_), Cut(written)) => {
                turn.written(Ok(Some(*written)));
                turn.written(Err(Failure("cut")));
            }
            (action, fate) => panic!("{action:?}, not {fate:?}"),
        }
    }
    let Action::Read(space) = turn.poll() else { panic!("nothing is read") };
    space[..replies.len()].copy_from_slice(replies);
    turn.read(Ok(replies.len()));
    let _ = turn.poll();
    let verdict = end(turn);
    (session, verdict, buf)
}

/// Bytes of a response and its head, without the `next` behind it.
fn response_bytes() -> usize {
    let mut session = session();
    let (mut heads, mut buf) = ([0; 512], Vec::new());
    session.start(&plain_request(RequestKind::Response), Body::Exact(6), Pipelining::Off, &mut heads).unwrap();
    let mut turn = session.turn::<_, Failure>(&heads, BODY, &mut buf).unwrap();
    assert!(matches!(turn.poll(), Action::Connect(_)));
    turn.connected(Ok(()));
    let Action::Write(parts) = turn.poll() else { panic!("nothing is written") };
    parts.concat().len()
}

#[test]
fn a_pipelined_next_is_not_sent_again() {
    for (reply, expected) in [(ACCEPTED, "Accepted"), (TOO_LARGE, "response of 6 bytes refused with status 413")] {
        let both = [reply, EVENT].concat();
        for cut in reply.len()..=both.len() {
            let (mut session, verdict, last) = pipelined(&[Opens, Goes], &both[..cut]);
            assert_eq!(verdict, expected);
            let (mut heads, mut event) = ([0; 512], Vec::new());
            session.start_next(&mut heads).unwrap();
            let mut turn = session.turn_next(&heads, &last, &mut event).unwrap();
            let mut left = &both[cut..];
            loop {
                match turn.poll() {
                    Action::Grow(len) => turn.buffer().resize(len, 0),
                    Action::Read(space) => {
                        space[..left.len()].copy_from_slice(left);
                        turn.read(Ok(left.len()));
                        left = b"";
                    }
                    action => break assert_eq!(action, Action::Done),
                }
            }
            assert_eq!(end(turn), "invocation id");
        }
    }
}

#[test]
fn a_pipelined_next_that_was_lost_is_sent_again_and_the_response_is_not() {
    let closing = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let (again, refused) = ([Opens, Goes, Comes(EVENT)], "response of 6 bytes refused with status 413");
    for (written, replies, expected, fates) in [
        (Goes, ACCEPTED, "Accepted", &[&[Ends][..], &again].concat()[..]),
        // All of the response was written, and of the `next` behind it a byte, or none.
        (Cut(response_bytes() + 1), ACCEPTED, "Accepted", &again),
        (Cut(response_bytes()), ACCEPTED, "Accepted", &again),
        (Goes, closing, refused, &again),
    ] {
        let (mut session, verdict, _) = pipelined(&[Opens, written], replies);
        assert_eq!(verdict, expected);
        check_after(&mut session, fates);
    }
    let (mut session, verdict, _) = pipelined(&[Opens, Cut(response_bytes() - 1)], ACCEPTED);
    assert_eq!(verdict, "response: connection to the Runtime API failed: cut");
    check_after(&mut session, &again);
}

/// The next invocation comes, as fate has it, behind a reply that has no bytes of it.
#[track_caller]
fn check_after(session: &mut Session, fates: &[Fate]) {
    let (mut heads, mut event) = ([0; 512], vec![0; 512]);
    session.start_next(&mut heads).unwrap();
    let last = [0; 512];
    let mut turn = session.turn_next(&heads, &last, &mut event).unwrap();
    drive(&mut turn, fates);
    assert_eq!(end(turn), "invocation id");
}

#[test]
fn a_response_that_went_out_before_a_cut_behind_it_is_sent_once_more() {
    let mut session = session();
    let (mut heads, mut buf) = ([0; 512], Vec::new());
    let body = Body::Exact(BODY.len() as u64);
    session.start(&plain_request(RequestKind::Response), body, Pipelining::Next, &mut heads).unwrap();
    let mut turn = session.turn(&heads, BODY, &mut buf).unwrap();
    drive(&mut turn, &[Opens, Cut(response_bytes()), Ends, Opens, Goes, Comes(REPEATED)]);
    assert_eq!(end(turn), "Rejected { status: 403 }");
}

#[test]
fn a_reply_at_the_limit_is_collected_and_one_byte_more_is_not() {
    let head =
        |len| format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: {len:07}\r\n\r\n");
    for total in [MESSAGE_BYTES - 1, MESSAGE_BYTES, MESSAGE_BYTES + 1] {
        let (mut session, mut heads, mut buf) = (session(), [0; 512], vec![0; 512]);
        let mut turn = asked(&mut session, &mut heads, &mut buf);
        let head = head(total - head(0).len());
        let Action::Read(space) = turn.poll() else { panic!("nothing is read") };
        space[..head.len()].copy_from_slice(head.as_bytes());
        turn.read(Ok(head.len()));
        let expected = if total <= MESSAGE_BYTES { Action::Grow(total) } else { Action::Done };
        assert_eq!(turn.poll(), expected);
        if total > MESSAGE_BYTES {
            assert_eq!(turn.oversized().map(|context| context.request_id.as_str().to_owned()), Some("id".to_owned()));
            assert!(end(turn).ends_with("payload larger than 6291556 bytes"));
        }
    }
}

/// A turn whose `next` has gone out.
fn asked<'s, 'b>(
    session: &'s mut Session,
    heads: &'s mut [u8],
    buf: &'b mut Vec<u8>,
) -> Turn<'s, 'b, Vec<u8>, Failure> {
    session.start_next(heads).unwrap();
    let mut turn = session.turn_next(heads, &[], buf).unwrap();
    assert!(matches!(turn.poll(), Action::Connect(_)));
    turn.connected(Ok(()));
    let Action::Write(parts) = turn.poll() else { panic!("nothing is written") };
    let len = parts.concat().len();
    turn.written(Ok(Some(len)));
    turn
}

#[test]
fn a_buffer_doubles_and_grows_by_256_kib_at_most() {
    const KIB: usize = 1024;
    let (mut session, mut heads, mut buf) = (session(), [0; 512], Vec::new());
    let mut turn = asked(&mut session, &mut heads, &mut buf);
    let head = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n";
    let mut grown = vec![];
    let mut is_begun = false;
    while grown.last() != Some(&KIB) {
        match turn.poll() {
            Action::Grow(total) => {
                grown.push(total / KIB);
                turn.buffer().resize(total, b'x');
            }
            Action::Read(space) => {
                if !std::mem::replace(&mut is_begun, true) {
                    space[..head.len()].copy_from_slice(head);
                }
                let len = space.len();
                turn.read(Ok(len));
            }
            action => panic!("{action:?}"),
        }
    }
    assert_eq!(grown, [8, 16, 32, 64, 128, 256, 512, 768, 1024]);
}

#[test]
fn a_report_that_was_not_asked_for_ends_the_turn_with_an_error() {
    type Report = fn(&mut Turn<'_, '_, Vec<u8>, Failure>);
    let reports: [(&str, Report); 9] = [
        ("connected", |turn| turn.connected(Ok(()))),
        ("slept", |turn| turn.slept()),
        ("written", |turn| turn.written(Ok(Some(1)))),
        ("written too much", |turn| turn.written(Ok(Some(9999)))),
        ("readable", |turn| turn.written(Ok(None))),
        ("read", |turn| turn.read(Ok(1))),
        ("not connected", |turn| turn.connected(Err(Failure("nobody")))),
        ("not written", |turn| turn.written(Err(Failure("cut")))),
        ("not read", |turn| turn.read(Err(Failure("broken")))),
    ];
    let stages: [(&str, &[Fate], &[&str]); 4] = [
        ("before the first action", &[], &[]),
        ("connecting", &[], &["connected", "not connected"]),
        ("writing", &[Opens], &["written", "readable", "not written"]),
        ("reading", &[Opens, Goes], &["read", "not read"]),
    ];
    for (stage, fates, allowed) in stages {
        for (name, report) in reports {
            let (mut session, mut heads, mut buf) = (session(), [0; 512], vec![0; 512]);
            session.start_next(&mut heads).unwrap();
            let mut turn = session.turn_next(&heads, &[], &mut buf).unwrap();
            for fate in fates {
                match (turn.poll(), fate) {
                    (Action::Connect(_), Opens) => turn.connected(Ok(())),
                    (Action::Write(parts), Goes) => {
                        let len = parts.concat().len();
                        turn.written(Ok(Some(len)));
                    }
                    (action, fate) => panic!("{action:?}, not {fate:?}"),
                }
            }
            if stage != "before the first action" {
                assert_ne!(turn.poll(), Action::Done);
            }
            report(&mut turn);
            let is_misuse = matches!(turn.poll(), Action::Done);
            assert_eq!(is_misuse, !allowed.contains(&name), "{name}, {stage}");
            if is_misuse {
                assert!(end(turn).ends_with(&SendError::InvalidState.to_string()));
            }
        }
    }
}

#[test]
fn a_buffer_that_is_handed_back_shorter_is_an_error() {
    let (mut session, mut heads, mut buf) = (session(), [0; 512], vec![0; 512]);
    let mut turn = asked(&mut session, &mut heads, &mut buf);
    let Action::Read(space) = turn.poll() else { panic!("nothing is read") };
    space[..40].copy_from_slice(&EVENT[..40]);
    turn.read(Ok(40));
    turn.buffer().truncate(39);
    assert_eq!(turn.poll(), Action::Done);
    assert!(end(turn).ends_with(&SendError::InvalidState.to_string()));
}

#[test]
fn a_turn_that_is_not_taken_as_it_was_started_is_refused() {
    let (mut session, mut heads, mut buf) = (session(), [0; 512], Vec::<u8>::new());
    let out_of_turn = Some(SendError::InvalidState);
    assert_eq!(session.turn::<_, Failure>(&[], &[], &mut buf).err(), out_of_turn);
    let response = plain_request(RequestKind::Response);
    assert_eq!(session.start(&Request::Next, Body::Exact(0), Pipelining::Off, &mut heads).err(), out_of_turn);
    assert_eq!(session.start(&streaming(), Body::Chunked, Pipelining::Next, &mut heads).err(), out_of_turn);
    let needed = session.start(&response, Body::Exact(6), Pipelining::Next, &mut [0; 200]);
    let Err(SendError::BufferTooSmall { needed }) = needed else { panic!("{needed:?}") };
    assert!(session.start(&response, Body::Exact(6), Pipelining::Next, &mut heads[..needed]).is_ok());
    assert_eq!(session.turn::<_, Failure>(&heads[..needed - 1], BODY, &mut buf).err(), out_of_turn);
    assert_eq!(session.turn::<_, Failure>(&[b'x'; 512], BODY, &mut buf).err(), out_of_turn);
    assert_eq!(session.turn_next::<_, Failure>(&heads, &[], &mut buf).err(), out_of_turn);
    let wrong = SendError::WrongLength { announced: 6, given: 5 };
    assert_eq!(session.turn::<_, Failure>(&heads, &BODY[1..], &mut buf).err(), Some(wrong));
    assert_eq!(session.finish(None, &mut [0; 64]), Err(SendError::InvalidState));
    session.start_next(&mut heads).unwrap();
    assert_eq!(session.turn::<_, Failure>(&heads, &[], &mut buf).err(), out_of_turn);
    let turn = session.turn_next::<_, Failure>(&heads, &[], &mut buf).unwrap();
    assert!(turn.accepted().unwrap_err().to_string().contains("cannot be sent"));
}

#[test]
fn what_was_given_up_half_way_costs_its_connection() {
    let mut session = session();
    check(&mut session, &Request::Next, &[Opens, Goes, Comes(EVENT)], "invocation id");
    let (mut heads, mut buf) = ([0; 512], Vec::new());
    session.start(&plain_request(RequestKind::Response), Body::Exact(6), Pipelining::Off, &mut heads).unwrap();
    let mut turn = session.turn::<_, Failure>(&heads, BODY, &mut buf).unwrap();
    assert!(matches!(turn.poll(), Action::Write(_)));
    drop(turn);
    check(&mut session, &Request::Next, &[Opens, Goes, Comes(EVENT)], "invocation id");
    // One that was started and not begun costs nothing.
    session.start(&plain_request(RequestKind::Response), Body::Exact(6), Pipelining::Off, &mut heads).unwrap();
    check(&mut session, &plain_request(RequestKind::Response), &[Goes, Comes(ACCEPTED)], "Accepted");
}

#[test]
fn a_connection_is_made_when_it_is_asked_for() {
    let mut session = session();
    let mut buf = Vec::new();
    for fates in [&[Fails, Opens][..], &[]] {
        session.start_connect();
        let mut turn = session.turn(&[], &[], &mut buf).unwrap();
        drive(&mut turn, fates);
        turn.accepted().unwrap();
    }
    check(&mut session, &Request::Next, &[Goes, Comes(EVENT)], "invocation id");
}

#[test]
fn a_reply_whose_buffer_was_shortened_is_an_error() {
    for reply in [EVENT, TOO_LARGE] {
        let (mut session, mut heads, mut buf) = (session(), [0; 512], vec![0; 512]);
        session.start_next(&mut heads).unwrap();
        assert_eq!(session.oversized(&buf), None);
        let mut turn = session.turn_next(&heads, &[], &mut buf).unwrap();
        drive(&mut turn, &[Opens, Goes, Comes(reply)]);
        turn.buffer().truncate(10);
        assert!(end(turn).ends_with(&SendError::InvalidState.to_string()));
    }
}
