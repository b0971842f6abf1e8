#!/usr/bin/env bash
# The workers of examples/workers, over two pipes and under the bootstrap. Names of folders there choose some.
set -euo pipefail
cd "$(dirname "$0")/.."

DENO=2.9.6
BUN=1.4.5
scripts/install.sh python3 more-languages
tools=$PWD/.tools/javascript
if ! [ -x "$tools/node_modules/.bin/deno" ] || ! [ -x "$tools/node_modules/.bin/bun" ]; then
    npm install --silent --prefix "$tools" "deno@$DENO" "bun@$BUN" >&2
fi
cargo build -q --release -p bootstrap
export PATH="$tools/node_modules/.bin:$PATH"
[ $# -gt 0 ] || set -- bun deno elixir guile r tcl
bootstrap=$(realpath "${CARGO_TARGET_DIR:-target}/release/bootstrap")
python3 scripts/test_more_languages.py "$bootstrap" "$@"
python3 scripts/test_inherited.py "$bootstrap" "$@"
for language; do
    # R has no handlers of signals.
    [ "$language" = r ] || python3 scripts/test_sigterm.py "$bootstrap" 8 "$language"
done
