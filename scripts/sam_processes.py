"""SAM's `local start-lambda` and `local start-api` with a process in place of each of Docker's containers:
`sam_processes.py TEMPLATE RIE BOOTSTRAP PORT API_PORT`.

All but the containers is SAM's own: its command line, its services, and how it reads a template. A container has AWS's
emulator, which runs a bootstrap; here, that is a process of this machine.
"""

import os
import subprocess
import sys
import threading
from unittest.mock import MagicMock

from samcli.cli.main import cli
from samcli.commands.local.cli_common.invoke_context import InvokeContext
from samcli.lib.utils import file_observer
from samcli.local.lambdafn import runtime
from test_rie import free_ports, wait_for

TEMPLATE, RIE, BOOTSTRAP, PORT, API_PORT = sys.argv[1:]


class Process(runtime.LambdaContainer):
    """What SAM asks of a container."""

    id, _max_concurrency = None, 1

    def __init__(self, runtime, imageuri, handler, *_, env_vars, **__):
        self._container_host = "127.0.0.1"
        self._concurrency_semaphore = threading.Semaphore(1)
        self._logs_thread_event = threading.Event()
        self._logs_thread_event.set()
        api, self.rapid_port_host = free_ports(2)
        addresses = ["--runtime-api-address", f"127.0.0.1:{api}"]
        addresses += ["--runtime-interface-emulator-address", f"127.0.0.1:{self.rapid_port_host}"]
        self.command = [RIE, *addresses, BOOTSTRAP, handler]
        self.env = {**os.environ, **env_vars}
        self.process = None

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def start_logs_thread_if_not_alive(self, stderr):
        pass


class Processes:
    """What starts and ends containers."""

    is_docker_reachable = True

    def create(self, container, context):
        pass

    def run(self, container, context):
        container.process = subprocess.Popen(container.command, env=container.env, cwd=os.path.dirname(TEMPLATE))

    def stop(self, container):
        container.process.kill()
        container.process.wait()


def main():
    runtime.LambdaContainer = Process
    InvokeContext._get_container_manager = staticmethod(lambda *_: Processes())
    # It looks for Docker when it is made, and watches nothing of a function without an image.
    file_observer.ImageObserver = MagicMock()
    options = ["--template", TEMPLATE, "--port"]
    if os.fork() == 0:
        cli(["local", "start-api", *options, API_PORT])
    wait_for(int(API_PORT))
    cli(["local", "start-lambda", *options, PORT])


if __name__ == "__main__":
    main()
