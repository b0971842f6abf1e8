#!/usr/bin/env bash
# lambda_http 1.3.2 sends other bytes than an answer has where its type is text: it decodes them by the `charset`, and Lambda sends what
# came out as UTF-8, below the `charset` that was. "café" in ISO-8859-1 arrives as "cafÃ©". In UTF-8 it drops a byte order mark,
# without which Excel takes a CSV for one of the machine's code page. Bytes with a type of their own arrive as they are. Seen
# on 29 November 2026 with Rust 1.95:
#
#     text/plain; charset=iso-8859-1: e9 arrives as c3a9
#     text/csv; charset=utf-8: efbbbf61 arrives as 61
#     application/pdf: e9 arrives as e9
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/src"
cat >"$root/Cargo.toml" <<'T'
[package]
name = "text"
version = "0.1.0"
edition = "2021"
[dependencies]
lambda_http = { version = "=1.3.2", default-features = false, features = ["apigw_http"] }
tokio = { version = "1", features = ["macros", "rt"] }
T
cat >"$root/src/main.rs" <<'R'
use lambda_http::{http::Response, Body, IntoResponse};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let answers: [(&str, &[u8]); 3] = [
        ("text/plain; charset=iso-8859-1", b"\xe9"),
        ("text/csv; charset=utf-8", b"\xef\xbb\xbfa"),
        ("application/pdf", b"\xe9"),
    ];
    for (kind, bytes) in answers {
        let answer = Response::builder().header("content-type", kind).body(Body::Binary(bytes.to_vec()));
        let arrives = match answer.unwrap().into_response().await.into_body() {
            Body::Text(text) => hex(text.as_bytes()),
            Body::Binary(bytes) => hex(&bytes),
            other => format!("{other:?}"),
        };
        println!("{kind}: {} arrives as {arrives}", hex(bytes));
    }
}
R
seen=$(cargo run -q --manifest-path "$root/Cargo.toml" --target-dir "$root/target")
echo "$seen"
[ "$seen" = "text/plain; charset=iso-8859-1: e9 arrives as c3a9
text/csv; charset=utf-8: efbbbf61 arrives as 61
application/pdf: e9 arrives as e9" ] || { echo "this has changed" >&2; exit 1; }
