#!/usr/bin/env bash
# The event handler of Powertools for TypeScript 2.35.0 hands on a binary request body as text: it decodes base64, and then UTF-8, so
# that each byte which is none becomes U+FFFD. An upload arrives longer than it was sent, and nothing says so; gateways set
# `isBase64Encoded` for just such bodies. What a handler answers is binary if its type is. hono 4.13.19 keeps the bytes. Seen on 29
# November 2026 with Node 20.20.2:
#
#     sent: 89504e470d0a1a0a
#     hono: 89504e470d0a1a0a
#     Powertools: efbfbd504e470d0a1a0a
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" @aws-lambda-powertools/event-handler@2.35.0 hono@4.13.19
cat >"$root/upload.mjs" <<'J'
import { Router } from "@aws-lambda-powertools/event-handler/http";
import { Hono } from "hono";
import { handle } from "hono/aws-lambda";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const png = Buffer.from("89504e470d0a1a0a", "hex");
const event = {
  version: "2.0", routeKey: "$default", rawPath: "/", rawQueryString: "", headers: { host: "host", "content-type": "image/png" },
  requestContext: { stage: "$default", domainName: "host", http: { method: "POST", path: "/" } },
  body: png.toString("base64"), isBase64Encoded: true,
};
const hono = new Hono();
hono.post("/", async (c) => c.text(hex(await c.req.arrayBuffer())));
const router = new Router();
router.post("/", async ({ req }) => new Response(hex(await req.arrayBuffer())));
console.log(`sent: ${hex(png)}`);
console.log(`hono: ${(await handle(hono)(event, {})).body}`);
console.log(`Powertools: ${(await router.resolve(event, {})).body}`);
J
seen=$(node "$root/upload.mjs")
echo "$seen"
[ "$seen" = "sent: 89504e470d0a1a0a
hono: 89504e470d0a1a0a
Powertools: efbfbd504e470d0a1a0a" ] || { echo "this has changed" >&2; exit 1; }
