//! The attacks of `attacks.rs`, and the verdict of each.

use lambwire::limits::*;
use lambwire::{
    Body, Client, Context, ErrorHeaders, Field, InvocationId, Mode, ReceiveError, Reply, Request, RequestId,
    RequestKind, SendError, Server,
};

use crate::attacks::Verdict::{Refused, Taken, Waits};
use crate::attacks::{Attack, Injection, Limit, To, Wire};
use crate::cuts::{feed, plain_request};

const fn attack(what: &'static str, to: To, wire: Wire, verdict: crate::attacks::Verdict, limit: Limit) -> Attack {
    Attack { what, to, wire, verdict, limit }
}

const ERROR: To = To::Client(RequestKind::Response);
const NEXT: To = To::Client(RequestKind::Next);
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n";

/// What is sent to an end.
#[rustfmt::skip]
pub(crate) const RECEIVED: &[Attack] = &[
    attack("smuggling: a length beside chunks", To::Either, Wire::of("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX"), Refused(ReceiveError::TwoLengths), None),
    attack("smuggling: chunks beside a length", To::Either, Wire::of("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nX"), Refused(ReceiveError::TwoLengths), None),
    attack("smuggling: two lengths", To::Either, Wire::of("Content-Length: 0\r\nContent-Length: 5\r\n\r\nhello"), Refused(ReceiveError::TwoLengths), None),
    attack("smuggling: two equal lengths", To::Either, Wire::of("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), Refused(ReceiveError::TwoLengths), None),
    attack("smuggling: lengths in a list", To::Either, Wire::of("Content-Length: 5, 5\r\n\r\nhello"), Refused(ReceiveError::BadLength), None),
    attack("smuggling: a length with a sign", To::Either, Wire::of("Content-Length: +7\r\n\r\nsmuggle"), Refused(ReceiveError::BadLength), None),
    attack("smuggling: a length in hexadecimal", To::Either, Wire::of("Content-Length: 0x7\r\n\r\nsmuggle"), Refused(ReceiveError::BadLength), None),
    attack("overflow of a length", To::Either, Wire::of("Content-Length: 18446744073709551616\r\n\r\n"), Refused(ReceiveError::BadLength), None),
    attack("smuggling: a list of codings", To::Either, Wire::of("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), Refused(ReceiveError::BadTransferEncoding), None),
    attack("smuggling: chunked twice", To::Either, Wire::of("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Refused(ReceiveError::BadTransferEncoding), None),
    attack("smuggling: a coding that is nearly chunked", To::Either, Wire::of("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), Refused(ReceiveError::BadTransferEncoding), None),
    attack("smuggling: chunks in HTTP/1.0", To::Server, Wire::of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Refused(ReceiveError::BadTransferEncoding), None),
    attack("smuggling: space before the colon", To::Either, Wire::of("Content-Length : 5\r\n\r\nhello"), Refused(ReceiveError::BadHeader), None),
    attack("smuggling: a folded line", To::Either, Wire::of("X: y\r\n Content-Length: 5\r\n\r\nhello"), Refused(ReceiveError::BadHeader), None),
    attack("smuggling: NUL in a value", To::Either, Wire::of("X: y\0z\r\n\r\n"), Refused(ReceiveError::BadHeader), None),
    attack("smuggling: NUL in a name", To::Either, Wire::of("Content-Length\0: 5\r\n\r\nhello"), Refused(ReceiveError::BadHeader), None),
    attack("smuggling: a bare line feed", To::Either, Wire::of("X: y\nContent-Length: 5\r\n\r\nhello"), Refused(ReceiveError::BareLineFeed), None),
    attack("smuggling: a bare carriage return", To::Either, Wire::of("X: y\rContent-Length: 5\r\n\r\nhello"), Refused(ReceiveError::BadHeader), None),
    attack("smuggling: a chunk size with a sign", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "+7\r\nsmuggle\r\n0\r\n\r\n"), Refused(ReceiveError::BadChunkLine), None),
    attack("smuggling: a chunk size with a prefix", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "0x7\r\nsmuggle\r\n0\r\n\r\n"), Refused(ReceiveError::BadChunkLine), None),
    attack("smuggling: a chunk without a size", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "\r\n\r\n"), Refused(ReceiveError::BadChunkLine), None),
    attack("overflow of a chunk size", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "10000000000000005\r\nhello\r\n0\r\n\r\n"), Refused(ReceiveError::BadChunkLine), None),
    attack("smuggling: a chunk longer than its size", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "3\r\nhello\r\n0\r\n\r\n"), Refused(ReceiveError::BadChunkEnd), None),
    attack("smuggling: a line feed in a chunk extension", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "5;x\nhello\r\n0\r\n\r\n"), Refused(ReceiveError::BadChunkLine), None),
    attack("a chunk extension", To::Server, Wire(b"POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "", 0, "5;x=\"0\"\r\nhello\r\n0\r\n\r\n"), Taken("init error: `hello`"), Some(("CHUNK_LINE_BYTES", CHUNK_LINE_BYTES as u64))),
    attack("oversize: a chunk extension", To::Either, Wire(b"Transfer-Encoding: chunked\r\n\r\n5;", "x", CHUNK_LINE_BYTES, "\r\nhello\r\n0\r\n\r\n"), Refused(ReceiveError::BadChunkLine), Some(("CHUNK_LINE_BYTES", CHUNK_LINE_BYTES as u64))),
    attack("smuggling: a trailer that is a length", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "0\r\nContent-Length: 5\r\n\r\n"), Refused(ReceiveError::BadTrailer), None),
    attack("smuggling: a trailer that is a coding", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "0\r\nTransfer-Encoding: chunked\r\n\r\n"), Refused(ReceiveError::BadTrailer), None),
    attack("smuggling: a trailer that is a host", To::Either, Wire(CHUNKED.as_bytes(), "", 0, "0\r\nHost: y\r\n\r\n"), Refused(ReceiveError::BadTrailer), None),
    attack("smuggling: a request behind a request", To::Server, Wire::of("POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\nGET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"), Taken("init error: no body; next: no body"), None),
    attack("smuggling: a reply that nobody asked for", NEXT, Wire::of("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), Refused(ReceiveError::Unsolicited), None),
    attack("smuggling: another protocol", NEXT, Wire::of("HTTP/1.1 101 Switching Protocols\r\n\r\n"), Refused(ReceiveError::BadStatus(101)), None),
    attack("smuggling: two hosts", To::Server, Wire::of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Refused(ReceiveError::BadHost), None),
    attack("smuggling: a space in the target", To::Server, Wire::of("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"), Refused(ReceiveError::BadFirstLine), None),
    attack("confusion: two request ids", NEXT, Wire::of("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a\r\nLambda-Runtime-Aws-Request-Id: b\r\nContent-Length: 0\r\n\r\n"), Refused(ReceiveError::TwoRequestIds), None),
    attack("path injection by a request id", NEXT, Wire::of("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: ../init/error?\r\nContent-Length: 0\r\n\r\n"), Refused(ReceiveError::BadRequestId), None),
    attack("path injection by an escape", NEXT, Wire::of("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: a%2f..%2fb\r\nContent-Length: 0\r\n\r\n"), Refused(ReceiveError::BadRequestId), None),
    attack("path injection in a request", To::Server, Wire::of("POST /2018-06-01/runtime/invocation/a/../b/response HTTP/1.1\r\nHost: x\r\n\r\n"), Taken("unknown request: no body"), None),
    attack("oversize: a request id", NEXT, Wire(b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: ", "x", REQUEST_ID_BYTES + 1, "\r\nContent-Length: 0\r\n\r\n"), Refused(ReceiveError::BadRequestId), Some(("REQUEST_ID_BYTES", REQUEST_ID_BYTES as u64))),
    attack("oversize: the head of a reply", NEXT, Wire(b"HTTP/1.1 200 OK\r\nX: ", "x", REPLY_HEAD_BYTES, "\r\n\r\n"), Refused(ReceiveError::HeadTooLong { limit: REPLY_HEAD_BYTES }), Some(("REPLY_HEAD_BYTES", REPLY_HEAD_BYTES as u64))),
    attack("oversize: the head of a request", To::Server, Wire(b"GET / HTTP/1.1\r\nX: ", "x", REQUEST_HEAD_BYTES, "\r\n\r\n"), Refused(ReceiveError::HeadTooLong { limit: REQUEST_HEAD_BYTES }), Some(("REQUEST_HEAD_BYTES", REQUEST_HEAD_BYTES as u64))),
    attack("oversize: header lines", To::Either, Wire(b"", "X: y\r\n", HEADERS, "\r\n"), Refused(ReceiveError::TooManyHeaders), Some(("HEADERS", HEADERS as u64))),
    attack("oversize: trailer lines", To::Either, Wire(b"Transfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n", HEADERS + 1, "\r\n"), Refused(ReceiveError::TooManyHeaders), Some(("HEADERS", HEADERS as u64))),
    attack("oversize: trailers", To::Either, Wire(b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", "x", TRAILERS_BYTES, "\r\n\r\n"), Refused(ReceiveError::TrailersTooLong), Some(("TRAILERS_BYTES", TRAILERS_BYTES as u64))),
    attack("endless interim replies", NEXT, Wire(b"", "HTTP/1.1 100 Continue\r\n\r\n", INTERIM_REPLIES as usize + 1, ""), Refused(ReceiveError::TooManyInterims), Some(("INTERIM_REPLIES", INTERIM_REPLIES as u64))),
    attack("slow drip of a head", To::Patience, Wire(b"GET / HTTP/1.1\r\nX: ", "x", 1000, ""), Waits, Some(("REQUEST_HEAD_BYTES", REQUEST_HEAD_BYTES as u64))),
    attack("an end in the middle", To::Either, Wire::of("Content-Length: 5\r\n\r\nhell"), Refused(ReceiveError::CutShort), None),
    attack("decompression, which is not asked for", NEXT, Wire::of("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f("), Taken("invocation: `\\x1f(`"), None),
    attack("a JSON bomb in the client context", NEXT, Wire(b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\nLambda-Runtime-Client-Context: {\"client\":{\"app_title\":\"t\"},\"x\":", "[", 20_000, "\r\nContent-Length: 0\r\n\r\n"), Taken("invocation: no body"), Some(("JSON_DEPTH", JSON_DEPTH as u64))),
    attack("a client context that is no JSON bomb", NEXT, Wire::of("HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\nLambda-Runtime-Client-Context: {\"client\":{\"app_title\":\"t\"}}\r\nContent-Length: 0\r\n\r\n"), Taken("invocation with title: no body"), None),
    attack("a value that is not UTF-8", NEXT, Wire(b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: x\r\nLambda-Runtime-Trace-Id: \xff\r\nContent-Length: 0\r\n\r\n", "", 0, ""), Taken("invocation: no body"), None),
    attack("a request id that is not UTF-8", NEXT, Wire(b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: \xff\r\nContent-Length: 0\r\n\r\n", "", 0, ""), Refused(ReceiveError::BadRequestId), None),
    attack("a target that is not UTF-8", To::Server, Wire(b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", "", 0, ""), Refused(ReceiveError::BadFirstLine), None),
    attack("header injection into a log by a status line", ERROR, Wire::of("HTTP/1.1 500 X\0Y\r\n\r\n"), Refused(ReceiveError::BadFirstLine), None),
];

const fn injection(
    what: &'static str,
    value: Wire,
    send: fn(&str) -> Result<(), SendError>,
    verdict: SendError,
    limit: Limit,
) -> Injection {
    Injection { what, value, send, verdict, limit }
}

const LINE: Wire = Wire::of("a\r\nX: y");

/// What is given to an end to be sent.
#[rustfmt::skip]
pub(crate) const GIVEN: &[Injection] = &[
    injection("a line by a media type", LINE, |value| response(Some(value), None, Body::Exact(0)), SendError::InvalidValue(Field::ContentType.label()), None),
    injection("a line by an error type", LINE, |value| error_headers(Some(value), None), SendError::InvalidValue(Field::ErrorType.label()), None),
    injection("a line by an X-Ray cause", LINE, |value| error_headers(None, Some(value)), SendError::InvalidValue(Field::XRayCause.label()), None),
    injection("a line by an invocation id", LINE, |value| InvocationId::new(value.as_bytes()).map(|_| ()), SendError::InvalidValue(Field::InvocationId.label()), None),
    injection("a line by a request id", Wire::of("x HTTP/1.1\r\nX: y\r\n\r\n"), |value| RequestId::new(value).map(|_| ()), SendError::InvalidValue(Field::RequestId.label()), None),
    injection("another path by a request id", Wire::of("../../init"), |value| RequestId::new(value).map(|_| ()), SendError::InvalidValue(Field::RequestId.label()), None),
    injection("another path by a request id that is a step", Wire::of(".."), |value| RequestId::new(value).map(|_| ()), SendError::InvalidValue(Field::RequestId.label()), None),
    injection("a query by a request id", Wire::of("x?y"), |value| RequestId::new(value).map(|_| ()), SendError::InvalidValue(Field::RequestId.label()), None),
    injection("a trailer by the error type of a stream", LINE, |value| stream_error(value, b""), SendError::InvalidValue(Field::ErrorType.label()), None),
    injection("a line by a trace id", LINE, |value| invocation(|context, value| context.trace_id = Some(value), value), SendError::InvalidValue(Field::TraceId.label()), None),
    injection("a line by a client context", Wire::of("{}\n"), |value| invocation(|context, value| context.client_context_json = Some(value), value), SendError::InvalidValue(Field::ClientContext.label()), None),
    injection("a line by a Cognito identity", LINE, |value| invocation(|context, value| context.cognito_identity_json = Some(value), value), SendError::InvalidValue(Field::CognitoIdentity.label()), None),
    injection("a line by a function's ARN", LINE, |value| invocation(|context, value| context.invoked_function_arn = Some(value), value), SendError::InvalidValue(Field::InvokedFunctionArn.label()), None),
    injection("a line by a tenant", Wire::of("a\0"), |value| invocation(|context, value| context.tenant_id = Some(value), value), SendError::InvalidValue(Field::TenantId.label()), None),
    injection("a line by an address", Wire::of("h:1/\r\nX: y"), |value| Client::new(value).map(|_| ()), SendError::InvalidEndpoint, None),
    injection("a request behind a body", Wire::of("GET / HTTP/1.1\r\n\r\n"), |value| more_than_announced(value.len()), SendError::WrongLength { announced: 1, given: 18 }, None),
    injection("oversize: an address", Wire(b"h:1/", "x", ENDPOINT_BYTES, ""), |value| Client::new(value).map(|_| ()), SendError::InvalidEndpoint, Some(("ENDPOINT_BYTES", ENDPOINT_BYTES as u64))),
    injection("oversize: a request id", Wire(b"", "x", REQUEST_ID_BYTES + 1, ""), |value| RequestId::new(value).map(|_| ()), SendError::InvalidValue(Field::RequestId.label()), Some(("REQUEST_ID_BYTES", REQUEST_ID_BYTES as u64))),
    injection("oversize: an error type", Wire(b"", "x", ERROR_TYPE_BYTES + 1, ""), |value| error_headers(Some(value), None), SendError::InvalidValue(Field::ErrorType.label()), Some(("ERROR_TYPE_BYTES", ERROR_TYPE_BYTES as u64))),
    injection("oversize: a response", Wire(b"", "x", 6_291_557, ""), |value| response(None, None, Body::Exact(value.len() as u64)), SendError::PayloadTooLarge { bytes: PAYLOAD_BYTES + 1, limit: PAYLOAD_BYTES }, Some(("PAYLOAD_BYTES", PAYLOAD_BYTES))),
    injection("oversize: the report of a stream", Wire(b"", "x", TRAILERS_BYTES, ""), |value| stream_error("T", value.as_bytes()), SendError::HeadTooLong { bytes: 87_466, limit: TRAILERS_BYTES + 3 }, Some(("TRAILERS_BYTES", TRAILERS_BYTES as u64))),
];

fn response(content_type: Option<&str>, invocation_id: Option<InvocationId<'_>>, body: Body) -> Result<(), SendError> {
    let id = RequestId::new("x")?;
    send(&Request::Response { id, invocation_id, content_type, mode: Mode::Buffered }, body)
}

fn error_headers(error_type: Option<&str>, xray_cause: Option<&str>) -> Result<(), SendError> {
    send(&Request::InitError(ErrorHeaders { error_type, xray_cause }), Body::Exact(0))
}

fn send(request: &Request<'_>, body: Body) -> Result<(), SendError> {
    Client::new("h:1")?.send(request, body, &mut [0; 1024]).map(|_| ())
}

fn stream_error(error_type: &str, report: &[u8]) -> Result<(), SendError> {
    let mut client = Client::new("h:1")?;
    let id = RequestId::new("x")?;
    let request = Request::Response { id, invocation_id: None, content_type: None, mode: Mode::Streaming };
    client.send(&request, Body::Chunked, &mut [0; 1024])?;
    client.finish_with_error(error_type, report, &mut [0; 1024]).map(|_| ())
}

fn more_than_announced(len: usize) -> Result<(), SendError> {
    let mut client = Client::new("h:1")?;
    client.send(&plain_request(RequestKind::Response), Body::Exact(1), &mut [0; 1024])?;
    client.frame(len).map(|_| ())
}

fn invocation<'a>(set: fn(&mut Context<'a>, &'a str), value: &'a str) -> Result<(), SendError> {
    let mut server = Server::new();
    let asked = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
    feed(&mut server, asked, [asked.len()]);
    let mut context = Context::new(RequestId::new("x")?);
    set(&mut context, value);
    server.send(&Reply::Invocation(context), Body::Exact(0), &mut [0; 1024]).map(|_| ())
}
