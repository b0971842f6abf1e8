"""Runs libraries that make handlers, unchanged, under the bootstrap and under AWS's own client, and compares:
`test_libraries_node.py EMULATOR BOOTSTRAP RIC PLACE [NAME...]`, where PLACE has the packages and the handlers, and RIC is the
directory of aws-lambda-ric; names of handlers run these alone.
"""

import json
import os
import re
import sys
from pathlib import Path

from emulated import Emulated, without_secrets
from test_rie import check

PAGE = Path(__file__).parent.parent / "docs" / "languages" / "node.md"


def request(path, method="GET", body=None, query=""):
    """An event of a function URL, or of API Gateway's HTTP API."""
    headers = {"host": "example.com", "x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
    event = {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "isBase64Encoded": False,
        "headers": {**headers, "content-type": "application/json"} if body else headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "example.com", "requestId": "request", "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "1.2.3.4", "userAgent": "test"},
        },
    }  # fmt: skip
    if query:
        event["queryStringParameters"] = dict(pair.split("=") for pair in query.split("&"))
    return json.dumps({**event, "body": body} if body else event)


HELLO = request("/hello", query="name=Ada")
ECHO = request("/echo", "POST", '{"a":[1,"é"]}')
BYTES, FAILS, MISSING, STREAM = (request(path) for path in ("/bytes", "/fails", "/missing", "/stream"))
QUERY = request("/", "POST", '{"query":"{ hello(name: \\"Ada\\") }"}')
PROCEDURE, FAILING_PROCEDURE = request("/hello", query="input=%22Ada%22"), request("/fails")

# A handler, and its events, each of which comes twice. Each of them has its answer in it, as text that both must give.
HANDLERS = {
    "express.codegenie": [(HELLO, "express"), (ECHO, "201"), (BYTES, "AP8B"), (FAILS, "in a route"), (MISSING, "404")],
    "express.vendia": [(HELLO, "express"), (ECHO, "201"), (BYTES, "AP8B"), (FAILS, "in a route"), (MISSING, "404")],
    "express.vendia_callback": [(HELLO, "express"), (ECHO, "201")],
    "express.serverless_http": [(HELLO, "express"), (ECHO, "201"), (BYTES, "AP8B"), (FAILS, "in a route"), (MISSING, "404")],
    "hono.buffered": [(HELLO, "hono"), (ECHO, "201"), (BYTES, "AP8B"), (request("/id"), "string"), (MISSING, "404")],
    "hono.streamed": [(HELLO, "hono"), (ECHO, "201"), (STREAM, "one two three"), (MISSING, "404")],
    "fastify.promised": [(HELLO, "fastify"), (ECHO, "201"), (MISSING, "404")],
    "fastify.callback": [(HELLO, "fastify"), (ECHO, "201"), (MISSING, "404")],
    "fastify.streamed": [(HELLO, "fastify"), (STREAM, "one two three"), (MISSING, "404")],
    "middy.buffered": [(HELLO, "seen"), (ECHO, "got"), (FAILS, "in a handler")],
    "middy.streamed": [(HELLO, "one two true")],
    "powertools.handler": [(HELLO, "root")],
    "xray.handler": [(HELLO, "part")],
    "lambda_api.handler": [(HELLO, "lambda-api"), (ECHO, "201"), (FAILS, "in a route"), (MISSING, "404")],
    "lambda_api.callback": [(HELLO, "lambda-api"), (ECHO, "201")],
    "apollo.handler": [(QUERY, "hello Ada")],
    "trpc.buffered": [(PROCEDURE, "trpc"), (FAILING_PROCEDURE, "in a procedure"), (MISSING, "404")],
    "trpc.streamed": [(PROCEDURE, "trpc"), (MISSING, "404")],
}
# In production no library puts stacks into its answers.
VARIABLES = {"NODE_ENV": "production", "AWS_XRAY_CONTEXT_MISSING": "IGNORE_ERROR"}
TRACE = {"X-Amzn-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"}


def alike(reply):
    """A reply without what is another each time, or names the client."""
    text = without_secrets(json.dumps(reply))
    text = re.sub(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "DATE", text)
    return re.sub(r"\\+u0000", "NUL", text)


def outcome(emulator, command, name, events, place):
    with Emulated(emulator, command, name, VARIABLES, place) as running:
        return [alike(running.invoke(event, TRACE)) for event, _ in events for _ in range(2)]


def main(emulator, bootstrap, ric, place, *names):
    emulator, bootstrap, ric, place = map(os.path.abspath, (emulator, bootstrap, ric, place))
    os.chdir(place)
    chosen = {name: events for name, events in HANDLERS.items() if not names or name in names}
    for name, events in chosen.items():
        theirs = outcome(emulator, ["node", Path(ric, "bin", "index.mjs"), name], name, events, place)
        ours = outcome(emulator, [bootstrap, name], name, events, place)
        check(name, ours, theirs)
        expected = [part for _, part in events for _ in range(2)]
        check(f"{name}: answers", [part if part in reply else reply for part, reply in zip(expected, ours)], expected)
        print(f"{name}: {len(events)} events ... as on AWS", flush=True)
    if not names:
        listed = re.findall(r"`(\w+\.\w+)`", PAGE.read_text().split("## Libraries")[1].split("\n## ")[0])
        check("handlers in docs/languages/node.md", sorted(listed), sorted(HANDLERS))
    print(f"{len(chosen)} passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
