"""Many invocations of handlers in every language with faults at random: exits, signals, forks, late failures, time-outs,
processes left behind, garbage on every descriptor. Each caller gets its own answer or an error, nothing of another's; what
no fault explains is no error; processes and the memory of the bootstrap, and of a worker without faults, stay flat.

`soak_languages.py EMULATOR BOOTSTRAP [COUNT [SEED]]`: COUNT invocations over all languages.
"""

import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HANDLERS = Path(__file__).parent / "soak"
CALLERS = 2
# Long enough for an event on a machine that is busy with other things.
TIMEOUT_S = 10

# How often each fault comes in 10,000 events; a time-out costs seconds.
FAULTS = {"throw": 200, "exit": 40, "kill": 30, "term": 20, "print": 100, "fork": 60, "late": 40, "leave": 20, "garbage": 30, "hang": 1}
# What a fault does to its own caller: an error that it explains, an answer, or either.
FAILS = {"throw", "exit", "kill", "term", "hang"}
EITHER = {"late", "garbage"}
# Faults that may also cost those who come while the harm is under way: as on Lambda, they get an error.
HARMS_NEXT = {"late", "garbage", "fork"}
# How many events later a fault is still under way: two callers take turns, and 30 ms are some hundred events.
HARM_EVENTS = 400

# How much the memory of the bootstrap may grow, in KiB, from the first tenth to the end.
GROWTH_KIB = 512
# At every so many events it is looked at.
SAMPLED = 50
# The last events are without faults, so that one process answers them all: one in so many of all. What that takes may grow
# by as much, in KiB, from their first half to the end. A collector of garbage lets that much lie.
CALM = 5
GROWTH_WORKER_KIB = 16 * 1024
# The same of its open files: the pipes of a worker that is being started.
GROWTH_FILES = 4


def main(emulator, bootstrap, count=100_000, seed=1):
    languages = sorted(path.suffix[1:] for path in HANDLERS.glob("app.*"))
    failed = 0
    for language in languages:
        problems = soak(language, emulator, bootstrap, int(count) // len(languages), f"{seed}-{language}")
        for problem in problems[:10]:
            print(f"{language}: {problem}")
        failed += bool(problems)
    print(f"{len(languages) - failed} passed, {failed} failed")
    return failed > 0


def soak(language, emulator, bootstrap, count, seed):
    with tempfile.TemporaryDirectory() as root:
        shutil.copy(HANDLERS / f"app.{language}", root)
        command = [emulator, "--listen", "127.0.0.1:0", "--timeout", str(TIMEOUT_S), "--task-root", root]
        log_path = Path(root) / "log"
        with log_path.open("wb") as log:
            process = subprocess.Popen([*command, "--", bootstrap, "app.handler"], stdout=subprocess.PIPE, stderr=log)
        try:
            address = listening(process.stdout)
            drain = threading.Thread(target=process.stdout.read)
            drain.start()
            started = time.monotonic()
            soaked = Soak(address, process.pid, count, seed)
            soaked.run()
            problems = soaked.problems
            print(f"{language}: {soaked.answered} answers, {soaked.errors} errors, {count} events in "
                  f"{time.monotonic() - started:.0f} s; bootstrap {soaked.first_kib} -> {soaked.last_kib} KiB, "
                  f"{soaked.first_files} -> {soaked.last_files} files; worker {soaked.calm_kib} -> "
                  f"{soaked.last_worker_kib} KiB", flush=True)
            if soaked.last_worker_kib > soaked.calm_kib + GROWTH_WORKER_KIB:
                problems.append(f"memory of the worker grew from {soaked.calm_kib} to {soaked.last_worker_kib} KiB")
            if soaked.last_kib > soaked.first_kib + GROWTH_KIB:
                problems.append(f"memory grew from {soaked.first_kib} to {soaked.last_kib} KiB")
            if soaked.last_files > soaked.first_files + GROWTH_FILES:
                problems.append(f"open files grew from {soaked.first_files} to {soaked.last_files}")
            family = descendants(process.pid)
            # What has ended since the last event is waited for at the next; and a handler's own children are its own to wait for.
            before = zombies(process.pid)
            soaked.one_more()
            stale = before & zombies(process.pid)
            if stale:
                problems.append(f"{len(stale)} zombies of the bootstrap")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=600)
        drain.join()
        left = [pid for pid in family if state(pid) not in ("", "Z")]
        if left:
            problems.append(f"left behind: {[cmdline(pid) for pid in left]}")
            for pid in left:
                os.kill(pid, signal.SIGKILL)
    return problems


def listening(stdout):
    """The address of the emulator: what the function logs may come before it."""
    for line in stdout:
        ready = re.search(rb'"listen":"([^"]+)"', line)
        if ready:
            return ready[1].decode()
    raise OSError("the emulator has ended")


class Soak:
    def __init__(self, address, pid, count, seed):
        self.address, self.pid, self.count, self.seed = address, pid, count, seed
        self.lock = threading.Lock()
        self.started = self.answered = self.errors = 0
        self.harmed_until = 0
        self.first_kib = self.last_kib = self.first_files = self.last_files = 0
        self.calm_from = count - count // CALM
        self.calm_kib = self.last_worker_kib = 0
        self.problems = []

    def run(self):
        callers = [threading.Thread(target=self.call, args=(f"{self.seed}-{n}",)) for n in range(CALLERS)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        self.one_more()
        self.last_kib, self.last_files = self.bootstrap_kib(), self.bootstrap_files()
        self.last_worker_kib = self.worker_kib()

    def one_more(self):
        self.count = self.started + 1
        self.call(f"{self.seed}-{self.count}")

    def call(self, seed):
        chance = random.Random(seed)
        connection = http.client.HTTPConnection(self.address, timeout=600)
        while True:
            with self.lock:
                number = self.started
                if number >= self.count:
                    return
                self.started += 1
                do = pick(chance) if number < self.calm_from else "echo"
                if do in HARMS_NEXT:
                    self.harmed_until = number + HARM_EVENTS
                if number <= self.count // 10 and number % SAMPLED == 0:
                    # While a worker is started anew, there are none of its pipes.
                    self.first_kib = max(self.first_kib, self.bootstrap_kib())
                    self.first_files = max(self.first_files, self.bootstrap_files())
                if self.calm_from <= number <= (self.calm_from + self.count) // 2 and number % SAMPLED == 0:
                    self.calm_kib = max(self.calm_kib, self.worker_kib())
            name = f"{seed}-{number}"
            size = chance.choice([0, 1, 100, 1000, 5000, 65_400, 65_536, 70_000]) if chance.random() < 0.1 else 20
            event = {"do": do, "id": name, "pad": "x" * size}
            path = "/2015-03-31/functions/function/invocations"
            try:
                connection.request("POST", path, json.dumps(event, separators=(",", ":")))
                reply = connection.getresponse()
                body = reply.read()
            except OSError as error:
                self.problem(f"{name} {do}: no reply: {error!r}")
                connection.close()
                continue
            self.judge(number, event, reply, body)

    def judge(self, number, event, reply, body):
        name, do = event["id"], event["do"]
        is_error = reply.getheader("X-Amz-Function-Error") is not None or reply.status != 200
        others = [other for other in re.findall(rb"%s-\d+-\d+" % self.seed.encode(), body) if other != name.encode()]
        shown = f"{name} {do}: {reply.status} {body[:200]!r}"
        if others:
            self.problem(f"of another's: {shown}")
        with self.lock:
            may_be_harmed = number <= self.harmed_until
            self.errors += is_error
            self.answered += not is_error
        if is_error:
            if do not in FAILS and do not in EITHER and not may_be_harmed:
                self.problem(f"an error without a fault: {shown}")
            return
        if do in FAILS:
            self.problem(f"success in spite of a fault: {shown}")
        answer = json.loads(body)
        if answer["id"] != name or answer["pad"] != event["pad"]:
            self.problem(f"not its own answer: {shown}")

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def bootstrap_kib(self):
        return max((rss_kib(pid) for pid in children(self.pid)), default=0)

    def worker_kib(self):
        """The largest of what the bootstrap has started: what faults have left running is small."""
        return max((rss_kib(pid) for ours in children(self.pid) for pid in children(ours)), default=0)

    def bootstrap_files(self):
        return max((len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in children(self.pid)), default=0)


def pick(chance):
    at = chance.randrange(10_000)
    for do, weight in FAULTS.items():
        at -= weight
        if at < 0:
            return do
    return "echo"


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        try:
            found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            pass
    return found


def zombies(pid):
    """The children of what `pid` has started that nobody has waited for."""
    return {child for ours in children(pid) for child in children(ours) if state(child) == "Z"}


def descendants(pid):
    return [pid for child in children(pid) for pid in [child, *descendants(child)]]


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def cmdline(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")[:100]


def rss_kib(pid):
    try:
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
    except (OSError, TypeError):
        return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
