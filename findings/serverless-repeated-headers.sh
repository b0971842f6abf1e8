#!/usr/bin/env bash
# serverless-http 4.0.0 for Node and serverless-wsgi 3.1.0 for Python keep the last value of a header that a request has twice. Both
# are given all of them: API Gateway's REST API has them in `multiValueHeaders`, beside the last in `headers`. serverless-http
# reads both, and the second over the first, so that the first counts for a load balancer alone. Hit are Accept, Forwarded,
# Via and Cookie in pieces. Mangum 0.22.0 keeps them. Seen on 29 November 2026 with Node 20.20.2 and CPython 3.11.7:
#
#     serverless-http: b
#     serverless-wsgi: b
#     Mangum: a, b
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" serverless-http@4.0.0 express@5.3.0
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$root" \
    serverless-wsgi==3.1.0 mangum==0.22.0
cat >"$root/event.json" <<'J'
{
  "resource": "/", "path": "/", "httpMethod": "GET", "body": null, "isBase64Encoded": false,
  "headers": {"Host": "host", "Via": "b"}, "multiValueHeaders": {"Host": ["host"], "Via": ["a", "b"]},
  "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": null, "stageVariables": null,
  "requestContext": {"stage": "test", "path": "/", "httpMethod": "GET", "identity": {"sourceIp": "127.0.0.1"}}
}
J
cat >"$root/via.js" <<'J'
const app = require("express")();
app.get("/", (request, response) => response.send(request.headers.via));
const event = { ...require("./event.json"), body: "" };
require("serverless-http")(app)(event, {}).then(({ body }) => console.log(`serverless-http: ${body}`));
J
cat >"$root/via.py" <<'P'
import json
import sys

from mangum import Mangum
from serverless_wsgi import handle_request


def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["HTTP_VIA"].encode()]


async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": dict(scope["headers"])[b"via"]})


with open(sys.argv[1]) as file:
    event = json.load(file)
print("serverless-wsgi:", handle_request(wsgi, event, None)["body"])
print("Mangum:", Mangum(asgi, lifespan="off")(event, None)["body"])
P
seen=$(node "$root/via.js" && PYTHONPATH=$root python3 "$root/via.py" "$root/event.json")
echo "$seen"
[ "$seen" = "serverless-http: b
serverless-wsgi: b
Mangum: a, b" ] || { echo "this has changed" >&2; exit 1; }
