"""Runs functions on AWS's own emulator as its managed instances have it, several invocations at a time, all to one process:
`test_rie_concurrent.py RIE HELLO ECHO`, three paths of executables."""

import http.client
import json
import os
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from test_rie import PATH, SIZES, Rie, check, check_panic, run

UNAVAILABLE = (400, "Runtime.Unavailable")


class Programs(NamedTuple):
    rie: str
    hello: str
    echo: str


class Answer(NamedTuple):
    status: int
    error_type: str | None
    body: bytes


class ManagedRie(Rie):
    """The emulator in a mount namespace of its own: in this mode it starts /var/task/bootstrap, whatever is asked, as
    another user."""

    def __init__(self, rie, program, handler="", concurrency=1, **settings):
        self.var = tempfile.TemporaryDirectory()
        var = Path(self.var.name)
        var.chmod(0o755)
        (var / "task").mkdir()
        shutil.copy(rie, var / "rie")
        shutil.copy(program, var / "task/bootstrap")
        as_root = [] if os.geteuid() == 0 else ["sudo", "--preserve-env"]
        mounted = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /var && exec "$@"', str(var)]
        settings["AWS_LAMBDA_MAX_CONCURRENCY"] = str(concurrency)
        super().__init__([*as_root, *mounted, "/var/rie"], "/var/task/bootstrap", handler, **settings)

    def end(self):
        super().end()
        self.var.cleanup()

    def invoke(self, event):
        """Sends an event on a connection of its own, again for as long as no connection of the runtime waits for one."""
        for _ in range(3000):
            connection = http.client.HTTPConnection("127.0.0.1", self.front, timeout=600)
            connection.request("POST", PATH, body=event)
            reply = connection.getresponse()
            answer = Answer(reply.status, reply.getheader("Error-Type"), reply.read())
            connection.close()
            if answer[:2] != UNAVAILABLE:
                return answer
            time.sleep(0.01)
        raise SystemExit("no connection of the runtime ever waits for an event")

    def invoke_at_once(self, events):
        with ThreadPoolExecutor(len(events)) as pool:
            return list(pool.map(self.invoke, events))


def answered(body):
    return Answer(200, None, body)


def failed(error_type, message):
    report = {"errorMessage": message, "errorType": error_type}
    return Answer(200, error_type, json.dumps(report, separators=(",", ":")).encode())


def hello_greets_a_hundred_times(programs):
    with ManagedRie(programs.rie, programs.hello) as server:
        for number in range(100):
            answer = server.invoke(json.dumps({"name": f"caller {number}"}))
            check("greeting", json.loads(answer.body)["greeting"], f"Hello, caller {number}!")
        check("type", server.invoke("not json").error_type, "Function.BadEvent")


def events_come_back_byte_for_byte(programs):
    with ManagedRie(programs.rie, programs.echo, "serve-concurrent", concurrency=4) as server:
        for size in SIZES:
            event = os.urandom(size)
            check(f"{size} bytes", server.invoke(event) == answered(event), True)


def failures_arrive_with_their_type_and_report(programs):
    with ManagedRie(programs.rie, programs.echo, "serve-concurrent", concurrency=4) as server:
        for _ in range(8):
            check("error", server.invoke("fail"), failed("Function.AskedToFail", "asked to fail"))
            on_the_way = failed("Function.AskedToFail", "asked to fail on the way")
            check("stream", server.invoke("stream-fail"), on_the_way)
            panic = server.invoke("panic")
            check("type", panic.error_type, "Function.Panic")
            check_panic((panic.status, panic.body), 200)
        check("the next one", server.invoke("again"), answered(b"again"))


def four_invocations_are_under_way_at_once(programs):
    # None of them is answered before the fourth has come.
    with ManagedRie(programs.rie, programs.echo, "serve-concurrent", concurrency=4) as server:
        for _ in range(10):
            check("answers", server.invoke_at_once(["meet"] * 4), [answered(b"meet")] * 4)


def a_late_answer_is_survived(programs):
    with ManagedRie(programs.rie, programs.echo, "serve-concurrent", concurrency=2, timeout_seconds=3) as server:
        late = server.invoke("meet")
        check("type", late.error_type, "Sandbox.Timedout")
        # With this one there are two, so that both are answered.
        check("the second", server.invoke("meet"), answered(b"meet"))
        check("both loops", server.invoke_at_once(["meet"] * 2), [answered(b"meet")] * 2)
        refused = "echo: response refused with status 410: Invoke timeout (InvokeTimeout)"
        check("complaints", server.logged().count("echo: "), 1)
        check("complaint", refused in server.logged(), True)


def sigterm_comes_before_the_end(programs):
    with ManagedRie(programs.rie, programs.echo, "sigterm") as server:
        check("before", server.invoke("again"), answered(b"again"))
        server.end()
        check("last word", server.logged().count("echo: SIGTERM"), 1)


TESTS = [
    hello_greets_a_hundred_times,
    events_come_back_byte_for_byte,
    failures_arrive_with_their_type_and_report,
    four_invocations_are_under_way_at_once,
    a_late_answer_is_survived,
    sigterm_comes_before_the_end,
]

if __name__ == "__main__":
    run(TESTS, Programs(*sys.argv[1:]))
