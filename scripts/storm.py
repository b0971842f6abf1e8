"""What the emulator bears: `storm.py EMULATOR STORM COUNT`, the last being invocations.

Functions that answer, fail, stream, crash, hang and leave children, for many callers at a time: each has the right outcome,
and no process, no zombie and no descriptor is left. Then silent connections and the largest events, and a stream of 200 MiB.
"""

import http.client
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from test_rie import free_ports, wait_for

PATH = "/2015-03-31/functions/function/invocations"
STREAM = "/2021-11-15/functions/function/response-streaming-invocations"
ENVIRONMENTS = 8
CALLERS = 200
# What an environment has at most that may not be up at one of two moments: its port, a connection, outputs, its process.
DESCRIPTORS_EACH = 6
PATIENCE_S = 60
MIB = 1024 * 1024
LARGEST = 6 * MIB
SILENT, LARGE = 2000, 60
# Of a hundred events, so many; the rest is answered as it is.
KINDS = {"fail": 15, "stream": 15, "exit": 6, "child": 3, "hang": 1}
# RSS after the largest events, the growth of it while invocations go on, and the most while a stream does.
REST_MIB, GROWTH_MIB, STREAM_MIB = 20, 2, 16


def status(pid, name):
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def processes():
    """Every process with its state, its parent and its command, by its number."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                text = (place / "stat").read_text()
                state, parent, *_ = text.rpartition(")")[2].split()
                found[int(place.name)] = (state, int(parent), (place / "cmdline").read_text().split("\0"))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


@contextmanager
def emulator(program, storm, *options):
    command = [program, "--listen", "127.0.0.1:0", *options, "--", storm, "function"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    listens = json.loads(process.stdout.readline().removeprefix("ready "))["listen"]
    threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()
    try:
        yield process, listens
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 143, process.returncode
    finally:
        process.kill()
        process.wait()


def invoke(connection, event, path=PATH):
    connection.request("POST", path, body=event)
    reply = connection.getresponse()
    return reply.status, reply.getheader("X-Amz-Function-Error"), reply.read()


def is_right(kind, event, reply):
    status, failure, body = reply
    if kind in ("fail", "exit", "hang"):
        expected = {"fail": "Function.AskedToFail", "exit": "Runtime.ExitError", "hang": "Sandbox.Timedout"}[kind]
        return status == 200 and failure == "Unhandled" and json.loads(body)["errorType"] == expected
    return status == 200 and failure is None and (len(body) == 2 * 65536 if kind == "stream" else body == event)


def callers(listens, count, seed):
    def call(number):
        chance = random.Random(seed * 1000 + number)
        connection = http.client.HTTPConnection(listens, timeout=PATIENCE_S)
        for turn in range(count // CALLERS):
            kind = chance.choices([*KINDS, "answer"], [*KINDS.values(), 100 - sum(KINDS.values())])[0]
            event = json.dumps(kind if kind in KINDS else f"{number} {turn}").encode()
            reply = invoke(connection, event)
            assert is_right(kind, event, reply), (kind, reply[:2], reply[2][:300])

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(call, range(CALLERS)))


def check_outcomes(program, storm, count):
    options = ["--environments", str(ENVIRONMENTS), "--timeout", "3", "--init-timeout", "60"]
    with emulator(program, storm, *options) as (process, listens):
        begun = time.monotonic()
        callers(listens, max(count // 10, CALLERS), 1)
        memory, before = status(process.pid, "VmRSS"), descriptors(process.pid)
        callers(listens, count, 2)
        took, grown = time.monotonic() - begun, status(process.pid, "VmRSS") - memory
        # Connections of callers that have gone are seen to be so.
        deadline = time.monotonic() + PATIENCE_S
        most = before + ENVIRONMENTS * DESCRIPTORS_EACH
        while (after := descriptors(process.pid)) > most and time.monotonic() < deadline:
            time.sleep(0.1)
        # Orphans are the emulator's.
        zombies = sum(state == "Z" and parent == process.pid for state, parent, _ in processes().values())
    left = [command for _, _, command in processes().values() if "98765" in command or command[0] == storm]
    print(f"storm: {count} invocations for {CALLERS} callers in {took:.1f} s, {memory:.1f} MiB, {grown:+.1f} MiB since, "
          f"descriptors {before} to {after}, zombies {zombies}, left {len(left)}", flush=True)
    assert after <= most and not zombies and not left and grown < GROWTH_MIB, (before, after, zombies, left, grown)


def check_room(program, storm, count):
    with emulator(program, storm, "--timeout", "60") as (process, listens):
        host, port = listens.split(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(min(SILENT, count))]
        connection = http.client.HTTPConnection(listens, timeout=PATIENCE_S)
        took = []
        for n in range(100):
            begun = time.monotonic()
            assert invoke(connection, b'"x"')[2] == b'"x"'
            took.append(time.monotonic() - begun)
        event = b'"' + b"x" * (LARGEST - 2) + b'"'

        def large(_):
            # Each with a connection of its own, as callers have it who come once.
            assert invoke(http.client.HTTPConnection(listens, timeout=PATIENCE_S), event)[2] == event

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(large, range(min(LARGE, count))))
        peak = status(process.pid, "VmHWM")
        for each in silent:
            # Without a word: RST in place of FIN.
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
        deadline = time.monotonic() + PATIENCE_S
        while (rest := status(process.pid, "VmRSS")) >= REST_MIB and time.monotonic() < deadline:
            time.sleep(0.2)
        print(f"storm: {len(silent)} silent connections, others served in {sorted(took)[50] * 1000:.1f} ms; {min(LARGE, count)} "
              f"events of 6 MiB: at most {peak:.1f} MiB, then {rest:.1f} MiB", flush=True)
        assert rest < REST_MIB, rest


def stream_from(address, path, method):
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
    begun = time.monotonic()
    connection.request(method, path, body=b'"large"' if method == "POST" else None)
    reply, got = connection.getresponse(), 0
    while piece := reply.read(MIB):
        got += len(piece)
    return got, got / MIB / (time.monotonic() - begun)


def check_stream(program, storm, _):
    [port] = free_ports(1)
    plain = subprocess.Popen([storm, "plain", str(port)])
    try:
        wait_for(port)
        with emulator(program, storm, "--timeout", "120") as (process, listens):
            rates = []
            for _ in range(3):
                got, rate = stream_from(listens, STREAM, "POST")
                assert got >= 200 * MIB, got
                rates.append((rate, stream_from(f"127.0.0.1:{port}", "/", "GET")[1]))
            peak = status(process.pid, "VmHWM")
    finally:
        plain.kill()
        plain.wait()
    rate, other = sorted(rates)[1]
    print(f"storm: a stream of 200 MiB at {rate:.0f} MiB/s, a plain server's at {other:.0f}, {rate / other:.2f} of it; at most "
          f"{peak:.1f} MiB", flush=True)
    assert peak < STREAM_MIB, peak


def main(program, storm, count):
    for check in (check_outcomes, check_room, check_stream):
        check(program, storm, int(count))


if __name__ == "__main__":
    main(*sys.argv[1:4])
