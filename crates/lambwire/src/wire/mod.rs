//! As much of HTTP/1.1 as the Runtime API needs (RFC 9110, RFC 9112).
//!
//! httparse reads the first lines of requests; those of replies, and all header lines, are read by hand.
//!
//! This floor knows neither which end it serves nor what Lambda is. It is strict: a message that two readers could
//! take in two ways is an error.

pub(crate) mod base64;
pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod headers;
pub(crate) mod lines;
pub(crate) mod outgoing;
pub(crate) mod scan;
pub(crate) mod writer;
