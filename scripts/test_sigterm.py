"""SIGTERM at any moment of a process's life: what a handler does then is done, all of it, in the time that Lambda gives:
`test_sigterm.py BOOTSTRAP ROUNDS [LANGUAGE]...`."""

import http.server
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import test_more_languages
import test_worker_lives
from worker_pipes import PATIENCE, check

EXTENSIONS = {"python": "py", "node": "js", "php": "php", "perl": "pl", "ruby": "rb", "lua": "lua", "sh": "sh"}
# In which file of the task root each language's handler is, and what it does at SIGTERM.
CAREFUL = {
    **{language: (f"app.{extension}", test_worker_lives.CAREFUL[extension]) for language, extension in EXTENSIONS.items()},
    **{language: (f"app.{extension}", [(test_more_languages.CAREFUL[language], 0, {})])
       for language, extension in {"bun": "ts", "deno": "ts", "tcl": "tcl", "guile": "scm", "elixir": "exs"}.items()},
}  # fmt: skip
# The longest time until the signal comes, in seconds: some events' worth.
MOMENTS_S = 0.01


class Api(http.server.ThreadingHTTPServer):
    """A Runtime API that has an event whenever one is asked for, up to `count`."""

    daemon_threads = True

    def __init__(self, count):
        super().__init__(("127.0.0.1", 0), Requests)
        self.count = count
        self.given = self.answered = 0
        self.has_none = False
        # Requests of several connections come at once.
        self.counting = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def handle_error(self, request, address):
        """The bootstrap is gone."""


class Requests(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        if "/extension/" in self.path:
            time.sleep(PATIENCE)
        with server.counting:
            server.given += 1
            number = server.given
            server.has_none = number > server.count
        if number > server.count:
            time.sleep(PATIENCE)
        deadline_ms = int(time.time() * 1000) + PATIENCE * 1000
        self.answer(200, {"Lambda-Runtime-Aws-Request-Id": f"id-{number}", "Lambda-Runtime-Deadline-Ms": deadline_ms}, b"1")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.counting:
            self.server.answered += "/response" in self.path
        self.answer(200 if "/extension/" in self.path else 202, {"Lambda-Extension-Identifier": "x"}, b"{}")

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in {**headers, "Content-Length": len(body)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def hears(bootstrap, language, chance):
    """One life: the signal comes while there are events, or when there is none any more."""
    name, kinds = CAREFUL[language]
    text, _, variables = chance.choice(kinds)
    several = ["--in-process", "3", "--workers", "3"] if "LAMBWIRE_CONCURRENCY" in variables else []
    # With other events under way, what an event leaves running in Python cannot be told from what the signal has begun.
    is_busy = not several and chance.random() < 0.7
    with tempfile.TemporaryDirectory() as root, Api(10**9 if is_busy else chance.randrange(1, 4)) as api:
        with open(os.path.join(root, name), "w") as file:
            file.write(text)
        if language not in EXTENSIONS:
            folder = test_more_languages.folder_of(language)
            worker = next(name for name in os.listdir(folder) if name.startswith("worker."))
            os.mkdir(os.path.join(root, "workers"))
            shutil.copy(os.path.join(folder, worker), os.path.join(root, "workers"))
        own = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % api.server_port, "LAMBDA_TASK_ROOT": root, "LC_ALL": "C.UTF-8"}
        interpreter = ["--interpreter", language] if language in ("bun", "deno") else []
        command = [bootstrap, *interpreter, *several, "app.handler"]
        process = subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while api.answered < (1 if is_busy else api.count) or not (is_busy or api.has_none):
            check(f"{language}: it runs", process.poll(), None)
            time.sleep(0.001)
        time.sleep(chance.random() * MOMENTS_S)
        process.terminate()
        log, _ = process.communicate(timeout=PATIENCE)
        log = log.decode()
        said = [line for line in log.split() if line.endswith(("closing", "closed"))]
        what = f"{language} {text}: busy {is_busy}, {api.answered} answers, {log}"
        check(what, (len(said), "has not ended" in log), (2, False))


def main(bootstrap, rounds, *languages):
    chance = random.Random(7)
    for language in languages or CAREFUL:
        for _ in range(int(rounds)):
            hears(bootstrap, language, chance)
        print(f"{language}: {rounds} times, the handler heard of SIGTERM in time", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
