#!/usr/bin/env bash
# hono 4.13.19 and Powertools for TypeScript 2.35.0 drop the byte order mark that a text answer begins with: they take the body out of
# a Response by `text()`, which decodes UTF-8, and the Fetch standard's decoder removes the mark. A CSV that is made for Excel, which
# takes a file without it for one of the machine's code page, arrives without. The same app on a server of its own keeps it, as
# express does by serverless-http 4.0.0. Seen on 29 November 2026 with Node 20.20.2:
#
#     hono alone: efbbbf612c62
#     hono: 612c62
#     Powertools: 612c62
#     serverless-http: efbbbf612c62
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" hono@4.13.19 @aws-lambda-powertools/event-handler@2.35.0 \
    serverless-http@4.0.0 express@5.3.0
cat >"$root/csv.mjs" <<'J'
import { Router } from "@aws-lambda-powertools/event-handler/http";
import express from "express";
import { Hono } from "hono";
import { handle } from "hono/aws-lambda";
import serverless from "serverless-http";

const csv = "\ufeffa,b";
const headers = { "content-type": "text/csv; charset=utf-8" };
const event = {
  version: "2.0", routeKey: "$default", rawPath: "/", rawQueryString: "", headers: { host: "host" }, isBase64Encoded: false,
  requestContext: { stage: "$default", domainName: "host", http: { method: "GET", path: "/" } },
};
const hono = new Hono();
hono.get("/", (c) => c.body(csv, 200, headers));
const router = new Router();
router.get("/", () => ({ statusCode: 200, headers, body: csv }));
const app = express();
app.get("/", (request, response) => response.set(headers).send(csv));
const show = (name, body, encoding) => console.log(`${name}: ${Buffer.from(body, encoding).toString("hex")}`);
show("hono alone", await (await hono.request("/")).arrayBuffer());
const adapters = { hono: handle(hono), Powertools: (...call) => router.resolve(...call), "serverless-http": serverless(app) };
for (const [name, adapter] of Object.entries(adapters)) {
  const { body, isBase64Encoded } = await adapter(event, {});
  show(name, body, isBase64Encoded ? "base64" : "utf8");
}
J
seen=$(node "$root/csv.mjs")
echo "$seen"
[ "$seen" = "hono alone: efbbbf612c62
hono: 612c62
Powertools: 612c62
serverless-http: efbbbf612c62" ] || { echo "this has changed" >&2; exit 1; }
