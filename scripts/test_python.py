"""Runs handlers in Python under the bootstrap and under AWS's own client, and compares: `test_python.py EMULATOR BOOTSTRAP
PYTHON [NAME...]`, where PYTHON has awslambdaric; names of rows run these alone.

A row is a handler with its events. Both must answer alike, and log alike where the row says so; or differ in the way that
the row says. docs/languages/python.md has a line for each row, and none besides.
"""

import json
import os
import re
import sys
from pathlib import Path

from emulated import IDENTITY, JSON_LOG, TRACE_ID, Emulated, Records, Row, client_context, has_type, listed_rows, without_secrets
from test_rie import check

HANDLERS = Path(__file__).parent / "python" / "handlers"
PAGE = Path(__file__).parent.parent / "docs" / "languages" / "python.md"
# Installed packages beside those of AWS's client.
INSTALLED = {"PYTHONPATH": f"{HANDLERS.parent / 'packages'}:{os.environ.get('PYTHONPATH', '')}"}

FULL_CONTEXT = {
    "client": {"installation_id": "i", "app_title": "t", "app_version_name": "1", "app_version_code": "2", "other": 3},
    "custom": {"k": "v", "nested": {"a": [1]}},
    "env": {"locale": "fr"},
    "services": {},
    "w3c": {"traceparent": "00-1-2-01", "tracestate": 7, "else": "no"},
}
VALUES = ['{"a":1}', "[1,2.50,-0.0,1e400,12345678901234567890123]", '"é\\ud83d\\ude00\\ud800"', "null", "true", "7", " {} "]


def is_body(body):
    return lambda reply: not reply["error"] and json.loads(reply["body"]) == body


ROWS = [
    *(
        Row(f"results.{name}")
        for name in """decimals not_a_number named_tuples named_tuple rows whole_bytes bytes_within bytes_that_are_no_text
        keys tuple_keys subclasses nothing text text_of_json lone_surrogate numbers sets objects circular deep""".split()
    ),
    Row("results.long_texts", events=[*map(str, range(28)), "null"]),
    Row("results.unicode", "results.text", env={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}),
    Row("events.values", "results.echo", VALUES),
    Row("events.kinds", "results.kinds", VALUES),
    Row("events.not_json", "results.echo", ["{", "NaN", '{"a":}', "{} x", "[1,\n x]", b"\xff"]),
    Row("events.deep", "results.kinds", ["[" * 100000 + "]" * 100000]),
    *(
        Row(f"errors.{name}")
        for name in """raised without_message key own_class two_arguments nested with_cause recursive compiled in_library
        wrong_parameters not_callable exits exits_at_once interrupted killed""".split()
    ),
    Row("errors.evaluated"),
    Row("errors.next_event", "errors.raised", ["1", "2"]),
    Row("load.no_module", "bad_import.handler"),
    Row("load.no_name", "bad_name.handler"),
    Row("load.syntax", "bad_syntax.handler"),
    Row("load.inner_syntax", "bad_inner_syntax.handler"),
    Row("load.no_handler", "results.no_such_handler"),
    Row("load.builtin", "time.handler"),
    Row("load.exits", "bad_exit.handler"),
    Row("load.package", "pkg.mod.handler"),
    Row("load.slash", "pkg/mod.handler"),
    Row("load.installed", "wrapping.handler.handler", env=INSTALLED),
    Row("load.no_handler_of_installed", "wrapping.handler.none", env=INSTALLED),
    Row("load.package_itself", "pkg.handler"),
    Row("load.namespace_package", "plain.mod.handler"),
    Row("load.dashes", "dashed-name.handler"),
    *(Row(f"imports.{name}") for name in "path environment working_directory standard_library modules_of_ours".split()),
    *(Row(f"contexts.{name}") for name in "members types text identity remaining_time absent missing own_members copies".split()),
    Row("contexts.nothing_sent", "contexts.client_context"),
    Row("contexts.client_context", headers=client_context(FULL_CONTEXT)),
    Row("contexts.empty_client_context", "contexts.client_context", headers=client_context({})),
    Row("contexts.custom_only", "contexts.client_context", headers=client_context({"custom": {"k": "v"}})),
    Row("contexts.identity_sent", "contexts.identity", headers=IDENTITY),
    Row("contexts.trace_id", headers={"X-Amzn-Trace-Id": TRACE_ID}),
    Row("contexts.log", compares_log=True),
    *(
        Row(f"logs.{name}", compares_log=True)
        for name in "unconfigured levels exceptions extra lines in_thread root formatter redirected".split()
    ),
    *(
        Row(f"logs.json_{name}", f"logs.{name}", env=JSON_LOG, compares_log=True)
        for name in "unconfigured levels exceptions extra lines in_thread root formatter".split()
    ),
    *(
        Row(f"logs.level_{level.lower()}", "logs.unconfigured", env={"AWS_LAMBDA_LOG_LEVEL": level}, compares_log=True)
        for level in ("TRACE", "DEBUG", "INFO", "ERROR", "FATAL")
    ),
    Row("logs.json_level", "logs.unconfigured", env={**JSON_LOG, "AWS_LAMBDA_LOG_LEVEL": "INFO"}, compares_log=True),
    *(
        Row(f"records.{name}", f"logs.{name}", compares_records=True)
        for name in "unconfigured levels exceptions extra several_lines in_thread formatter".split()
    ),
    *(
        Row(f"records.json_{name}", f"logs.{name}", env=JSON_LOG, compares_records=True)
        for name in "unconfigured levels exceptions extra several_lines formatter".split()
    ),
    Row("records.level", "logs.levels", env={"AWS_LAMBDA_LOG_LEVEL": "DEBUG"}, compares_records=True),
    Row("records.context_log", "contexts.log", compares_records=True),
    *(Row(f"processes.{name}") for name in "in_subprocess in_shell forked spawned piped descriptors".split()),
    Row("processes.counted", events=["1", "2", "3"]),
    Row("processes.thread_that_stays", events=['"first"', '"second"']),
    # What differs.
    Row("load.raises", "bad_load.handler", ours=has_type("RuntimeError", "while loading", "bad_load.py")),
    Row("errors.base_exception", ours=has_type("Interruption", "no Exception")),
    Row("errors.unspeakable", ours=has_type("Unspeakable", "unspeakable")),
    Row("contexts.subscripts", headers=client_context(FULL_CONTEXT), ours=is_body(["function", False, True, FULL_CONTEXT["custom"], True])),
    Row("contexts.no_object", "contexts.members", headers=client_context([1]), ours=has_type("Runtime.LambdaContextUnmarshalError", "Client Context")),
]


# Lines of the emulator, and those with which each client tells a report.
OTHERS = re.compile(r"(START|END|REPORT) RequestId|bootstrap: |lambwire-emulator: |    |\[ERROR\] \w+|Traceback |\xa0|\S+ RequestId: .*Error")


def outcome(emulator, command, row):
    handler = row.handler or row.name
    with Records() as records, Emulated(emulator, [*command, handler], handler, row.env, row.root or HANDLERS, row.compares_records and records) as running:
        replies = [running.invoke(event, row.headers) for event in row.events]
    if row.compares_records:
        return json.loads(without_secrets(json.dumps(replies))), records.all()
    lines = [line for line in running.text().splitlines() if line and not OTHERS.match(line)]
    return json.loads(without_secrets(json.dumps(replies))), sorted(map(without_secrets, lines))


def alike(reply):
    """What has to be the same of two answers. The way to a handler goes through the client and importlib."""
    body = reply["body"]
    if not reply["error"]:
        # The client says of bytes that it does not know of which type they are.
        return body
    if body["errorType"] == "Runtime.ExitError":
        # Told by the emulator where there is no bootstrap.
        return body["errorType"]
    message, stack = body["errorMessage"], [line for line in body.get("stackTrace", []) if "awslambdaric" not in line]
    if body["errorType"] == "Runtime.UnmarshalError":
        # Each has its own words for what is wrong with JSON.
        message = message.split(":")[0]
    return body["errorType"], message, [re.sub(r"repeated \d+ more", "repeated N more", line) for line in stack]


def compare(emulator, bootstrap, python, row):
    theirs, their_log = outcome(emulator, [python, "-m", "awslambdaric"], row)
    ours, our_log = outcome(emulator, [bootstrap, "--interpreter", python], row)
    if row.ours:
        check(f"{row.name}: {ours} holds", all(map(row.ours, ours)), True)
        check(f"{row.name}: differs from {theirs}", ours != theirs, True)
    else:
        check(row.name, list(map(alike, ours)), list(map(alike, theirs)))
    if row.compares_log or row.compares_records:
        check(f"{row.name}: log", our_log, their_log)
    print(f"{row.name} ... {'as documented' if row.ours else 'as on AWS'}", flush=True)
    return ours


def main(emulator, bootstrap, python, *names):
    rows = [row for row in ROWS if not names or row.name in names]
    for row in rows:
        compare(emulator, bootstrap, python, row)
    if not names:
        check("rows of docs/languages/python.md", sorted(listed_rows(PAGE.read_text())), sorted(row.name for row in ROWS))
    print(f"{len(rows)} passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
