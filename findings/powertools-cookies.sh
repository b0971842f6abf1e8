#!/usr/bin/env bash
# The event handler of Powertools for TypeScript 2.35.0 loses cookies: of several that a Response sets, the last is kept, and one with
# `Expires` is cut at the comma of its date into two, of which the second, "21 Oct 2026 07:28:00 GMT", has no name. Fetch's standard
# has Set-Cookie be the header that is neither merged nor split, and hono 4.13.19 keeps both cookies whole. So a cookie that
# should outlive the browser does not, and a session is gone that is set beside a preference. Seen on 29 November 2026 with Node
# 20.20.2, in the same way for HTTP API (`cookies`) and REST API (`headers`, `multiValueHeaders`):
#
#     2.0, hono: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT
#     2.0, Powertools: a=1; Expires=Wed | 21 Oct 2026 07:28:00 GMT
#     2.0, hono: a=1 | b=2
#     2.0, Powertools: b=2
#     1.0, hono: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT
#     1.0, Powertools: a=1; Expires=Wed | 21 Oct 2026 07:28:00 GMT
#     1.0, hono: a=1 | b=2
#     1.0, Powertools: b=2
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" @aws-lambda-powertools/event-handler@2.35.0 hono@4.13.19
cat >"$root/cookies.mjs" <<'J'
import { Router } from "@aws-lambda-powertools/event-handler/http";
import { Hono } from "hono";
import { handle } from "hono/aws-lambda";

const events = {
  "2.0": {
    version: "2.0", routeKey: "$default", rawPath: "/", rawQueryString: "", headers: { host: "host" }, isBase64Encoded: false,
    requestContext: { stage: "$default", domainName: "host", http: { method: "GET", path: "/" } },
  },
  "1.0": {
    resource: "/", path: "/", httpMethod: "GET", body: null, isBase64Encoded: false, headers: { Host: "host" },
    multiValueHeaders: { Host: ["host"] }, queryStringParameters: null, multiValueQueryStringParameters: null,
    pathParameters: null, stageVariables: null,
    requestContext: { stage: "test", domainName: "host", path: "/", httpMethod: "GET", identity: {} },
  },
};
const set = ({ headers, multiValueHeaders, cookies }) =>
  (cookies ?? multiValueHeaders?.["set-cookie"] ?? [headers["set-cookie"]]).join(" | ");
for (const [version, event] of Object.entries(events)) {
  for (const cookies of [["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"], ["a=1", "b=2"]]) {
    const answer = () => new Response("", { headers: cookies.map((cookie) => ["Set-Cookie", cookie]) });
    const hono = new Hono();
    hono.get("/", answer);
    const router = new Router();
    router.get("/", answer);
    console.log(`${version}, hono: ${set(await handle(hono)(event, {}))}`);
    console.log(`${version}, Powertools: ${set(await router.resolve(event, {}))}`);
  }
}
J
seen=$(node "$root/cookies.mjs")
echo "$seen"
[ "$seen" = "2.0, hono: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT
2.0, Powertools: a=1; Expires=Wed | 21 Oct 2026 07:28:00 GMT
2.0, hono: a=1 | b=2
2.0, Powertools: b=2
1.0, hono: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT
1.0, Powertools: a=1; Expires=Wed | 21 Oct 2026 07:28:00 GMT
1.0, hono: a=1 | b=2
1.0, Powertools: b=2" ] || { echo "this has changed" >&2; exit 1; }
