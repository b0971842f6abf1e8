#!/usr/bin/env bash
# aws-lambda-ric 3.3.0 loses the status and the headers of a streaming answer that is ended without a `write`: what
# HttpResponseStream.from is given goes out with the first `write`, and not with `end`, with or without a body. An answer of 204
# becomes one of 200, as does one whose whole body is given to `end`. Seen on 29 November 2026 with Node 20.20.2 (a dot
# stands for a NUL):
#
#     write: response: {"statusCode":204}........body
#     end: response: body
#     none: response:
set -euo pipefail

here=$(dirname "$(realpath "$0")")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" aws-lambda-ric@3.3.0
cat >"$root/app.js" <<'J'
const answer = (finish) => awslambda.streamifyResponse(async (event, stream) => {
  finish(awslambda.HttpResponseStream.from(stream, { statusCode: 204 }));
});
exports.write = answer((stream) => { stream.write("body"); stream.end(); });
exports.end = answer((stream) => stream.end("body"));
exports.none = answer((stream) => stream.end());
J
export LAMBDA_TASK_ROOT=$root
cd "$root"
seen=$(for name in write end none; do
    echo "$name: $(node "$here/runtime_api.mjs" node "$root/node_modules/aws-lambda-ric/bin/index.mjs" "app.$name")"
done)
echo "$seen"
[ "$seen" = 'write: response: {"statusCode":204}........body
end: response: body
none: response: ' ] || { echo "this has changed" >&2; exit 1; }
