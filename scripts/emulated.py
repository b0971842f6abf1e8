"""Rows of what is compared with AWS's own clients, and a program on our emulator that answers their events."""

import base64
import http.client
import json
import os
import re
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from test_rie import check

INVOKE = "/2015-03-31/functions/function/invocations"
TRACE_ID = "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1"
IDENTITY = {"X-Amz-Cognito-Identity": json.dumps({"cognitoIdentityId": "eu-west-1:x", "cognitoIdentityPoolId": "p"})}
JSON_LOG = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}


def client_context(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return {"X-Amz-Client-Context": base64.b64encode(text.encode()).decode()}


@dataclass
class Row:
    name: str
    # Handler, unless it is called as the row is.
    handler: str = ""
    events: list = field(default_factory=lambda: ["{}"])
    headers: dict = field(default_factory=dict)
    env: dict = field(default_factory=dict)
    compares_log: bool = False
    # Whether the log is records in frames, as on Lambda, which are compared byte for byte but for what is never the same.
    compares_records: bool = False
    root: Path = None
    # What the bootstrap answers, where that is something else than what AWS's client does: a test of it.
    ours: object = None


def has_type(error_type, *parts):
    """The answer is an error of this type, with this in its text."""

    def holds(reply):
        text = json.dumps(reply)
        return reply["error"] and reply["body"]["errorType"] == error_type and all(part in text for part in parts)

    return holds


class Server:
    """A program on our emulator, and a caller."""

    def __init__(self, emulator, options, command, cwd=None, env=None, pass_fds=()):
        self.log = tempfile.TemporaryFile()
        arguments = [emulator, "--listen", "127.0.0.1:0", "--timeout", "30", *options, "--", *command]
        env = {**os.environ, **(env or {})}
        self.process = subprocess.Popen(arguments, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=self.log, pass_fds=pass_fds)
        self.listen = json.loads(self.process.stdout.readline().split(b" ", 1)[1])["listen"]
        self.connection = http.client.HTTPConnection(self.listen, timeout=600)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        # What else it prints is not read before; a pipe holds it.
        self.printed = self.process.stdout.read()
        self.process.wait()
        self.log.seek(0)
        self.printed += self.log.read()

    def reply(self, event, headers):
        self.connection.request("POST", INVOKE, event.encode() if isinstance(event, str) else event, headers)
        reply = self.connection.getresponse()
        return reply, reply.read()


class Emulated(Server):
    """What is compared with AWS's client."""

    def __init__(self, emulator, command, handler, env, root, records=None):
        pass_fds = []
        if records:
            pass_fds.append(records.descriptor)
            command = ["env", f"_LAMBDA_TELEMETRY_LOG_FD={records.descriptor}", *command]
        super().__init__(emulator, ["--task-root", root, "--handler", handler], command, root, env, pass_fds)

    def invoke(self, event, headers):
        reply, body = self.reply(event, headers)
        if reply.headers["X-Amz-Function-Error"] is not None:
            return {"error": True, "body": json.loads(body)}
        return {"error": False, "type": reply.headers["Content-Type"], "body": body.decode("latin-1")}

    def text(self):
        """What was printed, when all has ended. What has no end of a line has the emulator's next line behind it."""
        return re.sub(r"(END RequestId)", r"\n\1", self.printed.decode(errors="replace"))


class Records:
    """A pipe for the records of a log, and what has come through it: the first four bytes of each frame, and its text."""

    HEAD = struct.Struct(">4sIQ")

    def __enter__(self):
        self.begun_us = time.time_ns() // 1000
        self.source, self.descriptor = os.pipe()
        self.data = b""
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        return self

    def read(self):
        while piece := os.read(self.source, 65536):
            self.data += piece

    def __exit__(self, *_):
        os.close(self.descriptor)
        self.reader.join()
        os.close(self.source)

    def all(self):
        """When all has ended. Each has the time at which it was logged, which Node knows to the millisecond."""
        found, at, now_us = [], 0, time.time_ns() // 1000
        while at < len(self.data):
            kind, length, logged_us = self.HEAD.unpack_from(self.data, at)
            at += self.HEAD.size + length
            text = self.data[at - length : at].decode()
            check(f"time of {text}", self.begun_us - 1000 <= logged_us <= now_us, True)
            if "bootstrap: " not in text:
                found.append((kind.hex(), without_secrets(text)))
        return found


SECRETS = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d([.,]\d+)?(Z|\+0000)", "TIME"),
    (r'"Timestamp":\d+', '"Timestamp":TIME'),
    (r"0x[0-9a-f]+", "ADDRESS"),
]


def without_secrets(text):
    for pattern, name in SECRETS:
        text = re.sub(pattern, name, text)
    return text


def listed_rows(text):
    """Names of rows on a page: what stands in backticks in the last cell of a line of a table."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [name for line in lines for name in re.findall(r"`(\w+\.\w+)`", line.rsplit("|", 2)[1])]
