"""Runs functions on AWS's own emulator: `test_rie.py RIE HELLO ECHO`, three paths of executables."""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time

PAYLOAD_BYTES = 6 * 1024 * 1024 + 100
SIZES = [0, 2, 2048, 2049, 1024 * 1024, PAYLOAD_BYTES]
PATH = "/2015-03-31/functions/function/invocations"


class Rie:
    """AWS's emulator with a function in it."""

    def __init__(self, rie, program, handler=""):
        self.front, runtime_api = free_port(), free_port()
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [
                rie,
                f"--runtime-interface-emulator-address=127.0.0.1:{self.front}",
                f"--runtime-api-address=127.0.0.1:{runtime_api}",
                program,
            ],
            env={**os.environ, "_HANDLER": handler, "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.connection = http.client.HTTPConnection("127.0.0.1", self.front, timeout=60)
        wait_for(self.front)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        self.process.wait()

    def invoke(self, event):
        self.connection.request("POST", PATH, body=event)
        reply = self.connection.getresponse()
        return reply.status, reply.read()

    def logged(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(500):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nobody listens on port {port}")


def check(what, got, expected):
    if got != expected:
        raise SystemExit(f"{what}: got {str(got)[:500]!r}, expected {str(expected)[:500]!r}")


def hello_greets_a_thousand_times(rie, hello, _):
    with Rie(rie, hello) as server:
        for number in range(1000):
            status, body = server.invoke(json.dumps({"name": f"caller {number}"}))
            check("status", status, 200)
            check("greeting", json.loads(body)["greeting"], f"Hello, caller {number}!")


def hello_reports_an_event_that_it_cannot_read(rie, hello, _):
    with Rie(rie, hello) as server:
        status, body = server.invoke("not json")
        check("status", status, 200)
        check("type", json.loads(body)["errorType"], "Function.BadEvent")
        status, body = server.invoke("{}")
        check("the next one", json.loads(body)["greeting"], "Hello, world!")


def events_come_back_byte_for_byte(rie, _, echo, handler="echo"):
    with Rie(rie, echo, handler) as server:
        for size in SIZES:
            event = random.Random(size).randbytes(size)
            check(f"{handler} of {size} bytes", server.invoke(event) == (200, event), True)


def events_are_streamed_back_byte_for_byte(rie, hello, echo):
    events_come_back_byte_for_byte(rie, hello, echo, "stream")


def a_streamed_http_answer_has_its_prelude(rie, _, echo):
    with Rie(rie, echo, "stream-http") as server:
        prelude = b'{"statusCode":201,"headers":{"content-type":"text/plain"},"cookies":["a=b"]}' + bytes(8)
        check("stream", server.invoke(b"hello"), (200, prelude + b"hello"))


def a_stream_that_fails_is_taken_and_the_next_one_works(rie, _, echo):
    # In this mode the emulator passes on what came before the trailers, and nothing else.
    with Rie(rie, echo, "stream-fail") as server:
        for event in [b"partial", b"again"]:
            check("stream", server.invoke(event), (200, event))
        check("complaints", server.logged().count("echo:"), 0)


def a_handled_error_arrives_whole(rie, _, echo):
    with Rie(rie, echo, "fail") as server:
        report = b'{"errorMessage":"told to fail","errorType":"Function.ToldToFail","stackTrace":["at answer","at run"]}'
        for _ in range(2):
            check("report", server.invoke("{}"), (200, report))


def an_init_error_arrives(rie, _, echo):
    with Rie(rie, echo, "init-error") as server:
        status, body = server.invoke("{}")
        check("status", status, 502)
        check("type", json.loads(body)["errorType"], "Function.InitError")


def an_oversize_answer_is_refused_before_it_is_sent(rie, _, echo):
    with Rie(rie, echo, "oversize") as server:
        for _ in range(2):
            status, body = server.invoke("{}")
            message = f"payload of {PAYLOAD_BYTES + 1} bytes, {PAYLOAD_BYTES} is the most"
            report = {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}
            check("report", (status, json.loads(body)), (200, report))
        check("log", f"echo: payload of {PAYLOAD_BYTES + 1} bytes" in server.logged(), True)


TESTS = [
    hello_greets_a_thousand_times,
    hello_reports_an_event_that_it_cannot_read,
    events_come_back_byte_for_byte,
    events_are_streamed_back_byte_for_byte,
    a_streamed_http_answer_has_its_prelude,
    a_stream_that_fails_is_taken_and_the_next_one_works,
    a_handled_error_arrives_whole,
    an_init_error_arrives,
    an_oversize_answer_is_refused_before_it_is_sent,
]

if __name__ == "__main__":
    for test in TESTS:
        test(*sys.argv[1:4])
        print(f"rie: {test.__name__} ... ok", flush=True)
    print(f"{len(TESTS)} passed, 0 failed")
