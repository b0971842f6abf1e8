//! What an exchange does next, whatever becomes of its connections.

use std::time::Duration;

use lambwire::limits::{BACK_OFF, MESSAGE_BYTES, NOTHING_YET_PAUSE};
use lambwire::{Body, Error, Exchange, Link, Reply, Request, Step, Unwritten, Verb};

use crate::cuts::plain_request;

const EVENT: &[u8] = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: 2\r\n\r\n{}";
const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
const REPEATED: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
const NOTHING: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const BODY: &[u8] = b"answer";

/// What becomes of a step.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// A connection comes about.
    Opens,
    /// Nobody listens.
    Fails,
    /// All that was to be sent goes out.
    Goes,
    /// So many bytes go out, and the connection is lost.
    Cut(u64),
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

/// Carries out an exchange to its end, as fate has it, and gives that end in a line.
#[track_caller]
fn check(link: &mut Link, request: &Request<'_>, body: Body, fates: &[Fate], expected: &str) {
    let mut exchange = Exchange::new(request.verb(), body);
    let mut buf = Vec::new();
    let mut fates = fates.iter();
    let end = loop {
        let step = match exchange.step(link, &mut buf) {
            Ok(Step::Done) => break said(&link.reply().read(&buf).unwrap().head),
            Ok(Step::Grow { total }) => {
                assert!(total > buf.len());
                buf.resize(total, 0);
                continue;
            }
            Ok(Step::Refused) => break link.reply().refusal(&buf).unwrap().to_string(),
            Err(lost) => break Error::from(lost).to_string(),
            Ok(step) => step,
        };
        match (step, *fates.next().unwrap_or_else(|| panic!("not expected: {step:?}"))) {
            (Step::Connect, Opens) => exchange.connected(link, Ok(())),
            (Step::Connect, Fails) => exchange.connected(link, Err("nobody")),
            (Step::Pause(pause), Waits(expected)) => assert_eq!(pause, expected),
            (Step::Send, fate @ (Goes | Cut(_))) => {
                let mut out = [0; 512];
                exchange.write_head(link, request, &mut out).unwrap();
                exchange.sent(match fate {
                    Cut(written) => Err(Unwritten { written, error: "cut" }),
                    _ => Ok(()),
                });
            }
            (Step::Receive, Comes(bytes)) => {
                link.space(&mut buf)[..bytes.len()].copy_from_slice(bytes);
                exchange.received(link, Ok(bytes.len()));
            }
            (Step::Receive, Ends) => exchange.received(link, Ok(0)),
            (Step::Receive, Breaks) => exchange.received(link, Err("broken")),
            (step, fate) => panic!("{step:?}, not {fate:?}"),
        }
    };
    assert_eq!(end, expected);
    assert_eq!(fates.next().map(|fate| format!("{fate:?}")), None, "left over");
}

fn said(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Invocation(context) => format!("invocation {}", context.request_id),
        reply => format!("{reply:?}"),
    }
}

#[track_caller]
fn check_new(verb: Verb, fates: &[Fate], expected: &str) {
    let body = if verb == Verb::Response { BODY.len() as u64 } else { 0 };
    check(&mut link(), &plain_request(verb), Body::Exact(body), fates, expected);
}

fn link() -> Link {
    Link::new("127.0.0.1:9001").unwrap()
}

fn after(try_number: usize) -> Fate {
    Waits(BACK_OFF[try_number])
}

#[test]
fn a_question_is_asked_again_until_the_waits_are_used_up() {
    check_new(Verb::Next, &[Opens, Goes, Comes(EVENT)], "invocation id");
    let lost = [Opens, Goes, Ends, Opens, Cut(7), Ends, after(1), Fails, after(2), Opens, Goes, Breaks, after(3)];
    check_new(
        Verb::Next,
        &[&lost[..], &[Opens, Goes, Comes(&EVENT[..9]), Comes(&EVENT[9..])]].concat(),
        "invocation id",
    );
    let part = [Comes(&EVENT[..40]), Ends, after(5), Opens, Goes, Comes(&EVENT[..40]), Breaks];
    let lost = [&lost[..], &[Opens, Cut(0), Ends, after(4), Opens, Goes], &part].concat();
    check_new(Verb::Next, &lost, "connection to the Runtime API: broken");
}

#[test]
fn nothing_yet_is_asked_again_without_end() {
    let asked = [Goes, Comes(NOTHING), Waits(NOTHING_YET_PAUSE)];
    check_new(Verb::Next, &[&[Opens][..], &asked.repeat(10), &[Goes, Comes(EVENT)]].concat(), "invocation id");
    let lost = [Goes, Ends, Opens, Goes, Ends, after(1), Opens, Goes, Comes(NOTHING), Waits(NOTHING_YET_PAUSE)];
    check_new(Verb::Next, &[&[Opens][..], &lost, &lost, &[Goes, Comes(EVENT)]].concat(), "invocation id");
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
    let nobody = "connection to the Runtime API: nobody";
    let closed = "from the Runtime API: connection closed before a reply";
    let asked = [Opens, Goes, Ends];
    for (verb, lost, reply, answered, given_up) in [
        (Verb::Next, &[Fails][..], EVENT, "invocation id", nobody),
        (Verb::Next, &asked, EVENT, "invocation id", closed),
        (Verb::Response, &[Fails], ACCEPTED, "Accepted", nobody),
    ] {
        let well = [Opens, Goes, Comes(reply)];
        for count in [BACK_OFF.len() - 1, BACK_OFF.len()] {
            check_new(verb, &[&losses(count, lost), &well[..]].concat(), answered);
        }
        check_new(verb, &losses(BACK_OFF.len() + 1, lost), given_up);
    }
}

#[test]
fn what_was_lost_before_nothing_yet_is_forgotten() {
    let most =
        [&losses(BACK_OFF.len(), &[Fails])[..], &[Opens, Goes, Comes(NOTHING), Waits(NOTHING_YET_PAUSE)]].concat();
    // The connection goes on, so that the first loss is of another kind.
    let again = |count| [&[Goes, Ends][..], &losses(count, &[Fails])[1..]].concat();
    for count in [BACK_OFF.len() - 1, BACK_OFF.len()] {
        check_new(Verb::Next, &[&most[..], &again(count), &[Opens, Goes, Comes(EVENT)]].concat(), "invocation id");
    }
    let nobody = "connection to the Runtime API: nobody";
    check_new(Verb::Next, &[most, again(BACK_OFF.len() + 1)].concat(), nobody);
}

#[test]
fn an_answer_of_which_nothing_went_out_is_given_until_the_waits_are_used_up() {
    let fails = [Fails, Fails, after(1), Fails, after(2), Fails, after(3), Opens, Cut(0), Ends, after(4)];
    check_new(Verb::Response, &[&fails[..], &[Opens, Goes, Comes(ACCEPTED)]].concat(), "Accepted");
    let end = [Fails, after(5), Fails];
    check_new(Verb::Response, &[&fails[..], &end].concat(), "connection to the Runtime API: nobody");
    let refused = "response refused with status 403";
    check_new(Verb::Response, &[Fails, Opens, Goes, Comes(REPEATED)], refused);
}

#[test]
fn an_answer_that_may_have_arrived_is_given_once_more_and_a_refusal_believed_no_more() {
    for lost in [Ends, Breaks] {
        check_new(Verb::Response, &[Opens, Goes, lost, Opens, Goes, Comes(ACCEPTED)], "Accepted");
        check_new(Verb::Response, &[Opens, Goes, lost, Opens, Goes, Comes(REPEATED)], "Refused { status: 403 }");
        let too_large = "response of 6 bytes refused with status 413";
        check_new(Verb::Response, &[Opens, Goes, lost, Opens, Goes, Comes(TOO_LARGE)], too_large);
    }
    let twice = "from the Runtime API: connection closed before a reply";
    check_new(Verb::Response, &[Opens, Goes, Breaks, Opens, Goes, Ends], twice);
}

#[test]
fn an_answer_of_which_part_went_out_is_lost_unless_the_server_says_why() {
    let cut = "connection to the Runtime API: cut";
    check_new(Verb::Response, &[Opens, Cut(1), Ends], cut);
    check_new(Verb::Response, &[Opens, Cut(1), Comes(ACCEPTED)], cut);
    check_new(Verb::Response, &[Opens, Cut(1), Comes(TOO_LARGE)], "response of 6 bytes refused with status 413");
    check_new(Verb::Response, &[Opens, Goes, Comes(&ACCEPTED[..9]), Breaks], "connection to the Runtime API: broken");
}

#[test]
fn an_answer_that_went_out_before_a_cut_behind_it_is_given_once_more() {
    let (mut link, mut exchange) = (link(), Exchange::<&str>::new(Verb::Response, Body::Exact(BODY.len() as u64)));
    link.connected();
    assert_eq!(exchange.step(&mut link, &mut []), Ok(Step::Send));
    let head_len = exchange.write_head(&mut link, &plain_request(Verb::Response), &mut [0; 512]).unwrap();
    let answer = (head_len + BODY.len()) as u64;
    for written in [answer, answer + 1] {
        check_new(
            Verb::Response,
            &[Opens, Cut(written), Ends, Opens, Goes, Comes(REPEATED)],
            "Refused { status: 403 }",
        );
    }
    check_new(Verb::Response, &[Opens, Cut(answer - 1), Ends], "connection to the Runtime API: cut");
}

#[test]
fn what_is_too_large_is_told_of_with_its_size_if_that_was_known() {
    check_new(Verb::Response, &[Opens, Goes, Comes(TOO_LARGE)], "response of 6 bytes refused with status 413");
    check_new(Verb::Next, &[Opens, Goes, Comes(TOO_LARGE)], "next refused with status 413");
}

#[test]
fn a_stream_is_never_begun_again() {
    let mut link = link();
    let request = Request::Response {
        id: lambwire::RequestId::new("id").unwrap(),
        invocation_id: None,
        content_type: None,
        mode: lambwire::Mode::Streaming,
    };
    check(
        &mut link,
        &request,
        Body::Chunked,
        &[Fails, Opens, Goes, Ends],
        "from the Runtime API: connection closed before a reply",
    );
    check(&mut link, &request, Body::Chunked, &[Opens, Cut(0), Ends], "connection to the Runtime API: cut");
    check(
        &mut link,
        &request,
        Body::Chunked,
        &[Opens, Cut(9000), Comes(ACCEPTED)],
        "connection to the Runtime API: cut",
    );
    check(
        &mut link,
        &request,
        Body::Chunked,
        &[Opens, Cut(9000), Comes(TOO_LARGE)],
        "response refused with status 413",
    );
}

#[test]
fn a_connection_is_used_again_after_a_whole_exchange_only() {
    let (next, response) = (plain_request(Verb::Next), plain_request(Verb::Response));
    let exact = |len: &[u8]| Body::Exact(len.len() as u64);
    let mut link = link();
    check(&mut link, &next, exact(b""), &[Opens, Goes, Comes(EVENT)], "invocation id");
    check(&mut link, &response, exact(BODY), &[Goes, Comes(TOO_LARGE)], "response of 6 bytes refused with status 413");
    check(&mut link, &next, exact(b""), &[Goes, Comes(EVENT)], "invocation id");
    let closes = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    check(&mut link, &response, exact(BODY), &[Goes, Comes(closes)], "Accepted");
    let and_more =
        b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n";
    check(&mut link, &next, exact(b""), &[Opens, Goes, Comes(and_more)], "invocation id");
    let too_large = "response of 6 bytes refused with status 413";
    check(&mut link, &response, exact(BODY), &[Opens, Cut(1), Comes(TOO_LARGE)], too_large);
    check(
        &mut link,
        &next,
        exact(b""),
        &[Opens, Goes, Comes(b"garbage\r\n\r\n")],
        "from the Runtime API: first line is not HTTP/1",
    );
    check(&mut link, &next, exact(b""), &[Opens, Goes, Comes(EVENT)], "invocation id");
    link.disconnect();
    check(&mut link, &response, exact(BODY), &[Opens, Goes, Comes(ACCEPTED)], "Accepted");
}

/// A link whose answer went out with a `next` behind it, of all of which `written` bytes were written, and `replies`
/// came back; gives the verdict on the answer, and the buffer of the replies.
fn ahead(written: impl FnOnce(u64) -> Option<u64>, replies: &[u8]) -> (Link, Result<(), String>, Vec<u8>) {
    let mut link = link();
    link.connected();
    let mut exchange = Exchange::new(Verb::Response, Body::Exact(BODY.len() as u64));
    let (mut buf, mut out) = (vec![0; 512], [0; 512]);
    assert_eq!(exchange.step(&mut link, &mut buf), Ok(Step::Send));
    let len = exchange.write_head(&mut link, &plain_request(Verb::Response), &mut out).unwrap() + BODY.len();
    link.write_next_head(&mut out).unwrap();
    exchange.sent(written(len as u64).map_or(Ok(()), |written| Err(Unwritten { written, error: "cut" })));
    assert_eq!(exchange.step(&mut link, &mut buf), Ok(Step::Receive));
    link.space(&mut buf)[..replies.len()].copy_from_slice(replies);
    exchange.received(&mut link, Ok(replies.len()));
    let verdict = match exchange.step(&mut link, &mut buf) {
        Ok(Step::Refused) => Err(link.reply().refusal(&buf).unwrap().to_string()),
        Ok(_) => Ok(()),
        Err(lost) => Err(Error::from(lost).to_string()),
    };
    (link, verdict, buf)
}

#[test]
fn a_next_that_went_ahead_is_not_asked_again() {
    for reply in [ACCEPTED, TOO_LARGE] {
        let both = [reply, EVENT].concat();
        for cut in reply.len()..=both.len() {
            let (mut link, verdict, buf) = ahead(|_| None, &both[..cut]);
            assert_eq!(verdict.is_ok(), reply == ACCEPTED);
            let mut event = vec![0; 512];
            let rest = link.take_rest(&buf);
            event[..rest.len()].copy_from_slice(rest);
            let mut exchange = Exchange::<&str>::new(Verb::Next, Body::Exact(0));
            let mut step = exchange.step(&mut link, &mut event).unwrap();
            if cut < both.len() {
                assert_eq!(step, Step::Receive);
                link.space(&mut event)[..both.len() - cut].copy_from_slice(&both[cut..]);
                exchange.received(&mut link, Ok(both.len() - cut));
                step = exchange.step(&mut link, &mut event).unwrap();
            }
            assert_eq!(step, Step::Done);
            assert_eq!(said(&link.reply().read(&event).unwrap().head), "invocation id");
        }
    }
}

#[test]
fn a_next_that_went_ahead_and_was_lost_is_asked_again_and_the_answer_is_not() {
    let closing = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let again = [Opens, Goes, Comes(EVENT)];
    for (behind, replies, expected, fates) in [
        (None, ACCEPTED, Ok(()), &[&[Ends][..], &again].concat()[..]),
        // All of the answer went out, and of the question behind it a byte.
        (Some(1), ACCEPTED, Ok(()), &again),
        (None, closing, Err("response of 6 bytes refused with status 413".into()), &again),
    ] {
        let (mut link, verdict, buf) = ahead(|answer| behind.map(|behind| answer + behind), replies);
        assert_eq!(verdict, expected);
        assert_eq!(link.take_rest(&buf), b"");
        check(&mut link, &Request::Next, Body::Exact(0), fates, "invocation id");
    }
    let (_, verdict, _) = ahead(|answer| Some(answer - 1), ACCEPTED);
    assert_eq!(verdict, Err("connection to the Runtime API: cut".into()));
}

#[test]
fn a_reply_at_the_limit_is_collected_and_one_byte_more_is_not() {
    let head =
        |len| format!("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: {len:07}\r\n\r\n");
    for total in [MESSAGE_BYTES - 1, MESSAGE_BYTES, MESSAGE_BYTES + 1] {
        let mut link = link();
        link.connected();
        let (mut buf, mut exchange) = (vec![0; 512], Exchange::<&str>::new(Verb::Next, Body::Exact(0)));
        assert_eq!(exchange.step(&mut link, &mut buf), Ok(Step::Send));
        exchange.write_head(&mut link, &Request::Next, &mut [0; 512]).unwrap();
        exchange.sent(Ok(()));
        let head = head(total - head(0).len());
        buf[..head.len()].copy_from_slice(head.as_bytes());
        exchange.received(&mut link, Ok(head.len()));
        let step = exchange.step(&mut link, &mut buf);
        assert_eq!(step.is_ok(), total <= MESSAGE_BYTES, "{step:?}");
        assert!(step.is_err() || step == Ok(Step::Grow { total }));
    }
}

#[test]
fn a_buffer_doubles_and_grows_by_256_kib_at_most() {
    const KIB: usize = 1024;
    let mut link = link();
    link.connected();
    let (mut buf, mut exchange) = (Vec::new(), Exchange::<&str>::new(Verb::Next, Body::Exact(0)));
    assert_eq!(exchange.step(&mut link, &mut buf), Ok(Step::Send));
    exchange.write_head(&mut link, &Request::Next, &mut [0; 512]).unwrap();
    exchange.sent(Ok(()));
    let head = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n";
    let mut grown = vec![];
    while buf.len() < KIB * KIB {
        match exchange.step(&mut link, &mut buf).unwrap() {
            Step::Grow { total } => {
                grown.push(total / KIB);
                buf.resize(total, b'x');
            }
            Step::Receive => {
                let is_untouched = link.space(&mut buf).len() == buf.len();
                if is_untouched {
                    buf[..head.len()].copy_from_slice(head);
                }
                let len = link.space(&mut buf).len();
                exchange.received(&mut link, Ok(len));
            }
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(grown, [8, 16, 32, 64, 128, 256, 512, 768, 1024]);
}
