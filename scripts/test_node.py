"""Runs handlers in JavaScript under the bootstrap and under AWS's own client, and compares: `test_node.py EMULATOR BOOTSTRAP
RIC [NAME...]`, where RIC is the directory of aws-lambda-ric; names of rows run these alone.

A row is a handler with its events. Both must answer alike, and log alike where the row says so; or differ in the way that
the row says. docs/languages/node.md has each row, and none besides.
"""

import json
import os
import re
import sys
from pathlib import Path

from emulated import IDENTITY, JSON_LOG, TRACE_ID, Emulated, Row, client_context, has_type, listed_rows, without_secrets
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
    # What differs.
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


# What a call of the client or of Node has in it.
CLIENT = r"(?:aws-lambda-ric|node:|<anonymous>)"

# Lines of the emulator, the line with which AWS's client starts, and what the bootstrap says of an error.
OTHERS = re.compile(r"(START|END|REPORT) RequestId|bootstrap: |lambwire-emulator: |    |Executing '|\s*$")


def outcome(emulator, command, row):
    handler = row.handler or row.name
    with Emulated(emulator, [*command, handler], handler, row.env, HANDLERS) as running:
        replies = [running.invoke(event, row.headers) for event in row.events]
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


def main(emulator, bootstrap, ric, *names):
    emulator, bootstrap, ric = map(os.path.abspath, (emulator, bootstrap, ric))
    chosen = [row for row in ROWS if not names or row.name in names]
    for row in chosen:
        theirs, their_log = outcome(emulator, ["node", Path(ric, "bin", "index.mjs")], row)
        ours, our_log = outcome(emulator, [bootstrap], row)
        if row.ours:
            check(f"{row.name}: {ours} holds", all(map(row.ours, ours)), True)
            check(f"{row.name}: differs from {theirs}", ours != theirs, True)
        else:
            check(row.name, list(map(alike, ours)), list(map(alike, theirs)))
        if row.compares_log:
            check(f"{row.name}: log", our_log, their_log)
        print(f"{row.name} ... {'as documented' if row.ours else 'as on AWS'}", flush=True)
    if not names:
        check("rows of docs/languages/node.md", sorted(listed_rows(PAGE.read_text().split("## As on AWS")[1])), sorted(row.name for row in ROWS))
    print(f"{len(chosen)} passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
