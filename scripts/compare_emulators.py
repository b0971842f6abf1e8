"""Asks each local Lambda the same, and compares what comes with the table of `docs/emulator.md`.

`compare_emulators.py EMULATOR BOOTSTRAP RIE CARGO_LAMBDA SAM [--write]`, SAM being a directory of its packages; with
`--write`, the table becomes what has come. The function runs in our bootstrap everywhere. What cannot be run from a registry
alone has its cells from its sources.
"""

import os
import re
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from test_rie import free_ports, wait_for

SCRIPTS = Path(__file__).resolve().parent
DOCUMENT = SCRIPTS.parent / "docs/emulator.md"
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


def ask(options="", data=None, at=INVOKE, shows=""):
    """A command for curl that shows the body, or what these options make of it."""
    return " ".join(filter(None, ["curl -sm 9", shows, options, data and f"-d '{data}'", at]))


STATUS = "-o /dev/null -w '%{http_code}'"
HEAD = "-o /dev/null -D -"
PLAIN = ask(data="{}", shows=STATUS)

# What is asked, how, and what of the output counts as its being there.
ROWS = {
    "an `Event` is taken at once": (ask("-H 'X-Amz-Invocation-Type: Event'", '{"hang":1}', shows=STATUS), "202"),
    "a `DryRun` runs nothing": (ask("-X POST -H 'X-Amz-Invocation-Type: DryRun'", shows=STATUS), "204"),
    "a failure is named in a header": (ask(data='{"fail":"x"}', shows=HEAD), "x-amz-function-error: "),
    "the log comes along": (ask("-H 'X-Amz-Log-Type: Tail'", "{}", shows=HEAD), "x-amz-log-result: "),
    "what is no JSON is refused": (ask(data="no JSON", shows=STATUS), "400"),
    "a response is streamed to its caller": (ask(data='{"stream":1}', at=STREAM) + " | strings", "InvokeComplete"),
    "plain HTTP becomes events": (ask(at="$URL/path?a=1"), "/path"),
    "a time-out is named": (ask(data='{"hang":1}'), "Sandbox.Timedout"),
    "callers at a time are all answered": (f"for n in 1 2 3 4; do {PLAIN} & done; wait", "200200200200"),
    "after a crash the next is answered": (f"""{ask(data='{"exit":1}')}; {PLAIN}""", "200"),
    "extensions may register": (ask(data='{"register":1}'), "200"),
    "the Telemetry API has records": (ask(data='{"telemetry":1}'), '"200 '),
}

NOT_TRIED = "not tried: its runtime is in no registry"

# What the packages of others say that take Docker, or are no programs, row by row: the place in the source is named.
# lambda-simulator is 0.1.6 (`src`), and LocalStack localstack-core 2026.3.0 (`localstack/services/lambda_`).
SOURCES = {
    "lambda-simulator": [
        *["no callers: a library"] * 7,
        "no: a deadline that nobody keeps (`invocation.rs`)",
        "yes: a queue (`Simulator::enqueue`)",
        "no: nothing starts it again (`process.rs`)",
        "yes: `extensions_api.rs`",
        "yes: `telemetry_api.rs`",
    ],
    "LocalStack": [
        "yes: `LambdaProvider.invoke`",
        "yes: `LambdaService.invoke`",
        "yes: `LambdaProvider.invoke`",
        "yes: `LambdaProvider.invoke`",
        "only what is no UTF-8: `LambdaService.invoke`",
        "no: `LambdaProvider` has no such operation",
        "yes: `urlrouter.py`",
        NOT_TRIED,
        "yes: `AssignmentService.get_environment`",
        NOT_TRIED,
        NOT_TRIED,
        "no: localstack#9617",
    ],
}


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


# A function for SAM.
TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: provided.al2023
      CodeUri: .
      Handler: app.handler
      Timeout: 2
      Events:
        any: { Type: HttpApi }
"""


def servers(emulator, bootstrap, rie, cargo_lambda, sam, directory):
    """What each calls the function, how it is started, and where its URL is."""
    port, url, api = free_ports(3)
    address = f"127.0.0.1:{port}"
    ours = [emulator, "--listen", address, f"--url=127.0.0.1:{url}", "--timeout", "2", "--", bootstrap, "app.handler"]
    theirs = [rie, "--runtime-api-address", f"127.0.0.1:{api}", "--runtime-interface-emulator-address", address]
    watch = [cargo_lambda, "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", str(port)]
    processes = [sys.executable, SCRIPTS / "sam_processes.py", f"{directory}/template.yaml", rie, bootstrap, str(port), str(url)]
    packages = {"PYTHONPATH": f"{sam}:{SCRIPTS}", "SAM_CLI_TELEMETRY": "0", "HOME": directory}
    timeout = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "2"}
    return port, [
        ("function", [(ours, {})], f"http://127.0.0.1:{url}"),
        ("function", [([*theirs, bootstrap, "app.handler"], timeout)], f"http://{address}"),
        ("_", [(watch, {}), ([bootstrap, "app.handler"], {"AWS_LAMBDA_RUNTIME_API": f"http://{address}/.rt"})],
         f"http://{address}/lambda-url/_"),
        ("function", [(processes, packages)], f"http://127.0.0.1:{url}"),
    ]


def said(output, expected):
    if re.search(re.escape(expected), output, re.I):
        return "yes"
    line = re.sub(r"[0-9a-f-]{36}", "…", output.strip().splitlines()[0].strip()) if output.strip() else ""
    return f"`{line[:40]}`" if line and line != "000" and "000" not in line else "no answer"


def row(cells):
    return "| " + " | ".join(cells).lstrip() + " |"


def compare(programs):
    heads = ["", "command", "here", "RIE", "cargo-lambda", "SAM", *SOURCES]
    lines = [row(heads), "|---" * len(heads) + "|"]
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "app.py").write_text(FUNCTION)
        Path(directory, "template.yaml").write_text(TEMPLATE)
        os.makedirs(f"{directory}/src")
        Path(directory, "src/main.rs").write_text("fn main() {}\n")
        Path(directory, "Cargo.toml").write_text('[package]\nname = "hello"\nversion = "0.0.0"\n')
        for (name, (command, expected)), *sources in zip(ROWS.items(), *SOURCES.values(), strict=True):
            cells = []
            port, kinds = servers(*programs, directory)
            for name_there, commands, url in kinds:
                inside = {"REGISTER": "1"} if "register" in command or "telemetry" in command else {}
                with processes(commands, directory, port, inside):
                    variables = {**os.environ, "AT": f"http://127.0.0.1:{port}", "URL": url, "NAME": name_there}
                    done = subprocess.run(["bash", "-c", command], env=variables, capture_output=True, timeout=PATIENCE_S * 2)
                    cells.append(said(done.stdout.decode(errors="replace"), expected))
            shown = command.replace("|", "\\|")
            lines.append(row([name, f"`{shown}`", *cells, *sources]))
            print(f"compare: {name}: {', '.join(cells)}", flush=True)
    return "\n".join(lines)


def main(*arguments):
    table = compare(arguments[:5])
    text = DOCUMENT.read_text()
    if "--write" in arguments:
        DOCUMENT.write_text(TABLE.sub(lambda _: table, text))
        return
    stated = TABLE.search(text)[0]
    for line, other in zip(stated.splitlines(), table.splitlines(), strict=True):
        assert line == other, f"{DOCUMENT.name} says\n{line}\nand it is\n{other}"


if __name__ == "__main__":
    main(*sys.argv[1:])
