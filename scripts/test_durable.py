"""AWS's local runner for durable functions drives one that our emulator serves: `test_durable.py EMULATOR BOOTSTRAP`.

The function (`python/durable.py`) runs in our bootstrap. Its SDK calls the runner, and the runner calls the emulator.
"""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

FUNCTIONS = Path(__file__).resolve().parent / "python"
PATIENCE_S = 150
# A step that takes longer than a connection is often left alone.
LONG_S = 70
# A time-out that a start is well within.
SHORT_S = 6
# How often the runner tries an invocation that fails (its `executor.py`), 5 s apart.
TRIES = 5

ACCOUNT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


def client(endpoint):
    config = Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE_S)
    return boto3.client("lambda", endpoint_url=endpoint, config=config)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(emulator, bootstrap, timeout_s):
    """Runner and emulator, and the lines that the function prints."""
    port = free_port()
    runner = f"http://127.0.0.1:{port}"
    command = [emulator, "--listen", "127.0.0.1:0", "--timeout", str(timeout_s)]
    command += ["--env", f"AWS_ENDPOINT_URL_LAMBDA={runner}", "--", bootstrap, "durable.handler"]
    function = subprocess.Popen(command, cwd=FUNCTIONS, stdout=subprocess.PIPE, text=True)
    listens = json.loads(function.stdout.readline().removeprefix("ready "))["listen"]
    lines = queue.Queue()
    reader = threading.Thread(target=lambda: [lines.put(line.rstrip()) for line in function.stdout])
    reader.start()
    command = [sys.executable, "-c", "from aws_durable_execution_sdk_python_testing.cli import main; main()"]
    command += ["start-server", "--host", "127.0.0.1", "--port", str(port), "--lambda-endpoint", f"http://{listens}"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE)
    threading.Thread(target=server.stderr.read).start()
    try:
        yield f"http://{listens}", runner, lines
    finally:
        server.kill()
        server.wait()
        function.send_signal(signal.SIGTERM)
        assert function.wait(PATIENCE_S) == 143, function.returncode
        reader.join()


def start(runner, name, event):
    """Starts an execution, as soon as the runner listens, by its own command line."""
    command = [sys.executable, "-c", "from aws_durable_execution_sdk_python_testing.cli import main; raise SystemExit(main())"]
    command += ["invoke", "--function-name", "function", "--input", json.dumps(event), "--durable-execution-name", name]
    env = {**os.environ, "AWS_DEX_LOCAL_RUNNER_ENDPOINT": runner}
    deadline = time.monotonic() + PATIENCE_S
    while True:
        started = subprocess.run(command, env=env, capture_output=True, text=True)
        if started.returncode == 0:
            return json.loads(started.stdout)["ExecutionArn"]
        assert "Could not connect" in started.stderr and time.monotonic() < deadline, started


def line_of(lines, start):
    while True:
        line = lines.get(timeout=PATIENCE_S)
        if line.startswith(start):
            return line.removeprefix(start)


def ended(api, arn):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        execution = api.get_durable_execution(DurableExecutionArn=arn)
        if execution["Status"] != "RUNNING":
            return execution
        time.sleep(0.2)
    raise AssertionError(execution)


def check_workflow(emulator, bootstrap):
    with running(emulator, bootstrap, 2 * LONG_S) as (_, runner, lines):
        api = client(runner)
        arn = start(runner, "workflow", {"a": 1, "seconds": LONG_S})
        callback = line_of(lines, "callback ")
        api.send_durable_execution_callback_success(CallbackId=callback, Result=b'"yes"')
        execution = ended(api, arn)
        assert execution["Status"] == "SUCCEEDED", execution
        result = json.loads(execution["Result"])
        assert (result["added"], result["tried"]) == (3, 2) and "yes" in result["approved"], result


def check_step_longer_than_the_timeout(emulator, bootstrap):
    with running(emulator, bootstrap, SHORT_S) as (_, runner, lines):
        api = client(runner)
        arn = start(runner, "too-long", {"a": 1, "seconds": LONG_S})
        api.send_durable_execution_callback_success(CallbackId=line_of(lines, "callback "), Result=b'"yes"')
        execution = ended(api, arn)
        assert execution["Status"] == "FAILED", execution
        assert f"Task timed out after {SHORT_S}.00 seconds" in execution["Error"]["ErrorMessage"], execution
    reports = 0
    while not lines.empty():
        reports += "Status: timeout" in lines.get()
    assert reports >= TRIES, reports


def check_headers(emulator, bootstrap):
    with running(emulator, bootstrap, 10) as (endpoint, _, _):
        api = client(endpoint)
        try:
            api.invoke(FunctionName="function", Payload=b"{}", DurableExecutionName="order-1")
        except ClientError as error:
            assert error.response["Error"]["Code"] == "InvalidParameterValueException", error.response
            assert "order-1" in error.response["Error"]["Message"], error.response
        else:
            raise AssertionError("an execution was started by nobody")
        event = json.dumps({"DurableExecutionArn": "a/b", "CheckpointToken": "t", "InitialExecutionState": {"Operations": []}})
        reply = api.invoke(FunctionName="function", Payload=event, DurableExecutionName="order-1")
        assert reply["DurableExecutionArn"] == "a/b", reply


def main(emulator, bootstrap):
    os.environ.update(ACCOUNT)
    for check in (check_headers, check_workflow, check_step_longer_than_the_timeout):
        check(emulator, bootstrap)
        print(f"durable: {check.__name__.removeprefix('check_')} ... ok", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
