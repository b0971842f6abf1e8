//! What goes right: every kind of answer arrives as it was given.

use lambwire_runtime::lambwire::{Error, ErrorReport, Prelude, RequestKind, SendError, limits};
use lambwire_testing::{Event, RecordedRequest};

use super::adapter::Response;
use super::{with_api, with_peer};
use crate::peer::Peer;

#[test]
fn events_are_answered_on_one_connection() {
    let (mut runtime, api) = with_api();
    let events = ["first", "second", "third"];
    let invoked = events.map(|event| api.invoke(Event::new(event).request_id(event).invocation_id("nonce")));
    let mut buf = Vec::new();
    for event in events {
        let invocation = wait!(runtime.next(&mut buf)).unwrap();
        assert_eq!((invocation.context.request_id.as_str(), invocation.payload), (event, event.as_bytes()));
        wait!(invocation.respond(event)).unwrap();
    }
    for (event, invoked) in events.iter().zip(invoked) {
        let answer = invoked.answered().unwrap();
        assert_eq!((&*answer.text(), answer.request_id.as_deref()), (*event, Some(*event)));
        assert_eq!(answer.invocation_id.as_deref(), Some("nonce"));
        assert_eq!(answer.header("content-type"), Some(&b"application/json"[..]));
        assert!(!answer.is_streamed);
    }
    assert_eq!(api.kinds(), [[RequestKind::Next, RequestKind::Response]; 3].concat());
    assert_eq!(api.connections(), 1);
}

#[test]
fn a_response_is_whatever_has_bytes_and_json_unless_it_says_otherwise() {
    let (mut runtime, api) = with_api();
    let responses: [Response<'_>; 6] = [
        b"[]".into(),
        b"[]".as_slice().into(),
        b"[]".to_vec().into(),
        "[]".into(),
        String::from("[]").into(),
        Response::new("text/plain", b"[]"),
    ];
    for response in responses {
        let content_type = response.content_type.clone();
        let invoked = api.invoke("{}");
        wait!(wait!(runtime.next(&mut Vec::new())).unwrap().respond(response)).unwrap();
        let answer = invoked.answered().unwrap();
        assert_eq!((&*answer.text(), answer.header("content-type")), ("[]", Some(content_type.as_bytes())));
    }
}

#[test]
fn large_events_come_in_chunks_or_whole_and_go_back() {
    let event: Vec<u8> = (0..limits::PAYLOAD_BYTES).map(|index| (index % 251) as u8).collect();
    let sent = event.clone();
    let (mut runtime, peer) = with_peer(move |listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(&sent);
        assert!(peer.take_answer().1 == sent);
        for chunk in [100_000, 4096] {
            peer.invoke_in_chunks(&sent, chunk);
            assert!(peer.take_answer().1 == sent);
        }
        peer.closed();
    });
    let mut buf = Vec::new();
    for _ in 0..3 {
        let invocation = wait!(runtime.next(&mut buf)).unwrap();
        let payload = invocation.payload;
        assert!(payload == event);
        wait!(invocation.respond(payload)).unwrap();
    }
    drop(runtime);
    peer.join().unwrap();
}

#[test]
fn errors_are_reported_with_their_type() {
    let (mut runtime, api) = with_api();
    let invoked = api.invoke("{}");
    let report = ErrorReport { message: "broke", error_type: "Function.Broken", stack_trace: &["here"], written: None };
    wait!(wait!(runtime.next(&mut Vec::new())).unwrap().fail(&report)).unwrap();
    let failed = invoked.answered().unwrap();
    assert_eq!((failed.kind, failed.error_type.as_deref()), (RequestKind::Error, Some("Function.Broken")));
    assert_eq!(failed.text(), r#"{"errorMessage":"broke","errorType":"Function.Broken","stackTrace":["here"]}"#);

    wait!(runtime.init_error(&ErrorReport::new("odd\ntype", "m"))).unwrap();
    let init = api.init_failed().unwrap();
    assert_eq!(init.error_type.as_deref(), Some("Function.Unknown"));
    assert_eq!(init.text(), r#"{"errorMessage":"m","errorType":"odd\ntype"}"#);
}

#[test]
fn a_report_that_is_too_long_is_shortened_and_sent() {
    let (mut runtime, api) = with_api();
    let invoked = api.invoke("{}");
    let message = "x".repeat(3 << 20);
    wait!(wait!(runtime.next(&mut Vec::new())).unwrap().fail(&ErrorReport::new("T", &message))).unwrap();
    let report = invoked.answered().unwrap().body;
    assert!(report.starts_with(br#"{"errorMessage":"xxx"#) && report.len() as u64 <= limits::ERROR_BYTES);
}

#[test]
fn responses_at_the_limit_are_sent_and_larger_ones_reported() {
    for size in [limits::PAYLOAD_BYTES - 1, limits::PAYLOAD_BYTES, limits::PAYLOAD_BYTES + 1] {
        let (mut runtime, api) = with_api();
        let invoked = api.invoke("{}");
        let body = vec![b'x'; usize::try_from(size).unwrap()];
        let verdict = wait!(wait!(runtime.next(&mut Vec::new())).unwrap().respond(body.as_slice()));
        let answer = invoked.answered().unwrap();
        if size <= limits::PAYLOAD_BYTES {
            assert!(verdict.is_ok() && answer.body == body);
        } else {
            let too_large = SendError::PayloadTooLarge { bytes: size, limit: limits::PAYLOAD_BYTES };
            assert!(matches!(verdict, Err(Error::Send { error, .. }) if error == too_large));
            assert_eq!(answer.error_type.as_deref(), Some("Function.ResponseSizeTooLarge"));
            assert!(answer.text().contains("6291557 bytes"));
        }
    }
}

#[test]
fn streams_arrive_in_pieces_with_prelude_or_error() {
    let (mut runtime, api) = with_api();
    let invoked = [(); 4].map(|()| api.invoke("{}"));
    let mut buf = Vec::new();

    let mut stream = wait!(runtime.next(&mut buf)).unwrap().stream("text/plain");
    for piece in ["a", "", "bc"] {
        wait!(stream.write(piece.as_bytes())).unwrap();
    }
    wait!(stream.finish()).unwrap();

    let prelude = Prelude { status_code: 200, headers: &[], multi_value_headers: &[], cookies: &[] };
    let mut stream = wait!(wait!(runtime.next(&mut buf)).unwrap().stream_http(&prelude)).unwrap();
    wait!(stream.write(b"body")).unwrap();
    wait!(stream.finish()).unwrap();

    let mut stream = wait!(runtime.next(&mut buf)).unwrap().stream("text/plain");
    wait!(stream.write(b"part")).unwrap();
    wait!(stream.fail(&ErrorReport::new("Function.Broken", "on the way"))).unwrap();

    let stream = wait!(runtime.next(&mut buf)).unwrap().stream("text/plain");
    wait!(stream.fail(&ErrorReport::new("Function.Broken", "at once"))).unwrap();

    let [plain, http, failed, at_once] = invoked.map(|invoked| invoked.answered().unwrap());
    let content_type = |request: &RecordedRequest| String::from_utf8(request.header("content-type").unwrap().into());
    assert!([&plain, &http, &failed].iter().all(|request| request.is_streamed));
    assert_eq!((content_type(&plain).unwrap().as_str(), &*plain.text()), ("text/plain", "abc"));
    assert_eq!(content_type(&http).unwrap(), "application/vnd.awslambda.http-integration-response");
    assert_eq!(http.text(), "{\"statusCode\":200,\"headers\":{},\"cookies\":[]}\0\0\0\0\0\0\0\0body");
    assert_eq!((&*failed.text(), failed.error_type.as_deref()), ("part", Some("Function.Broken")));
    assert_eq!(failed.report_text(), r#"{"errorMessage":"on the way","errorType":"Function.Broken"}"#);
    assert_eq!((at_once.kind, at_once.error_type.as_deref()), (RequestKind::Error, Some("Function.Broken")));
}
