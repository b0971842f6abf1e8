"""Measures what an invocation of a handler in PHP and in Perl costs, run by the bootstrap and by the loops that
articles have: `bench_languages.py BOOTSTRAP [--once]`.

The subjects take turns on one processor, and what is printed are medians, and medians of the ratios within a round. No
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

from counts import ACCEPTED, EVENT, HEAD, requests

WARM_UP, INVOCATIONS, ROUNDS = 100, 500, 7

# Longest wait for a subject, in seconds.
PATIENCE_S = 20

PLACE = Path(__file__).parent.parent / "bench" / "languages"
ANSWER = {"hello": json.loads(EVENT)["name"]}


class Outcome(NamedTuple):
    """Of all processes of a subject together, for each invocation; `answer_us` and `turn_us` are medians: from the
    event to the answer, and to the next question, until which AWS bills."""

    cpu_us: float
    answer_us: float
    turn_us: float
    rss_kib: int


def run(handler, command, invocations):
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
            "_HANDLER": handler,
            "LAMBDA_TASK_ROOT": str(PLACE),
        }
        with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL) as process:
            try:
                connection, _ = listener.accept()
                connection.settimeout(PATIENCE_S)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return measure(connection, process.pid, invocations)
            finally:
                # Before the connection is closed, of which the subject would complain.
                process.kill()


def measure(connection, pid, invocations):
    invocation = HEAD + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT
    bodies = requests(connection)
    next(bodies)
    pids = tree(pid)
    answers, turns = [], []
    for number in range(WARM_UP + invocations):
        if number == WARM_UP:
            before = cpu_s(pids)
        begin = time.perf_counter()
        connection.sendall(invocation)
        answer = next(bodies)
        answers.append(time.perf_counter() - begin)
        if json.loads(answer) != ANSWER:
            sys.exit(f"a wrong answer: {answer}")
        connection.sendall(ACCEPTED)
        next(bodies)
        turns.append(time.perf_counter() - begin)
    return Outcome(
        (cpu_s(pids) - before) / invocations * 1e6,
        statistics.median(answers[WARM_UP:]) * 1e6,
        statistics.median(turns[WARM_UP:]) * 1e6,
        sum(map(rss_kib, pids)),
    )


def tree(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in tree(int(child)))]


def cpu_s(pids):
    """The time that all threads of these processes had a processor; /proc tells it in hundredths of a second."""
    # What `clock_getcpuclockid` makes of a process: see CPUCLOCK_SCHED in the kernel.
    return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)


def rss_kib(pid):
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def table(subjects, rounds):
    titles = ["CPU", "to the answer", "to the next question", "RSS"]
    units = ["µs", "µs", "µs", "KiB"]
    heads = [f"{title} × loop" for title in titles] + [f"{title} {unit}" for title, unit in zip(titles, units)]
    print(f"| | {' | '.join(heads)} |\n|---|{'---:|' * len(heads)}")
    for name, (*_, loop) in subjects.items():
        median = lambda figure: [statistics.median(figure(taken, at) for taken in rounds) for at in range(len(titles))]
        ratios = median(lambda taken, at: taken[name][at] / taken[loop][at])
        values = median(lambda taken, at: taken[name][at])
        cells = [f"{ratio:.2f}" for ratio in ratios] + [f"{value:.0f}" for value in values]
        print(f"| {name} | {' | '.join(cells)} |")


def main(bootstrap, *options):
    # Those of what is started are the same.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    curl, tiny = PLACE / "curl_loop.php", PLACE / "http_tiny_loop.pl"
    # The handler, what runs it, and the loop that this is compared with.
    subjects = {
        "PHP, bootstrap": ("app.handler", [bootstrap], "PHP, curl"),
        "PHP, curl": ("app.handler", ["php", curl], "PHP, curl"),
        "Perl, bootstrap": ("handler.handle", [bootstrap], "Perl, HTTP::Tiny"),
        "Perl, bootstrap, context looked into": ("handler.look", [bootstrap], "Perl, HTTP::Tiny"),
        "Perl, HTTP::Tiny": ("handler.handle", ["perl", tiny], "Perl, HTTP::Tiny"),
        "Perl, HTTP::Tiny, `TCP_NODELAY`": ("handler.handle", ["perl", tiny, "nodelay"], "Perl, HTTP::Tiny"),
    }
    rounds, invocations = (1, 5) if options == ("--once",) else (ROUNDS, INVOCATIONS)
    in_turn = lambda: {name: run(handler, command, invocations) for name, (handler, command, _) in subjects.items()}
    table(subjects, [in_turn() for _ in range(rounds)])


if __name__ == "__main__":
    main(*sys.argv[1:])
