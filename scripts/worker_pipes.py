"""A worker over two pipes, as the bootstrap has it: what the tests of workers start, write, and hear, and what they have in
common."""

import copy
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

WORKERS = Path(__file__).resolve().parent.parent / "examples/bootstrap/workers"
# How long a worker may take for anything, in seconds. It decides nothing but when a test gives up.
PATIENCE = 600
# Most bytes that Lambda takes as an event or as an answer.
LIMIT = 6_291_556
# In bytes: nothing, a byte, a pipe's worth and what lies beside it, a large event, all that Lambda takes and what lies beside
# that. A worker knows no limit: it is the bootstrap that refuses what is too large.
SIZES = [0, 1, 65_535, 65_536, 65_537, 1 << 20, LIMIT - 1, LIMIT, LIMIT + 1]
# Of events that are bytes: nothing, and what lies beside a pipe's worth; in any but the first two are all values of a byte.
RAW_SIZES = SIZES[:5]
CONTEXT = {
    "function_name": "pipes", "function_version": "$LATEST", "memory_limit_in_mb": "128", "log_group_name": "/aws/lambda/pipes",
    "log_stream_name": "2026/11/29/[$LATEST]0", "invoked_function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:pipes",
    "aws_request_id": "", "deadline_ms": 0, "trace_id": None, "x_amzn_trace_id": None, "tenant_id": None, "identity": None,
    "client_context": None,
}  # fmt: skip


class Ended(Exception):
    """The worker has closed its answers."""


class Worker:
    def __init__(self, command, text, handler, variables={}, tail=[], stdin=subprocess.DEVNULL):
        """Has `command` run `text`, which is to call `handler`: a file and a function, with a dot between."""
        self.log = tempfile.TemporaryFile()
        self.unread = b""
        self.number = 0
        events, self.events = os.pipe()
        self.answers, answers = os.pipe()
        file, function = handler
        own = {"LAMBWIRE_EVENTS_FD": "3", "LAMBWIRE_ANSWERS_FD": "4", "LAMBWIRE_FILE": file, "LAMBWIRE_FUNCTION": function}

        def give_descriptors():
            there = os.dup(events), os.dup(answers)
            while min(there) < 5:
                there = tuple(os.dup(fd) for fd in there)
            os.dup2(there[0], 3)
            os.dup2(there[1], 4)
            os.closerange(5, 4096)

        self.process = subprocess.Popen(
            [*command, text, *tail], env={**os.environ, **own, **variables}, cwd=os.path.dirname(file), stdin=stdin,
            stdout=self.log, stderr=self.log, preexec_fn=give_descriptors, close_fds=False, start_new_session=True,
        )  # fmt: skip
        os.close(events)
        os.close(answers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close_events()
        os.close(self.answers)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def close_events(self):
        if self.events is not None:
            os.close(self.events)
        self.events = None

    def end(self):
        """What the worker ends with, when there are no events any more."""
        self.close_events()
        return self.process.wait(PATIENCE)

    def logged(self):
        # Where the file is read is where the worker writes on: that place is not moved.
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode(errors="replace")

    def wait_for_log(self, text):
        give_up_at = time.monotonic() + PATIENCE
        while text not in self.logged():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"{text!r} is not in the log: {self.logged()}")
            time.sleep(0.01)

    def wait_until_it_waits(self):
        """What has been heard may be of a worker that is still within its writing."""
        give_up_at = time.monotonic() + PATIENCE
        while Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "S":
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"it is busy; the log is {self.logged()}")
            time.sleep(0.01)

    def hear(self):
        """The next frame: its kind, its id and its body."""
        head = self.take(lambda: self.unread.find(b"\n") + 1).decode()
        kind, request_id, length = head.rstrip("\n").split(" ")
        return kind, request_id, self.take(lambda: int(length) if len(self.unread) >= int(length) else 0, int(length) == 0)

    def take(self, length_of, is_nothing=False):
        if is_nothing:
            return b""
        give_up_at = time.monotonic() + PATIENCE
        while not (length := length_of()):
            if not select.select([self.answers], [], [], max(0, give_up_at - time.monotonic()))[0]:
                raise TimeoutError(f"no answer; {self.unread[:200]!r} was read, and the log is {self.logged()}")
            piece = os.read(self.answers, 1 << 20)
            if not piece:
                raise Ended(f"{self.unread[:200]!r} was read, and the log is {self.logged()}")
            self.unread += piece
        taken, self.unread = self.unread[:length], self.unread[length:]
        return taken

    def ready(self):
        """What the worker asks for when it is ready."""
        kind, request_id, body = self.hear()
        if (kind, request_id) != ("ready", "-"):
            raise AssertionError(f"expected ready, heard {kind} {request_id} {body[:2000]!r}; the log is {self.logged()}")
        return json.loads(body or "{}")

    def send(self, event, client_context="null", **fields):
        """Sends an event. `client_context` is JSON."""
        self.number += 1
        request_id = f"{self.number:08d}-0000-4000-8000-000000000000"
        known = {**CONTEXT, "aws_request_id": request_id, "deadline_ms": int(time.time() * 1000) + 60_000, **fields}
        del known["client_context"]
        context = json.dumps(known, separators=(",", ":"), ensure_ascii=False)
        context = f'{context[:-1]},"client_context":{client_context}}}\n'.encode()
        event = event if isinstance(event, bytes) else event.encode()
        self.write(f"event {request_id} {len(context)} {len(event)}\n".encode() + context + event)
        return request_id

    def write(self, data):
        """Writes while the worker reads. None of them says anything before it has read all."""
        while data:
            data = data[os.write(self.events, data[: 1 << 20]) :]

    def invoke(self, event, **fields):
        """The kind and the body of the answer, which is of one frame."""
        request_id = self.send(event, **fields)
        kind, answered, body = self.hear()
        if answered != request_id:
            raise AssertionError(f"{kind} of {answered} is no answer to {request_id}")
        return kind, body

    def stream(self, event):
        """Every frame of an answer, to its end."""
        request_id = self.send(event)
        frames = []
        while not frames or frames[-1][0] not in ("end", "error", "fatal", "result", "text", "bytes"):
            kind, answered, body = self.hear()
            assert answered == request_id, (kind, answered, request_id)
            frames.append((kind, body))
        return frames

    def hooks(self, kind):
        self.write(f"{kind} - 0 0\n".encode())
        return self.hear()


def every_byte(size):
    """So many bytes, of every value in turn."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def check(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}: expected {str(expected)[:3000]}, found {str(found)[:3000]}")


class Language(NamedTuple):
    """How a worker is started: what runs its text, which files that is made of, and the extension of its handlers."""

    command: list
    extension: str
    files: list
    variables: dict = {}
    # What stands behind the text: the path of the bootstrap, or nothing.
    tail: list = []

    @property
    def is_shell(self):
        return self.extension == "sh"

    def text(self):
        # The first line is left to those who look for an opening tag or a comment there.
        texts = [(WORKERS / file).read_text().removeprefix("<?php") for file in self.files]
        if self.extension == "py":
            # The files but the last are parts of that, as the build has it.
            parts = {Path(file).stem: text for file, text in zip(self.files, texts[:-1])}
            texts = [f"PARTS = {parts}", texts[-1]]
        return "\n" + "".join(texts)


UTF_8 = {"LC_ALL": "C.UTF-8"}
# It is a file, as the bootstrap is.
BOOTSTRAP = str(Path(__file__).resolve())
PYTHON_FILES = [f"python/{name}.py" for name in ("context", "logs", "tasks", "values", "worker")]
PYTHON = Language([sys.executable, "-c"], "py", PYTHON_FILES)
NODE = Language(["node", "-e"], "js", ["node/worker.cjs"], tail=[BOOTSTRAP])
PHP = Language(["php", "-r"], "php", ["php/worker.php"])
PERL = Language(["perl", "-e"], "pl", ["perl/worker.pl"])
RUBY = Language(["ruby", "-e"], "rb", ["ruby/worker.rb"])
LUA = Language(["lua", "-e"], "lua", ["lua/json.lua", "lua/worker.lua"])
SH = Language(["sh", "-c"], "sh", ["sh/worker.sh"], UTF_8, [BOOTSTRAP])
LUAS = ["lua5.1", "lua5.3", "lua5.4", "luajit"]
SHELLS = ["dash", "bash", "busybox sh", "ksh", "mksh", "yash", "zsh"]
# What tests try that are for all.
LANGUAGES = {
    "python": PYTHON, "node": NODE, "php": PHP, "perl": PERL, "ruby": RUBY, **dict.fromkeys(LUAS, LUA), **dict.fromkeys(SHELLS, SH),
}  # fmt: skip


class Root:
    """A task root, and the worker of a language to serve the files in it; `interpreter` may have an argument."""

    def __init__(self, language, interpreter=None):
        self.language = language
        self.command = [*(interpreter.split() if interpreter else language.command[:-1]), language.command[-1]]
        self.name = os.path.basename(" ".join(self.command[:-1]))
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.realpath(self.directory.name)
        self.text = language.text()
        self.variables = language.variables
        if self.command[0] == "busybox":
            # As in images of Alpine, where it is every program.
            tools = os.path.join(self.path, "busybox")
            os.mkdir(tools)
            subprocess.run(["busybox", "--install", "-s", tools], check=True)
            self.command[0] = shutil.which("busybox")
            self.variables = {**self.variables, "PATH": tools}

    def write(self, name, text):
        path = Path(self.path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def start_file(self, name, function="handler", **variables):
        """Starts the worker for a function in a file that is there."""
        path = os.path.join(self.path, name)
        return Worker(self.command, self.text, (path, function), {**self.variables, **variables}, self.language.tail)

    def start(self, text, function="handler", **variables):
        """Starts the worker for a function in a file with this text."""
        name = f"app.{self.language.extension}"
        self.write(name, text)
        return self.start_file(name, function, **variables)

    def serve(self, *what, **variables):
        """Has it started, and waits until it is ready; `asked` is what it asks for."""
        worker = self.start(*what, **variables)
        worker.asked = worker.ready()
        return worker


def without_proc(root):
    """The same in a mount namespace of its own, where nothing is below /proc."""
    hides = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"]
    if not shutil.which("unshare") or subprocess.run([*hides, "true"]).returncode:
        raise SystemExit("unshare -m is not possible here, so that nobody knows whether a worker needs /proc")
    hidden = copy.copy(root)
    hidden.command = [*hides, *root.command]
    return hidden


def roots(names, kind=Root):
    """A root of this kind for each language of these names, or for all."""
    for name in names or LANGUAGES:
        language = LANGUAGES[name]
        root = kind(language, name if language in (LUA, SH) else None)
        root.name = name
        yield root


def value(answer):
    """What an answer is: JSON, or a text."""
    kind, body = answer
    check(f"kind of {body[:200]}", kind in ("result", "text", "bytes"), True)
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def is_reported(what, answer, kind, error_type, message):
    """Whether an answer, or what is heard, is a report of this type, whose message has this part."""
    report = json.loads(answer[-1])
    seen = answer[0], report["errorType"].startswith(error_type), message in report["errorMessage"]
    check(f"{what}: {report}", seen, (kind, True, True))


def dies_of_sigterm(root, text, logged):
    """A handler that SIGTERM ends by an error: what it has printed is `logged`, and the end is reported."""
    with root.serve(text) as running:
        running.invoke("{}")
        running.wait_until_it_waits()
        running.process.send_signal(signal.SIGTERM)
        check("status", running.process.wait(PATIENCE), 1)
        check("log", running.logged(), logged)
        check("reported", running.hear()[:2], ("fatal", "-"))


def outlives_sigterm(root, text):
    """A handler that is interrupted by SIGTERM, and answers on."""
    with root.serve(text) as running:
        for _ in range(3):
            running.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            check("goes on", running.invoke("{}"), ("text", b"well"))


def try_all(root, tests):
    """Runs each test, which counts its cases, if there is more than one."""
    passed = 0
    for test in tests:
        try:
            count = test(root)
            if count == 0:
                print(f"{root.name}: {test.__name__} was left out", flush=True)
            passed += 1 if count is None else count
        except Exception as error:
            sys.exit(f"{root.name}: {test.__name__}: {type(error).__name__}: {error}")
    print(f"{root.name}: {passed} passed, 0 failed", flush=True)
