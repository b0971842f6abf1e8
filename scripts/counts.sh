#!/usr/bin/env bash
# Counts instructions and system calls, and fails when they are more than they may be.
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=x86_64-unknown-linux-musl

scripts/install.sh valgrind strace
environment=$(scripts/musl.sh)
cargo build -q --release -p hello -p lambwire -p lambwire-mio -p lambwire-smol --bins --examples
cargo build -q --profile bootstrap -p tiny
env "$environment" cargo build -q --profile bootstrap --target $TARGET -p hello
target=$(realpath "${CARGO_TARGET_DIR:-target}")
python3 scripts/counts.py "$target/release/hello" "$target/release/examples/exchange" "$target/release/examples/drip" \
    "$target/$TARGET/bootstrap/hello" "$target/bootstrap/tiny" "$target/release/examples"/{echo,echo-smol}
