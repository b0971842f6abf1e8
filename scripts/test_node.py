"""Runs handlers in JavaScript under the bootstrap and under AWS's own clients, and compares: `test_node.py EMULATOR BOOTSTRAP
RIC_3 RIC_4 NODE_24 [NAME...]`, where RIC_3 and RIC_4 are the programs of aws-lambda-ric 3.3.0, which runs by the Node of this
machine as on AWS's images of that age, and of 4.0.2, which runs by NODE_24 as on those; names of rows run these alone.

A row is a handler with its events. The bootstrap must answer and log as each client does by the same Node, or differ in the way
that the row says. docs/languages/node.md has each row, and none besides.
"""

import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from emulated import IDENTITY, JSON_LOG, TRACE_ID, Emulated, Records, Row, client_context, has_type, listed_rows, without_secrets
from test_rie import check

HANDLERS = Path(__file__).parent / "node" / "handlers"
PAGE = Path(__file__).parent.parent / "docs" / "languages" / "node.md"

VALUES = ['{"a":1,"a":2}', "[1,2.50,-0.0,1e400,12345678901234567890123]", '"é\\ud83d\\ude00\\ud800"', "null", "true", "7", " {} "]
DEEP = "[" * 1300 + "]" * 1300


def answers(value):
    return lambda reply: not reply["error"] and json.loads(reply["body"]) == value


def streams(body):
    return lambda reply: not reply["error"] and reply["body"] == body


def rows(file, names, **fields):
    return [Row(f"{file}.{name}", **fields) for name in names.split()]


ROWS = [
    *rows("calls", """promise promise_with_open_timer rest_parameters default_parameter default_callback
        arguments_only later_by_arguments nothing never returned_timer callback_waits callback_does_not_wait callback_twice
        callback_and_promise callback_of_nothing callback_then_throws callback_error callback_text
        callback_error_does_not_wait done done_error succeed fail fail_without_error"""),
    *rows("calls", "promise_only callback", events=['"first"', '"second"']),
    *rows("results", """text text_of_json text_of_number odd_text lone_surrogate nothing null_value numbers booleans
        absent_members dates own_json bytes typed_array collections a_function order_of_keys circular big_integer"""),
    Row("results.echo", events=[*VALUES, json.dumps("x" * 300_000)]),
    Row("results.kinds", events=[*VALUES, DEEP]),
    Row("results.not_json", "results.echo", ["{", "NaN", "{} x", "[1,\n x]", "\ufeff{}"]),
    *rows("errors", """thrown thrown_at_once own_class unnamed_class without_message several_lines text number an_object
        like_an_error nothing nothing_at_once delete_character rejected nested undefined_member aggregate exits"""),
    Row("errors.next_event", "errors.thrown", ["1", "2"]),
    *rows("errors", "uncaught uncaught_text unhandled_text", compares_log=True),
    *(Row(f"load.{name}", handler) for name, handler in {
        "module": "esm.handler", "nested_in_module": "esm.nested.within.handler", "common_js": "cjs.handler",
        "nested": "cjs.nested.within.handler", "typed": "typed/app.handler", "folder": "deep/er/app.handler",
        "directly": "cjs.directly", "module_directly": "esm.directly",
        "no_package": "bad_require.handler", "no_handler": "cjs.none", "no_function": "cjs.text", "raises": "bad_load.handler",
    }.items()),
    *(Row(f"load.{name}", handler, env=env) for name, handler, env in (
        ("installed", "a-wrapper.handler", {}), ("nested_in_installed", "a-wrapper.nested.handler", {}),
        ("installed_below_folder", "deep/a-wrapper.handler", {}), ("no_handler_of_installed", "a-wrapper.none", {}),
        ("layer", "a-layer.handler", {"NODE_PATH": str(HANDLERS / "layer")}),
        ("folder_itself", "layer/a-layer.handler", {"NODE_PATH": "/none"}),
    )),
    *rows("contexts", """members text types client_context identity tenant absent missing remaining_time
        global_request_id environment working_directory scope awslambda"""),
    Row("contexts.client_context_sent", "contexts.client_context", headers=client_context({"custom": {"k": [1]}, "env": None})),
    Row("contexts.deep_client_context", "contexts.client_context", headers=client_context(DEEP)),
    Row("contexts.identity_sent", "contexts.identity", headers=IDENTITY),
    Row("contexts.trace_id_sent", "contexts.trace_id", headers={"X-Amzn-Trace-Id": TRACE_ID}),
    *rows("streams", """text end_with_text no_pieces http objects bytes content_type content_type_alone
        content_type_of_none content_type_twice type_after_prelude prelude_by_hand by_pipeline awaits_finish members
        returns_value large"""),
    *rows("logs", "levels formats values errors circular written captured failure failure_text nothing", compares_log=True),
    *(Row(f"logs.json_{name}", f"logs.{name}", env=JSON_LOG, compares_log=True)
        for name in "levels formats values errors circular failure failure_text nothing".split()),
    *(Row(f"logs.level_{level}", "logs.levels", env={"AWS_LAMBDA_LOG_LEVEL": level.upper()}, compares_log=True)
        for level in "trace debug info warn error fatal".split()),
    Row("logs.json_level", "logs.levels", env={**JSON_LOG, "AWS_LAMBDA_LOG_LEVEL": "warn"}, compares_log=True),
    *(Row(f"records.{name}", f"logs.{name}", compares_records=True)
        for name in "levels formats values errors circular failure failure_text".split()),
    *(Row(f"records.json_{name}", f"logs.{name}", env=JSON_LOG, compares_records=True)
        for name in "levels formats values errors failure failure_text".split()),
    # What differs from 3.3.0.
    Row("calls.returned_value", ours=answers({"returned": True})),
    Row("calls.thenable", ours=answers("of a thenable")),
    Row("calls.generator", ours=streams("piece")),
    Row("errors.unhandled", ours=has_type("Runtime.UnhandledPromiseRejection", "Error: nobody waits", "errors.js:26")),
    Row("errors.with_cause", ours=lambda reply: reply["body"]["cause"]["errorMessage"] == "inner"),
    Row("errors.no_text", ours=has_type("handled", "a problem while retrieving")),
    Row("load.rejects", "bad_rejection.handler", ours=has_type("Runtime.UnhandledPromiseRejection", "while loading")),
    Row("load.syntax", "bad_syntax.handler", ours=has_type("Runtime.UserCodeSyntaxError", "Unexpected token", "bad_syntax.js:2")),
    Row("load.default_export", "esm.only.handler", ours=answers("of the default export")),
    Row("load.no_package_of_module", "bad_import.handler", ours=has_type("Runtime.ImportModuleError", "no-such-package")),
    Row("load.syntax_of_module", "bad_syntax_module.handler", ours=has_type("Runtime.UserCodeSyntaxError", "bad_syntax_module.mjs:2")),
    Row("contexts.store", ours=answers(True)),
    Row("contexts.shared_names", ours=answers(["function", True])),
    Row("contexts.client_context_of_text", "contexts.client_context", headers=client_context("no JSON"), ours=answers("no JSON")),
    Row("streams.no_body", ours=lambda reply: not reply["error"] and reply["body"] == '{"statusCode":204}' + "\0" * 8),
]  # fmt: skip


# What differs from 4.0.2, which takes no callbacks; the others are answered as it does, also where 3.3.0 does not.
APART_FROM_4 = set("""
    calls.promise calls.promise_with_open_timer calls.rest_parameters calls.default_parameter calls.default_callback
    calls.arguments_only calls.nothing calls.never calls.returned_timer calls.callback_waits
    calls.callback_does_not_wait calls.callback_twice calls.callback_and_promise calls.callback_of_nothing
    calls.callback_then_throws calls.callback_error calls.callback_text calls.callback_error_does_not_wait calls.done
    calls.done_error calls.succeed calls.fail calls.fail_without_error calls.callback calls.generator
    errors.like_an_error errors.nothing errors.nothing_at_once errors.no_text errors.with_cause
    errors.uncaught errors.uncaught_text errors.unhandled errors.unhandled_text load.rejects
    load.folder_itself load.no_package_of_module load.syntax_of_module
    contexts.members contexts.text contexts.types contexts.global_request_id contexts.shared_names
    contexts.client_context_of_text streams.members streams.no_body
""".split())


# What a call of the client or of Node has in it.
CLIENT = r"(?:aws-lambda-ric|node:|<anonymous>)"

# Lines of the emulator, the line with which AWS's client starts, and what the bootstrap says of an error.
OTHERS = re.compile(r"(START|END|REPORT) RequestId|bootstrap: |lambwire-emulator: |    |Executing '|\s*$")


def outcome(emulator, command, row):
    handler = row.handler or row.name
    with Records() as records, Emulated(emulator, [*command, handler], handler, row.env, HANDLERS, row.compares_records and records) as running:
        replies = [running.invoke(event, row.headers) for event in row.events]
    if row.compares_records:
        return replies, [(kind, without_stack(text)) for kind, text in records.all()]
    lines = running.text().split("\n")
    # The bootstrap says again what was logged before an error without a stack.
    return replies, list(dict.fromkeys(without_stack(without_secrets(line)) for line in lines if not OTHERS.match(line)))


def without_stack(line):
    """A line of the log without the calls in it that are of a client, or of Node."""
    return re.sub(r',"    at [^"]*%s[^"]*"' % CLIENT, "", re.sub(r"\r    at [^\r]*%s[^\r]*" % CLIENT, "", line))


def alike(reply):
    """What has to be alike of a reply: all of an answer, and of an error its type, its message, and its own calls."""
    if not reply["error"]:
        return reply["type"], reply["body"]
    body = reply["body"]
    if body["errorType"] == "Runtime.ExitError":
        # Told by the emulator where there is no bootstrap.
        return body["errorType"]
    stack, message = body["trace"], without_secrets(body["errorMessage"]).split("\nRequire stack:")[0]
    # The client calls the handler as a method of its own.
    return body["errorType"], message, [line.replace(" [as handler]", "") for line in stack if not re.search(CLIENT, line)]


def distinct(reply):
    """What may differ of a reply where it is told to: its cause, too."""
    return alike(reply), reply["error"] and reply["body"].get("cause")


def compare(row, emulator, bootstrap, client, node, differing):
    """`differing` gives of a reply what must be something else than the client's, if anything must."""
    theirs, their_log = outcome(emulator, [node, client], row)
    ours, our_log = outcome(emulator, [bootstrap, "--interpreter", node], row)
    if differing:
        check(f"{row.name} by {node}: differs from {theirs}", list(map(differing, ours)) != list(map(differing, theirs)), True)
    else:
        check(f"{row.name} by {node}", list(map(alike, ours)), list(map(alike, theirs)))
        if row.compares_log or row.compares_records:
            check(f"{row.name} by {node}: log", our_log, their_log)
    if row.ours:
        check(f"{row.name} by {node}: {ours} holds", all(map(row.ours, ours)), True)
    return ours


def compare_both(row, emulator, bootstrap, ric_3, ric_4, node_24):
    is_apart = row.name in APART_FROM_4
    # A test says what ours is. 3.3.0 may report a rejection in the same words, or end before that.
    ours = compare(row, emulator, bootstrap, ric_3, "node", (lambda reply: reply) if row.ours else None)
    by_node_24 = compare(row, emulator, bootstrap, ric_4, node_24, distinct if is_apart else None)
    if is_apart and not row.ours and "xRayTraceId" not in json.dumps(by_node_24):
        # Then it is as with the other, whatever Node, but for that member of the context.
        check(f"{row.name}: by either Node", list(map(alike, by_node_24)), list(map(alike, ours)))
    three, four = ("apart" if each else "alike" for each in (row.ours, is_apart))
    return f"{row.name} ... 3.3.0: {three}, 4.0.2: {four}"


def main(emulator, bootstrap, ric_3, ric_4, node_24, *names):
    programs = [os.path.abspath(path) for path in (emulator, bootstrap, ric_3, ric_4, node_24)]
    chosen = [row for row in ROWS if not names or row.name in names]
    # Most of the time is that of starts, which wait for each other.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for line in pool.map(lambda row: compare_both(row, *programs), chosen):
            print(line, flush=True)
    if not names:
        _, alike_3, apart_3, apart_4 = re.split("\n## (?:As on AWS|What differs, and why|What version 4 does otherwise)\n", PAGE.read_text())
        check("rows alike", sorted(listed_rows(alike_3)), sorted(row.name for row in ROWS if not row.ours))
        check("rows that differ from 3.3.0", sorted(listed_rows(apart_3)), sorted(row.name for row in ROWS if row.ours))
        check("rows that differ from 4.0.2", sorted(listed_rows(apart_4)), sorted(APART_FROM_4))
    print(f"{len(chosen)} passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
