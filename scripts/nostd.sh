#!/usr/bin/env bash
# Proves that lambwire needs no std: a program without one links, and no dependency has std or alloc turned on.
set -euo pipefail
cd "$(dirname "$0")/.."

# What a build of lambwire takes in, each with the features that are on.
DEPENDENCIES='byteorder
hash32
heapless
httparse
ryu
serde derive,serde_derive
serde-json-core
serde_core result
stable_deref_trait'

TINY_BYTES=24576

main() {
    local found wrong
    found=$(dependencies)
    if wrong=$(grep -E '[ ,](std|alloc)(,|$)' <<<"$found"); then
        fail "lambwire brings in std or alloc:"$'\n'"$wrong"
    fi
    diff <(echo "$DEPENDENCIES") <(echo "$found") >&2 ||
        fail "lambwire's dependencies or their features are others than listed in this script (<)"

    # Were there a std anywhere in it, it would have two panic handlers.
    grep -q no_std examples/tiny/src/main.rs || fail "tiny is a program with std"
    cargo tree -q -p tiny -e normal --prefix none | grep '^lambwire v' >/dev/null || fail "tiny does not use lambwire"
    cargo build -q --profile bootstrap -p tiny
    scripts/static.sh "${CARGO_TARGET_DIR:-target}/bootstrap/tiny:$TINY_BYTES"
}

dependencies() {
    cargo tree -q -p lambwire -e normal,no-proc-macro --target all --prefix none --no-dedupe -f '{p} {f}' |
        sed -E '/^lambwire v/d; s/ v[0-9][^ ]*//; s/ +$//' | LC_ALL=C sort -u
}

fail() {
    echo "nostd.sh: $*" >&2
    exit 1
}

main "$@"
