//! How a session is used: connections, buffers, and what is an error of the caller.

use lambwire::limits::MESSAGE_BYTES;
use lambwire::{Action, Body, ErrorHeaders, ExtensionId, Pipelining, Request, RequestKind, SendError, Session, Turn};

use crate::cuts::plain_request;
use crate::fates::*;
use crate::streams::streaming;

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
fn a_reply_has_begun_with_its_first_byte() {
    let (mut session, mut heads, mut buf) = (session(), [0; 512], vec![0; 512]);
    let mut turn = asked(&mut session, &mut heads, &mut buf);
    for (at, byte) in EVENT.iter().enumerate() {
        let Action::Read(space) = turn.poll() else { panic!("nothing is read") };
        space[0] = *byte;
        assert_eq!(turn.has_begun(), at > 0);
        turn.read(Ok(1));
    }
    assert_eq!(turn.poll(), Action::Done);
    assert!(!turn.has_begun());
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
            advance(&mut turn, fates);
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
fn more_bytes_than_there_was_space_for_have_not_been_read() {
    let (mut session, mut heads, mut buf) = (session(), [0; 512], vec![0; 512]);
    let mut turn = asked(&mut session, &mut heads, &mut buf);
    let Action::Read(space) = turn.poll() else { panic!("nothing is read") };
    let len = space.len();
    turn.read(Ok(len + 1));
    turn.buffer().resize(1024, 0);
    assert_eq!(turn.poll(), Action::Done);
    assert!(end(turn).ends_with(&SendError::InvalidState.to_string()));

    buf.clear();
    session.disconnect();
    let mut turn = asked(&mut session, &mut heads, &mut buf);
    assert!(matches!(turn.poll(), Action::Grow(_)));
    turn.read(Ok(0));
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
    let init_error = plain_request(RequestKind::InitError);
    assert_eq!(session.start(&init_error, Body::Exact(2), Pipelining::Next, &mut heads).err(), out_of_turn);
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
    assert!(text(turn.accepted().unwrap_err()).contains("cannot be sent"));
}

#[test]
fn what_was_given_up_half_way_costs_its_connection() {
    let mut session = session();
    check(&mut session, &Request::Next, &[Opens, Goes, Comes(EVENT)], "invocation id");
    let (mut heads, mut buf) = ([0; 512], Vec::new());
    let mut turn = responding(&mut session, Pipelining::Off, &mut heads, &mut buf);
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
        assert!(end(turn).ends_with("not the buffer that the message was collected in"));
    }
}

#[test]
fn more_bytes_than_there_was_room_for_are_an_error() {
    for (space, read) in [(512, 513), (0, 1)] {
        let (mut session, mut heads, mut buf) = (session(), [0; 512], vec![0; space]);
        let mut turn = asked(&mut session, &mut heads, &mut buf);
        assert_ne!(turn.poll(), Action::Done);
        turn.read(Ok(read));
        assert_eq!(turn.poll(), Action::Done);
        assert!(end(turn).ends_with(&SendError::InvalidState.to_string()));
    }
}

#[test]
fn a_reply_without_a_length_ends_with_its_connection() {
    let mut session = session();
    let reply = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\n\r\n{}";
    check(&mut session, &Request::Next, &[Opens, Goes, Comes(reply), Ends], "invocation id");
    check(&mut session, &Request::Next, &[Opens, Goes, Comes(EVENT)], "invocation id");
}

#[test]
fn an_invocation_whose_event_is_too_large_is_answered_with_an_error() {
    let (mut session, mut heads, mut buf, mut reply) = (session(), [0; 512], vec![0; 512], Vec::new());
    let mut turn = asked(&mut session, &mut heads, &mut buf);
    drive(
        &mut turn,
        &[Comes(b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\nContent-Length: 9999999\r\n\r\n")],
    );
    let event = turn.into_buffer();
    let error = Request::error(&session.oversized(event).unwrap(), ErrorHeaders::default());
    session.start(&error, Body::Exact(BODY.len() as u64), Pipelining::Off, &mut heads).unwrap();
    let mut turn = session.turn(&heads, BODY, &mut reply).unwrap();
    drive(&mut turn, &[Opens, Goes, Comes(ACCEPTED)]);
    assert_eq!(end(turn), "Accepted");
}

#[test]
fn the_request_of_an_extension_gets_no_reply() {
    let (mut session, mut heads, mut buf) = (session(), [0; 512], Vec::new());
    let request = Request::ExtensionNext { id: ExtensionId::new(b"id").unwrap() };
    for is_awaited in [false, true] {
        session.start(&request, Body::Exact(0), Pipelining::Off, &mut heads).unwrap();
        let mut turn = session.turn(&heads, &[], &mut buf).unwrap();
        // The connection of the first is in use for as long as it stands.
        drive(&mut turn, &[Opens, Goes]);
        if is_awaited {
            assert!(end(turn).ends_with(&SendError::InvalidState.to_string()));
        } else {
            turn.accepted().unwrap();
        }
    }
}
