#!/usr/bin/env bash
# Counts instructions and system calls an invocation, and fails when they are more than they may be.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh valgrind strace
cargo build -q --release -p hello -p lambwire --bins --examples
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")
python3 scripts/counts.py "$target/hello" "$target/examples/exchange" "$target/examples/drip"
