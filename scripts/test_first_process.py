"""The bootstrap as the first process of a container, which reaps and is sent SIGTERM: `test_first_process.py BOOTSTRAP`."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

from runtime_api import Connection
from worker_pipes import check

# What any step may take, in seconds. It decides nothing but when a test gives up.
PATIENCE = 120
# How long Lambda leaves at most between SIGTERM and the end, in seconds (AWS, "Shutdown phase").
GRACE_S = 2
# A handler that leaves behind two processes in sessions of their own: one that ends, and one that does not.
HANDLER = r"""handler() {
    case $1 in
    1)
        setsid sh -c 'echo $$ >ending; exec sleep 0.2' >/dev/null 2>&1 &
        setsid sh -c 'echo $$ >lasting; exec sleep 600' >/dev/null 2>&1 &
        until [ -s ending ] && [ -s lasting ]; do sleep 0.05; done
        ;;
    2) kill -KILL $$ ;;
    esac
    echo "[$1, $PPID, $$]"
}
"""
# In a namespace of processes of its own, whose first it is, as in a container. Whoever is not root has one of users as well.
ALONE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def children(pid):
    """The processes below this one, whichever of its threads has them."""
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += [int(child) for child in file.read().split()]
    return found


def state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(") ", 1)[1][0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_for(what, holds):
    give_up_at = time.monotonic() + PATIENCE
    while not (held := holds()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{what}: not in {PATIENCE} s")
        time.sleep(0.01)
    return held


class Container:
    """The bootstrap, first in a namespace of processes, with a Runtime API that it has connected to."""

    def __init__(self, bootstrap, handler):
        self.directory = tempfile.TemporaryDirectory()
        self.root = self.directory.name
        with open(os.path.join(self.root, "app.sh"), "w") as file:
            file.write(handler)
        self.listener = listener = socket.create_server(("127.0.0.1", 0))
        own = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % listener.getsockname()[1], "LAMBDA_TASK_ROOT": self.root}
        alone = ALONE if os.getuid() == 0 else [*ALONE, "--user", "--map-root-user"]
        self.unshare = subprocess.Popen([*alone, bootstrap, "app.handler"], env={**os.environ, **own})
        self.api = Connection(listener, PATIENCE)
        # Outside of the namespace it has another number.
        (self.pid,) = wait_for("the first process", lambda: children(self.unshare.pid))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        self.api.socket.close()
        self.unshare.kill()
        self.unshare.wait(PATIENCE)
        self.directory.cleanup()

    def answer(self, number):
        return self.api.answer(number, b"%d" % number)

    def below(self, command):
        """The process right below the first whose command line begins so, if there is one."""
        for pid in children(self.pid):
            try:
                with open(f"/proc/{pid}/cmdline") as file:
                    if file.read().replace("\0", " ").startswith(command):
                        return pid
            except (FileNotFoundError, ProcessLookupError):
                pass
        return None

    def is_tidy(self):
        return all(state(pid) != "Z" for pid in children(self.pid))

    def end(self):
        """What it ends with when it is sent SIGTERM, and how long that takes, in seconds."""
        began = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        status = self.unshare.wait(PATIENCE)
        return status, time.monotonic() - began


def reaps_and_ends(bootstrap):
    with Container(bootstrap, HANDLER) as container:
        path, body = container.answer(1)
        check(f"who runs the handler: {body}", (path, body.split(b",")[1]), ("1/response", b" 1"))
        lasting = wait_for("what lasts", lambda: container.below("sleep 600"))
        wait_for("the end of what does not", lambda: not container.below("sleep 0.2") and container.is_tidy())
        check("what lasts is there", state(lasting) is not None, True)
        status, seconds = container.end()
        check("status", status, 0)
        check("what lasts is gone", state(lasting), None)
        print(f"as the first process it reaps, and ends after {seconds:.1f} s")


def ends_with_the_worker(bootstrap):
    with Container(bootstrap, HANDLER) as container:
        container.answer(1)
        lasting = wait_for("what lasts", lambda: container.below("sleep 600"))
        check("killed", container.answer(2)[0], "2/error")
        # Another worker is started when all that the last has left running has ended.
        check("another", container.answer(3)[0], "3/response")
        check("what lasts has ended with its worker", state(lasting), None)
        check("status", container.end()[0], 0)
        print("as the first process it ends what a worker leaves running")


def ends_in_time(bootstrap):
    """Also if the handler's process does not."""
    with Container(bootstrap, "trap '' TERM\nhandler() { echo >begun; sleep 600; }\n") as container:
        # What has a handler of SIGTERM registers as an extension, so that Lambda sends it.
        with Connection(container.listener, PATIENCE) as extension:
            check("registers", extension.request()[0].split(" ")[1], "/2020-01-01/extension/register")
            extension.reply("200 OK", ["Lambda-Extension-Identifier: 1"], b"{}")
            container.api.give(1, b"1")
            wait_for("the handler", lambda: os.path.exists(os.path.join(container.root, "begun")))
            status, seconds = container.end()
            check("status", status, 0)
            print(f"as the first process it ends after {seconds:.1f} s, {GRACE_S} of which the handler's process has")


if __name__ == "__main__":
    for test in (reaps_and_ends, ends_with_the_worker, ends_in_time):
        test(sys.argv[1])
