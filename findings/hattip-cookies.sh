#!/usr/bin/env bash
# @hattip/adapter-aws-lambda 0.0.49 does not hand on the cookies of a request: payload format 2.0 has them in `cookies`, and not
# among `headers`, which alone it reads. srvx 1.0.8 makes the header of them. Seen on 30 November 2026 with Node 20:
#
#     srvx: a=1; b=2
#     hattip: null
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" srvx@1.0.8 @hattip/adapter-aws-lambda@0.0.49
cat >"$root/ask.mjs" <<'J'
import { toLambdaHandler } from "srvx/aws-lambda";
import hattip from "@hattip/adapter-aws-lambda";

const event = {
  version: "2.0", routeKey: "$default", rawPath: "/", rawQueryString: "", cookies: ["a=1", "b=2"], headers: { host: "example.com" },
  requestContext: { accountId: "1", apiId: "a", domainName: "example.com", requestId: "r", routeKey: "$default", stage: "$default",
    http: { method: "GET", path: "/", protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "u" } },
  isBase64Encoded: false,
};
const tell = (request) => Response.json(request.headers.get("cookie"));
const { body } = await toLambdaHandler({ fetch: tell })(event, {});
console.log("srvx:", JSON.parse(body));
const answer = await hattip(({ request }) => tell(request))(event, {});
console.log("hattip:", JSON.parse(Buffer.from(answer.body, answer.isBase64Encoded ? "base64" : "utf8")));
J
seen=$(node "$root/ask.mjs")
echo "$seen"
[ "$seen" = "srvx: a=1; b=2
hattip: null" ] || { echo "this has changed" >&2; exit 1; }
