"""Counts what an invocation and a start cost, against a server that says as little as it can:
`counts.py HELLO EXCHANGE DRIP STATIC_HELLO BOOTSTRAP TINY MIO_ECHO SMOL_ECHO TOKIO_ECHO EMULATOR`; and what one costs the emulator.

Instructions come from callgrind and system calls from strace: both count, neither times. Each figure of an invocation
is the difference between a long run and a short one, so that what starting up costs is left out.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from runtime_api import Connection

SHORT, LONG = 200, 1200
# Under valgrind, on a machine that has much else to do: not to be hung for ever is all that this is for.
PATIENCE_S = 1800

EVENT = b'{"name":"Ada","note":"an event of sixty-four bytes, in all...."}'
HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: application/json\r\n"
    b"Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
    b"Lambda-Runtime-Deadline-Ms: 1795308396682\r\n"
    b"Lambda-Runtime-Invocation-Id: 02876d80-77eb-449f-9f13-6b6b8d4a1378\r\n"
    b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:123456789012:function:hello\r\n"
    b"Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n"
    b"Date: Sun, 22 Nov 2026 00:46:16 GMT\r\n"
)
ACCEPTED = (
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\n"
    b'Date: Sun, 22 Nov 2026 00:46:16 GMT\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
)
GONE = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"

# What the counts may be at most.
CORE_INSTRUCTIONS = 5050
HELLO_INSTRUCTIONS = 9000
MOVING_CALLS = 4
WAITING_CALLS = 0
# A head that is 64 times as long may cost a little more than 64 times as much, and not 64 times that.
LONG_HEAD_RATIO = 80

SHORT_HEAD_BYTES, LONG_HEAD_BYTES = 1024, 64 * 1024

# Of the emulator, for one caller: six are needed, and the rest is for lines, memory and threads.
EMULATOR_CALLS = 11
# Some 40,000 are for the invocation. The rest is for memory, which is looked at after what has taken long: under valgrind on a
# busy machine any invocation may, and a look has 14,000.
EMULATOR_INSTRUCTIONS = 55000

# Of the bootstrap: two for Lambda, two for the worker, one that waits, one that looks what the worker has done meanwhile.
# What does not come together takes one or two more.
BOOTSTRAP_CALLS = 8
# Some 27,100 are needed.
BOOTSTRAP_INSTRUCTIONS = 28000

HELLO_STARTING_CALLS = 30
TINY_STARTING_CALLS = 8
TINY_RSS_KIB = 64
HELLO_RSS_KIB = 320
BOOTSTRAP_RSS_KIB = 400
# Of a response and the pipelined `next`: calls that write to the connection, and that read from it.
EXPLICIT = {"write": 2, "read": 2}
PIPELINED = {"write": 1, "read": 2}
# Those, and a wait before each read.
TOKIO_EXPLICIT_CALLS, TOKIO_PIPELINED_CALLS = 6, 5

WRITING = {"write", "writev", "sendto", "sendmsg"}
MOVING = WRITING | {"read", "readv", "recvfrom", "recvmsg"}
WAITING = {"epoll_wait", "epoll_pwait", "poll", "ppoll", "select"}


def serve(listener, count, answer):
    """Answers `count` invocations on one connection, then says that it is over."""
    invocation = HEAD + b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT
    with Connection(listener, PATIENCE_S) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(count + 1):
            connection.request()
            if number == count:
                connection.socket.sendall(GONE)
                return
            connection.socket.sendall(invocation)
            assert answer in connection.request()[1]
            connection.socket.sendall(ACCEPTED)


def run(count, *command, handler="", answer=b"Hello, Ada!"):
    """Runs a function for `count` invocations, and gives what it says on standard error."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = threading.Thread(target=serve, args=(listener, count, answer), daemon=True)
        server.start()
        api = "127.0.0.1:%d" % listener.getsockname()[1]
        env = {**os.environ, "AWS_LAMBDA_RUNTIME_API": api, "_HANDLER": handler}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
        server.join()
        return done.stderr


def instructions(stderr):
    return int(re.search(r"Collected : (\d+)", stderr)[1])


def callgrind(*command):
    return ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command]


def core(exchange):
    counts = []
    for count in (SHORT, LONG):
        done = subprocess.run(callgrind(exchange, str(count)), capture_output=True, text=True, check=True)
        counts.append(instructions(done.stderr))
    return (counts[1] - counts[0]) / (LONG - SHORT)


def long_head_ratio(drip):
    """How much more a long head costs than a short one, when either arrives one byte at a time."""
    nothing, short, long = (
        instructions(subprocess.run(callgrind(drip, str(size)), capture_output=True, text=True, check=True).stderr)
        for size in (0, SHORT_HEAD_BYTES, LONG_HEAD_BYTES)
    )
    return (long - nothing) / (short - nothing)


def hello_instructions(hello):
    short, long = (instructions(run(count, *callgrind(hello))) for count in (SHORT, LONG))
    return (long - short) / (LONG - SHORT)


def calls_by_name(function, **how):
    """System calls an invocation, by name."""
    counts = []
    for count in (SHORT, LONG):
        with tempfile.NamedTemporaryFile("r") as table:
            run(count, "strace", "-f", "-c", "-o", table.name, function, **how)
            rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", table.read(), re.M)
            counts.append({name: int(calls) for calls, name in rows if name != "total"})
    short, long = counts
    return {name: (calls - short.get(name, 0)) / (LONG - SHORT) for name, calls in long.items()}


def moves(echo, handler):
    """Calls an invocation that move bytes of the connection, and not those of a reactor to itself. All of a run count, of which
    a start has none: replies may come together in one run and apart in another, and the difference may be more than either has.
    """
    with tempfile.NamedTemporaryFile("r") as log:
        run(LONG, "strace", "-f", "-y", "-o", log.name, echo, handler=handler, answer=EVENT)
        calls = re.findall(r"^\d+ +(\w+)\(\d+<socket:.*(?:= [1-9]\d*|unfinished \.\.\.>)$", log.read(), re.M)
    moving = [name in WRITING for name in calls if name in MOVING]
    return {"write": sum(moving) / LONG, "read": (len(moving) - sum(moving)) / LONG}


def call(count, *command, stop):
    """Has one caller who keeps his connection call an emulator so often, and gives what it says on standard error."""
    request = b"POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: localhost\r\n"
    request += b"Content-Length: %d\r\n\r\n" % len(EVENT) + EVENT
    with tempfile.TemporaryFile("w+") as stderr, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr) as process:
        ready = json.loads(process.stdout.readline().removeprefix(b"ready "))
        host, port = ready["listen"].rsplit(":", 1)
        with socket.create_connection((host, int(port))) as caller:
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count):
                caller.sendall(request)
                answer = b""
                while not answer.endswith(EVENT):
                    answer += caller.recv(65536) or sys.exit("the emulator hung up")
        os.kill(stop(process.pid), signal.SIGTERM)
        process.stdout.read()
        process.wait()
        stderr.seek(0)
        return stderr.read()


def emulator_instructions(emulator, echo):
    """Instructions of the emulator an invocation, for one caller; the function's do not count."""
    command = callgrind(emulator, "--listen", "127.0.0.1:0", "--", echo)
    short, long = (instructions(call(count, *command, stop=lambda pid: pid)) for count in (SHORT, LONG))
    return (long - short) / (LONG - SHORT)


def emulator_calls(emulator, echo):
    """System calls of the emulator an invocation, for one caller; the function's do not count."""
    counts = []
    for count in (SHORT, LONG):
        with tempfile.NamedTemporaryFile("r") as log:
            command = ["strace", "-f", "-qq", "-o", log.name, emulator, "--listen", "127.0.0.1:0", "--", echo]
            child = lambda pid: int(open(f"/proc/{pid}/task/{pid}/children").read().split()[0])
            call(count, *command, stop=child)
            lines = log.read().splitlines()
            function = {line.split()[0] for line in lines if f'execve("{echo}"' in line}
            assert function, "the function is not in the trace"
            counts.append(sum("resumed>" not in line and line.split()[0] not in function for line in lines))
    return (counts[1] - counts[0]) / (LONG - SHORT)


# A worker that answers with its event.
WORKER = """#!{python}
import os
events, answers = (open(int(os.environ[f"LAMBWIRE_{{name}}_FD"]), mode) for name, mode in (("EVENTS", "rb"), ("ANSWERS", "wb")))
answers.write(b"ready - 0\\n")
answers.flush()
while line := events.readline():
    _, request_id, context_length, length = line.split()
    event = events.read(int(context_length) + int(length))[int(context_length):]
    answers.write(b"result %s %s\\n%s" % (request_id, length, event))
    answers.flush()
"""


def bootstrap_with_worker(directory, *command):
    """What has the bootstrap start the worker in a directory."""
    worker = os.path.join(directory, "worker")
    with open(worker, "w") as file:
        file.write(WORKER.format(python=sys.executable))
    os.chmod(worker, 0o755)
    return ["env", f"LAMBDA_TASK_ROOT={directory}", *command, "worker"]


def bootstrap_calls(bootstrap):
    """System calls of the bootstrap an invocation; the worker's do not count."""
    counts = []
    with tempfile.TemporaryDirectory() as root:
        log, worker = os.path.join(root, "log"), os.path.join(root, "worker")
        command = bootstrap_with_worker(root, "strace", "-f", "-qq", "-o", log, bootstrap)
        for count in (SHORT, LONG):
            run(count, *command, answer=EVENT)
            lines = open(log).read().splitlines()
            theirs = {line.split()[0] for line in lines if f'execve("{worker}"' in line}
            assert theirs, "the worker is not in the trace"
            counts.append(sum("resumed>" not in line and line.split()[0] not in theirs for line in lines))
    return (counts[1] - counts[0]) / (LONG - SHORT)


def bootstrap_instructions(bootstrap):
    """Instructions of the bootstrap an invocation; the worker's do not count."""
    with tempfile.TemporaryDirectory() as root:
        command = bootstrap_with_worker(root, *callgrind(bootstrap))
        short, long = (instructions(run(count, *command, answer=EVENT)) for count in (SHORT, LONG))
    return (long - short) / (LONG - SHORT)


def starting_calls(program):
    """System calls from the one that executes the program to the one that writes the first `next`."""
    with tempfile.NamedTemporaryFile("r") as log:
        run(0, "strace", "-f", "-s", "64", "-o", log.name, program)
        calls = [line for line in log.read().splitlines() if "resumed" not in line]
        return next(number for number, line in enumerate(calls, 1) if "/invocation/next" in line)


def idle_rss_kib(*command, **variables):
    """What is resident of a program that waits for its first event: pages of the file too, though others may share
    them. They are counted one by one; VmRSS is an estimate on some kernels, and a small program is within its error."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        env = {**os.environ, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % listener.getsockname()[1], **variables}
        with subprocess.Popen(command, env=env) as process:
            with Connection(listener, PATIENCE_S) as connection:
                connection.request()
                while "S (sleeping)" not in open(f"/proc/{process.pid}/status").read():
                    time.sleep(0.01)
                rss = re.search(r"^Rss: +(\d+) kB$", open(f"/proc/{process.pid}/smaps_rollup").read(), re.M)
                process.kill()
                return int(rss[1])


def bootstrap_rss_kib(bootstrap):
    """That of the bootstrap alone: the shell that it has started is another process."""
    with tempfile.TemporaryDirectory() as root:
        with open(os.path.join(root, "app.sh"), "w") as file:
            file.write('handler() { echo "$1"; }\n')
        return idle_rss_kib(bootstrap, "app.handler", LAMBDA_TASK_ROOT=root)


def main(hello, exchange, drip, static_hello, bootstrap, tiny, mio_echo, smol_echo, tokio_echo, emulator):
    calls = calls_by_name(hello)
    moving = sum(count for name, count in calls.items() if name in MOVING)
    waiting = sum(count for name, count in calls.items() if name in WAITING)
    figures = [
        ("instructions of the core", core(exchange), CORE_INSTRUCTIONS),
        ("instructions of hello", hello_instructions(hello), HELLO_INSTRUCTIONS),
        ("system calls of hello that move bytes", moving, MOVING_CALLS),
        ("system calls of hello that wait", waiting, WAITING_CALLS),
        ("other system calls of hello", sum(calls.values()) - moving - waiting, 0),
        ("system calls of the bootstrap", bootstrap_calls(bootstrap), BOOTSTRAP_CALLS),
        ("instructions of the bootstrap", bootstrap_instructions(bootstrap), BOOTSTRAP_INSTRUCTIONS),
        ("instructions of the emulator", emulator_instructions(emulator, mio_echo), EMULATOR_INSTRUCTIONS),
        ("system calls of the emulator", emulator_calls(emulator, mio_echo), EMULATOR_CALLS),
    ]
    for what, echo, handler, most in [
        ("lambwire-mio, explicit loop", mio_echo, "echo", EXPLICIT),
        ("lambwire-smol, explicit loop", smol_echo, "echo", EXPLICIT),
        ("lambwire-mio, serve", mio_echo, "serve", PIPELINED),
        ("lambwire-smol, serve", smol_echo, "serve", PIPELINED),
    ]:
        figures += [(f"{what}: calls that {way}", each, most[way]) for way, each in moves(echo, handler).items()]
    for what, handler, most in [("explicit loop", "echo", TOKIO_EXPLICIT_CALLS), ("serve", "serve", TOKIO_PIPELINED_CALLS)]:
        calls = sum(calls_by_name(tokio_echo, handler=handler, answer=EVENT).values())
        figures.append((f"examples/tokio, {what}: system calls", calls, most))
    starts = [
        ("instructions of 64 times the head, in single bytes", long_head_ratio(drip), LONG_HEAD_RATIO),
        ("system calls of a static hello, to the first next", starting_calls(static_hello), HELLO_STARTING_CALLS),
        ("system calls of tiny, to the first next", starting_calls(tiny), TINY_STARTING_CALLS),
        ("resident KiB of tiny at rest", idle_rss_kib(tiny), TINY_RSS_KIB),
        ("resident KiB of a static hello at rest", idle_rss_kib(static_hello), HELLO_RSS_KIB),
        ("resident KiB of the bootstrap at rest", bootstrap_rss_kib(bootstrap), BOOTSTRAP_RSS_KIB),
    ]
    over = 0
    for what, figure, most in figures:
        # A reply may come in the moment between two calls: one call in a hundred is not counted.
        over += not within(f"{what}, an invocation", figure, most, 0.01 * max(most, 1) if most < 100 else 1)
    for what, figure, most in starts:
        over += not within(what, figure, most, 1)
    print(f"{len(figures) + len(starts) - over} passed, {over} failed")
    sys.exit(over > 0)


def within(what, figure, most, slack):
    """Whether a figure is less than the slack above the most that it may be."""
    verdict = "ok" if figure < most + slack else "TOO MANY"
    print(f"counts: {what}: {figure:,.2f} of {most:,} ... {verdict}")
    return verdict == "ok"


if __name__ == "__main__":
    main(*sys.argv[1:])
