//! Streamed responses of a session.

use lambwire::limits::PAYLOAD_BYTES;
use lambwire::{Action, Body, Mode, Pipelining, Request, RequestId, RequestKind, SendError};

use crate::cuts::plain_request;
use crate::fates::*;

pub(crate) fn streaming() -> Request<'static> {
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
                assert_eq!(text(error), expected);
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
fn a_stream_ends_once_and_with_an_error_only_if_it_was_announced() {
    let (mut session, mut heads, mut out, mut buf) = (session(), [0; 512], [0; 64], Vec::new());
    let not_due = Err(SendError::InvalidState);
    assert_eq!(session.finish(None, &mut out), not_due);
    session.start(&plain_request(RequestKind::Response), Body::Chunked, Pipelining::Off, &mut heads).unwrap();
    assert_eq!(session.finish(Some(("T", b"{}")), &mut out), not_due);
    let len = session.finish(None, &mut out).unwrap();
    assert_eq!(session.finish(None, &mut out), not_due);
    let mut turn = session.turn(&heads, &out[..len], &mut buf).unwrap();
    drive(&mut turn, &[Opens, Goes, Comes(ACCEPTED)]);
    assert_eq!(end(turn), "Accepted");
    assert_eq!(session.finish(None, &mut out), not_due);
}

#[test]
fn a_chunked_body_at_the_limit_is_sent_and_one_byte_more_is_not() {
    let limit = usize::try_from(PAYLOAD_BYTES).unwrap();
    let piece = vec![b'x'; limit + 1];
    for len in [limit - 1, limit, limit + 1] {
        let (mut session, mut heads, mut buf) = (session(), [0; 512], Vec::new());
        session.start(&plain_request(RequestKind::Response), Body::Chunked, Pipelining::Off, &mut heads).unwrap();
        let turn = session.turn::<_, Failure>(&heads, &piece[..len], &mut buf);
        let too_large = SendError::PayloadTooLarge { bytes: len as u64, limit: PAYLOAD_BYTES };
        assert_eq!(turn.err(), (len > limit).then_some(too_large));
    }
}
