#!/usr/bin/env bash
# apig-wsgi 2.20.0 keeps the last value of a header that an answer repeats, for an HTTP API, a function's URL and a load balancer:
# its document speaks of several values for format 1.0 alone, and not of a loss. The format has no list for them, and RFC 9110
# allows them to be joined by a comma, as the same adapter joins those of a request. Hit are Link, Vary, WWW-Authenticate and
# Content-Security-Policy of two layers of middleware. Mangum 0.22.0 joins them. Seen on 29 November 2026 with CPython 3.11.7:
#
#     apig-wsgi, 1.0: Accept | Origin
#     apig-wsgi, 2.0: Origin
#     Mangum, 2.0: Accept,Origin
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$root" apig-wsgi==2.20.0 mangum==0.22.0
seen=$(PYTHONPATH=$root python3 - <<'P'
from apig_wsgi import make_lambda_handler
from mangum import Mangum

COMMON = {"headers": {"host": "host"}, "body": None, "isBase64Encoded": False}
V1 = {
    **COMMON, "resource": "/", "path": "/", "httpMethod": "GET", "multiValueHeaders": {"host": ["host"]},
    "queryStringParameters": None, "multiValueQueryStringParameters": None, "pathParameters": None, "stageVariables": None,
    "requestContext": {"stage": "test", "path": "/", "httpMethod": "GET", "identity": {"sourceIp": "127.0.0.1"}},
}
V2 = {
    **COMMON, "version": "2.0", "routeKey": "$default", "rawPath": "/", "rawQueryString": "",
    "requestContext": {
        "stage": "$default", "domainName": "host",
        "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
    },
}
HEADERS = [("content-type", "text/plain"), ("vary", "Accept"), ("vary", "Origin")]


def wsgi(environ, start_response):
    start_response("200 OK", HEADERS)
    return [b"text"]


async def asgi(scope, receive, send):
    headers = [(name.encode(), value.encode()) for name, value in HEADERS]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"text"})


handler = make_lambda_handler(wsgi)
print("apig-wsgi, 1.0:", " | ".join(handler(V1, None)["multiValueHeaders"]["vary"]))
print("apig-wsgi, 2.0:", handler(V2, None)["headers"]["vary"])
print("Mangum, 2.0:", Mangum(asgi, lifespan="off")(V2, None)["headers"]["vary"])
P
)
echo "$seen"
[ "$seen" = "apig-wsgi, 1.0: Accept | Origin
apig-wsgi, 2.0: Origin
Mangum, 2.0: Accept,Origin" ] || { echo "this has changed" >&2; exit 1; }
