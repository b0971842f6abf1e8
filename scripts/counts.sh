#!/usr/bin/env bash
# Counts instructions and system calls, and fails when they are more than they may be.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh valgrind strace
cargo build -q --release -p hello -p lambwire-emulator --bins
cargo build -q --release -p lambwire -p lambwire-mio -p lambwire-smol -p tokio-adapter --examples
cargo build -q --profile bootstrap -p tiny
hello=$(scripts/image.sh x86_64 hello)
bootstrap=$(scripts/image.sh x86_64 bootstrap)
target=$(realpath "${CARGO_TARGET_DIR:-target}")
python3 scripts/counts.py "$target/release/hello" "$target/release/examples/exchange" "$target/release/examples/drip" \
    "$hello" "$bootstrap" "$target/bootstrap/tiny" "$target/release/examples"/{echo,echo-smol,echo-tokio} "$target/release/lambwire-emulator"
