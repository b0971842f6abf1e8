#!/usr/bin/env bash
# Node 20 loses what was written to a pipe when process.exit is called: it waits for what a pipe holds, 64 KiB, and drops the
# rest. Node's documentation says that writes to pipes are synchronous on Linux, so that nothing should be left to lose; they
# are not where the pipe is full. Seen on 29 November 2026 with Node 20.20.2 of Debian and 20.9.0 of npm's package `node`:
#
#     300000 bytes were written, 65536 arrived
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" node@20.9.0
node=$root/node_modules/node/bin/node
"$node" --version
seen=$("$node" -e 'process.stdout.write("x".repeat(300000)); process.exit(0)' | { sleep 1; wc -c; })
echo "300000 bytes were written, $seen arrived"
[ "$seen" -eq 65536 ] || { echo "this has changed" >&2; exit 1; }
