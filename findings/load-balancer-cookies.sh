#!/usr/bin/env bash
# serverless-http 4.0.0 and @fastify/aws-lambda 6.4.1 lose every cookie of an answer that sets two, behind a load balancer whose
# target group has no multi-value headers, which is how one is made: one cookie arrives, of two none does. What has several values is
# taken out of `headers`; serverless-http drops it, and fastify's adapter puts it into `multiValueHeaders`, which AWS has a load
# balancer read only where they are turned on. Where they are, serverless-http sends another repeated header twice over, its
# values one by one and then once more as one. Seen on 29 November 2026 with Node 20.20.2:
#
#     serverless-http, one cookie: a=1
#     serverless-http, two cookies: none
#     fastify, one cookie: a=1
#     fastify, two cookies: none
#     serverless-http, multi-value, Link: <a> | <b> | <a>, <b>
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" serverless-http@4.0.0 express@5.3.0 @fastify/aws-lambda@6.4.1 fastify@5.12.8
cat >"$root/cookies.mjs" <<'J'
import fastifyAdapter from "@fastify/aws-lambda";
import express from "express";
import fastify from "fastify";
import serverless from "serverless-http";

const common = {
  requestContext: { elb: { targetGroupArn: "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/t/1" } },
  httpMethod: "GET", path: "/", body: "", isBase64Encoded: false,
};
const event = { ...common, headers: { host: "host" }, queryStringParameters: {} };
const multi = { ...common, multiValueHeaders: { host: ["host"] }, multiValueQueryStringParameters: {} };

const withExpress = (name, values) => {
  const app = express();
  app.get("/", (request, response) => response.set(name, values).send("text"));
  return serverless(app);
};
const withFastify = (name, values) => {
  const app = fastify();
  app.get("/", (request, reply) => reply.header(name, values).send("text"));
  return fastifyAdapter(app);
};
for (const [adapter, make] of [["serverless-http", withExpress], ["fastify", withFastify]]) {
  for (const [number, cookies] of [["one cookie", ["a=1"]], ["two cookies", ["a=1", "b=2"]]]) {
    const { headers } = await make("Set-Cookie", cookies.length > 1 ? cookies : cookies[0])({ ...event }, {});
    const arrived = Object.entries(headers).filter(([name]) => name.toLowerCase() === "set-cookie").map(([, value]) => value);
    console.log(`${adapter}, ${number}: ${arrived.join(" | ") || "none"}`);
  }
}
const { multiValueHeaders } = await withExpress("Link", ["<a>", "<b>"])(multi, {});
console.log(`serverless-http, multi-value, Link: ${multiValueHeaders.link.join(" | ")}`);
J
seen=$(node "$root/cookies.mjs")
echo "$seen"
[ "$seen" = "serverless-http, one cookie: a=1
serverless-http, two cookies: none
fastify, one cookie: a=1
fastify, two cookies: none
serverless-http, multi-value, Link: <a> | <b> | <a>, <b>" ] || { echo "this has changed" >&2; exit 1; }
