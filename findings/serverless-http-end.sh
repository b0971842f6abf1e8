#!/usr/bin/env bash
# serverless-http 4.0.0 ends a request without a body twice: it emits `end` itself, so that who never reads sees it, and the stream
# does once it is read. Node's documentation has `end` come when there is no more to read. A handler that answers in it, as those on
# node:http do, answers each GET twice, and what it does is done twice. With a body `end` comes once. Seen on 29 November 2026 with
# Node 20.20.2:
#
#     GET: end came 2 times
#     POST: end came 1 times
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" serverless-http@4.0.0 express@5.3.0
cat >"$root/end.js" <<'J'
const serverless = require("serverless-http");
(async () => {
  for (const [method, body] of [["GET", ""], ["POST", "body"]]) {
    let times = 0;
    const app = require("express")();
    app.use((request, response) => {
      request.on("data", () => {});
      request.on("end", () => (times += 1));
      setTimeout(() => response.end(), 100);
    });
    const event = { version: "2.0", rawPath: "/", rawQueryString: "", headers: {}, body, isBase64Encoded: false };
    await serverless(app)({ ...event, requestContext: { http: { method } } }, {});
    console.log(`${method}: end came ${times} times`);
  }
})();
J
seen=$(node "$root/end.js")
echo "$seen"
[ "$seen" = "GET: end came 2 times
POST: end came 1 times" ] || { echo "this has changed" >&2; exit 1; }
