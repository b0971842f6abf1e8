//! Trailers have one reading, say nothing of framing, and carry the error's report as base64 and nothing else does.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use lambwire::StreamError;

use crate::cuts::{Accepting, hear};
use crate::server;

const STREAM: &[u8] = b"POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: x\r\n\
    Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
const FRAMING: [&str; 5] = ["content-length", "transfer-encoding", "host", "connection", "trailer"];

/// Runs it over one input: all that comes behind the last chunk.
pub fn run(data: &[u8]) {
    let wire = [STREAM, data].concat();
    server::check(&Accepting::default(), &wire);
    let heard = hear(&Accepting::default(), &wire, [wire.len()]);
    let Some(trailers) = heard.messages.first().and_then(|message| message.trailers) else { return };
    assert!(trailers.iter().all(|trailer| !FRAMING.contains(&trailer.name.to_ascii_lowercase().as_str())));
    let first = |name| trailers.get(name).unwrap_or_default();
    let body = first("Lambda-Runtime-Function-Error-Body");
    let Some(error) = StreamError::find(trailers) else {
        assert!(body.is_empty());
        return;
    };
    assert_eq!(error.error_type, first("Lambda-Runtime-Function-Error-Type"));
    let mut out = vec![0; body.len()];
    match (error.report(&mut out), BASE64_STANDARD.decode(body)) {
        (Some(ours), Ok(theirs)) => assert_eq!(ours, theirs),
        (None, Err(_)) => {}
        // Bits behind the last byte are passed over here and refused there; they carry nothing.
        (Some(_), Err(base64::DecodeError::InvalidLastSymbol(..))) => {}
        (ours, theirs) => panic!("{ours:?} is not {theirs:?}"),
    }
}
