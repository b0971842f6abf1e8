#!/usr/bin/env bash
# @h4ad/serverless-adapter 4.4.0 gives an Express application the names of headers as a REST API writes them, in upper and lower
# case, where Node has them in lower case: req.get("content-type") is undefined, and express.json() reads no body, without an
# error. `lowercaseRequestHeaders` mends it, and is off. What comes by payload format 2.0 has lower case already, so a function
# that is moved from an HTTP API to a REST API loses its bodies. Seen on 30 November 2026 with Express 5.3.0 by Node 20:
#
#     format 2.0: application/json, {"a":1}
#     format 1.0: undefined, not read
#     format 1.0, lowercaseRequestHeaders: application/json, {"a":1}
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" @h4ad/serverless-adapter@4.4.0 express@5.3.0
cat >"$root/ask.cjs" <<'J'
const express = require("express");
const { ServerlessAdapter } = require("@h4ad/serverless-adapter");
const { ApiGatewayV1Adapter, ApiGatewayV2Adapter } = require("@h4ad/serverless-adapter/adapters/aws");
const { ExpressFramework } = require("@h4ad/serverless-adapter/frameworks/express");
const { DefaultHandler } = require("@h4ad/serverless-adapter/handlers/default");
const { PromiseResolver } = require("@h4ad/serverless-adapter/resolvers/promise");

const app = express();
app.use(express.json());
app.post("/", (request, response) => {
  const body = Buffer.isBuffer(request.body) ? "not read" : JSON.stringify(request.body);
  response.send(`${request.get("content-type")}, ${body}`);
});
const handler = (adapter) =>
  ServerlessAdapter.new(app).setFramework(new ExpressFramework()).setHandler(new DefaultHandler()).setResolver(new PromiseResolver()).addAdapter(adapter).build();
const context = { accountId: "1", apiId: "a", domainName: "example.com", requestId: "r" };
const common = { body: '{"a":1}', isBase64Encoded: false };
const second = {
  ...common, version: "2.0", routeKey: "$default", rawPath: "/", rawQueryString: "", headers: { "content-type": "application/json" },
  requestContext: { ...context, routeKey: "$default", stage: "$default", http: { method: "POST", path: "/", protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "u" } },
};
const first = {
  ...common, resource: "/", path: "/", httpMethod: "POST", headers: { "Content-Type": "application/json" },
  multiValueHeaders: { "Content-Type": ["application/json"] }, queryStringParameters: null, multiValueQueryStringParameters: null,
  requestContext: { ...context, httpMethod: "POST", identity: { sourceIp: "192.0.2.1" }, path: "/", protocol: "HTTP/1.1", stage: "prod" },
};
(async () => {
  console.log("format 2.0:", (await handler(new ApiGatewayV2Adapter())(second, {})).body);
  console.log("format 1.0:", (await handler(new ApiGatewayV1Adapter())(first, {})).body);
  console.log("format 1.0, lowercaseRequestHeaders:", (await handler(new ApiGatewayV1Adapter({ lowercaseRequestHeaders: true }))(first, {})).body);
})();
J
seen=$(node "$root/ask.cjs")
echo "$seen"
[ "$seen" = 'format 2.0: application/json, {"a":1}
format 1.0: undefined, not read
format 1.0, lowercaseRequestHeaders: application/json, {"a":1}' ] || { echo "this has changed" >&2; exit 1; }
