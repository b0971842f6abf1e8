//! What people and callers read: the texts of errors and refusals, and the views of what a caller sent along.

use std::error::Error as _;

use lambwire::{
    ApiError, Body, Client, ClientContext, CognitoIdentity, CompleteReply, Context, Error, ErrorReport, Field, Header,
    InvocationId, MessageReader, Mode, Progress, ReceiveError, Rejection, Reply, Request, RequestId, RequestKind,
    SendError, Server, Value,
};

use crate::cuts::{feed, plain_request};

#[test]
fn an_error_of_sending_says_what_was_wrong_with_its_number() {
    for (error, text) in [
        (SendError::BufferTooSmall { needed: 7 }, "buffer too small, 7 bytes needed"),
        (SendError::HeadTooLong { bytes: 9, limit: 8 }, "head is 9 bytes, limit is 8"),
        (SendError::InvalidState, "not valid in this state: another request is in flight, or its body is not finished"),
        (SendError::Closed, "the connection cannot carry another message"),
        (SendError::InvalidEndpoint, "not an address of a Runtime API, such as 127.0.0.1:9001"),
        (SendError::InvalidStatus(200), "status 200 is not an error"),
        (SendError::InvalidBody, "this message cannot have this body"),
        (SendError::PayloadTooLarge { bytes: 2, limit: 1 }, "payload is 2 bytes, limit is 1"),
        (SendError::WrongLength { announced: 3, given: 2 }, "body of 2 bytes where 3 were announced"),
        (SendError::InvalidValue(Field::DeadlineMs.label()), "invalid deadline"),
        (SendError::InvalidValue(Field::ResponseMode.label()), "invalid response mode"),
        (SendError::InvalidValue(Field::ErrorBody.label()), "invalid error report"),
        (SendError::InvalidValue(Field::ExtensionName.label()), "invalid extension name"),
        (SendError::InvalidValue(Field::ExtensionId.label()), "invalid extension id"),
    ] {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn an_error_of_receiving_says_what_came_and_which_status_tells_it() {
    for (error, text, status) in [
        (ReceiveError::HeadTooLong { limit: 5 }, "head longer than 5 bytes", 431),
        (ReceiveError::BadStatus(99), "unusable status 99", 400),
        (ReceiveError::PayloadTooLarge { limit: 6 }, "payload larger than 6 bytes", 413),
        (ReceiveError::NoReply, "connection closed before a reply", 400),
        (ReceiveError::NoRequestId, "invocation without a request id", 400),
        (ReceiveError::NoExtensionId, "registration without an extension id", 400),
        (ReceiveError::TrailersTooLong, "trailers too long", 431),
        (ReceiveError::BadTransferEncoding, "unsupported transfer encoding", 501),
    ] {
        assert_eq!((error.to_string().as_str(), error.status_hint()), (text, status));
    }
}

#[test]
fn an_error_of_a_transport_says_where_it_comes_from() {
    let broken = || std::io::Error::other("broken");
    for (request, is_fatal) in [(RequestKind::Next, true), (RequestKind::Response, false), (RequestKind::Error, false)]
    {
        for (error, text, chain) in [
            (Error::Transport { request, error: broken() }, "connection to the Runtime API failed", ": broken"),
            (
                Error::Send { request, error: SendError::Closed },
                "cannot be sent",
                ": the connection cannot carry another message",
            ),
            (
                Error::Receive { request, error: ReceiveError::NoReply },
                "cannot be understood",
                ": connection closed before a reply",
            ),
            (Error::Rejected(Rejection::new(request, 413, "")), "refused with status 413", ""),
        ] {
            let display = error.to_string();
            assert!(display.contains(&request.to_string()) && display.ends_with(text), "{display}");
            assert_eq!(format!("{error:#}"), display + chain);
            assert_eq!((error.source().is_some(), error.is_fatal()), (!chain.is_empty(), is_fatal));
            assert_eq!(error.request(), request);
        }
        assert!(Error::<(), _>::Rejected(Rejection::new(request, 500, "")).is_fatal());
    }
}

#[test]
fn an_api_error_has_the_status_and_the_type_of_aws() {
    for (error, status, error_type) in [
        (ApiError::InvalidRequestId, 400, "InvalidRequestID"),
        (ApiError::InvalidResponseMode, 400, "InvalidFunctionResponseMode"),
        (ApiError::InvalidStateTransition { from: "a", to: "b" }, 403, "InvalidStateTransition"),
        (ApiError::InvokeTimeout, 410, "InvokeTimeout"),
        (ApiError::RequestEntityTooLarge, 413, "RequestEntityTooLarge"),
        (ApiError::InternalServerError, 500, "InternalServerError"),
        (ApiError::RegistrationClosed, 403, "Extension.RegistrationClosed"),
        (ApiError::InvalidEventType, 403, "Extension.InvalidEventType"),
        (ApiError::InvalidExtensionId, 403, "Extension.InvalidExtensionIdentifier"),
        (ApiError::NotFound, 404, ""),
    ] {
        let mut out = [0; 256];
        let len = error.write(&mut out).unwrap();
        let rejection = Rejection::new(RequestKind::Response, status, &out[..len]);
        let found = rejection.error_type().map_or(String::new(), |found| found.to_string());
        assert_eq!(error.reply(), Reply::Rejected { status });
        assert_eq!((rejection.kind(), rejection.status(), found.as_str()), (RequestKind::Response, status, error_type));
        let needed = len;
        assert_eq!(error.write(&mut out[..len - 1]), Err(SendError::BufferTooSmall { needed }));
    }
    let error = ApiError::MethodNotAllowed { allow: "GET" };
    assert_eq!(error.reply(), Reply::MethodNotAllowed { allow: "GET" });
    assert_eq!(error.write(&mut []), Ok(0));
}

#[test]
fn only_an_answer_that_is_refused_with_400_or_403_may_have_come_twice() {
    for (kind, status, is_of_repeat) in [
        (RequestKind::Response, 400, true),
        (RequestKind::Error, 403, true),
        (RequestKind::Response, 410, false),
        (RequestKind::Next, 403, false),
        (RequestKind::InitError, 403, false),
    ] {
        assert_eq!(Rejection::new(kind, status, "").is_of_repeat(), is_of_repeat, "{kind} {status}");
    }
}

/// A reply that came whole, and its bytes.
fn whole(kind: RequestKind, wire: &str) -> (CompleteReply, Vec<u8>) {
    let mut client = Client::new("127.0.0.1:9001").unwrap();
    client.send(&plain_request(kind), Body::Exact(0), &mut [0; 512]).unwrap();
    let (mut reader, mut buf) = (MessageReader::new(), wire.as_bytes().to_vec());
    reader.filled(buf.len());
    match reader.receive_reply(&mut client, &mut buf) {
        Ok(Progress::Complete(whole)) => (whole, buf),
        progress => panic!("{progress:?}"),
    }
}

#[test]
fn a_whole_reply_tells_what_it_is_before_it_is_read() {
    let (reply, buf) = whole(RequestKind::Next, "HTTP/1.1 204 No Content\r\n\r\n");
    assert!(reply.is_nothing_yet() && !reply.is_rejection());
    assert_eq!(reply.rejection(&buf), None);
    let wire = "HTTP/1.1 403 Forbidden\r\nContent-Length: 22\r\n\r\n{\"errorMessage\":\"why\"}";
    let (reply, buf) = whole(RequestKind::Response, wire);
    assert!(reply.is_rejection() && !reply.is_nothing_yet());
    assert_eq!(reply.rejection(&buf).unwrap().to_string(), "response refused with status 403: why");
    let (reply, buf) = whole(RequestKind::Response, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    assert!(!reply.is_rejection() && reply.rejection(&buf).is_none());
    for (allow, expected) in [
        ("Allow: GET\r\n", Reply::MethodNotAllowed { allow: "GET" }),
        ("Allow:\r\n", Reply::Rejected { status: 405 }),
        ("", Reply::Rejected { status: 405 }),
    ] {
        let wire = format!("HTTP/1.1 405 Method Not Allowed\r\n{allow}Content-Length: 0\r\n\r\n");
        let (reply, buf) = whole(RequestKind::Response, &wire);
        assert!(reply.is_rejection() && reply.rejection(&buf).is_some_and(|rejection| rejection.status() == 405));
        assert_eq!(reply.read(&buf).unwrap().head, expected);
    }
}

#[test]
fn an_event_of_an_extension_has_an_id_or_none() {
    for (headers, id) in [
        ("Lambda-Extension-Event-Identifier: 1-a\r\n", Some(&b"1-a"[..])),
        ("lambda-extension-event-identifier: \u{ff}\r\n", Some("\u{ff}".as_bytes())),
        ("Lambda-Extension-Event-Identifier:\r\n", None),
        ("", None),
    ] {
        let wire = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
        let (reply, buf) = whole(RequestKind::ExtensionNext, &wire);
        assert_eq!(reply.read(&buf).unwrap().head, Reply::ExtensionEvent { id });
    }
    let event = |id| written("GET /", &Reply::ExtensionEvent { id });
    let head = |id: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{id}Content-Length: 0\r\n\r\n");
    assert_eq!(event(Some(b"1-a")), head("Lambda-Extension-Event-Identifier: 1-a\r\n"));
    assert_eq!(event(None), head(""));
}

#[test]
fn what_else_is_asked_for_gets_headers_as_they_stand() {
    let headers = [Header { name: "Cache-Control", value: b"private" }, Header { name: "x", value: b"y z" }];
    let head = "HTTP/1.1 200 OK\r\nCache-Control: private\r\nx: y z\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(written("GET /", &Reply::Other { headers: &headers }), head);
}

/// The head of this reply to a request.
fn written(asked: &str, reply: &Reply<'_>) -> String {
    let mut server = Server::new();
    let asked = format!("{asked} HTTP/1.1\r\nHost: x\r\n\r\n");
    feed(&mut server, asked.as_bytes(), [asked.len()]);
    let mut out = [0; 256];
    let len = server.send(reply, Body::Exact(0), &mut out).unwrap();
    String::from_utf8(out[..len].to_vec()).unwrap()
}

fn first_line(asked: &str, reply: &Reply<'_>) -> String {
    written(asked, reply).split_once("\r\n").unwrap().0.to_owned()
}

#[test]
fn a_reply_has_the_phrase_of_its_status() {
    assert_eq!(first_line("POST /", &Reply::Accepted), "HTTP/1.1 202 Accepted");
    assert_eq!(first_line("GET /", &Reply::Restored), "HTTP/1.1 200 OK");
    assert_eq!(first_line("GET /", &Reply::NothingYet), "HTTP/1.1 204 No Content");
    assert_eq!(first_line("PUT /", &Reply::MethodNotAllowed { allow: "GET" }), "HTTP/1.1 405 Method Not Allowed");
    for (status, phrase) in [
        (400, "Bad Request"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (405, "Method Not Allowed"),
        (408, "Request Timeout"),
        (410, "Gone"),
        (413, "Request Entity Too Large"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (501, "Not Implemented"),
        (505, "HTTP Version Not Supported"),
        (599, "Unknown"),
    ] {
        assert_eq!(first_line("POST /", &Reply::Rejected { status }), format!("HTTP/1.1 {status} {phrase}"));
    }
}

#[test]
fn what_cannot_be_sent_is_reported_as_aws_reports_it() {
    let error = SendError::PayloadTooLarge { bytes: 2, limit: 1 };
    assert_eq!(error.report_type(), "Function.ResponseSizeTooLarge");
    assert_eq!(SendError::InvalidValue(Field::ContentType.label()).report_type(), "Function.UnsendableResponse");
}

#[test]
fn an_answer_goes_to_the_invocation_of_its_context() {
    let id = RequestId::new("x").unwrap();
    let mut context = Context::new(id);
    context.invocation_id = InvocationId::new(b"nonce").ok();
    let Context { invocation_id, .. } = context;
    let response = Request::Response { id, invocation_id, content_type: Some("a/b"), mode: Mode::Streaming };
    assert_eq!(Request::response(&context, "a/b", Mode::Streaming), response);
    let headers = ErrorReport::new("Type", "message").error_headers();
    assert_eq!((headers.error_type, headers.xray_cause), (Some("Type"), None));
    assert_eq!(Request::error(&context, headers), Request::Error { id, invocation_id, headers });
}

#[test]
fn a_client_knows_where_it_connects_to() {
    let client = Client::new("http://localhost:9001/.rt/").unwrap();
    assert_eq!(client.endpoint().to_string(), "localhost:9001/.rt");
    assert_eq!(client.reconnected().endpoint(), client.endpoint());
}

#[test]
fn every_part_of_what_a_caller_sent_is_in_view() {
    let json =
        r#"{"client":{"app_version_name":"1","app_version_code":"2","app_package_name":"3","app_title":"\u0031"}}"#;
    let view = ClientContext::new(json);
    assert_eq!(view.as_str(), json);
    assert!(view.app_version_name().is_some_and(|text| text == "1"));
    assert!(view.app_version_code().is_some_and(|text| text == "2"));
    assert!(view.app_package_name().is_some_and(|text| text == "3"));
    assert!(view.app_title() == view.app_version_name(), "texts are equal whatever is escaped in them");
    assert!(view.app_title() != view.app_version_code());
    assert_eq!(view.get(&["client"]), Some(Value::Other));
    assert!(view.get(&["client"]).and_then(|value| value.text()).is_none());

    let json = r#"{"cognitoIdentityId":"a"}"#;
    let mut context = Context::new(RequestId::new("x").unwrap());
    assert!(context.cognito_identity().is_none() && context.client_context().is_none());
    context.cognito_identity_json = Some(json);
    assert_eq!(context.cognito_identity().map(|identity| identity.as_str()), Some(json));
    assert!(CognitoIdentity::new(json).identity_pool_id().is_none());
    assert_eq!(format!("{:>3}", context.request_id), "  x");
}

#[test]
fn a_context_is_checked_before_it_is_sent() {
    let mut context = Context::new(RequestId::new("id").unwrap());
    assert_eq!(context.validate(), Ok(()));
    let long = "x".repeat(lambwire::limits::REPLY_HEAD_BYTES);
    context.tenant_id = Some(&long);
    assert!(matches!(context.validate(), Err(SendError::HeadTooLong { .. })));
    context.tenant_id = Some("a\nb");
    assert_eq!(context.validate(), Err(SendError::InvalidValue(Field::TenantId.label())));
}

#[test]
fn what_can_only_be_received_is_not_sent() {
    let mut client = Client::new("127.0.0.1:9001").unwrap();
    let other = Request::Other { method: "GET", target: "/" };
    let id = RequestId::new("id").unwrap();
    let unknown = Request::Response { id, invocation_id: None, content_type: None, mode: Mode::Unknown };
    for request in [other, unknown] {
        assert_eq!(client.send(&request, Body::Exact(0), &mut [0; 512]), Err(SendError::ReceiveOnly));
    }
    assert_eq!(SendError::ReceiveOnly.to_string(), "this message can only be received");
}
