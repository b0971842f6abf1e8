#!/usr/bin/env bash
# Builds the smallest bootstrap, and the smallest hello: std built along with it for size, a panic that ends the process
# without a word, and no look-up of host names. Checks that each is static and small enough, and that it starts alone.
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=x86_64-unknown-linux-musl

# Building std is not stable; Debian's rustc has its source, and rustup's may.
environment=$(scripts/musl.sh)
[ "$environment" = RUSTC=rustc ] || PATH=/usr/bin:$PATH
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/min
export RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort -Cforce-unwind-tables=no -Crelocation-model=static \
    -Cllvm-args=-enable-machine-outliner=always -Clink-args=-Wl,-z,noseparate-code,-z,norelro,--build-id=none"

build() {
    env "$environment" cargo build -q --profile bootstrap --target $TARGET -p "$1" --no-default-features \
        -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
    scripts/static.sh "$CARGO_TARGET_DIR/$TARGET/bootstrap/$1:$2"
}

# Each by itself, for together they would have each other's features.
build hello 109000
build bootstrap 216000
