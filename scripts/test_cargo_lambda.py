"""Runs a function on `cargo lambda watch`: `test_cargo_lambda.py CARGO_LAMBDA HELLO`, two paths of executables."""

import http.client
import json
import os
import subprocess
import sys
import tempfile

from test_rie import check, free_ports, wait_for


def main(cargo_lambda, hello):
    [port] = free_ports(1)
    with tempfile.TemporaryDirectory() as empty:
        # It wants to stand in a project, even where it builds nothing.
        os.makedirs(f"{empty}/src")
        open(f"{empty}/src/main.rs", "w").write("fn main() {}\n")
        open(f"{empty}/Cargo.toml", "w").write('[package]\nname = "hello"\nversion = "0.0.0"\n')
        watch = [cargo_lambda, "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(port)]
        server = subprocess.Popen(watch, cwd=empty, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        function = None
        try:
            wait_for(port)
            api = f"http://127.0.0.1:{port}/.rt"
            function = subprocess.Popen([hello], env={**os.environ, "AWS_LAMBDA_RUNTIME_API": api})
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
            for event, status, key, value in [
                ('{"name":"Ada"}', 200, "greeting", "Hello, Ada!"),
                ("not json", 500, "errorType", "Function.BadEvent"),
                ("{}", 200, "greeting", "Hello, world!"),
            ]:
                connection.request("POST", "/2015-03-31/functions/_/invocations", body=event)
                reply = connection.getresponse()
                body = reply.read()
                check(f"status of {event}", reply.status, status)
                check(f"answer to {event}", json.loads(body)[key], value)
                print(f"cargo-lambda: {event} ... ok")
        finally:
            for process in filter(None, [function, server]):
                process.kill()
                process.wait()
    print("3 passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:3])
