//! What goes right: every kind of answer arrives as it was given.

use lambwire_runtime::lambwire::{Error, ErrorReport, Prelude, SendError, limits};

use super::with_peer;
use crate::peer::{ID, Peer};

#[test]
fn events_are_answered_on_one_connection() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        let answers = ["first", "second", "third"].map(|event| {
            peer.invoke(event.as_bytes());
            peer.take_answer()
        });
        peer.closed();
        answers
    });
    let mut buf = Vec::new();
    for _ in 0..3 {
        let invocation = wait!(runtime.next(&mut buf)).unwrap();
        assert_eq!(invocation.context.request_id.as_str(), ID);
        let event = invocation.payload;
        wait!(invocation.respond(event)).unwrap();
    }
    drop(runtime);
    let said = "response Buffered application/json".to_owned();
    let expected = ["first", "second", "third"].map(|event| (said.clone(), event.into()));
    assert_eq!(peer.join().unwrap(), expected);
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
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        let fail = peer.take_answer();
        let init = peer.take_answer();
        (fail, init)
    });
    let report = ErrorReport { message: "broke", error_type: "Function.Broken", stack_trace: &["here"], written: None };
    wait!(wait!(runtime.next(&mut Vec::new())).unwrap().fail(&report)).unwrap();
    wait!(runtime.init_error(&ErrorReport::new("odd\ntype", "m"))).unwrap();
    let (fail, init) = peer.join().unwrap();
    let json = br#"{"errorMessage":"broke","errorType":"Function.Broken","stackTrace":["here"]}"#;
    assert_eq!(fail, ("error Function.Broken".into(), json.to_vec()));
    assert_eq!(init.0, "init error Function.Unknown");
    assert_eq!(init.1, br#"{"errorMessage":"m","errorType":"odd\ntype"}"#);
}

#[test]
fn a_report_that_is_too_long_is_shortened_and_sent() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        peer.invoke(b"{}");
        peer.take_answer().1
    });
    let message = "x".repeat(3 << 20);
    wait!(wait!(runtime.next(&mut Vec::new())).unwrap().fail(&ErrorReport::new("T", &message))).unwrap();
    let report = peer.join().unwrap();
    assert!(report.starts_with(br#"{"errorMessage":"xxx"#) && report.len() as u64 <= limits::ERROR_BYTES);
}

#[test]
fn responses_at_the_limit_are_sent_and_larger_ones_reported() {
    for size in [limits::PAYLOAD_BYTES - 1, limits::PAYLOAD_BYTES, limits::PAYLOAD_BYTES + 1] {
        let (mut runtime, peer) = with_peer(|listener| {
            let mut peer = Peer::accept(listener);
            peer.invoke(b"{}");
            peer.take_answer()
        });
        let body = vec![b'x'; usize::try_from(size).unwrap()];
        let verdict = wait!(wait!(runtime.next(&mut Vec::new())).unwrap().respond(&body));
        let (said, sent) = peer.join().unwrap();
        if size <= limits::PAYLOAD_BYTES {
            assert!(verdict.is_ok() && sent == body);
        } else {
            let too_large = SendError::PayloadTooLarge { bytes: size, limit: limits::PAYLOAD_BYTES };
            assert!(matches!(verdict, Err(Error::Send { error, .. }) if error == too_large));
            assert_eq!(said, "error Function.ResponseSizeTooLarge");
            assert!(String::from_utf8(sent).unwrap().contains("6291557 bytes"));
        }
    }
}

#[test]
fn streams_arrive_in_pieces_with_prelude_or_error() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        [0; 4].map(|_| {
            peer.invoke(b"{}");
            peer.take_answer()
        })
    });
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

    let [plain, http, failed, at_once] = peer.join().unwrap();
    assert_eq!(plain, ("response Streaming text/plain".into(), b"abc".to_vec()));
    assert_eq!(http.0, "response Streaming application/vnd.awslambda.http-integration-response");
    assert_eq!(http.1, b"{\"statusCode\":200,\"headers\":{},\"cookies\":[]}\0\0\0\0\0\0\0\0body");
    assert_eq!(failed.1, b"part");
    let report = "Function.Broken {\\\"errorMessage\\\":\\\"on the way\\\",\\\"errorType\\\":\\\"Function.Broken\\\"}";
    assert_eq!(failed.0, format!("response Streaming text/plain {report}"));
    assert_eq!(at_once.0, "error Function.Broken");
}
