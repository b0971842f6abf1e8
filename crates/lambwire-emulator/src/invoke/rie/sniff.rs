//! Media types as Go's servers find them out.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::invoke::reply::{self, Reply};

/// A reply whose media type is what its first bytes look like, as Go's servers have it.
pub(super) fn sniffed(status: StatusCode, body: Vec<u8>) -> Reply {
    let content_type = if body.is_empty() { None } else { Some(media_type(&body)) };
    let mut reply = reply::reply(status, body);
    if let Some(content_type) = content_type {
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    reply
}

/// How many bytes are looked at (WHATWG, "MIME Sniffing").
const SNIFFED_BYTES: usize = 512;

/// What bytes begin with that are of a type.
const SIGNATURES: [(&[u8], &str); 9] = [
    (b"<?xml", "text/xml; charset=utf-8"),
    (b"%PDF-", "application/pdf"),
    (b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x1f\x8b\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
];

/// What HTML begins with, in any case, with a space or `>` behind it.
const HTML: [&[u8]; 17] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

fn media_type(body: &[u8]) -> &'static str {
    let seen = body.get(..SNIFFED_BYTES).unwrap_or(body);
    let text = seen.trim_ascii_start();
    let is_html = HTML.iter().any(|tag| {
        let is_tag = text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
        is_tag && (*tag == b"<!--" || matches!(text.get(tag.len()), Some(b' ' | b'>')))
    });
    if is_html {
        return "text/html; charset=utf-8";
    }
    let is_of = |signature: &[u8]| seen.starts_with(signature) || signature == b"<?xml" && text.starts_with(signature);
    if let Some((_, media_type)) = SIGNATURES.iter().find(|(signature, _)| is_of(signature)) {
        return media_type;
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0xb | 0xe..=0x1a | 0x1c..=0x1f);
    if seen.iter().any(is_binary) { "application/octet-stream" } else { "text/plain; charset=utf-8" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_what_bytes_look_like() {
        for (body, expected) in [
            (&b"{\"ok\":true}"[..], "text/plain; charset=utf-8"),
            (b"\n <html>", "text/html; charset=utf-8"),
            (b"<htmlx", "text/plain; charset=utf-8"),
            (b"<!-- x", "text/html; charset=utf-8"),
            (b" <?xml", "text/xml; charset=utf-8"),
            (b"\x89PNG\r\n\x1a\n\0", "image/png"),
            (b"a\0b", "application/octet-stream"),
            (b"\xc3\xa9\x1b", "text/plain; charset=utf-8"),
        ] {
            assert_eq!(media_type(body), expected, "{body:?}");
        }
        let late = [&[b'a'; SNIFFED_BYTES][..], b"\0"].concat();
        assert_eq!(media_type(&late), "text/plain; charset=utf-8");
        assert_eq!(media_type(&late[1..]), "application/octet-stream");
    }
}
