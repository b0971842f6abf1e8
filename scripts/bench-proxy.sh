#!/usr/bin/env bash
# bench-proxy.sh [--once]: measures what a proxy adds to an invocation, and prints tables. The peer is built in a folder of
# its own, from crates.io.
set -euo pipefail
cd "$(dirname "$0")/.."

PEER=0.3.0

main() {
    command -v musl-gcc >/dev/null || scripts/install.sh musl-debian
    local target programs
    target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
    programs=$target/bench/programs
    mkdir -p "$programs"
    musl-gcc -O2 -static -s -o "$programs/proxy-floor" bench/proxy_floor.c
    cargo build -q --release -p proxy --target-dir "$target"
    cargo build -q --release -p lambwire-mio --example echo --target-dir "$target"
    cargo build -q --release --locked --manifest-path bench/Cargo.toml --target-dir "$target/bench" --bin proxies
    peer
    exec "$target/bench/release/proxies" "$target/release/examples/echo" "$target/release/proxy" "$programs/peer-proxy" "$programs/proxy-floor" "$@"
}

# What its documentation begins with, built as ours is.
peer() {
    local folder
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    mkdir "$folder/src"
    cat >"$folder/Cargo.toml" <<END
[package]
name = "peer-proxy"
version = "0.0.0"
edition = "2021"
[dependencies]
aws-lambda-runtime-proxy = "=$PEER"
tokio = { version = "1", features = ["macros", "rt"] }
[profile.release]
lto = "fat"
codegen-units = 1
[workspace]
END
    cat >"$folder/src/main.rs" <<'END'
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let proxy = aws_lambda_runtime_proxy::Proxy::default().spawn().await.expect("the proxy starts");
    proxy.server.passthrough().await;
}
END
    cargo build -q --release --manifest-path "$folder/Cargo.toml" --target-dir "$target/peer-proxy"
    cp "$target/peer-proxy/release/peer-proxy" "$programs"
    rm -rf "$folder"
    trap - EXIT
}

main "$@"
