#!/usr/bin/env bash
# Deno 2.9.6 cannot read a descriptor that it has inherited: node:fs says EBADF for each but 0 to 2, though the descriptor is
# open, and /proc/self/fd/3 opens it once more. Node and Bun read it. Seen on 29 November 2026:
#
#     bun: 6 bytes
#     deno: EBADF
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" deno@2.9.6 bun@1.4.5
cat >"$root/read.mjs" <<'J'
import { readSync } from "node:fs";
try {
  console.log(`${readSync(3, new Uint8Array(10), 0, 10, null)} bytes`);
} catch (error) {
  console.log(error.code);
}
J
bin=$root/node_modules/.bin
seen="bun: $(echo hello | "$bin/bun" run "$root/read.mjs" 3<&0)
deno: $(echo hello | "$bin/deno" run -A "$root/read.mjs" 3<&0)"
echo "$seen"
[ "$seen" = "bun: 6 bytes
deno: EBADF" ] || { echo "this has changed" >&2; exit 1; }
