"""An extension that collects telemetry by HTTP or TCP, as `COLLECTS` says: what it hears goes into the file `HEARD`, a line each."""

import json
import os
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer

API = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"]


def hear(line):
    with open(os.environ["HEARD"], "a") as heard:
        heard.write(line + "\n")


def record(entry):
    kind, about = entry["type"].removeprefix("platform."), entry["record"]
    if kind == "function":
        hear(f"function {about.rstrip()}")
    elif kind in ("runtimeDone", "report"):
        hear(f"{kind} {about['requestId']} {about['status'].capitalize()}")
    elif kind == "start":
        hear(f"start {about['requestId']}")
    elif kind == "initRuntimeDone":
        hear(f"initRuntimeDone {about['status'].capitalize()}")
    elif kind == "logsDropped":
        hear(f"dropped {about['droppedRecords']}")


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        for entry in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            record(entry)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Lines(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            record(json.loads(line))


def ask(method, path, body=None, **headers):
    headers = {f"Lambda-Extension-{name}": value for name, value in headers.items()}
    data = body if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(API + path, data, headers, method=method)) as reply:
        return reply.headers, reply.read()


def main():
    is_http = os.environ["COLLECTS"] == "HTTP"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Http) if is_http else ThreadingTCPServer(("127.0.0.1", 0), Lines)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    headers, _ = ask("POST", "/2020-01-01/extension/register", {"events": ["INVOKE", "SHUTDOWN"]}, Name="watcher")
    identifier = headers["Lambda-Extension-Identifier"]
    to = {"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{port}"} if is_http else {"protocol": "TCP", "port": port}
    wish = {"schemaVersion": "2022-12-13", "types": ["platform", "function"], "destination": to}
    wish["buffering"] = {"timeoutMs": 25, "maxItems": 1000, "maxBytes": 262144}
    ask("PUT", "/2022-07-01/telemetry", wish, Identifier=identifier)
    while True:
        _, body = ask("GET", "/2020-01-01/extension/event/next", Identifier=identifier)
        event = json.loads(body)
        if event["eventType"] == "SHUTDOWN":
            hear(f"SHUTDOWN {event['shutdownReason']}")
            return
        hear(f"INVOKE {event['requestId']}")


main()
