#!/usr/bin/env bash
# @codegenie/serverless-express 4.17.1 and 5.0.0 answer 500 for a request that no route of an Express application takes, where
# the application by itself answers 404: what ends such a request waits for the socket of it, and the one that the library has
# in its place cannot be waited for ("ee.on is not a function"). With express.json() and a body, which has been read by then,
# it is 404. Seen on 30 November 2026 with Express 5.3.0 by Node 20.20.2:
#
#     express: GET /missing 404
#     serverless-express: GET / 200
#     serverless-express: GET /missing 500
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" @codegenie/serverless-express@5.0.0 express@5.3.0
cat >"$root/ask.cjs" <<'J'
const express = require("express");
const serverlessExpress = require("@codegenie/serverless-express");
const app = express();
app.get("/", (_, response) => response.send("home"));
const handler = serverlessExpress({ app });
const event = (path) => ({
  version: "2.0", routeKey: "$default", rawPath: path, rawQueryString: "", headers: { host: "example.com" }, isBase64Encoded: false,
  requestContext: { accountId: "1", apiId: "a", domainName: "example.com", requestId: "r", routeKey: "$default", stage: "$default",
    http: { method: "GET", path, protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "u" } },
});
console.error = () => {};
const server = app.listen(0, "127.0.0.1", async () => {
  const plain = await fetch(`http://127.0.0.1:${server.address().port}/missing`);
  console.log("express: GET /missing", plain.status);
  for (const path of ["/", "/missing"]) console.log(`serverless-express: GET ${path}`, (await handler(event(path), {})).statusCode);
  process.exit();
});
J
seen=$(node "$root/ask.cjs")
echo "$seen"
[ "$seen" = "express: GET /missing 404
serverless-express: GET / 200
serverless-express: GET /missing 500" ] || { echo "this has changed" >&2; exit 1; }
