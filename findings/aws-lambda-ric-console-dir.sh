#!/usr/bin/env bash
# aws-lambda-ric 3.3.0 writes what `console.dir` and `console.dirxml` are given as it stands where logs are JSON, among the lines
# of all other methods of the console, those of `console.table` included: a reader of one JSON object a line ends at it, and it
# has no level to be filtered by. Seen on 30 November 2026 with Node 20.20.2:
#
#     log: JSON
#     table: JSON
#     dir: { a: 1 }
#     dirxml: { a: 1 }
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" aws-lambda-ric@3.3.0
cat >"$root/app.js" <<'J'
exports.handler = async () => {
  const write = process.stdout.write;
  const seen = {};
  for (const method of ["log", "table", "dir", "dirxml"]) {
    process.stdout.write = (text) => (seen[method] = text.trimEnd());
    console[method]({ a: 1 });
  }
  process.stdout.write = write;
  return seen;
};
J
export AWS_LAMBDA_LOG_FORMAT=JSON LAMBDA_TASK_ROOT=$root
cd "$root"
seen=$(node "$here/runtime_api.mjs" node "$root/node_modules/aws-lambda-ric/bin/index.mjs" app.handler | sed 's/^response: //' | node -e '
    const seen = JSON.parse(require("fs").readFileSync(0));
    for (const [method, line] of Object.entries(seen)) {
        console.log(`${method}: ${line.startsWith("{\"timestamp\"") && JSON.parse(line) ? "JSON" : line}`);
    }')
echo "$seen"
[ "$seen" = 'log: JSON
table: JSON
dir: { a: 1 }
dirxml: { a: 1 }' ] || { echo "this has changed" >&2; exit 1; }
