//! Invocations whose head is odd.

use lambwire_emulator::fault::Script;

use super::{Case, answered, ended, invocation};

const ID: &str = "Lambda-Runtime-Aws-Request-Id: a\r\n";
const LENGTH: &str = "Content-Length: 7\r\n";

pub(super) fn cases() -> Vec<Case> {
    [first_lines(), ids(), headers(), framing()].into_iter().flatten().collect()
}

fn reply(first_line: &str, headers: impl AsRef<[u8]>) -> Script {
    invocation([first_line.as_bytes(), b"\r\n", headers.as_ref(), b"\r\nrespond"].concat())
}

/// An invocation with these lines besides.
fn with(headers: impl AsRef<[u8]>) -> Script {
    reply("HTTP/1.1 200 OK", [ID.as_bytes(), LENGTH.as_bytes(), headers.as_ref()].concat())
}

fn wrong(why: &str) -> String {
    ended(&format!("reply to next cannot be understood: {why}"), 1, 0, 1)
}

fn first_lines() -> Vec<Case> {
    let line = |line: &str| reply(line, [ID, LENGTH].concat());
    vec![
        Case::new("a status without a phrase", line("HTTP/1.1 200"), answered(2, 1, 1)),
        Case::new(
            "a phrase that is not UTF-8",
            invocation([b"HTTP/1.1 200 \xff\r\n", ID.as_bytes(), LENGTH.as_bytes(), b"\r\nrespond"].concat()),
            answered(2, 1, 1),
        ),
        Case::new("HTTP/1.0, which closes", line("HTTP/1.0 200 OK"), answered(2, 1, 2)),
        Case::new("HTTP/2.0", line("HTTP/2.0 200 OK"), wrong("neither HTTP/1.1 nor HTTP/1.0")),
        Case::new("a status of two digits", line("HTTP/1.1 20 OK"), wrong("first line is not HTTP/1")),
        Case::new("a status of 600", line("HTTP/1.1 600 OK"), wrong("unusable status 600")),
        Case::new("no HTTP at all", line("SSH-2.0-OpenSSH_9.2"), wrong("first line is not HTTP/1")),
    ]
}

fn ids() -> Vec<Case> {
    let id = |lines: &str| reply("HTTP/1.1 200 OK", [lines, LENGTH].concat());
    vec![
        Case::new("no request id", id(""), wrong("invocation without a request id")),
        Case::new(
            "an empty request id",
            id("Lambda-Runtime-Aws-Request-Id: \r\n"),
            wrong("invocation without a request id"),
        ),
        Case::new(
            "a request id with a slash",
            id("Lambda-Runtime-Aws-Request-Id: a/b\r\n"),
            wrong("unusable request id"),
        ),
        Case::new(
            "a request id that is not UTF-8",
            invocation(
                [b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: \xff\r\n", LENGTH.as_bytes(), b"\r\nrespond"]
                    .concat(),
            ),
            wrong("unusable request id"),
        ),
        Case::new(
            "a request id of 129 bytes",
            id(&format!("Lambda-Runtime-Aws-Request-Id: {}\r\n", "x".repeat(129))),
            wrong("unusable request id"),
        ),
        Case::new("the same request id twice", id(&ID.repeat(2)), answered(2, 1, 1)),
        Case::new(
            "two request ids",
            id(&[ID, "Lambda-Runtime-Aws-Request-Id: b\r\n"].concat()),
            wrong("two request ids that differ"),
        ),
        Case::new(
            "a request id in lower case, as hyper writes it",
            id("lambda-runtime-aws-request-id: a\r\n"),
            answered(2, 1, 1),
        ),
    ]
}

fn headers() -> Vec<Case> {
    vec![
        Case::new("no Content-Type, and nothing but the id", with(""), answered(2, 1, 1)),
        Case::new("two values of Content-Type", with("Content-Type: a/b\r\nContent-Type: c/d\r\n"), answered(2, 1, 1)),
        Case::new("a trace id that is not UTF-8", with(b"Lambda-Runtime-Trace-Id: \xff\xfe\r\n"), answered(2, 1, 1)),
        Case::new("a deadline that is no number", with("Lambda-Runtime-Deadline-Ms: soon\r\n"), answered(2, 1, 1)),
        Case::new(
            "a client context that is no JSON",
            with("Lambda-Runtime-Client-Context: {{{\r\n"),
            answered(2, 1, 1),
        ),
        Case::new(
            "empty values",
            with("Lambda-Runtime-Trace-Id:\r\nLambda-Runtime-Invocation-Id: \r\n"),
            answered(2, 1, 1),
        ),
        Case::new(
            "an Invocation-Id that is not UTF-8",
            with(b"Lambda-Runtime-Invocation-Id: \xff\r\n"),
            answered(2, 1, 1),
        ),
        Case::new("a line without a colon", with("Nonsense\r\n"), wrong("malformed header")),
        Case::new("a space before the colon", with("X : y\r\n"), wrong("malformed header")),
        Case::new("a folded line", with("X: y\r\n z\r\n"), wrong("malformed header")),
        Case::new("a NUL in a value", with("X: \0\r\n"), wrong("malformed header")),
        Case::new(
            "a line that ends without a carriage return",
            with("X: y\n"),
            wrong("line feed without carriage return"),
        ),
        Case::new("126 lines besides", with("X: y\r\n".repeat(126)), answered(2, 1, 1)),
        Case::new("127 lines besides", with("X: y\r\n".repeat(127)), wrong("too many headers")),
        Case::new(
            "a head of 70 KB",
            with(format!("X: {}\r\n", "y".repeat(70_000))),
            wrong("head longer than 65536 bytes"),
        ),
    ]
}

fn framing() -> Vec<Case> {
    let framed = |lines: &str| reply("HTTP/1.1 200 OK", [ID, lines].concat());
    vec![
        Case::new(
            "a length beside chunks",
            with("Transfer-Encoding: chunked\r\n"),
            wrong("more than one length for one body"),
        ),
        Case::new("two lengths", with("Content-Length: 8\r\n"), wrong("more than one length for one body")),
        Case::new("the same length twice", with(LENGTH), wrong("more than one length for one body")),
        Case::new("a length of +7", framed("Content-Length: +7\r\n"), wrong("malformed content length")),
        Case::new("a length of -1", framed("Content-Length: -1\r\n"), wrong("malformed content length")),
        Case::new("a length in a list", framed("Content-Length: 7, 7\r\n"), wrong("malformed content length")),
        Case::new(
            "an encoding other than chunks",
            framed("Transfer-Encoding: gzip\r\n"),
            wrong("unsupported transfer encoding"),
        ),
        Case::new("Connection: close", with("Connection: close\r\n"), answered(2, 1, 2)),
        Case::new(
            "Connection: keep-alive",
            with("Connection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n"),
            answered(2, 1, 1),
        ),
    ]
}
