#!/usr/bin/env bash
# srvx 1.0.8 reads a compressed answer as UTF-8 text on Lambda if its media type is a text: it looks at content-type, and not
# at content-encoding. So what a framework on it has compressed, the browser cannot read. The same happens to text in another
# charset. @hattip/adapter-aws-lambda 0.0.49 encodes both as base64. Seen on 30 November 2026 with Node 20:
#
#     srvx: compressed text: not base64, not what was sent
#     srvx: ISO-8859-1: not base64, not what was sent
#     srvx: octets: base64, what was sent
#     hattip: compressed text: base64, what was sent
#     hattip: ISO-8859-1: base64, what was sent
#     hattip: octets: base64, what was sent
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" srvx@1.0.8 @hattip/adapter-aws-lambda@0.0.49
cat >"$root/answer.mjs" <<'J'
import { gzipSync } from "node:zlib";
import { toLambdaHandler } from "srvx/aws-lambda";
import hattip from "@hattip/adapter-aws-lambda";

const answers = {
  "compressed text": [gzipSync("hello"), { "content-type": "text/plain", "content-encoding": "gzip" }],
  "ISO-8859-1": [Buffer.from("é", "latin1"), { "content-type": "text/plain; charset=iso-8859-1" }],
  octets: [Buffer.from([0, 255, 254]), { "content-type": "application/octet-stream" }],
};
const event = {
  version: "2.0", routeKey: "$default", rawPath: "/", rawQueryString: "", headers: { host: "example.com" }, isBase64Encoded: false,
  requestContext: { accountId: "1", apiId: "a", domainName: "example.com", requestId: "r", routeKey: "$default", stage: "$default",
    http: { method: "GET", path: "/", protocol: "HTTP/1.1", sourceIp: "192.0.2.1", userAgent: "u" } },
};
for (const library of ["srvx", "hattip"]) {
  for (const [what, [bytes, headers]] of Object.entries(answers)) {
    const respond = () => new Response(bytes, { headers });
    const handler = library === "srvx" ? toLambdaHandler({ fetch: respond }) : hattip(respond);
    const { body, isBase64Encoded } = await handler(event, {});
    const isSame = Buffer.from(body, isBase64Encoded ? "base64" : "utf8").equals(bytes);
    console.log(`${library}: ${what}: ${isBase64Encoded ? "" : "not "}base64, ${isSame ? "" : "not "}what was sent`);
  }
}
J
seen=$(node "$root/answer.mjs")
echo "$seen"
[ "$seen" = "srvx: compressed text: not base64, not what was sent
srvx: ISO-8859-1: not base64, not what was sent
srvx: octets: base64, what was sent
hattip: compressed text: base64, what was sent
hattip: ISO-8859-1: base64, what was sent
hattip: octets: base64, what was sent" ] || { echo "this has changed" >&2; exit 1; }
