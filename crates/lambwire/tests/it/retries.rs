//! What a session sends again when its connection is lost, and what not.

use lambwire::limits::{BACK_OFF, NOTHING_YET_PAUSE};
use lambwire::{Action, Pipelining, RequestKind, Session};

use crate::fates::*;

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

/// A session whose response went out with a `next` behind it, with such fates; gives the verdict on the response, and the
/// buffer of the replies.
fn pipelined(fates: &[Fate], replies: &[u8]) -> (Session, String, Vec<u8>) {
    let mut session = session();
    let (mut heads, mut buf) = ([0; 512], vec![0; 512]);
    let mut turn = responding(&mut session, Pipelining::Next, &mut heads, &mut buf);
    advance(&mut turn, fates);
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
    let mut turn = responding(&mut session, Pipelining::Off, &mut heads, &mut buf);
    advance(&mut turn, &[Opens]);
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
            assert_eq!(turn.has_begun(), cut > reply.len());
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
fn a_connection_with_a_pipelined_next_is_one() {
    let (mut session, _, last) = pipelined(&[Opens, Goes], &[ACCEPTED, &EVENT[..9]].concat());
    let (mut heads, mut event) = ([0; 512], vec![0; 512]);
    session.start_connect();
    let mut turn = session.turn(&[], &[], &mut event).unwrap();
    drive(&mut turn, &[]);
    turn.accepted().unwrap();
    session.start_next(&mut heads).unwrap();
    let mut turn = session.turn_next(&heads, &last, &mut event).unwrap();
    drive(&mut turn, &[Comes(&EVENT[9..])]);
    assert_eq!(end(turn), "invocation id");
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
    let mut turn = responding(&mut session, Pipelining::Next, &mut heads, &mut buf);
    drive(&mut turn, &[Opens, Cut(response_bytes()), Ends, Opens, Goes, Comes(REPEATED)]);
    assert_eq!(end(turn), "Rejected { status: 403 }");
}
