#!/usr/bin/env bash
# bench-emulators.sh [--once]: measures what an invocation costs a caller of our emulator, AWS's and cargo-lambda's.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build -q --release -p lambwire-emulator -p lambwire-mio --bins --examples
cargo build -q --release --locked --manifest-path bench/Cargo.toml --target-dir "$target/bench" --bin emulators
exec "$target/bench/release/emulators" "$target/release/examples/echo" "$target/release/lambwire-emulator" \
    "$(scripts/rie.sh)" "$(scripts/cargo-lambda.sh)" "$@"
