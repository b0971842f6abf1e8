#!/usr/bin/env bash
# bench-emulators.sh [--once]: measures what an invocation costs a caller of our emulator, of an older one of ours, of one in
# C that does nothing else, of AWS's and of cargo-lambda's.
set -euo pipefail
cd "$(dirname "$0")/.."

BEFORE=256a25d

main() {
    local target=${CARGO_TARGET_DIR:-$PWD/target}
    cargo build -q --release -p lambwire-emulator -p lambwire-mio --bins --examples
    cargo build -q --release --locked --manifest-path bench/Cargo.toml --target-dir "$target/bench" --bin emulators
    cc -O2 -o "$target/bench/emulator-floor" bench/emulator_floor.c
    # A connection is a file.
    ulimit -n "$(ulimit -H -n)"
    exec "$target/bench/release/emulators" "$target/release/examples/echo" "$target/release/lambwire-emulator" \
        "$(scripts/image.sh x86_64 lambwire-emulator profiled)" "$(before "$target")" "$target/bench/emulator-floor" \
        "$(scripts/rie.sh)" "$(scripts/cargo-lambda.sh)" "$@"
}

# The emulator as it was, built where nothing else is touched.
before() {
    local program=$1/before/release/lambwire-emulator tree
    if [ ! -x "$program" ]; then
        tree=$(mktemp -d)
        git worktree add -q --detach "$tree" "$BEFORE" >&2
        (cd "$tree" && CARGO_TARGET_DIR=$1/before cargo build -q --release --locked -p lambwire-emulator) >&2
        git worktree remove --force "$tree" >&2
    fi
    echo "$program"
}

main "$@"
