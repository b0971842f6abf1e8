//! Every bound, at its value, one below and one above.

use lambwire::limits::{
    ERROR_BYTES, ERROR_TYPE_BYTES, EXCERPT_BYTES, HEADERS, INTERIM_REPLIES, PAYLOAD_BYTES, REPLY_HEAD_BYTES,
    REQUEST_HEAD_BYTES, STREAM_ERROR_BYTES, TRAILERS_BYTES, XRAY_CAUSE_BYTES,
};
use lambwire::{
    Body, Client, Context, ErrorHeaders, Excerpt, Field, InvocationId, Mode, ReceiveError, Reply, Request, RequestId,
    RequestKind, SendError, Server,
};

use crate::cuts::{Accepting, Asking, Peer, hear, hear_cut, plain_request};

/// Checks that a head of `len` bytes is received just if it is not over `limit`, cut at places near both ends.
#[track_caller]
fn check_head<P: Peer>(peer: &P, start: &str, len: usize, limit: usize) {
    let end = "\r\n\r\n";
    let wire = format!("{start}X: {}{end}", "x".repeat(len - start.len() - 3 - end.len()));
    assert_eq!(wire.len(), len);
    let cuts = [1, start.len(), 1000, limit - 4, limit - 3, limit - 2, limit - 1, limit, limit + 1];
    for cut in cuts.into_iter().filter(|&cut| cut <= len).chain([len]) {
        let heard = hear(peer, wire.as_bytes(), [cut, len]);
        if len > limit {
            assert_eq!(heard.stop, Err(ReceiveError::HeadTooLong { limit }), "cut at {cut}");
        } else {
            assert!(heard.stop.is_ok(), "{:?}, cut at {cut}", heard.stop);
            assert_eq!(heard.messages.len(), 1);
        }
    }
}

#[test]
fn a_request_head_at_the_limit_is_received_and_one_byte_more_is_not() {
    for len in around(REQUEST_HEAD_BYTES) {
        let start = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n";
        check_head(&Accepting::default(), start, len, REQUEST_HEAD_BYTES);
    }
    assert_eq!(ReceiveError::HeadTooLong { limit: 0 }.status_hint(), 431);
}

#[test]
fn a_reply_head_at_the_limit_is_received_and_one_byte_more_is_not() {
    for len in around(REPLY_HEAD_BYTES) {
        let start = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n";
        check_head(&Asking::new(&[RequestKind::Response]), start, len, REPLY_HEAD_BYTES);
    }
}

#[test]
fn a_head_without_an_end_is_refused_at_the_limit() {
    let wire = [b'x'; REPLY_HEAD_BYTES];
    let client = Asking::new(&[RequestKind::Next]);
    let stop = |len: usize| hear(&client, &wire[..len], [len]).stop;
    assert_eq!(stop(REPLY_HEAD_BYTES - 1), Err(ReceiveError::CutShort));
    let limit = REPLY_HEAD_BYTES;
    assert_eq!(stop(limit), Err(ReceiveError::HeadTooLong { limit }));
}

#[test]
fn a_request_head_at_the_limit_is_sent_and_one_byte_more_is_not() {
    let mut out = vec![0; REQUEST_HEAD_BYTES + 1];
    let mut send = |id_len: usize| {
        let id = vec![b'x'; id_len];
        let request = Request::Response {
            id: RequestId::new("x").unwrap(),
            invocation_id: Some(InvocationId::new(&id).unwrap()),
            content_type: None,
            mode: Mode::Buffered,
        };
        client().send(&request, Body::Exact(0), &mut out)
    };
    let fixed = send(1).unwrap() - 1;
    check_sent(|len| send(len - fixed), REQUEST_HEAD_BYTES);
}

#[test]
fn a_reply_head_at_the_limit_is_sent_and_one_byte_more_is_not() {
    let mut out = vec![0; REPLY_HEAD_BYTES + 1];
    let mut send = |trace_len: usize| {
        let trace_id = "x".repeat(trace_len);
        let mut context = Context::new(RequestId::new("x").unwrap());
        context.trace_id = Some(&trace_id);
        let mut server = asked_server(RequestKind::Next);
        server.send(&Reply::Invocation(context), Body::Exact(2), &mut out)
    };
    let fixed = send(1).unwrap() - 1;
    check_sent(|len| send(len - fixed), REPLY_HEAD_BYTES);
}

#[test]
fn error_trailers_at_the_limit_are_sent_and_one_byte_more_is_not() {
    const LAST_CHUNK: usize = "0\r\n".len();
    let mut out = vec![0; TRAILERS_BYTES + 100];
    let report = vec![b'x'; (TRAILERS_BYTES - 300) / 4 * 3];
    let mut send = |type_len: usize| {
        let mut client = streaming_client();
        let len = client.finish_with_error(&"x".repeat(type_len), &report, &mut out)?;
        // What is sent, the other end receives.
        let mut wire = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        wire.extend_from_slice(&out[..len]);
        let heard = hear(&Accepting::default(), &wire, [wire.len()]);
        assert_eq!(heard.stop.map(|_| ()), Ok(()));
        Ok(len)
    };
    let fixed = send(1).unwrap() - 1;
    check_sent(|len| send(len - fixed), LAST_CHUNK + TRAILERS_BYTES);
}

#[test]
fn the_largest_report_of_a_stream_fits_with_the_longest_type() {
    let report = vec![b'x'; usize::try_from(STREAM_ERROR_BYTES).unwrap()];
    let mut out = vec![0; TRAILERS_BYTES + 100];
    let sent = streaming_client().finish_with_error(&"x".repeat(ERROR_TYPE_BYTES), &report, &mut out);
    assert!(sent.is_ok(), "{sent:?}");
}

/// Checks a head or section of `limit` bytes, and one byte more and less.
#[track_caller]
fn check_sent(mut send: impl FnMut(usize) -> Result<usize, SendError>, limit: usize) {
    assert_eq!(send(limit - 1), Ok(limit - 1));
    assert_eq!(send(limit), Ok(limit));
    let bytes = limit + 1;
    assert_eq!(send(bytes), Err(SendError::HeadTooLong { bytes, limit }));
}

#[test]
fn as_many_headers_as_the_limit_are_received_and_one_more_is_not() {
    for count in around(HEADERS) {
        let headers = "a: b\r\n".repeat(count);
        let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "a: b\r\n".repeat(count - 1));
        let reply = format!("HTTP/1.1 204 \r\n{headers}\r\n");
        let stops = [
            hear_cut(&Accepting::default(), request.as_bytes()).stop.err(),
            hear_cut(&Asking::new(&[RequestKind::Next]), reply.as_bytes()).stop.err(),
        ];
        assert_eq!(stops, [(count > HEADERS).then_some(ReceiveError::TooManyHeaders); 2], "{count}");
    }
}

#[test]
fn as_many_interim_replies_as_the_limit_are_passed_over_and_one_more_is_not() {
    for count in around(usize::from(INTERIM_REPLIES)) {
        let wire = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(count) + "HTTP/1.1 204 \r\n\r\n";
        let heard = hear_cut(&Asking::new(&[RequestKind::Next]), wire.as_bytes());
        if count > usize::from(INTERIM_REPLIES) {
            assert_eq!(heard.stop, Err(ReceiveError::TooManyInterims));
        } else {
            assert_eq!((heard.interims, heard.messages.len()), (count, 1));
        }
    }
}

#[test]
fn a_payload_at_the_limit_is_sent_and_one_byte_more_is_not() {
    for kind in [RequestKind::Response, RequestKind::Error, RequestKind::InitError, RequestKind::RestoreError] {
        let limit = if kind == RequestKind::Response { 6_291_556 } else { 1_048_576 };
        assert_eq!(limit, if kind == RequestKind::Response { PAYLOAD_BYTES } else { ERROR_BYTES });
        for bytes in [limit - 1, limit, limit + 1] {
            let expected = (bytes > limit).then_some(SendError::PayloadTooLarge { bytes, limit });
            let request = plain_request(kind);
            let mut announced = client();
            let sent = announced.send(&request, Body::Exact(bytes), &mut [0; 256]);
            assert_eq!(sent.err(), expected, "{kind}");
            assert_eq!(announced.is_ready(), expected.is_some(), "an error changes nothing");

            let mut chunked = client();
            chunked.send(&request, Body::Chunked, &mut [0; 256]).unwrap();
            chunked.frame(1000).unwrap();
            let last = usize::try_from(bytes - 1000).unwrap();
            assert_eq!(chunked.frame(last).err(), expected, "{kind}");
            assert_eq!(chunked.finish(&mut [0; 8]), Ok(5), "what was framed can be ended");
        }
    }
}

#[test]
fn a_stream_has_no_limit() {
    let mut client = streaming_client();
    for _ in 0..100 {
        client.frame(usize::try_from(PAYLOAD_BYTES).unwrap()).unwrap();
    }
    assert_eq!(client.finish(&mut [0; 8]), Ok(5));
}

#[test]
fn an_error_type_at_the_limit_is_sent_and_one_byte_more_is_not() {
    for len in around(ERROR_TYPE_BYTES) {
        let error_type = "x".repeat(len);
        let expected = (len > ERROR_TYPE_BYTES).then_some(SendError::InvalidValue(Field::ErrorType.label()));
        let headers = ErrorHeaders { error_type: Some(&error_type), xray_cause: None };
        let sent = client().send(&Request::InitError(headers), Body::Exact(0), &mut [0; 1024]);
        assert_eq!(sent.err(), expected);
        let ended = streaming_client().finish_with_error(&error_type, b"{}", &mut [0; 1024]);
        assert_eq!(ended.err(), expected);
    }
}

#[test]
fn a_cause_at_the_limit_is_sent_and_one_byte_more_is_left_out() {
    let mut out = vec![0; REQUEST_HEAD_BYTES];
    for len in around(XRAY_CAUSE_BYTES) {
        let cause = "x".repeat(len);
        let headers = ErrorHeaders { error_type: Some("Function.Big"), xray_cause: Some(&cause) };
        let request = Request::InitError(headers);
        let sent = client().send(&request, Body::Exact(0), &mut out).unwrap();
        let heard = hear(&Accepting::default(), &out[..sent], [sent]);
        let xray_cause = headers.xray_cause.filter(|_| len <= XRAY_CAUSE_BYTES);
        assert_eq!(heard.messages[0].head, Request::InitError(ErrorHeaders { xray_cause, ..headers }));
    }
}

#[test]
fn a_body_at_the_limit_is_shown_whole_and_one_byte_more_is_not() {
    for len in around(EXCERPT_BYTES) {
        let beginning = "x".repeat(len.min(EXCERPT_BYTES));
        let rest = if len > EXCERPT_BYTES { format!("... ({len} bytes)") } else { String::new() };
        assert_eq!(format!("{:?}", Excerpt(&vec![b'x'; len])), format!("\"{beginning}\"{rest}"));
    }
}

fn around(limit: usize) -> [usize; 3] {
    [limit - 1, limit, limit + 1]
}

fn client() -> Client {
    Client::new("127.0.0.1:9001").unwrap()
}

fn streaming_client() -> Client {
    let mut client = client();
    let request = Request::Response {
        id: RequestId::new("x").unwrap(),
        invocation_id: None,
        content_type: None,
        mode: Mode::Streaming,
    };
    client.send(&request, Body::Chunked, &mut [0; 512]).unwrap();
    client
}

/// A server that has received such a request.
fn asked_server(kind: RequestKind) -> Server {
    let mut out = [0; 512];
    let len = client().send(&plain_request(kind), Body::Exact(0), &mut out).unwrap();
    let mut server = Server::new();
    crate::cuts::feed(&mut server, &out[..len], [len]);
    server
}
