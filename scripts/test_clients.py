"""AWS's runtime clients and SDKs on the emulator, unchanged: `test_clients.py EMULATOR AWSCLI NODE_MODULES LAMBDA_RUNTIME
CRATES`, the last being a directory of programs.

Each client serves the function of the conformance kit, which boto3 invokes: success, error, error of the start, 1 MiB and
6 MiB, many callers, SIGTERM. Then each SDK does what it can: all types, the log, streams, errors by their classes.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "conformance/functions"
# Invocations of which extensions hear.
HEARD = 1000
MIB = 1024 * 1024
MOST = 6 * MIB + 100
PATIENCE_S = 600

ACCOUNT = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


class Emulator:
    """The emulator with a program, for as long as it is entered."""

    def __init__(self, emulator, program, *options, **variables):
        timeout = [] if "--timeout" in options else ["--timeout", "20"]
        command = [emulator, "--listen", "127.0.0.1:0", *timeout, *options, "--", *map(str, program)]
        env = {**os.environ, **variables}
        self.process = subprocess.Popen(
            command, cwd=FUNCTIONS, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.endpoint = "http://" + json.loads(self.process.stdout.readline().removeprefix("ready "))["listen"]
        self.log = []
        self.readers = [threading.Thread(target=self.log.extend, args=(output,)) for output in (self.process.stdout, self.process.stderr)]
        for reader in self.readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def client(self):
        config = Config(retries={"total_max_attempts": 1}, read_timeout=PATIENCE_S, max_pool_connections=32)
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
        return boto3.client("lambda", endpoint_url=self.endpoint, config=config, **keys)

    def stop(self):
        """Has it end, with all that it has started."""
        if self.process.poll() is None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            started = children.read_text().split() if children.exists() else []
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(PATIENCE_S) == 143, self.process.returncode
            for reader in self.readers:
                reader.join()
            left = [pid for pid in started if Path("/proc", pid).exists()]
            assert not left, left


def invoke(client, event, **options):
    reply = client.invoke(FunctionName="function", Payload=json.dumps(event, separators=(",", ":")), **options)
    return reply, reply["Payload"].read()


def check_runtime(emulator, program, init_variables, **variables):
    with Emulator(emulator, program, **variables) as running:
        client = running.client()
        reply, payload = invoke(client, {"a": "ü"})
        assert json.loads(payload) == {"a": "ü"} and "FunctionError" not in reply, payload
        reply, payload = invoke(client, {"fail": "boom"})
        assert reply["FunctionError"] == "Unhandled" and "boom" in json.loads(payload)["errorMessage"], payload
        stream = client.invoke_with_response_stream(FunctionName="function", Payload=b'{"a":1}')["EventStream"]
        *pieces, end = list(stream)
        assert json.loads(b"".join(piece["PayloadChunk"]["Payload"] for piece in pieces)) == {"a": 1}, pieces
        assert "ErrorCode" not in end["InvokeComplete"], end
        for size in (MIB, MOST):
            big = {"a": "x" * (size - len('{"a":""}'))}
            reply, payload = invoke(client, big)
            # Some write spaces, and so more than there may be.
            if len(payload) <= MOST and "FunctionError" not in reply:
                assert json.loads(payload) == big, size
            else:
                assert size == MOST and json.loads(payload)["errorType"] == "Function.ResponseSizeTooLarge", payload[:200]
    with Emulator(emulator, program, "--environments", "3", **variables) as running:
        client = running.client()
        with ThreadPoolExecutor(16) as pool:
            for number, payload in enumerate(pool.map(lambda number: invoke(client, {"n": number})[1], range(64))):
                assert json.loads(payload) == {"n": number}, (number, payload)
    with Emulator(emulator, program, **variables, **init_variables) as running:
        reply, payload = invoke(running.client(), {})
        assert reply["FunctionError"] == "Unhandled", payload


def check_graceful(emulator, graceful, **variables):
    """`lambda_runtime` runs its hook when the emulator ends, and when its process is started anew."""
    with tempfile.TemporaryDirectory() as directory:
        heard = Path(directory, "heard")
        with Emulator(emulator, [graceful], HEARD=str(heard), **variables) as running:
            assert json.loads(invoke(running.client(), {"a": 1})[1]) == {"a": 1}
            assert not heard.exists()
        assert heard.read_text() == "gone"


# What an extension hears of an invocation by each API.
TOLD = {
    "telemetry": ["start {id}", "runtimeDone {id} {status}", "report {id} {status}"],
    "logs": ["start {id}", "runtimeDone {id} {logs_status}", "end {id}", "report {id}"],
}
LOGS_STATUS = {"Success": "success", "Error": "failure", "Timeout": "timeout"}


def check_extension(emulator, program, extension, api="telemetry", **variables):
    """An extension hears of every invocation, of what the function prints, of each failure, and of the end."""
    with tempfile.TemporaryDirectory() as directory:
        heard = Path(directory, "heard")
        places = Path(directory, "extensions")
        places.mkdir()
        place = places / extension.name
        place.symlink_to(extension)
        variables = {"HEARD": str(heard), **variables}
        options = ["--extensions", str(places), "--directory", str(ROOT / "scripts/python"), "--timeout", "4"]
        with Emulator(emulator, program, *options, **variables) as running:
            client = running.client()
            ids = [invoke(client, {"n": n})[0]["ResponseMetadata"]["RequestId"] for n in range(HEARD)]
            ends = {}
            for event, status in (({"exit": 1}, "Error"), ({"hang": 1}, "Timeout")):
                reply, payload = invoke(client, event)
                assert reply["FunctionError"] == "Unhandled", payload
                ends[reply["ResponseMetadata"]["RequestId"]] = status
            last = invoke(client, {"n": HEARD})[0]["ResponseMetadata"]["RequestId"]
        lines = heard.read_text().splitlines()
        missing = [line for id in [*ids, *ends, last] if (line := f"INVOKE {id}") not in lines]
        assert not missing, missing
        reasons = [line for line in lines if line.startswith("SHUTDOWN")]
        assert reasons == ["SHUTDOWN failure", "SHUTDOWN timeout", "SHUTDOWN spindown"], reasons
        known = set(lines)
        expected = [f"function printed {n}" for n in range(HEARD + 1)]
        for id, status in [(id, "Success") for id in [*ids, last]] + list(ends.items()):
            expected += [line.format(id=id, status=status, logs_status=LOGS_STATUS[status]) for line in TOLD[api]]
        missing = [line for line in expected if line not in known]
        assert not missing, (len(missing), missing[:5])
        assert not [line for line in lines if line.startswith("dropped")]
        heard.unlink()
        with Emulator(emulator, program, *options, FAILS="yes", **variables) as running:
            assert invoke(running.client(), {})[0]["FunctionError"] == "Unhandled"
        lines = heard.read_text().splitlines()
        # The Logs API says nothing of starts.
        assert lines[-1].startswith("SHUTDOWN") and (api == "logs" or "initRuntimeDone Error" in lines), lines


def check_rust_sdk(emulator, sdk, program, **variables):
    with Emulator(emulator, program, **variables) as running:
        subprocess.run([sdk], env={**os.environ, "ENDPOINT": running.endpoint}, check=True, timeout=PATIENCE_S)


def check_boto3(emulator, program, **variables):
    with Emulator(emulator, program, **variables) as running:
        client = running.client()
        reply, _ = invoke(client, {}, InvocationType="Event")
        assert reply["StatusCode"] == 202
        reply, _ = invoke(client, {}, InvocationType="DryRun")
        assert reply["StatusCode"] == 204
        reply, _ = invoke(client, {}, LogType="Tail", Qualifier="7")
        tail = base64.b64decode(reply["LogResult"]).decode()
        assert reply["ExecutedVersion"] == "$LATEST" and "START RequestId" in tail and "REPORT RequestId" in tail, tail
        stream = client.invoke_with_response_stream(FunctionName="function", Payload=b'{"a":1}', LogType="Tail")
        events = list(stream["EventStream"])
        chunks = b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)
        assert json.loads(chunks) == {"a": 1} and "InvokeComplete" in events[-1], events
        failed = list(client.invoke_with_response_stream(FunctionName="function", Payload=b'{"fail":"boom"}')["EventStream"])
        assert "boom" in failed[-1]["InvokeComplete"]["ErrorDetails"], failed
        for expected, options in [
            (client.exceptions.InvalidRequestContentException, {"Payload": b"{"}),
            (client.exceptions.RequestTooLargeException, {"Payload": b'"' + b"x" * MOST + b'"'}),
            (client.exceptions.InvalidParameterValueException, {"Payload": b"{}", "FunctionName": "no name"}),
        ]:
            try:
                client.invoke(**{"FunctionName": "function", **options})
            except expected:
                continue
            except client.exceptions.ClientError as error:
                raise AssertionError((expected, error)) from error
            raise AssertionError(expected)
    with Emulator(emulator, program, "--reserved", "0", **variables) as running:
        client = running.client()
        try:
            invoke(client, {})
        except client.exceptions.TooManyRequestsException as error:
            assert error.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded", error.response
        else:
            raise AssertionError("not throttled")


def check_cli(emulator, awscli, program, **variables):
    with Emulator(emulator, program, **variables) as running, tempfile.NamedTemporaryFile() as out:

        def cli(payload, *options):
            command = [sys.executable, "-m", "awscli", "lambda", "invoke", "--endpoint-url", running.endpoint]
            command += ["--function-name", "function", "--payload", payload, *options, out.name]
            env = {**os.environ, **ACCOUNT, "PYTHONPATH": awscli}
            return subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S)

        def told(payload, *options):
            done = cli(payload, *options)
            assert done.returncode == 0, done
            return json.loads(done.stdout), Path(out.name).read_text()

        reply, payload = told('{"a":1}', "--log-type", "Tail")
        assert json.loads(payload) == {"a": 1} and "LogResult" in reply, (reply, payload)
        reply, payload = told('{"fail":"boom"}')
        assert reply["FunctionError"] == "Unhandled" and "boom" in payload, (reply, payload)
        for invocation_type, status in (("Event", 202), ("DryRun", 204)):
            assert told("{}", "--invocation-type", invocation_type)[0]["StatusCode"] == status
        refused = cli("{")
        assert refused.returncode != 0 and "InvalidRequestContentException" in refused.stderr, refused


def check_node_sdk(emulator, modules, program, **variables):
    with Emulator(emulator, program, **variables) as running:
        script = ROOT / "scripts/node/sdk.mjs"
        env = {**os.environ, **ACCOUNT, "ENDPOINT": running.endpoint}
        subprocess.run(["node", script, modules], env=env, check=True, timeout=PATIENCE_S)


def main(emulator, awscli, modules, lambda_runtime, crates):
    python = [sys.executable, "-m", "awslambdaric", "echo.handler"]
    fail = {"CONFORMANCE_INIT": "fail"}
    clients = {
        "awslambdaric": (python, fail),
        "aws-lambda-ric 4": (["node", Path(modules, "aws-lambda-ric/index.mjs"), "node.handler"], fail),
        "lambda_runtime": ([lambda_runtime], fail),
        "curl.sh": ([FUNCTIONS / "curl.sh"], fail),
    }
    for name, (program, init) in clients.items():
        variables = {"_HANDLER": "buffered"} if name == "lambda_runtime" else {}
        check_runtime(emulator, program, init, **variables)
        print(f"clients: {name} ... ok", flush=True)
    graceful = Path(crates, "graceful")
    check_graceful(emulator, graceful)
    with tempfile.NamedTemporaryFile() as heard:
        check_runtime(emulator, [graceful], fail, HEARD=heard.name)
        check_rust_sdk(emulator, Path(crates, "sdk"), [graceful], HEARD=heard.name)
    print("clients: aws-sdk-lambda ... ok", flush=True)
    print("clients: lambda_runtime with graceful shutdown ... ok", flush=True)
    function = [sys.executable, "-m", "awslambdaric", "heard.handler"]
    for api in TOLD:
        check_extension(emulator, function, Path(crates, "extension"), api, PROCESSORS=api)
        print(f"clients: lambda-extension with {api} ... ok", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        collector = Path(directory, "watcher")
        collector.write_text(f"#!/bin/sh\nexec {sys.executable} {ROOT}/scripts/python/collector.py\n")
        collector.chmod(0o755)
        for protocol in ("HTTP", "TCP"):
            check_extension(emulator, function, collector, COLLECTS=protocol)
            print(f"clients: a collector by {protocol} ... ok", flush=True)
    check_boto3(emulator, python)
    print("clients: boto3 ... ok", flush=True)
    check_cli(emulator, awscli, python)
    print("clients: aws CLI ... ok", flush=True)
    check_node_sdk(emulator, modules, python)
    print("clients: @aws-sdk/client-lambda ... ok", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:6])
