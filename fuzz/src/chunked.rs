//! A chunked body has one reading, the same at both ends and in hyper, however it is cut.

use lambwire::RequestKind;

use crate::cuts::{Accepting, Asking, hear};
use crate::server;

const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
const REPLY: &[u8] = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Runs it over one input: all that comes behind a head.
pub fn run(data: &[u8]) {
    let request = [REQUEST, data].concat();
    let reply = [REPLY, data].concat();
    server::check(&Accepting::default(), &request);
    let sent = hear(&Accepting::default(), &request, [request.len()]);
    let replied = hear(&Asking::new(&[RequestKind::Response]), &reply, [reply.len()]);
    let (Some(sent_message), Some(reply_message)) = (sent.messages.first(), replied.messages.first()) else {
        unreachable!("both heads are whole");
    };
    assert_eq!(sent_message.body, reply_message.body);
    assert_eq!(sent_message.trailers, reply_message.trailers);
    if sent_message.trailers.is_none() {
        assert_eq!(sent.stop, replied.stop);
    }
}
