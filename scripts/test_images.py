"""Builds the example images, and asks each with curl on a published port: `test_images.py PROGRAMS RIE`."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from test_rie import PATH, check, wait_for

BASE = "localhost/lambwire-base"
NOBODY = 65534
MIB = 1024 * 1024
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
EVENT = os.path.join("examples", "events", "api-gateway.json")

# What is copied into each image beside what its example has, and the memory that it gets, in MiB: 64 where everything
# is static, and otherwise the least that Lambda gives.
EXAMPLES = {
    "php": (["bootstrap"], 128),
    "perl": (["bootstrap"], 128),
    "python": (["bootstrap"], 128),
    "node": (["bootstrap"], 128),
    "ruby": (["bootstrap"], 128),
    "sh": (["bootstrap"], 64),
    "go-native": (["lambda", "client"], 128),
    "rust-scratch": (["hello"], 64),
}


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def build(image, files, base):
    """Builds an image of these files; one of them is its Dockerfile."""
    with tempfile.TemporaryDirectory() as context:
        for file in files:
            copy = shutil.copytree if os.path.isdir(file) else shutil.copy
            copy(file, os.path.join(context, os.path.basename(file)))
        run("podman", "build", "-q", "--build-arg", f"BASE={base}", "-t", image, context)


class Container:
    """A container of an image, confined as Lambda would do it and more so."""

    def __init__(self, image, options, arguments, memory_mib=128):
        self.memory_bytes = memory_mib * MIB
        self.id = run(
            *["podman", "run", "--detach", "--publish", "127.0.0.1::8080", "--user", str(NOBODY), "--read-only"],
            *["--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", str(self.memory_bytes)],
            *[*options, image, *arguments],
        ).strip()

    def __enter__(self):
        self.port = int(run("podman", "port", self.id, "8080").rsplit(":", 1)[1])
        wait_for(self.port)
        return self

    def __exit__(self, *_):
        run("podman", "rm", "--force", "--time", "0", self.id)

    def ask(self, *data):
        return run("curl", "--silent", "--show-error", *data, f"http://127.0.0.1:{self.port}{PATH}")

    def log(self):
        return run("podman", "logs", self.id, stderr=subprocess.STDOUT)

    def is_confined(self):
        """Asks the kernel, rather than podman."""
        process = f"/proc/{run('podman', 'inspect', '--format', '{{.State.Pid}}', self.id).strip()}"
        status = dict(line.split(":\t") for line in read(f"{process}/status").splitlines())
        check("user ids", status["Uid"].split(), [str(NOBODY)] * 4)
        check("capabilities", [int(status[f"Cap{name}"], 16) for name in ["Prm", "Eff", "Bnd", "Amb"]], [0] * 4)
        check("no new privileges", status["NoNewPrivs"], "1")
        mounts = [line.split() for line in read(f"{process}/mountinfo").splitlines()]
        root = next(mount for mount in mounts if mount[4] == "/")
        check("root", root[5].split(",")[0], "ro")
        check("memory", int(read(memory_limit(read(f"{process}/cgroup")))), self.memory_bytes)


def memory_limit(cgroups):
    """Where the kernel says what a process may have: its groups are of the first version or of the second."""
    groups = {names: path for _, names, path in (line.split(":", 2) for line in cgroups.splitlines())}
    if "memory" in groups:
        return f"/sys/fs/cgroup/memory{groups['memory']}/memory.limit_in_bytes"
    return f"/sys/fs/cgroup{groups['']}/memory.max"


def lambdas(image, programs, rie):
    """Lambda around an image: what it is called, and the options and arguments that podman is given."""
    config = json.loads(run("podman", "image", "inspect", image))[0]["Config"]
    function = [*config["Entrypoint"], *(config.get("Cmd") or [])]
    ours = ["--volume", f"{programs}/lambwire-emulator:/lambwire-emulator:ro"]
    if function[0] == "/bootstrap":
        yield "the emulator beside the bootstrap", ours, []
    else:
        front = ["--entrypoint", "/lambwire-emulator"]
        yield "the emulator", [*ours, *front], ["--listen", "0.0.0.0:8080", "--", *function]
    yield "AWS's emulator", ["--volume", f"{rie}:/aws-lambda-rie:ro", "--entrypoint", "/aws-lambda-rie"], function


class Database:
    """A PostgreSQL server that is reached by a socket in a directory alone."""

    def __enter__(self):
        self.directory = tempfile.TemporaryDirectory()
        shutil.chown(self.directory.name, "postgres")
        os.chmod(self.directory.name, 0o711)
        self.data = os.path.join(self.directory.name, "data")
        programs = run("pg_config", "--bindir").strip()
        as_postgres = {"user": "postgres", "group": "postgres", "cwd": "/", "stdout": subprocess.DEVNULL}
        initialize = [f"{programs}/initdb", "-D", self.data, "-U", "lambda", "--auth=trust", "--no-sync"]
        subprocess.run(initialize, check=True, **as_postgres)
        serve = [f"{programs}/postgres", "-D", self.data, "-k", self.directory.name, "-c", "listen_addresses="]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(serve, stderr=self.log, **as_postgres)
        is_ready = [f"{programs}/pg_isready", "--quiet", "-h", self.directory.name]
        while subprocess.run(is_ready).returncode != 0:
            check("postgres", self.process.poll(), None)
            time.sleep(0.05)
        run("createdb", "-h", self.directory.name, "-U", "lambda", "lambda")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        self.directory.cleanup()

    def options(self):
        return ["--volume", f"{self.directory.name}:/run/postgresql", "--env", "PGHOST=/run/postgresql", "--env", "PGUSER=lambda"]


def read(path):
    with open(path) as file:
        return file.read()


def answers(name, programs, rie, options):
    """The image of an example answers what its README says, from within its bounds."""
    directory, image = os.path.join("examples", name), f"localhost/lambwire-example/{name}"
    copied, memory_mib = EXAMPLES[name]
    files = [os.path.join(directory, file) for file in os.listdir(directory)]
    build(image, [*files, *(os.path.join(programs, file) for file in copied)], f"{BASE}/{name}")
    expected = re.search(r"```json\n(.*?)\n```", read(os.path.join(directory, "README.md")), re.DOTALL)[1]
    for around, more, arguments in lambdas(image, programs, rie):
        with Container(image, [*options, *more], arguments, memory_mib) as container:
            for _ in range(3):
                answer = container.ask("--data-binary", f"@{EVENT}")
                check(f"{name} in {around}", UUID.sub("an id", answer), UUID.sub("an id", expected))
            container.is_confined()
        print(f"{name} in {around} ... ok", flush=True)


def main(programs, rie):
    with Database() as database:
        for name in EXAMPLES:
            answers(name, programs, rie, database.options() if name == "go-native" else [])


if __name__ == "__main__":
    main(*sys.argv[1:3])
