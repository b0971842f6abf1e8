#!/usr/bin/env bash
# Builds the smallest bootstrap: std built along with it for size, and a panic that ends the process without a word.
# Checks that it is static and small enough, and that it starts alone.
set -euo pipefail
cd "$(dirname "$0")/.."

BYTES=282000
TARGET=x86_64-unknown-linux-musl

# Building std is not stable; Debian's rustc has its source, and rustup's may.
environment=$(scripts/musl.sh)
[ "$environment" = RUSTC=rustc ] || PATH=/usr/bin:$PATH
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/min
export RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort -Cforce-unwind-tables=no -Crelocation-model=static \
    -Clink-args=-Wl,-z,noseparate-code,--build-id=none"
env "$environment" cargo build -q --profile bootstrap --target $TARGET -p bootstrap \
    -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
scripts/static.sh "$CARGO_TARGET_DIR/$TARGET/bootstrap/bootstrap:$BYTES"
