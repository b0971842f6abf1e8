"""What programs inherit that handlers start: one that reads whatever is open takes nothing of the next event:
`test_inherited.py BOOTSTRAP [LANGUAGE]...`."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

from runtime_api import Connection
from worker_pipes import PATIENCE, check

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../examples/workers")
# Reads whatever is open besides the standard streams, for as long as it lives, and keeps what it gets.
TAKER = """
import os, threading, time

def take(fd):
    try:
        while taken := os.read(fd, 65536):
            with open("took", "ab") as took:
                took.write(taken)
    except OSError:
        pass

for fd in range(3, 64):
    threading.Thread(target=take, args=(fd,), daemon=True).start()
open("started", "w").close()
time.sleep(600)
"""
# What a handler runs at its first event. It goes on beside the others.
TAKE = f"'{sys.executable}' taker.py </dev/null >/dev/null 2>&1 & until [ -e started ]; do sleep 0.05; done; sleep 0.3"
TYPESCRIPT = """import { spawnSync } from "node:child_process";
import process from "node:process";
export function handler(event: any) {
  if (event === 1) spawnSync("sh", ["-c", process.env.TAKE!], { stdio: "inherit" });
  return event;
}
"""
# The extension of each language's handler, which runs TAKE if its event is 1, and gives its event back.
HANDLERS = {
    "python": ("py", "import os\ndef handler(event, context):\n    if event == 1: os.system(os.environ['TAKE'])\n    return event\n"),
    "node": ("js", """exports.handler = async (event) => {
  if (event === 1) require('child_process').spawnSync('sh', ['-c', process.env.TAKE], { stdio: 'inherit' });
  return event;
};
"""),
    "php": ("php", """<?php
function handler($event) {
    if ($event === 1) { exec(getenv('TAKE')); }
    return getenv('CONFINED') && @is_dir('/') ? 'not confined' : $event;
}
"""),
    "perl": ("pl", "sub handle { my ($event) = @_; system $ENV{TAKE} if $event == 1; return $event }\n1;\n"),
    "ruby": ("rb", "def handler(event:, context:)\n  system(ENV['TAKE']) if event == 1\n  event\nend\n"),
    "lua": ("lua", "function handler(event) if event == 1 then os.execute(os.getenv('TAKE')) end return event end\n"),
    "sh": ("sh", "handler() { case $1 in 1) sh -c \"$TAKE\" ;; esac; printf '%s\\n' \"$1\"; }\n"),
    "bun": ("ts", TYPESCRIPT),
    "deno": ("ts", TYPESCRIPT),
    "tcl": ("tcl", "proc handler {event context} { if {$event eq 1} { exec sh -c $::env(TAKE) }; return $event }\n"),
    "guile": ("scm", '(define (handler event context) (if (equal? event "1") (system (getenv "TAKE"))) event)\n'),
    "r": ("R", "handler <- function(event, context) { if (identical(event, 1L)) system(Sys.getenv('TAKE')); event }\n"),
    "elixir": ("exs", """defmodule App do
  def handler(event, _) do
    if event == "1", do: System.cmd("sh", ["-c", System.fetch_env!("TAKE")])
    event
  end
end
"""),
}  # fmt: skip
# PHP also without extensions that are not built in, such as FFI, as in its official image, and where it may open no file
# outside of the task root.
SETTINGS = {"php": [{}, {"PHP_INI_SCAN_DIR": "/nowhere"}, {"PHP_INI_SCAN_DIR": ".", "CONFINED": "1"}]}
CONFINED = "open_basedir=${LAMBDA_TASK_ROOT}\n"
# Processes have numbers of their own there, and /proc has those that they have outside.
APART = ["unshare", "--pid", "--fork", "--kill-child"]
# The programs of languages that are not called so.
PROGRAMS = {"python": "python3", "tcl": "tclsh", "r": "Rscript"}
FOLDERS = {"bun": "typescript", "deno": "typescript"}
EVENTS = [b"1", b'{"whole":"' + b"x" * 100_000 + b'"}', b'"last"']


def takes_nothing(bootstrap, language, settings, apart=()):
    extension, text = HANDLERS[language]
    with tempfile.TemporaryDirectory() as root, socket.socket() as api:
        for name, contents in ((f"app.{extension}", text), ("taker.py", TAKER), ("confined.ini", CONFINED)):
            with open(os.path.join(root, name), "w") as file:
                file.write(contents)
        folder = os.path.join(EXAMPLES, FOLDERS.get(language, language))
        if os.path.isdir(folder):
            worker = next(name for name in os.listdir(folder) if name.startswith("worker."))
            os.mkdir(os.path.join(root, "workers"))
            shutil.copy(os.path.join(folder, worker), os.path.join(root, "workers"))
        api.bind(("127.0.0.1", 0))
        api.listen()
        own = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % api.getsockname()[1], "LAMBDA_TASK_ROOT": root, "TAKE": TAKE}
        interpreter = ["--interpreter", language] if language in FOLDERS else []
        function = "handle" if language == "perl" else "handler"
        command = [*apart, bootstrap, *interpreter, f"app.{function}"]
        environment = {**os.environ, **own, **settings, "LC_ALL": "C.UTF-8"}
        with subprocess.Popen(command, env=environment) as process:
            try:
                with Connection(api, PATIENCE) as connection:
                    for number, event in enumerate(EVENTS):
                        check(f"{language} {settings} {apart}", json.loads(connection.answer(number, event)[1]), json.loads(event))
                check(f"{language} {settings}: is read by another program", os.path.exists(os.path.join(root, "took")), False)
            finally:
                # `unshare` takes no SIGTERM.
                process.kill() if apart else process.terminate()


def main(bootstrap, *languages):
    if not shutil.which("unshare") or subprocess.run([*APART, "true"]).returncode:
        raise SystemExit("unshare --pid is not possible here, so that nobody knows whether a worker needs the /proc of its processes")
    languages = languages or tuple(HANDLERS)
    if missing := [name for language in languages if not shutil.which(name := PROGRAMS.get(language, language))]:
        raise SystemExit(f"not in PATH: {', '.join(missing)}; languages to be tried can be named")
    for language in languages:
        for settings in SETTINGS.get(language, [{}]):
            takes_nothing(bootstrap, language, settings)
        takes_nothing(bootstrap, language, {}, APART)
        print(f"{language}: a program that a handler starts takes no event", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
