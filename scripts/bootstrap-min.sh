#!/usr/bin/env bash
# Builds the smallest bootstrap: std built along with it for size, and a panic that ends the process without a word.
# Checks that it is static and small enough, and that it starts alone.
set -euo pipefail
cd "$(dirname "$0")/.."

BYTES=282000

# Building std is not stable; Debian's rustc has its source, and rustup's may.
scripts/install.sh musl-debian
export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/min
export RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort -Cforce-unwind-tables=no -Crelocation-model=static"
env -u RUSTUP_TOOLCHAIN /usr/bin/cargo build -q --profile bootstrap --target x86_64-unknown-linux-musl -p bootstrap \
    -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
scripts/static.sh "$CARGO_TARGET_DIR/x86_64-unknown-linux-musl/bootstrap/bootstrap:$BYTES"
