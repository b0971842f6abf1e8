"""Measures what a start and an invocation cost with the bootstrap, beside AWS's own clients for Python and Node, and
beside the loops that articles have for PHP and Perl: `bench_languages.py BOOTSTRAP PIP NPM [--once] [LANGUAGE...]`.

The subjects take turns on one processor, which the server shares: it answers at once, and checks an answer when its
time has been taken. What is printed are medians, and medians of the ratios within a round, to the peer of the language. No
figure passes or fails; a wrong answer or a connection that is not kept ends the run.
"""

import json
import os
import re
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

PLACE = Path(__file__).parent.parent / "bench" / "languages"
PYTHON = Path(sys.executable)


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

    def body(self):
        """The body of the next request."""
        while (end := self.got.find(b"\r\n\r\n")) < 0:
            self.got += self.more()
        head, self.got = self.got[:end], self.got[end + 4 :]
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        length = int(length[1]) if length else 0
        if len(self.got) < length:
            if b"100-continue" in head.lower():
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
        return self.socket.recv(1 << 20) or sys.exit("a subject hung up")


def run(subject, plans):
    """How long a start takes in milliseconds, the figures of each plan, and the memory of all processes in KiB."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        env = {
            "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
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
                start_ms = (time.perf_counter() - begin) * 1e3
                pids = tree(process.pid)
                figures = {plan.name: measure(connection, pids, plan) for plan in plans}
                return start_ms, figures, sum(map(rss_kib, pids))
            finally:
                # Before the connection is closed, of which the subject would complain.
                for pid in tree(process.pid):
                    os.kill(pid, 9)


def measure(connection, pids, plan):
    event = {"name": "Ada", "note": ""}
    event["note"] = "x" * (plan.size - len(json.dumps(event)))
    encoded = json.dumps(event).encode()
    invocation = HEAD + b"Content-Length: %d\r\n\r\n" % len(encoded) + encoded
    turns = []
    for number in range(plan.warm_up + plan.invocations):
        if number == plan.warm_up:
            cpu_before = cpu_s(pids)
        begin = time.perf_counter()
        connection.socket.sendall(invocation)
        answer = connection.body()
        connection.socket.sendall(ACCEPTED)
        connection.body()
        turn = time.perf_counter() - begin
        if len(answer) < plan.size / 2 or json.loads(answer) != event:
            sys.exit(f"a wrong answer: {answer[:200]}")
        if number >= plan.warm_up:
            turns.append(turn)
            if sum(turns) > BUDGET_S:
                break
    cpu_us = (cpu_s(pids) - cpu_before) / len(turns) * 1e6
    p99 = sorted(turns)[len(turns) * 99 // 100]
    return Figures(len(turns) / sum(turns), p99 * 1e6, cpu_us)


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


def rss_kib(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def languages(bootstrap, pip, npm):
    """The subjects of each language, of which the second is what the others are compared with, and their plans."""
    curl, tiny = PLACE / "curl_loop.php", PLACE / "http_tiny_loop.pl"
    awslambdaric = [PYTHON, "-m", "awslambdaric", "python_echo.handler"]
    ric = ["node", f"{npm}/node_modules/aws-lambda-ric/bin/index.mjs", "node_echo.handler"]
    python = {
        "bootstrap": Subject("python_echo.handler", [bootstrap]),
        "awslambdaric": Subject("python_echo.handler", awslambdaric, {"PYTHONPATH": pip}),
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
    start_ms, by_plan, rss = run
    flat = {"start ms": start_ms, "RSS KiB": rss}
    for name, each in by_plan.items():
        flat |= {f"{name}: a second": each.rate, f"{name}: p99 µs": each.p99_us, f"{name}: CPU µs": each.cpu_us}
    return flat


def table(language, names, rounds):
    """Each figure, and behind it how many times that of the peer it is."""
    print(f"\n| {language} | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
    peer = names[1]
    for title in rounds[0][peer]:
        cells = []
        for name in names:
            value = statistics.median(taken[name][title] for taken in rounds)
            ratio = statistics.median(taken[name][title] / taken[peer][title] for taken in rounds)
            cells.append(f"{value:,.0f}" if name == peer else f"{value:,.0f}, {ratio:.2f} ×")
        print(f"| {title} | {' | '.join(cells)} |")


def a_round(subjects, plans, starts):
    taken = {name: figures(run(subject, plans)) for name, subject in subjects.items()}
    more = [{name: run(subject, [])[0] for name, subject in subjects.items()} for _ in range(starts)]
    for name, each in taken.items():
        each["start ms"] = statistics.median([each["start ms"], *(starts[name] for starts in more)])
    return taken


def main(bootstrap, pip, npm, *options):
    # Those of what is started are the same.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    wanted = [option for option in options if option != "--once"]
    for language, (subjects, plans) in languages(bootstrap, pip, npm).items():
        if wanted and language not in wanted:
            continue
        if "--once" in options:
            rounds = [a_round(subjects, [plan._replace(warm_up=1, invocations=3) for plan in plans], 0)]
        else:
            rounds = [a_round(subjects, plans, STARTS_A_ROUND) for _ in range(ROUNDS)]
        table(language, list(subjects), rounds)


if __name__ == "__main__":
    main(*sys.argv[1:])
