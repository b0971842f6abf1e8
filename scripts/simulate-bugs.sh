#!/usr/bin/env bash
# Plants bugs in a copy of lambwire, one at a time, and demands that the simulation finds each within so many seeds.
set -euo pipefail
cd "$(dirname "$0")/.."

SEEDS=10000
# Long enough for any build and as many seeds; a bug that has no end is not found.
SECONDS_EACH=1800

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
export CARGO_TARGET_DIR=$PWD/target/simulate-bugs
# Quick to build, a bug at a time.
export CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_INCREMENTAL=true
export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 RUSTFLAGS="-A warnings"

main() {
    # As new, since cargo takes what is older than its last build for built, which may have been that of a bug.
    git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar -xmC "$copy"
    cd "$copy"
    simulate || fail "without a bug it fails"
    local bug name
    for bug in simulation/bugs/*.patch; do
        name=$(basename "$bug" .patch)
        patch --quiet --strip=1 --fuzz=0 <"$bug" || fail "$bug does not apply"
        if simulate; then fail "$name is not found within $SEEDS seeds"; fi
        sed -nE "s/^seed ([0-9]+) fails: (.*);.*/$name: seed \1, \2/p" found | grep . || fail "$name: no seed"
        patch --quiet --strip=1 --reverse <"$bug"
    done
}

simulate() {
    cargo build --quiet --release -p simulation || fail "it does not build"
    timeout $SECONDS_EACH "$CARGO_TARGET_DIR/release/simulation" $SEEDS >found 2>/dev/null
}

fail() {
    echo "simulate-bugs.sh: $*" >&2
    exit 1
}

main "$@"
