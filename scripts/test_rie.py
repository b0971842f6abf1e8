"""Runs functions on AWS's own emulator: `test_rie.py RIE HELLO ECHO ECHO_THAT_ABORTS`, four paths of executables."""

import http.client
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

PAYLOAD_BYTES = 6 * 1024 * 1024 + 100
SIZES = [0, 2, 2048, 2049, 1024 * 1024, PAYLOAD_BYTES]
PATH = "/2015-03-31/functions/function/invocations"


class Programs(NamedTuple):
    rie: str
    hello: str
    echo: str
    echo_that_aborts: str


class Rie:
    """AWS's emulator with a function in it."""

    def __init__(self, command, program, handler="", timeout_seconds=60, **environment):
        self.front, runtime_api = free_ports(2)
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [
                *command,
                f"--runtime-interface-emulator-address=127.0.0.1:{self.front}",
                f"--runtime-api-address=127.0.0.1:{runtime_api}",
                program,
            ],
            env={
                **os.environ,
                **environment,
                "_HANDLER": handler,
                "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_seconds),
            },
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.connection = http.client.HTTPConnection("127.0.0.1", self.front, timeout=600)
        # The port for callers may be open before that for the function.
        wait_for(self.front)
        wait_for(runtime_api)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.connection.close()
        self.process.terminate()
        self.process.wait()

    def invoke(self, event):
        self.connection.request("POST", PATH, body=event)
        reply = self.connection.getresponse()
        return reply.status, reply.read()

    def logged(self):
        # Where the file is read is where it is written on: that place is not moved.
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode(errors="replace")


def free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def wait_for(port):
    # SAM takes seconds to start, and more on a busy machine.
    for _ in range(3000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit(f"nobody listens on port {port}")


def check(what, got, expected):
    if got != expected:
        raise SystemExit(f"{what}: got {str(got)[:500]!r}, expected {str(expected)[:500]!r}")


def hello_greets_a_thousand_times(programs):
    with Rie([programs.rie], programs.hello) as server:
        for number in range(1000):
            status, body = server.invoke(json.dumps({"name": f"caller {number}"}))
            check("status", status, 200)
            check("greeting", json.loads(body)["greeting"], f"Hello, caller {number}!")


def hello_reports_an_event_that_it_cannot_read(programs):
    with Rie([programs.rie], programs.hello) as server:
        status, body = server.invoke("not json")
        check("status", status, 200)
        check("type", json.loads(body)["errorType"], "Function.BadEvent")
        status, body = server.invoke("{}")
        check("the next one", json.loads(body)["greeting"], "Hello, world!")


def events_come_back_byte_for_byte(programs, handler="echo"):
    with Rie([programs.rie], programs.echo, handler) as server:
        for size in SIZES:
            event = random.Random(size).randbytes(size)
            status, body = server.invoke(event)
            check(f"status of {handler} of {size} bytes", (status, len(body)), (200, size))
            check(f"{handler} of {size} bytes", body == event, True)


def events_are_streamed_back_byte_for_byte(programs):
    events_come_back_byte_for_byte(programs, "stream")


def events_are_served_back_byte_for_byte(programs):
    events_come_back_byte_for_byte(programs, "serve")


def a_streamed_http_answer_has_its_prelude(programs):
    with Rie([programs.rie], programs.echo, "stream-http") as server:
        prelude = b'{"statusCode":201,"headers":{"content-type":"text/plain"},"cookies":["a=b"]}' + bytes(8)
        check("stream", server.invoke(b"hello"), (200, prelude + b"hello"))


def a_stream_that_fails_is_taken_and_the_next_one_works(programs):
    # In this mode the emulator passes on what came before the trailers, and nothing else.
    with Rie([programs.rie], programs.echo, "stream-fail") as server:
        for event in [b"partial", b"again"]:
            check("stream", server.invoke(event), (200, event))
        check("complaints", server.logged().count("echo: "), 0)


def a_handled_error_arrives_whole(programs):
    with Rie([programs.rie], programs.echo, "fail") as server:
        report = b'{"errorMessage":"asked to fail","errorType":"Function.AskedToFail","stackTrace":["at answer","at run"]}'
        for _ in range(2):
            check("report", server.invoke("{}"), (200, report))


def an_init_error_arrives(programs):
    with Rie([programs.rie], programs.echo, "init-error") as server:
        status, body = server.invoke("{}")
        check("status", status, 502)
        check("type", json.loads(body)["errorType"], "Function.InitError")


def an_oversize_answer_is_refused_before_it_is_sent(programs):
    with Rie([programs.rie], programs.echo, "oversize") as server:
        for _ in range(2):
            status, body = server.invoke("{}")
            message = f"payload is {PAYLOAD_BYTES + 1} bytes, limit is {PAYLOAD_BYTES}"
            report = {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}
            check("report", (status, json.loads(body)), (200, report))
        check("log", f"payload is {PAYLOAD_BYTES + 1} bytes" in server.logged(), True)


def what_a_handler_fails_with_in_the_loop_is_reported(programs):
    with Rie([programs.rie], programs.echo, "serve") as server:
        report = b'{"errorMessage":"asked to fail","errorType":"Function.AskedToFail"}'
        for _ in range(2):
            check("report", server.invoke("fail"), (200, report))
            check("stream", server.invoke("stream-fail"), (200, b"partial"))
            check_panic(server.invoke("panic"), 200)
        check("the next one", server.invoke("again"), (200, b"again"))
        check("complaints", server.logged().count("echo: "), 0)


def check_panic(answer, expected_status):
    status, body = answer
    check("status", status, expected_status)
    report = json.loads(body)
    check("type", report["errorType"], "Function.Panic")
    place = r"panicked at crates/lambwire-\w+/examples/echo[-a-z]*\.rs:\d+:\d+: asked to panic"
    check(f"place in {report}", re.fullmatch(place, report["errorMessage"]) is not None, True)


def a_panic_that_ends_the_process_is_reported_before_that(programs):
    # That the process ends before it asks for more, the emulator tells by the status alone.
    with Rie([programs.rie], programs.echo_that_aborts, "serve") as server:
        for _ in range(2):
            check("before", server.invoke("again"), (200, b"again"))
            check_panic(server.invoke("panic"), 502)
        check("the next one", server.invoke("again"), (200, b"again"))
        check("exits", server.logged().count(" exited: exit status 101"), 2)


def sigterm_comes_before_the_end(programs):
    with Rie([programs.rie], programs.echo, "sigterm") as server:
        check("before", server.invoke("again"), (200, b"again"))
        server.end()
        check("last word", server.logged().count("echo: SIGTERM"), 1)


TESTS = [
    hello_greets_a_thousand_times,
    hello_reports_an_event_that_it_cannot_read,
    events_come_back_byte_for_byte,
    events_are_streamed_back_byte_for_byte,
    events_are_served_back_byte_for_byte,
    a_streamed_http_answer_has_its_prelude,
    a_stream_that_fails_is_taken_and_the_next_one_works,
    a_handled_error_arrives_whole,
    an_init_error_arrives,
    an_oversize_answer_is_refused_before_it_is_sent,
    what_a_handler_fails_with_in_the_loop_is_reported,
    a_panic_that_ends_the_process_is_reported_before_that,
    sigterm_comes_before_the_end,
]


def run(tests, programs):
    for test in tests:
        test(programs)
        print(f"rie: {test.__name__} ... ok", flush=True)
    print(f"{len(tests)} passed, 0 failed")


if __name__ == "__main__":
    run(TESTS, Programs(*sys.argv[1:]))
