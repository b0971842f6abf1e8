//! The bytes of what the kit sends to a server.

use crate::pattern::{Variables, expand};
use crate::play::{Framing, Sent, ServerStep};
use crate::runtime::string_of;

/// What a report says where a play does not.
const ERROR: &str = r#"{"errorMessage":"asked to","errorType":"Function.Asked"}"#;

/// Method, path and usual body of a request.
struct Usual {
    method: &'static str,
    path: String,
    body: Option<&'static str>,
    headers: Vec<(&'static str, &'static str)>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// The Runtime API, with its path before every other.
    Api,
    /// Callers' end.
    Callers,
}

/// Who hears it.
pub(crate) fn to(sent: Sent) -> To {
    if matches!(sent, Sent::Invoke | Sent::InvokeStream) { To::Callers } else { To::Api }
}

/// The bytes of a request.
pub(crate) fn request(step: &ServerStep, sent: Sent, prefix: &str, variables: &Variables) -> Result<Vec<u8>, String> {
    if let Some(raw) = &step.raw {
        return expand(raw, variables);
    }
    let usual = usual(sent, step.of.as_deref());
    let body = match (&step.body, step.size, usual.body) {
        (Some(body), ..) => Some(expand(body, variables)?),
        (None, Some(size), _) => Some(string_of(size)),
        (None, None, body) => body.map(|body| body.as_bytes().to_vec()),
    };
    let method = step.method.as_deref().unwrap_or(usual.method);
    let path = expand(step.path.as_deref().unwrap_or(&usual.path), variables)?;
    let mut out = Vec::new();
    out.extend(format!("{method} ").bytes());
    if to(sent) == To::Api {
        out.extend(prefix.bytes());
    }
    out.extend(path);
    out.extend(b" HTTP/1.1\r\n");
    let given = |name: &str| step.omit.iter().chain(step.headers.keys()).any(|n| n.eq_ignore_ascii_case(name));
    for (name, value) in usual.headers {
        // What an invocation does not have is not sent back.
        let value = expand(value, variables).unwrap_or_default();
        if !given(name) && !value.is_empty() {
            line(&mut out, name, &value);
        }
    }
    for (name, value) in &step.headers {
        line(&mut out, name, &expand(value, variables)?);
    }
    let framing = step.framing.unwrap_or(if body.is_some() { Framing::Length } else { Framing::None });
    let body = body.unwrap_or_default();
    match framing {
        Framing::Length => line(&mut out, "Content-Length", body.len().to_string().as_bytes()),
        Framing::Chunked => line(&mut out, "Transfer-Encoding", b"chunked"),
        Framing::None | Framing::Close => {}
    }
    out.extend(b"\r\n");
    if framing == Framing::Chunked {
        for piece in body.chunks(step.chunk.unwrap_or(body.len()).max(1)) {
            out.extend(format!("{:x}\r\n", piece.len()).bytes());
            out.extend(piece);
            out.extend(b"\r\n");
        }
        out.extend(b"0\r\n");
        out.extend(expand(&step.trailer, variables)?);
        out.extend(b"\r\n");
    } else {
        out.extend(body);
    }
    Ok(out)
}

fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend(name.bytes());
    out.extend(b": ");
    out.extend(value);
    out.extend(b"\r\n");
}

fn usual(sent: Sent, of: Option<&str>) -> Usual {
    let runtime = |rest: &str| format!("/2018-06-01/runtime/{rest}");
    let variable = |name: &str| of.map_or_else(|| format!("${{{name}}}"), |of| format!("${{{name}:{of}}}"));
    let json = ("Content-Type", "application/json");
    let nonce = ("Lambda-Runtime-Invocation-Id", if of.is_some() { "" } else { "${invocation-id}" });
    let error_type = ("Lambda-Runtime-Function-Error-Type", "Function.Asked");
    let (method, path, body, more) = match sent {
        Sent::Next => ("GET", runtime("invocation/next"), None, vec![]),
        Sent::RestoreNext => ("GET", runtime("restore/next"), None, vec![]),
        Sent::Response => (
            "POST",
            runtime(&format!("invocation/{}/response", variable("id"))),
            Some("{\"ok\":true}"),
            vec![json, nonce],
        ),
        Sent::Error => (
            "POST",
            runtime(&format!("invocation/{}/error", variable("id"))),
            Some(ERROR),
            vec![json, nonce, error_type],
        ),
        Sent::InitError => ("POST", runtime("init/error"), Some(ERROR), vec![json, error_type]),
        Sent::RestoreError => ("POST", runtime("restore/error"), Some(ERROR), vec![json, error_type]),
        Sent::Register => (
            "POST",
            "/2020-01-01/extension/register".into(),
            Some("{\"events\":[]}"),
            vec![json, ("Lambda-Extension-Name", "conformance")],
        ),
        Sent::ExtensionNext => (
            "GET",
            "/2020-01-01/extension/event/next".into(),
            None,
            vec![("Lambda-Extension-Identifier", "${extension}")],
        ),
        Sent::Invoke => ("POST", "/2015-03-31/functions/${function}/invocations".into(), Some("{\"n\":1}"), vec![json]),
        Sent::InvokeStream => (
            "POST",
            "/2021-11-15/functions/${function}/response-streaming-invocations".into(),
            Some("{\"n\":1}"),
            vec![json],
        ),
        Sent::Api => ("GET", "/".into(), None, vec![]),
    };
    let host = if to(sent) == To::Api { "${api}" } else { "${callers}" };
    let mut headers = vec![("Host", host), ("User-Agent", "lambwire-conformance")];
    headers.extend(more);
    Usual { method, path, body, headers }
}
