#!/usr/bin/env bash
# Counts `unsafe` in the project's own code, and fails where it is not at home.
set -euo pipefail
cd "$(dirname "$0")/.."

HOMES='^(crates/lambwire-ffi|examples/tiny)/'

# In comments it is only spoken of.
found=$(git ls-files '*.rs' | xargs grep -nHw unsafe | grep -vE '^[^:]+:[0-9]+: *//' || true)
home=$(grep -cE "$HOMES" <<<"$found" || true)
astray=$(grep -vE "$HOMES" <<<"$found" || true)
echo "unsafe: $home in its homes, $(grep -c . <<<"$astray" || true) elsewhere"
if [ -n "$astray" ]; then
    echo "$astray" >&2
    exit 1
fi
