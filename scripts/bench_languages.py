"""Measures what a start and an invocation cost with the bootstrap, beside AWS's own clients for Python and Node, and
beside the loops that articles have for PHP and Perl:
`bench_languages.py BOOTSTRAP PYTHON PIP NPM [--once] [LANGUAGE...]`.

The subjects take turns on one processor, which the server shares: it answers at once, and checks an answer when its
time has been taken. What is printed are medians, and medians of the ratios within a round, to the peer of the language. No
figure passes or fails; a wrong answer or a connection that is not kept ends the run.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from counts import ACCEPTED, HEAD

ROUNDS, STARTS_A_ROUND = 5, 3

# Longest wait for a subject, in seconds.
PATIENCE_S = 600
# How long it is at rest before its memory is looked at, in seconds.
REST_S = 0.05
# Most that is received at once, in bytes.
RECEIVED_BYTES = 1 << 20

PLACE = Path(__file__).parent.parent / "bench" / "languages"


class Plan(NamedTuple):
    """How often an event of so many bytes is sent: at first without looking, and then measured, but no longer than
    `BUDGET_S`."""

    name: str
    size: int
    warm_up: int
    invocations: int


SMALL = [Plan("64 B", 64, 500, 2000), Plan("10 KiB", 10 << 10, 200, 1000)]
PLANS = [*SMALL, Plan("1 MiB", 1 << 20, 5, 40), Plan("6 MiB", 6 << 20, 2, 10)]
BUDGET_S = 3


class Figures(NamedTuple):
    """Of one event's size. Times are from the event to the following `next`, until which AWS bills."""

    rate: float
    p99_us: float
    cpu_us: float
    # The server's own, which is in the rate.
    server_us: float


class Start(NamedTuple):
    """To the first `next`."""

    wall_ms: float
    cpu_ms: float
    rss_kib: int


class Subject(NamedTuple):
    handler: str
    command: list
    variables: dict = {}


class Connection:
    """The connection of a subject, and its requests."""

    def __init__(self, listener):
        self.socket, _ = listener.accept()
        self.socket.settimeout(PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""
        self.room = memoryview(bytearray(RECEIVED_BYTES))

    def body(self):
        """The body of the next request."""
        while (end := self.got.find(b"\r\n\r\n")) < 0:
            self.got += self.more()
        head, self.got = self.got[:end].lower(), self.got[end + 4 :]
        _, has_length, length = head.partition(b"\r\ncontent-length:")
        length = int(length.partition(b"\r")[0]) if has_length else 0
        if len(self.got) < length:
            if b"100-continue" in head:
                self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.fill(length)
        body, self.got = self.got[:length], self.got[length:]
        return body

    def fill(self, length):
        pieces, missing = [self.got], length - len(self.got)
        while missing > 0:
            pieces.append(self.more())
            missing -= len(pieces[-1])
        self.got = b"".join(pieces)

    def more(self):
        return bytes(self.room[: self.socket.recv_into(self.room)]) or sys.exit("a subject hung up")


def run(subject, plans):
    """What a start takes, the figures of each plan, and the memory of all processes after them in KiB."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        env = {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % listener.getsockname()[1],
            "AWS_LAMBDA_FUNCTION_NAME": "hello",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/29/[$LATEST]0",
            "_HANDLER": subject.handler,
            "LAMBDA_TASK_ROOT": str(PLACE),
            **subject.variables,
        }
        begin = time.perf_counter()
        null = subprocess.DEVNULL
        with subprocess.Popen(subject.command, env=env, stdin=null, stdout=null, cwd=PLACE) as process:
            try:
                connection = Connection(listener)
                connection.body()
                wall_ms = (time.perf_counter() - begin) * 1e3
                pids = tree(process.pid)
                start = Start(wall_ms, cpu_s(pids) * 1e3, rss_at_rest_kib(pids))
                figures = {plan.name: measure(connection, pids, plan) for plan in plans}
                return start, figures, rss_at_rest_kib(pids) if plans else start.rss_kib
            finally:
                # Before the connection is closed, of which the subject would complain.
                for pid in tree(process.pid):
                    os.kill(pid, 9)


def measure(connection, pids, plan):
    event = {"name": "Ada", "note": ""}
    event["note"] = "x" * (plan.size - len(json.dumps(event)))
    encoded = json.dumps(event).encode()
    invocation = HEAD + b"Content-Length: %d\r\n\r\n" % len(encoded) + encoded
    turns, server_s = [], 0
    for number in range(plan.warm_up + plan.invocations):
        if number == plan.warm_up:
            cpu_before = cpu_s(pids)
        server_before = time.thread_time()
        begin = time.perf_counter()
        connection.socket.sendall(invocation)
        answer = connection.body()
        connection.socket.sendall(ACCEPTED)
        connection.body()
        turn = time.perf_counter() - begin
        server_turn = time.thread_time() - server_before
        if len(answer) < plan.size / 2 or json.loads(answer) != event:
            sys.exit(f"a wrong answer: {answer[:200]}")
        if number >= plan.warm_up:
            turns.append(turn)
            server_s += server_turn
            if sum(turns) > BUDGET_S:
                break
    cpu_us = (cpu_s(pids) - cpu_before) / len(turns) * 1e6
    p99 = sorted(turns)[len(turns) * 99 // 100]
    return Figures(len(turns) / sum(turns), p99 * 1e6, cpu_us, server_s / len(turns) * 1e6)


def tree(pid):
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def cpu_s(pids):
    """The time that all threads of these processes had a processor; /proc tells it in hundredths of a second."""
    # What `clock_getcpuclockid` makes of a process: see CPUCLOCK_SCHED in the kernel.
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def rss_at_rest_kib(pids):
    """When they wait for the next event. The bootstrap asks for that in the write that has the answer."""
    before = None
    while (now := cpu_s(pids)) != before:
        before = now
        time.sleep(REST_S)
    return sum(map(rss_kib, pids))


def rss_kib(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def languages(bootstrap, python, pip, npm):
    """The subjects of each language, of which the second is what the others are compared with, and their plans."""
    curl, tiny = PLACE / "curl_loop.php", PLACE / "http_tiny_loop.pl"
    awslambdaric = ["python3", "-m", "awslambdaric", "python_echo.handler"]
    ric = ["node", f"{npm}/node_modules/aws-lambda-ric/bin/index.mjs", "node_echo.handler"]
    path = {"PATH": f"{Path(python).parent}:{os.environ['PATH']}"}
    python = {
        "bootstrap": Subject("python_echo.handler", [bootstrap], path),
        "awslambdaric": Subject("python_echo.handler", awslambdaric, {**path, "PYTHONPATH": pip}),
    }
    node = {
        "bootstrap": Subject("node_echo.handler", [bootstrap]),
        "aws-lambda-ric": Subject("node_echo.handler", ric),
    }
    php = {
        "bootstrap": Subject("app.handler", [bootstrap]),
        "curl": Subject("app.handler", ["php", curl]),
    }
    perl = {
        "bootstrap": Subject("handler.handle", [bootstrap]),
        "HTTP::Tiny": Subject("handler.handle", ["perl", tiny]),
        "HTTP::Tiny, `TCP_NODELAY`": Subject("handler.handle", ["perl", tiny, "nodelay"]),
        "bootstrap, context looked into": Subject("handler.look", [bootstrap]),
    }
    # JSON::PP, which the loop has, takes seconds for what is larger.
    return {"Python": (python, PLANS), "Node": (node, PLANS), "PHP": (php, PLANS), "Perl": (perl, SMALL)}


def figures(run):
    """All figures of a run, by their titles."""
    start, by_plan, rss_kib = run
    flat = {"start ms": start.wall_ms, "start, CPU ms": start.cpu_ms, "start, RSS KiB": start.rss_kib}
    for name, each in by_plan.items():
        flat |= {f"{name}: a second": each.rate, f"{name}: p99 µs": each.p99_us, f"{name}: CPU µs": each.cpu_us}
        flat |= {f"{name}: the server's CPU µs": each.server_us}
    return flat | {f"after {name}, RSS KiB": rss_kib}


def table(language, names, rounds):
    """Each figure, and behind it how many times that of the peer it is."""
    print(f"\n| {language} | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    peer = names[1]
    for title in rounds[0][peer]:
        cells = []
        for name in names:
            value = statistics.median(taken[name][title] for taken in rounds)
            ratio = statistics.median(taken[name][title] / taken[peer][title] for taken in rounds)
            text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
            cells.append(text if name == peer else f"{text}, {ratio:.2f} ×")
        print(f"| {title} | {' | '.join(cells)} |")


def a_round(subjects, plans, starts):
    taken = {name: figures(run(subject, plans)) for name, subject in subjects.items()}
    more = [{name: run(subject, [])[0] for name, subject in subjects.items()} for _ in range(starts)]
    for name, each in taken.items():
        for title, field in (("start ms", "wall_ms"), ("start, CPU ms", "cpu_ms")):
            each[title] = statistics.median([each[title], *(getattr(starts[name], field) for starts in more)])
    return taken


def main(bootstrap, python, pip, npm, *options):
    # Those of what is started are the same.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    wanted = [option for option in options if option != "--once"]
    for language, (subjects, plans) in languages(bootstrap, python, pip, npm).items():
        if wanted and language not in wanted:
            continue
        if "--once" in options:
            rounds = [a_round(subjects, [plan._replace(warm_up=1, invocations=3) for plan in plans], 0)]
        else:
            rounds = [a_round(subjects, plans, STARTS_A_ROUND) for _ in range(ROUNDS)]
        table(language, list(subjects), rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
