"""Asks each local Lambda the same, and compares what comes with the table of `docs/emulator.md`.

`compare_emulators.py EMULATOR BOOTSTRAP RIE CARGO_LAMBDA [--write]`; with `--write`, the table becomes what has come. The
function runs in our bootstrap everywhere. What cannot be run from a registry alone has its cells from its sources.
"""

import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from test_rie import free_ports, wait_for

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/emulator.md"
TABLE = re.compile(r"(?<=<!-- compared -->\n\n).*?(?=\n\n<!-- /compared -->)", re.S)
PATIENCE_S = 20

FUNCTION = r'''
import os, threading, time, urllib.error, urllib.request

def ask(method, path, body, **headers):
    base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"].removeprefix("http://").removesuffix("/.rt")
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(base + path, body.encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=2) as reply:
            return reply.status, reply.headers.get("Lambda-Extension-Identifier"), reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, None, error.read().decode()
    except OSError as error:
        return 0, None, str(error)

status, name, subscribed = 0, None, (0, None, "")
if "REGISTER" in os.environ:
    status, name, _ = ask("POST", "/2020-01-01/extension/register", '{"events":[]}', Lambda_Extension_Name="inside")
    telemetry = '{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:4243"}}'
    subscribed = ask("PUT", "/2022-07-01/telemetry", telemetry, Lambda_Extension_Identifier=name or "")

def wait():
    try:
        url = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2020-01-01/extension/event/next"
        urllib.request.urlopen(urllib.request.Request(url, headers={"Lambda-Extension-Identifier": name}))
    except OSError:
        pass

# An extension that never asks for its next event keeps the start from its end.
if name:
    threading.Thread(target=wait, daemon=True).start()

def handler(event, context):
    if not isinstance(event, dict):
        return event
    if "fail" in event:
        raise RuntimeError(event["fail"])
    if "exit" in event:
        os._exit(event["exit"])
    if "hang" in event:
        time.sleep(1000)
    if "register" in event:
        return status
    if "telemetry" in event:
        return f"{subscribed[0]} {subscribed[2].strip()}"
    if "rawPath" in event:
        return {"statusCode": 200, "headers": {}, "multiValueHeaders": {}, "isBase64Encoded": False, "cookies": [], "body": event["rawPath"]}
    if "stream" in event:
        return iter(["a", "b"])
    print("printed")
    return event
'''

INVOKE = "$AT/2015-03-31/functions/$NAME/invocations"
STREAM = "$AT/2021-11-15/functions/$NAME/response-streaming-invocations"
STATUS = "curl -sm 9 -o /dev/null -w '%{http_code}'"
HEAD = "curl -sm 9 -o /dev/null -D -"

# What is asked, how, what of the output counts as its being there, and what the sources of the others say: SAM (1.170.0,
# `samcli/local`), lambda-simulator (0.1.6) and LocalStack (its tests, `tests/aws/services/lambda_/test_lambda.py`, and issues; it
# takes Docker and an account).
ROWS = [
    ("an `Event` is taken at once", f"{STATUS} -H 'X-Amz-Invocation-Type: Event' -d '{{\"hang\":1}}' {INVOKE}", "202",
     "yes: `local_lambda_http_service.py`", "no callers: a library", "`test_invocation_type_event`"),
    ("a `DryRun` runs nothing", f"{STATUS} -X POST -H 'X-Amz-Invocation-Type: DryRun' {INVOKE}", "204",
     "501: `local_lambda_http_service.py`", "no callers: a library", "skipped: `test_invocation_type_dry_run`"),
    ("a failure is named in a header", f"{HEAD} -d '{{\"fail\":\"x\"}}' {INVOKE}", "x-amz-function-error: ",
     "yes, of what looks like one", "no callers: a library", "not looked up"),
    ("the log comes along", f"{HEAD} -H 'X-Amz-Log-Type: Tail' -d '{{}}' {INVOKE}", "x-amz-log-result: ",
     "501: `local_lambda_http_service.py`", "no callers: a library", "not looked up"),
    ("what is no JSON is refused", f"{STATUS} -d 'no JSON' {INVOKE}", "400",
     "yes: `local_lambda_http_service.py`", "no callers: a library", "`test_lambda_invoke_payload_encoding_error`"),
    ("a response is streamed to its caller", f"curl -sm 9 -d '{{\"stream\":1}}' {STREAM} | strings", "InvokeComplete",
     "no such route", "no callers: a library", "by the URL: localstack#10751"),
    ("plain HTTP becomes events", "curl -sm 9 $URL/path?a=1", "/path",
     "`sam local start-api`", "no callers: a library", "`test_lambda_url_invocation`"),
    ("a time-out is named", f"curl -sm 9 -d '{{\"hang\":1}}' {INVOKE}", "Sandbox.Timedout",
     "as RIE", "`timeout_ms`", "not looked up"),
    ("callers at a time are all answered", f"for n in 1 2 3 4; do {STATUS} -d '{{}}' {INVOKE} & done; wait", "200200200200",
     "yes, in turns", "yes: a queue", "not looked up"),
    ("after a crash the next is answered", f"curl -sm 9 -d '{{\"exit\":1}}' {INVOKE}; {STATUS} -d '{{}}' {INVOKE}", "200",
     "as RIE", "no: it starts no process", "not looked up"),
    ("extensions may register", f"curl -sm 9 -d '{{\"register\":1}}' {INVOKE}", "200",
     "as RIE", "yes: `extensions_api`", "not looked up"),
    ("the Telemetry API has records", f"curl -sm 9 -d '{{\"telemetry\":1}}' {INVOKE}", '"200 ',
     "as RIE", "yes: `telemetry_api`", "no: localstack#9617"),
]


@contextmanager
def processes(commands, directory, port, more):
    """Starts commands, each with its variables and more, one after the other, when the one before listens."""
    started = []
    try:
        for command, variables in commands:
            env = {**os.environ, **variables, **more}
            started.append(subprocess.Popen(command, cwd=directory, env=env, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL, start_new_session=True))
            wait_for(port)
        yield
    finally:
        for process in reversed(started):
            subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
            process.wait()


def servers(emulator, bootstrap, rie, cargo_lambda, directory):
    """What each calls the function, how it is started, and where its URL is."""
    port, url, api = free_ports(3)
    address = f"127.0.0.1:{port}"
    ours = [emulator, "--listen", address, f"--url=127.0.0.1:{url}", "--timeout", "2", "--", bootstrap, "app.handler"]
    theirs = [rie, "--runtime-api-address", f"127.0.0.1:{api}", "--runtime-interface-emulator-address", address]
    watch = [cargo_lambda, "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(port)]
    timeout = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "2"}
    return port, [
        ("function", [(ours, {})], f"http://127.0.0.1:{url}"),
        ("function", [([*theirs, bootstrap, "app.handler"], timeout)], f"http://{address}"),
        ("_", [(watch, {}), ([bootstrap, "app.handler"], {"AWS_LAMBDA_RUNTIME_API": f"http://{address}/.rt"})],
         f"http://{address}/lambda-url/_"),
    ]


def said(output, expected):
    if re.search(re.escape(expected), output, re.I):
        return "yes"
    line = re.sub(r"[0-9a-f-]{36}", "…", output.strip().splitlines()[0].strip()) if output.strip() else ""
    return f"`{line[:40]}`" if line and line != "000" and "000" not in line else "no answer"


def compare(programs):
    lines = ["| | command | here | RIE | cargo-lambda | SAM | lambda-simulator | LocalStack |", "|---|---|---|---|---|---|---|---|"]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "app.py").write_text(FUNCTION)
        os.makedirs(f"{directory}/src")
        Path(directory, "src/main.rs").write_text("fn main() {}\n")
        Path(directory, "Cargo.toml").write_text('[package]\nname = "hello"\nversion = "0.0.0"\n')
        for name, command, expected, *sources in ROWS:
            cells = []
            port, kinds = servers(*programs, directory)
            for name_there, commands, url in kinds:
                inside = {"REGISTER": "1"} if "register" in command or "telemetry" in command else {}
                with processes(commands, directory, port, inside):
                    variables = {**os.environ, "AT": f"http://127.0.0.1:{port}", "URL": url, "NAME": name_there}
                    done = subprocess.run(["bash", "-c", command], env=variables, capture_output=True, timeout=PATIENCE_S * 2)
                    cells.append(said(done.stdout.decode(errors="replace"), expected))
            shown = command.replace("|", "\\|")
            lines.append("| " + " | ".join([name, f"`{shown}`", *cells, *sources]) + " |")
            print(f"compare: {name}: {', '.join(cells)}", flush=True)
    return "\n".join(lines)


def main(*arguments):
    table = compare(arguments[:4])
    text = DOCUMENT.read_text()
    if "--write" in arguments:
        DOCUMENT.write_text(TABLE.sub(lambda _: table, text))
        return
    stated = TABLE.search(text)[0]
    for line, other in zip(stated.splitlines(), table.splitlines(), strict=True):
        assert line == other, f"{DOCUMENT.name} says\n{line}\nand it is\n{other}"


if __name__ == "__main__":
    main(*sys.argv[1:])
