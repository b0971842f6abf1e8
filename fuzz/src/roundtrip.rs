//! Whatever can be sent is received equal at the other end, however it is cut; what cannot be sent is named.

use arbitrary::{Arbitrary, Unstructured};
use lambwire::{
    Body, Client, Context, ErrorHeaders, InvocationId, Mode, Reply, Request, RequestId, SendError, Server, StreamError,
};

use crate::cuts::{Accepting, Asking, Peer, Transcript, hear, plain_request};
use crate::scatter;

#[derive(Arbitrary, Debug)]
enum Sent<'a> {
    Response {
        id: &'a str,
        nonce: Option<&'a [u8]>,
        media: Option<&'a str>,
        body: &'a [u8],
    },
    Stream {
        id: &'a str,
        pieces: Vec<&'a [u8]>,
        failure: Option<(&'a str, &'a [u8])>,
    },
    Error {
        id: &'a str,
        nonce: Option<&'a [u8]>,
        failure: Option<Failure<'a>>,
        body: &'a [u8],
    },
    InitError {
        failure: Failure<'a>,
        body: &'a [u8],
    },
    RestoreError {
        failure: Failure<'a>,
        body: &'a [u8],
    },
    Invocation {
        id: &'a str,
        nonce: Option<&'a [u8]>,
        deadline_ms: Option<u64>,
        texts: [Option<&'a str>; 5],
        body: &'a [u8],
    },
    Refused {
        status: u16,
        body: &'a [u8],
    },
}

#[derive(Arbitrary, Debug)]
struct Failure<'a> {
    error_type: Option<&'a str>,
    xray_cause: Option<&'a str>,
}

impl<'a> Failure<'a> {
    fn error_headers(&self) -> ErrorHeaders<'a> {
        ErrorHeaders { error_type: self.error_type, xray_cause: self.xray_cause }
    }
}

/// Runs it over one input.
pub fn run(data: &[u8]) {
    if let Ok(sent) = Sent::arbitrary(&mut Unstructured::new(data)) {
        // Ids and nonces are checked when they are made.
        let _ = send(&sent);
    }
}

fn send(sent: &Sent<'_>) -> Result<(), SendError> {
    match sent {
        Sent::Response { id, nonce, media, body } => {
            let (id, invocation_id) = (RequestId::new(id)?, nonce.map(InvocationId::new).transpose()?);
            check_request(Request::Response { id, invocation_id, content_type: *media, mode: Mode::Buffered }, body);
        }
        Sent::Stream { id, pieces, failure } => check_stream(RequestId::new(id)?, pieces, *failure),
        Sent::Error { id, nonce, failure, body } => {
            let (id, invocation_id) = (RequestId::new(id)?, nonce.map(InvocationId::new).transpose()?);
            let headers = failure.as_ref().map(Failure::error_headers).unwrap_or_default();
            check_request(Request::Error { id, invocation_id, headers }, body);
        }
        Sent::InitError { failure, body } => check_request(Request::InitError(failure.error_headers()), body),
        Sent::RestoreError { failure, body } => check_request(Request::RestoreError(failure.error_headers()), body),
        Sent::Invocation { id, nonce, deadline_ms, texts, body } => {
            let mut context = Context::new(RequestId::new(id)?);
            context.invocation_id = nonce.map(InvocationId::new).transpose()?;
            context.deadline_ms = deadline_ms.map(|deadline_ms| deadline_ms.max(lambwire::limits::FIRST_DEADLINE_MS));
            [
                context.invoked_function_arn,
                context.trace_id,
                context.client_context_json,
                context.cognito_identity_json,
                context.tenant_id,
            ] = *texts;
            check_reply(Request::Next, Reply::Invocation(context), body);
        }
        Sent::Refused { status, body } => {
            let asked = plain_request(lambwire::RequestKind::Response);
            check_reply(asked, Reply::Rejected { status: *status }, body);
        }
    }
    Ok(())
}

fn check_request(request: Request<'_>, body: &[u8]) {
    for framing in [Body::Exact(body.len() as u64), Body::Chunked] {
        let mut client = Client::new("127.0.0.1:9001").unwrap();
        let mut wire = vec![0; 16 * 1024];
        match client.send(&request, framing, &mut wire) {
            Ok(len) => wire.truncate(len),
            Err(error) => return check_refused(&request, error),
        }
        write(&mut wire, &client.frame(body.len()).unwrap(), body);
        finish(&mut wire, |out| client.finish(out));
        check_heard(&Accepting::default(), &wire, |heard| assert_eq!(heard, request), body);
    }
}

fn check_stream(id: RequestId<'_>, pieces: &[&[u8]], failure: Option<(&str, &[u8])>) {
    let request = Request::Response { id, invocation_id: None, content_type: None, mode: Mode::Streaming };
    let mut client = Client::new("127.0.0.1:9001").unwrap();
    let mut wire = vec![0; 4096];
    let len = client.send(&request, Body::Chunked, &mut wire).unwrap();
    wire.truncate(len);
    for piece in pieces {
        write(&mut wire, &client.frame(piece.len()).unwrap(), piece);
    }
    let mut end = vec![0; 70_000];
    let failed = failure.map(|(error_type, report)| client.finish_with_error(error_type, report, &mut end));
    let failure = match failed {
        Some(Ok(len)) => {
            wire.extend_from_slice(&end[..len]);
            failure
        }
        Some(Err(SendError::InvalidValue("error type"))) | None => {
            assert!(failure.is_none_or(|(error_type, _)| !is_sendable(error_type.as_bytes(), 256)));
            finish(&mut wire, |out| client.finish(out));
            None
        }
        Some(Err(error)) => panic!("{error}"),
    };
    let heard = check_heard(&Accepting::default(), &wire, |heard| assert_eq!(heard, request), &pieces.concat());
    let error = StreamError::find(heard.messages[0].trailers.unwrap());
    let mut out = vec![0; wire.len()];
    let error = error.as_ref().map(|error| (error.error_type, error.report(&mut out).unwrap()));
    assert_eq!(error, failure.map(|(error_type, report)| (error_type.as_bytes(), report)));
}

fn check_reply(asked: Request<'_>, reply: Reply<'_>, body: &[u8]) {
    let mut request = vec![0; 1024];
    let asking = Asking::new(&[asked.kind()]);
    let len = Client::new("127.0.0.1:9001").unwrap().send(&asked, Body::Exact(0), &mut request).unwrap();
    for framing in [Body::Exact(body.len() as u64), Body::Chunked, Body::UntilClose] {
        let mut server = Server::new();
        crate::cuts::feed(&mut server, &request[..len], [len]);
        let mut wire = vec![0; 16 * 1024];
        match server.send(&reply, framing, &mut wire) {
            Ok(len) => wire.truncate(len),
            Err(SendError::InvalidStatus(status)) => return assert!(!(300..=599).contains(&status)),
            Err(SendError::InvalidBody) => {
                assert_eq!((reply.status(), framing != Body::Exact(0)), (304, true));
                continue;
            }
            Err(SendError::InvalidValue(what)) => return check_context(&reply, what),
            Err(error) => panic!("{error}"),
        }
        write(&mut wire, &server.frame(body.len()).unwrap(), body);
        finish(&mut wire, |out| server.finish(out));
        check_heard(&asking, &wire, |heard| assert_eq!(heard, reply), body);
    }
}

fn check_heard<'i, P: Peer>(
    peer: &P,
    wire: &'i [u8],
    check_head: impl Fn(P::Head<'i>),
    body: &[u8],
) -> Transcript<'i, P::Head<'i>> {
    let heard = hear(peer, wire, [wire.len()]);
    assert_eq!(hear(peer, wire, scatter::ends(wire)), heard);
    let [message] = &heard.messages[..] else { panic!("{} messages", heard.messages.len()) };
    check_head(message.head);
    assert_eq!((&message.body[..], heard.left), (body, 0));
    assert!(message.trailers.is_some());
    heard
}

fn write(wire: &mut Vec<u8>, frame: &lambwire::Frame, piece: &[u8]) {
    wire.extend_from_slice(&[frame.before(), piece, frame.after()].concat());
}

fn finish(wire: &mut Vec<u8>, finish: impl FnOnce(&mut [u8]) -> Result<usize, SendError>) {
    let mut end = [0; 8];
    let len = finish(&mut end).unwrap();
    wire.extend_from_slice(&end[..len]);
}

/// Checks that the value which an error names is one that no header can carry.
fn check_refused(request: &Request<'_>, error: SendError) {
    let SendError::InvalidValue(what) = error else { panic!("{error}") };
    let headers = match request {
        Request::Error { headers, .. } | Request::InitError(headers) | Request::RestoreError(headers) => *headers,
        _ => ErrorHeaders::default(),
    };
    let (value, limit) = match (what, request) {
        ("content type", Request::Response { content_type, .. }) => (*content_type, usize::MAX),
        ("error type", _) => (headers.error_type, 256),
        ("X-Ray cause", _) => (headers.xray_cause, usize::MAX),
        _ => panic!("{error}"),
    };
    assert!(value.is_some_and(|value| !is_sendable(value.as_bytes(), limit)), "{error}");
}

fn check_context(reply: &Reply<'_>, what: &str) {
    let Reply::Invocation(context) = reply else { panic!("{what}") };
    let value = match what {
        "function ARN" => context.invoked_function_arn,
        "trace id" => context.trace_id,
        "client context" => context.client_context_json,
        "Cognito identity" => context.cognito_identity_json,
        "tenant id" => context.tenant_id,
        _ => panic!("{what}"),
    };
    assert!(value.is_some_and(|value| !is_sendable(value.as_bytes(), usize::MAX)), "{what}");
}

/// Whether a header can carry a value: no control characters but the tab, no white space around it, and not empty.
fn is_sendable(value: &[u8], limit: usize) -> bool {
    let is_bare = |byte: Option<&u8>| byte.is_some_and(|byte| !byte.is_ascii_whitespace());
    let is_plain = value.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\t');
    is_plain && is_bare(value.first()) && is_bare(value.last()) && value.len() <= limit
}
