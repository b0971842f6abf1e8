//! What heads mean, however they are written.

use lambwire::{Mode, ReceiveError, Reply, Request, RequestId, RequestKind, Server};

use crate::cuts::{Accepting, Asking, hear_cut};
use crate::strict::{POST, check_reply};

#[test]
fn an_invocation_has_one_request_id_that_can_stand_in_a_path() {
    let id = "Lambda-Runtime-Aws-Request-Id";
    for (headers, error) in [
        (String::new(), ReceiveError::NoRequestId),
        (format!("{id}:\r\n"), ReceiveError::NoRequestId),
        (format!("{id}: a/b\r\n"), ReceiveError::BadRequestId),
        (format!("{id}: ..\r\n"), ReceiveError::BadRequestId),
        (format!("{id}: a?b\r\n"), ReceiveError::BadRequestId),
        (format!("{id}: a b\r\n"), ReceiveError::BadRequestId),
        (format!("{id}: \u{e9}\r\n"), ReceiveError::BadRequestId),
        (format!("{id}: {}\r\n", "x".repeat(129)), ReceiveError::BadRequestId),
        (format!("{id}: a\r\n{id}: b\r\n"), ReceiveError::TwoRequestIds),
        (format!("{id}: a\r\n{}: b\r\n", id.to_lowercase()), ReceiveError::TwoRequestIds),
    ] {
        check_reply(&format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n"), error);
    }
    let wire = format!("HTTP/1.1 200 OK\r\n{id}: a\r\n{id}: a\r\nContent-Length: 0\r\n\r\n");
    assert!(hear_cut(&Asking::new(&[RequestKind::Next]), wire.as_bytes()).stop.is_ok());
}

#[test]
fn any_other_header_of_an_invocation_may_be_odd() {
    let odd = b"HTTP/1.1 200 OK\r\nLAMBDA-runtime-AWS-request-id:\tx \r\nLambda-Runtime-Deadline-Ms: soon\r\n\
        Lambda-Runtime-Trace-Id: \xff\r\nLambda-Runtime-Client-Context:\r\nLambda-Runtime-Cognito-Identity: {\r\n\
        Lambda-Runtime-Invocation-Id: \xff\xfe\r\nLambda-Runtime-Aws-Tenant-Id: \xc3\xa9\r\n\r\n";
    let heard = hear_cut(&Asking::new(&[RequestKind::Next]), odd);
    let Reply::Invocation(context) = heard.messages[0].head else { panic!("no invocation") };
    assert_eq!(context.request_id, RequestId::new("x").unwrap());
    assert_eq!((context.deadline_ms, context.trace_id, context.client_context_json), (None, None, None));
    assert_eq!((context.cognito_identity_json, context.tenant_id), (Some("{"), Some("é")));
    assert_eq!(context.invocation_id.map(|id| id.as_bytes()), Some(&b"\xff\xfe"[..]));
    assert_eq!(heard.messages[0].headers.get("lambda-runtime-trace-id"), Some(&b"\xff"[..]));
}

#[test]
fn of_two_values_the_first_counts() {
    let wire = "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\nLambda-Runtime-Trace-Id: a\r\n\
        lambda-runtime-trace-id: b\r\nContent-Length: 0\r\n\r\n";
    let heard = hear_cut(&Asking::new(&[RequestKind::Next]), wire.as_bytes());
    let Reply::Invocation(context) = heard.messages[0].head else { panic!("no invocation") };
    assert_eq!(context.trace_id, Some("a"));
    assert_eq!(heard.messages[0].headers.get("Lambda-Runtime-Trace-Id"), Some(&b"a"[..]));
}

#[test]
fn paths_that_are_almost_right_are_others() {
    for line in [
        "POST /2018-06-01/runtime/invocation/next HTTP/1.1",
        "HEAD /2018-06-01/runtime/invocation/next HTTP/1.1",
        "get /2018-06-01/runtime/invocation/next HTTP/1.1",
        "GET /2018-06-01/runtime/invocation/next/ HTTP/1.1",
        "GET //2018-06-01/runtime/invocation/next HTTP/1.1",
        "GET /2018-06-01/runtime/x/../invocation/next HTTP/1.1",
        "GET /2018-06-01/runtime/invocation/%6eext HTTP/1.1",
        "POST /2018-06-01/runtime/invocation//response HTTP/1.1",
        "POST /2018-06-01/runtime/invocation/a/b/response HTTP/1.1",
        "POST /2018-06-01/runtime/invocation/../response HTTP/1.1",
        "POST /2018-06-01/runtime/invocation/a%2fb/error HTTP/1.1",
        "POST /2018-06-01/runtime/invocation/response HTTP/1.1",
        "PUT /2018-06-01/runtime/init/error HTTP/1.1",
        "OPTIONS * HTTP/1.1",
    ] {
        let wire = format!("{line}\r\nHost: x\r\n\r\n");
        let heard = hear_cut(&Accepting::default(), wire.as_bytes());
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        assert_eq!(heard.messages[0].head, Request::Other { method, target });
    }
}

#[test]
fn a_target_may_be_absolute() {
    for (target, kind) in [
        ("http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", RequestKind::Next),
        ("HTTP://h/2018-06-01/runtime/restore/next?a=/", RequestKind::RestoreNext),
        ("http://h", RequestKind::Other),
        ("https://h/2018-06-01/runtime/invocation/next", RequestKind::Other),
    ] {
        let wire = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(hear_cut(&Accepting::default(), wire.as_bytes()).messages[0].head.kind(), kind, "{target}");
    }
}

#[test]
fn a_server_with_a_prefix_takes_no_path_without_it() {
    let server = Server::at("http://127.0.0.1:9000/.rt").unwrap();
    let line = |path| format!("GET {path}2018-06-01/runtime/invocation/next?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
    for (path, kind) in [("/.rt/", RequestKind::Next), ("/", RequestKind::Other), ("/.rtx/", RequestKind::Other)] {
        let wire = line(path);
        assert_eq!(hear_cut(&server, wire.as_bytes()).messages[0].head.kind(), kind, "{path}");
    }
}

#[test]
fn a_mode_is_streaming_or_not_known() {
    for (header, mode) in [
        ("", Mode::Buffered),
        ("Lambda-Runtime-Function-Response-Mode: streaming\r\n", Mode::Streaming),
        ("lambda-runtime-function-response-mode: Streaming\r\n", Mode::Unknown),
        ("Lambda-Runtime-Function-Response-Mode: buffered\r\n", Mode::Unknown),
        ("Lambda-Runtime-Function-Response-Mode:\r\n", Mode::Buffered),
    ] {
        let wire = format!("{POST}{header}Content-Length: 0\r\n\r\n");
        let heard = hear_cut(&Accepting::default(), wire.as_bytes());
        let Request::Response { mode: got, .. } = heard.messages[0].head else { panic!("no response") };
        assert_eq!(got, mode, "{header:?}");
    }
}
