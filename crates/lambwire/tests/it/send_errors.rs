//! What cannot be sent is an error, which changes nothing.

use lambwire::{
    Body, Client, Context, ErrorHeaders, ExtensionId, Field, Header, Mode, Reply, Request, RequestId, RequestKind,
    SendError, Server,
};

use crate::cuts::plain_request;
use crate::pipelining::{NOTHING, answering, client, response};
use crate::server::{NEXT, server};

/// Checks that sending fails with this error and changes nothing.
#[track_caller]
pub(crate) fn check_unsent<E, T>(end: &E, act: impl Fn(&mut E) -> Result<T, SendError>, error: SendError)
where
    E: Clone + std::fmt::Debug,
{
    let mut tried = end.clone();
    for _ in 0..2 {
        assert_eq!(act(&mut tried).err(), Some(error));
        assert_eq!(format!("{tried:?}"), format!("{end:?}"), "an error in sending changes nothing");
    }
}

#[test]
fn what_a_client_cannot_send_changes_nothing() {
    let send = |request: Request<'static>, body| move |client: &mut Client| client.send(&request, body, &mut [0; 512]);
    let new = client(&[]);
    let next = send(Request::Next, NOTHING);
    let len = new.clone().send(&Request::Next, NOTHING, &mut [0; 512]).unwrap();
    for size in 0..len {
        let small = |client: &mut Client| client.send(&Request::Next, NOTHING, &mut vec![0; size]);
        check_unsent(&new, small, SendError::BufferTooSmall { needed: len });
    }
    check_unsent(&client(&[RequestKind::Next]), next, SendError::InvalidState);
    for body in [Body::Exact(1), Body::Chunked, Body::UntilClose] {
        check_unsent(&new, send(Request::Next, body), SendError::InvalidBody);
        check_unsent(&new, send(Request::RestoreNext, body), SendError::InvalidBody);
    }
    check_unsent(&new, send(response(Mode::Streaming), NOTHING), SendError::InvalidBody);
    check_unsent(&new, send(response(Mode::Buffered), Body::UntilClose), SendError::InvalidBody);
    check_unsent(&new, send(plain_request(RequestKind::InitError), Body::UntilClose), SendError::InvalidBody);
    let unsendable = SendError::ReceiveOnly;
    check_unsent(&new, send(response(Mode::Unknown), NOTHING), unsendable);
    let other = Request::Other { method: "GET", target: "/" };
    check_unsent(&new, send(other, NOTHING), SendError::ReceiveOnly);
    for odd in ["", " a", "a ", "a\r\nX: y", "a\nb", "a\0", "\x7f", "\t"] {
        let content_type = Request::Response {
            id: RequestId::new("x").unwrap(),
            invocation_id: None,
            content_type: Some(odd),
            mode: Mode::Buffered,
        };
        check_unsent(&new, send(content_type, NOTHING), SendError::InvalidValue(Field::ContentType.label()));
        let error_type = ErrorHeaders { error_type: Some(odd), xray_cause: None };
        check_unsent(
            &new,
            send(Request::InitError(error_type), NOTHING),
            SendError::InvalidValue(Field::ErrorType.label()),
        );
        let xray_cause = ErrorHeaders { error_type: None, xray_cause: Some(odd) };
        check_unsent(
            &new,
            send(Request::RestoreError(xray_cause), NOTHING),
            SendError::InvalidValue(Field::XRayCause.label()),
        );
        let id = ExtensionId::new(odd.as_bytes());
        assert_eq!(id, Err(SendError::InvalidValue(Field::ExtensionId.label())));
        let stream = answering(Mode::Streaming, Body::Chunked);
        let fail = |client: &mut Client| client.finish_with_error(odd, b"{}", &mut [0; 512]);
        check_unsent(&stream, fail, SendError::InvalidValue(Field::ErrorType.label()));
    }
}

#[test]
fn a_body_that_does_not_fit_its_announcement_changes_nothing() {
    let frame = |len| move |client: &mut Client| client.frame(len);
    check_unsent(&client(&[]), frame(1), SendError::InvalidState);
    let mut exact = answering(Mode::Buffered, Body::Exact(3));
    let wrong = |given| SendError::WrongLength { announced: 3, given };
    check_unsent(&exact, frame(4), wrong(4));
    exact.frame(2).unwrap();
    check_unsent(&exact, frame(usize::MAX), wrong(u64::MAX));
    check_unsent(&exact, |client| client.finish(&mut [0; 8]), wrong(2));
    let fail = |client: &mut Client| client.finish_with_error("T", b"{}", &mut [0; 512]);
    check_unsent(&exact, fail, SendError::InvalidState);
    check_unsent(&answering(Mode::Buffered, Body::Chunked), fail, SendError::InvalidState);
    let mut stream = answering(Mode::Streaming, Body::Chunked);
    check_unsent(&stream, |client| client.finish(&mut [0; 4]), SendError::BufferTooSmall { needed: 5 });
    stream.finish(&mut [0; 5]).unwrap();
    check_unsent(&stream, fail, SendError::InvalidState);
    check_unsent(&stream, frame(1), SendError::InvalidState);
}

#[test]
fn what_a_server_cannot_send_changes_nothing() {
    let send = |reply: Reply<'static>, body| move |server: &mut Server| server.send(&reply, body, &mut [0; 512]);
    check_unsent(&Server::new(), send(Reply::Accepted, NOTHING), SendError::InvalidState);
    check_unsent(&server(&NEXT[..40]), send(Reply::Accepted, NOTHING), SendError::InvalidState);
    let asked = server(NEXT);
    check_unsent(&asked, send(Reply::NothingYet, Body::Chunked), SendError::InvalidBody);
    check_unsent(&asked, |server| server.send_continue(&mut [0; 64]), SendError::InvalidState);
    check_unsent(&asked, |server| server.frame(1), SendError::InvalidState);
    let mut context = Context::new(RequestId::new("x").unwrap());
    context.trace_id = Some("a\r\nb");
    check_unsent(&asked, send(Reply::Invocation(context), NOTHING), SendError::InvalidValue(Field::TraceId.label()));
    context.trace_id = None;
    context.tenant_id = Some("");
    check_unsent(&asked, send(Reply::Invocation(context), NOTHING), SendError::InvalidValue(Field::TenantId.label()));
    let odd = Reply::MethodNotAllowed { allow: "" };
    check_unsent(&asked, send(odd, NOTHING), SendError::InvalidValue("allowed method"));
    for header in [("", &b"a"[..]), ("a b", b"c"), ("a:", b"b"), ("a\r\nb", b"c"), ("a", b""), ("a", b"b\r\nc: d")] {
        let (name, value) = header;
        let other = |server: &mut Server| {
            server.send(&Reply::Other { headers: &[Header { name, value }] }, NOTHING, &mut [0; 512])
        };
        check_unsent(&asked, other, SendError::InvalidValue("header"));
    }
    let nameless = Reply::ExtensionEvent { id: Some(b"a\r\nb: c") };
    check_unsent(&asked, send(nameless, NOTHING), SendError::InvalidValue("header"));
    let mut replying = asked;
    replying.send(&Reply::Accepted, Body::Exact(3), &mut [0; 512]).unwrap();
    check_unsent(&replying, send(Reply::Accepted, NOTHING), SendError::InvalidState);
    let wrong = |given| SendError::WrongLength { announced: 3, given };
    check_unsent(&replying, |server| server.frame(4), wrong(4));
    check_unsent(&replying, |server| server.finish(&mut [0; 8]), wrong(0));
    let head = server(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
    check_unsent(&head, send(Reply::Rejected { status: 405 }, Body::Exact(1)), SendError::InvalidBody);
}

#[test]
fn a_refusal_has_a_status_that_refuses() {
    for status in [0, 99, 100, 101, 199, 200, 202, 204, 299, 600, 1000, u16::MAX] {
        let mut asked = server(NEXT);
        let sent = asked.send(&Reply::Rejected { status }, Body::Exact(2), &mut [0; 256]);
        assert!(sent.is_err(), "{status}");
    }
    let mut asked = server(NEXT);
    assert!(asked.send(&Reply::Rejected { status: 304 }, Body::Exact(2), &mut [0; 256]).is_err());
}
