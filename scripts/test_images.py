"""Builds the example images, and asks each with curl on a published port: `test_images.py PROGRAMS RIE [EXAMPLE...]`. Names of examples
have these alone tried.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import oci_image
from image_mistakes import MISTAKES
from test_rie import PATH, check, wait_for

BASE = "localhost/lambwire-base"
NOBODY = 65534
MIB = 1024 * 1024
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CONFINED = ["--user", str(NOBODY), "--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
EVENT = os.path.join("examples", "events", "api-gateway.json")

# The image that others take the bootstrap from, and the line of a Dockerfile that does.
SOURCE = "lambwire/bootstrap"
FROM_SOURCE = f"COPY --from={SOURCE} /bootstrap /bootstrap"

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
    # Languages that a file makes known, each with what its interpreter takes. They hand back what they are given.
    "workers/elixir": (["bootstrap"], 256),
    "workers/guile": (["bootstrap"], 128),
    "workers/r": (["bootstrap"], 256),
    "workers/tcl": (["bootstrap"], 128),
    "workers/typescript": (["bootstrap"], 256),
}


def run(*command, **options):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


@contextlib.contextmanager
def built(files, base):
    """An image of these files, one of which is its Dockerfile."""
    with tempfile.TemporaryDirectory() as context:
        # Of two that have the same name the last counts: somebody may have built an example by hand.
        for name, file in {os.path.basename(file): file for file in files}.items():
            copy = shutil.copytree if os.path.isdir(file) else shutil.copy
            copy(file, os.path.join(context, name))
        arguments = ["--quiet", "--layers=false", "--build-arg", f"BASE={BASE}/{base}", context]
        image = run("podman", "build", *arguments).strip()
    try:
        yield image
    finally:
        run("podman", "rmi", "--force", image)


@contextlib.contextmanager
def running(image, options, arguments, memory_mib):
    """A container of an image, confined as Lambda would do it and more so."""
    memory_bytes = memory_mib * MIB
    container = run(
        *["podman", "run", "--detach", "--publish", "127.0.0.1::8080", *CONFINED, "--memory", str(memory_bytes)],
        *[*options, image, *arguments],
    ).strip()
    try:
        yield Container(container, memory_bytes)
    finally:
        run("podman", "rm", "--force", "--time", "0", container)


class Container:
    """One that runs."""

    def __init__(self, container, memory_bytes):
        self.id, self.memory_bytes = container, memory_bytes
        self.port = int(run("podman", "port", container, "8080").rsplit(":", 1)[1])
        wait_for(self.port)

    def ask(self, *data):
        return run("curl", "--silent", "--show-error", *data, f"http://127.0.0.1:{self.port}{PATH}")

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
        socket = ["--volume", f"{self.directory.name}:/run/postgresql"]
        return [*socket, "--env", "PGHOST=/run/postgresql", "--env", "PGUSER=lambda"]

    def hang_up(self):
        """Closes all connections, as a server does with those that have been idle for too long."""
        others = "FROM pg_stat_activity WHERE usename = 'lambda' AND pid != pg_backend_pid()"
        run("psql", "-h", self.directory.name, "-U", "lambda", "-c", f"SELECT pg_terminate_backend(pid) {others}")


def read(path):
    with open(path) as file:
        return file.read()


def answers(name, programs, rie, options=(), before_each=lambda: None):
    """The image of an example answers what its README says, from within its bounds."""
    directory = os.path.join("examples", name)
    copied, memory_mib = EXAMPLES[name]
    files = [os.path.join(directory, file) for file in os.listdir(directory)]
    files += [os.path.join(programs, file) for file in copied]
    told = re.search(r"```json\n(.*?)\n```", read(os.path.join(directory, "README.md")), re.DOTALL)
    with built(files, name) as image:
        for around, more, arguments in lambdas(image, programs, rie):
            with running(image, [*options, *more], arguments, memory_mib) as container:
                for _ in range(3):
                    before_each()
                    answer = container.ask("--data-binary", f"@{EVENT}")
                    if told:
                        check(f"{name} in {around}", UUID.sub("an id", answer), UUID.sub("an id", told[1]))
                    else:
                        handed_back = json.loads(answer)["got"]["queryStringParameters"]
                        check(f"{name} in {around}", handed_back, {"name": "Ada"})
                container.is_confined()
            print(f"{name} in {around} ... ok", flush=True)


def answers_by_one_line(programs):
    """The example in shell, with the bootstrap from the image that `just image` makes of these programs."""
    check("the line is in docs/images.md", FROM_SOURCE in read("docs/images.md"), True)
    with tempfile.TemporaryDirectory() as work:
        layout, dockerfile = os.path.join(work, "layout"), os.path.join(work, "Dockerfile")
        oci_image.main(layout, SOURCE, f"amd64={programs}/bootstrap,{programs}/lambwire-emulator")
        run("podman", "tag", run("podman", "pull", "--quiet", f"oci:{layout}").strip(), SOURCE)
        with open(dockerfile, "w") as file:
            file.write(read("examples/sh/Dockerfile").replace("COPY bootstrap /bootstrap", FROM_SOURCE))
        try:
            check("the line is in the Dockerfile", FROM_SOURCE in read(dockerfile), True)
            with built([dockerfile, "examples/sh/app.sh"], "sh") as image:
                emulator = ["--volume", f"{programs}/lambwire-emulator:/lambwire-emulator:ro"]
                with running(image, emulator, [], EXAMPLES["sh"][1]) as container:
                    check("an answer", json.loads(container.ask("--data-binary", f"@{EVENT}"))["statusCode"], 200)
        finally:
            run("podman", "rmi", "--force", SOURCE)
    print("sh with the bootstrap from an image ... ok", flush=True)


def is_told(what, programs):
    """An image with a mistake says so at its start, in words that the docs explain."""
    base, lines, words = MISTAKES[what]
    # As on Lambda, but that nobody listens: a container has an address 127.0.0.1 of its own, and nothing else in it.
    command = ["podman", "run", "--rm", *CONFINED, "--env", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1"]
    with tempfile.TemporaryDirectory() as directory:
        dockerfile = os.path.join(directory, "Dockerfile")
        with open(dockerfile, "w") as file:
            file.write(f"FROM {BASE}/{base}\nCOPY bootstrap /bootstrap\nCOPY app.sh lambda /var/task/\n{lines}\n")
        copied = [os.path.join(programs, file) for file in ["bootstrap", "lambda", "client"]]
        with built([dockerfile, "examples/sh/app.sh", *copied], base) as image:
            ended = subprocess.run(
                [*command, image], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600
            )
    check(f"{what}: {words} in {ended.stdout}", (words in ended.stdout, ended.returncode != 0), (True, True))
    check(f"{what}: in docs/images.md", words in read("docs/images.md"), True)
    print(f"{what} is explained ... ok", flush=True)


def main(programs, rie, *names):
    for name in names or EXAMPLES:
        if name == "go-native":
            with Database() as database:
                answers(name, programs, rie, database.options(), database.hang_up)
        else:
            answers(name, programs, rie)
    if names:
        return
    answers_by_one_line(programs)
    for what in MISTAKES:
        is_told(what, programs)
    print(f"{len(EXAMPLES) + 1 + len(MISTAKES)} passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
