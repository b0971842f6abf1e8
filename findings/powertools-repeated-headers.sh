#!/usr/bin/env bash
# The event handler of Powertools for TypeScript 2.35.0 loses a request's header that is repeated with a value that contains it, and
# changes the order of the others: it begins with the last value, which API Gateway's REST API has in `headers`, and adds those of
# `multiValueHeaders` that are not part of what it has. So an address of X-Forwarded-For is gone beside one that begins with it,
# and the last, which is the nearest, comes first. hono 4.13.19 keeps them. Seen on 29 November 2026 with Node 20.20.2:
#
#     sent: a, b, c
#     hono: a, b, c
#     Powertools: c, a, b
#     sent: 10.0.0.1, 10.0.0.12
#     hono: 10.0.0.1, 10.0.0.12
#     Powertools: 10.0.0.12
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" @aws-lambda-powertools/event-handler@2.35.0 hono@4.13.19
cat >"$root/headers.mjs" <<'J'
import { Router } from "@aws-lambda-powertools/event-handler/http";
import { Hono } from "hono";
import { handle } from "hono/aws-lambda";

const hono = new Hono();
hono.get("/", (c) => c.text(c.req.header("X-Forwarded-For")));
const router = new Router();
router.get("/", ({ req }) => new Response(req.headers.get("X-Forwarded-For")));
for (const sent of [["a", "b", "c"], ["10.0.0.1", "10.0.0.12"]]) {
  const event = {
    resource: "/", path: "/", httpMethod: "GET", body: null, isBase64Encoded: false,
    headers: { Host: "host", "X-Forwarded-For": sent.at(-1) }, multiValueHeaders: { Host: ["host"], "X-Forwarded-For": sent },
    queryStringParameters: null, multiValueQueryStringParameters: null, pathParameters: null, stageVariables: null,
    requestContext: { stage: "test", domainName: "host", path: "/", httpMethod: "GET", identity: {} },
  };
  console.log(`sent: ${sent.join(", ")}`);
  console.log(`hono: ${(await handle(hono)(event, {})).body}`);
  console.log(`Powertools: ${(await router.resolve(event, {})).body}`);
}
J
seen=$(node "$root/headers.mjs")
echo "$seen"
[ "$seen" = "sent: a, b, c
hono: a, b, c
Powertools: c, a, b
sent: 10.0.0.1, 10.0.0.12
hono: 10.0.0.1, 10.0.0.12
Powertools: 10.0.0.12" ] || { echo "this has changed" >&2; exit 1; }
