#!/usr/bin/env bash
# aws-lambda-ric 3.3.0 fails for a handler that returns an object with `then` and without `catch`, which `await` would take: it
# calls `.then(...).catch(...)` on it, and what its `then` returns need have no `catch`. Seen on 29 November 2026 with Node 20.20.2:
#
#     await: well
#     aws-lambda-ric: an error of type TypeError
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" aws-lambda-ric@3.3.0
cat >"$root/app.js" <<'J'
exports.handler = () => ({ then: (resolve) => { setTimeout(() => resolve("well"), 1); } });
J
export LAMBDA_TASK_ROOT=$root
cd "$root"
awaited=$(node -e 'require("./app.js").handler().then((value) => console.log(`await: ${value}`))')
answer=$(node "$here/runtime_api.mjs" node "$root/node_modules/aws-lambda-ric/bin/index.mjs" app.handler)
echo "$awaited"
echo "aws-lambda-ric, ${answer:0:200}"
[[ $awaited = "await: well" && $answer = error:*TypeError* ]] || { echo "this has changed" >&2; exit 1; }
