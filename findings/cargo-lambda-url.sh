#!/usr/bin/env bash
# cargo-lambda 1.9.2 answers 500 at a function's URL when the function's answer has no `cookies`: it is read as a structure of
# aws_lambda_events, in which they are not optional, and lambda_http always writes them. AWS's own examples leave them out, and its
# documentation takes an answer without a `statusCode` for a body. The event is such a structure, too: a POST has "httpMethod": "GET"
# beside its method, which format 2.0 does not have and by which format 1.0 is told, `timeEpoch` counts seconds, not milliseconds,
# and of a header's two values, which AWS joins by a comma, the first is there. Hit are functions in other languages. Seen on 29
# November 2026:
#
#     with cookies: 200
#     without: 500
#     any JSON: 500
#     method POST, httpMethod GET
#     timeEpoch of 10 digits
#     x-a: 1
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --target "$root" cargo-lambda==1.9.2
mkdir "$root/src"
echo 'fn main() {}' >"$root/src/main.rs"
printf '[package]\nname = "function"\nversion = "0.1.0"\nedition = "2021"\n' >"$root/Cargo.toml"
cat >"$root/call.py" <<'P'
import http.client
import json
import socket
import subprocess
import sys
import threading
import time

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
watch = ["lambda", "watch", "--only-lambda-apis", "--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
server = subprocess.Popen([sys.argv[1], *watch], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def send(method, path, body="", headers=()):
    """In one write: what comes in two is at times not read."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connections.append(connection)  # an answer is read as long as its connection is open
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    return response, response.read()


def serve(answer):
    reply, event = send("GET", "/.rt/2018-06-01/runtime/invocation/next")
    request_id = reply.getheader("Lambda-Runtime-Aws-Request-Id")
    send("POST", f"/.rt/2018-06-01/runtime/invocation/{request_id}/response", json.dumps(answer))
    events.append(json.loads(event))


try:
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    connections, events = [], []
    answer = {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "text"}
    for name, given in {"with cookies": {**answer, "cookies": []}, "without": answer, "any JSON": {"a": 1}}.items():
        function = threading.Thread(target=serve, args=[given])
        function.start()
        reply, _ = send("POST", "/lambda-url/_/", "body", ["X-A: 1", "X-A: 2"])
        function.join()
        print(f"{name}: {reply.status}")
    context = events[0]["requestContext"]
    print(f"method {context['http']['method']}, httpMethod {events[0]['httpMethod']}")
    print(f"timeEpoch of {len(str(context['timeEpoch']))} digits")
    print("x-a:", events[0]["headers"]["x-a"])
finally:
    server.kill()
    server.wait()
P
cd "$root"
seen=$(python3 call.py "$root/bin/cargo-lambda")
echo "$seen"
[ "$seen" = "with cookies: 200
without: 500
any JSON: 500
method POST, httpMethod GET
timeEpoch of 10 digits
x-a: 1" ] || { echo "this has changed" >&2; exit 1; }
