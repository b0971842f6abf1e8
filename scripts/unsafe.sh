#!/usr/bin/env bash
# Counts `unsafe` in the project's own code, and fails where it is not at home.
set -euo pipefail
cd "$(dirname "$0")/.."

HOMES='^(crates/lambwire-ffi|examples/tiny)/'

# In comments it is only spoken of, and `unsafe-inline` is a word of web pages.
found=$(git ls-files '*.rs' | xargs grep -nHP '\bunsafe\b(?!-)' | grep -vE '^[^:]+:[0-9]+: *//' || true)
home=$(grep -cE "$HOMES" <<<"$found" || true)
astray=$(grep -vE "$HOMES" <<<"$found" || true)
echo "unsafe: $home in its homes, $(grep -c . <<<"$astray" || true) elsewhere"
if [ -n "$astray" ]; then
    echo "$astray" >&2
    exit 1
fi
