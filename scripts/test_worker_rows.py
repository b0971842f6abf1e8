"""What handlers in Perl, PHP, Ruby and shell find as they do elsewhere, or otherwise: a test a row of the tables on their pages
(docs/languages), by its name there, over two pipes: `test_worker_rows.py [NAME]...`. Those of Python and Node are rows of
`test_python.py` and `test_node.py`.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from worker_pipes import PERL, PHP, RUBY, SH, Root, check

PAGES = Path(__file__).parent.parent / "docs" / "languages"
LANGUAGES = {"perl": PERL, "php": PHP, "ruby": RUBY, "sh": SH}
DEEP = "[" * 1300 + "]" * 1300


class Row(NamedTuple):
    text: str
    # What is heard of each event, or instead of `ready`: kinds of frames, and what stands in them. Infinity is refused by the
    # worker or, where that does not see it, by the bootstrap.
    heard: list
    event: str = "{}"
    function: str = "handler"
    sent: dict = {}
    variables: dict = {}
    # What stands in the log, and what does not.
    logged: str = ""
    unlogged: str = "\0"


PERL_WRITER = """my $writer = $_[0]->('application/vnd.awslambda.http-integration-response');
    $writer->write('{"statusCode":201}' . "\\0" x 8); $writer->write('a'); $writer->close"""
BREF = """<?php namespace Bref\\Context { final class Context implements \\JsonSerializable {
    function __construct(private string $id, private int $deadline, private string $arn, private string $trace) {}
    function jsonSerialize(): array { return [$this->trace]; } } }
namespace { return fn ($event, $context) => [$context, getenv('_X_AMZN_TRACE_ID'), $_SERVER['LAMBDA_INVOCATION_CONTEXT']]; }"""
TRACED = {"trace_id": "Root=1"}

ROWS = {
    "perl.handler": Row(
        "package Own; sub handle { my ($event, $context) = @_;\n"
        "return [$event->{a}, $context->function_name, $AWS::Lambda::context == $context ? 1 : 0, $ENV{_X_AMZN_TRACE_ID}] } 1;",
        [("result", '[1,"pipes",1,"Root=1"]')], '{"a":1}', "Own.handle", TRACED,
    ),
    "perl.signature": Row("use feature 'signatures'; no warnings; sub handler ($event) { return [$event->{a}] } 1;", [("result", "[1]")], '{"a":1}'),
    "perl.responder": Row(f"sub handler {{ return sub {{ {PERL_WRITER} }} }} 1;", [("prelude", '{"statusCode":201}'), ("chunk", "a"), ("end", "")]),
    "perl.sent_along": Row(
        "sub handler { return [$_[1]->identity, $_[1]->client_context] } 1;", [("result", '[{"id":1},{"custom":2}]')],
        sent={"identity": {"id": 1}, "client_context": '{"custom":2}'},
    ),
    "perl.remaining_time": Row(
        "sub handler { return [$_[1]->get_remaining_time_in_millis] } 1;", [("result", "[0]")], sent={"deadline_ms": 1}
    ),
    "perl.false_value": Row("sub handler { return [1] } 0;", [("result", "[1]")]),
    "perl.text_of_json": Row("sub handler { return '{\"a\":1}' } 1;", [("text", '{"a":1}')]),
    "perl.codec": Row(
        "sub handler { return [scalar grep { $INC{$_} } qw(JSON/XS.pm Cpanel/JSON/XS.pm JSON/PP.pm)] } 1;", [("result", "[1]")]
    ),
    "perl.infinity": Row("sub handler { return [9**9**9] } 1;", [("error|result", "nf")]),
    "perl.report": Row(
        "sub inner { die \"on purpose\\n\" } sub handler { inner() } 1;",
        [("error", '"errorMessage":"on purpose","errorType":"Error","stackTrace":["')],
    ),
    "perl.hash": Row("sub handler { die { code => 7 } } 1;", [("error", '{\\"code\\":7}')]),
    "perl.error_in_pieces": Row("sub handler { return sub { $_[0]->('a'); die 'half way' } } 1;", [("chunk", "a"), ("error", "half way")]),
    "perl.concurrency": Row(
        "my $loader = $$; sub handler { return [$$ == $loader ? 1 : 0] } 1;", [("result", "[1]")],
        variables={"AWS_LAMBDA_MAX_CONCURRENCY": "4"},
    ),
    "php.returned": Row("<?php return fn ($event, $context) => [$event['a']];", [("bytes", "[1]")], '{"a":1}'),
    "php.bref_context": Row(BREF, [("bytes", '[["Root=1"],"Root=1","[\\"Root=1\\"]"]')], sent=TRACED),
    "php.named": Row("<?php function handler($event) { return [$event['a']]; }", [("bytes", "[1]")], '{"a":1}'),
    "php.file_name": Row("<?php function handler() {}", [("fatal", "has no function php")], function="php"),
    "php.bref_runtime": Row("<?php function handler() { return class_exists('Bref\\Bref'); }", [("bytes", "false")]),
    "php.one_process": Row("<?php $loader = getmypid(); function handler() { return getmypid() === $GLOBALS['loader']; }", [("bytes", "true")]),
    "php.text_of_json": Row("<?php function handler() { return '{\"a\":1}'; }", [("text", '{"a":1}')]),
    "php.objects": Row("<?php function handler(stdClass $event) { return $event; }", [("bytes", '{"a":{},"b":[]}')], '{"a":{},"b":[]}'),
    "php.fractions": Row("<?php function handler($event) { return $event; }", [("bytes", "[1.0]")], "[1.0]"),
    "php.large_integers": Row("<?php function handler($event) { return $event; }", [("bytes", '["12345678901234567890"]')], "[12345678901234567890]"),
    "php.stack": Row("<?php\nfunction handler() {\n  throw new Exception('on purpose');\n}", [("error", 'app.php:3 in handler"]')]),
    "php.previous": Row(
        "<?php function handler() { throw new LogicException('outer', 0, new DomainException('inner')); }",
        [("error", '"cause":{"errorType":"DomainException","errorMessage":"inner"')],
    ),
    "php.pieces": Row("<?php function handler() { yield ['statusCode' => 201]; yield 'a'; }", [("prelude", '{"statusCode":201}'), ("chunk", "a"), ("end", "")]),
    "ruby.called": Row(
        "class C; def self.h(event:, context:) = [event['a'], context.function_name]; end", [("result", '[1,"pipes"]')], '{"a":1}', "C.h"
    ),
    "ruby.parameters": Row("def handler(event, context) = [event['a'], context.function_name]", [("result", '[1,"pipes"]')], '{"a":1}'),
    "ruby.name_error": Row("def handler(event:, context:) = none", [("error", "Function<NameError>")]),
    "ruby.without_message": Row("def handler(event:, context:) = raise(Class.new(StandardError) { def message = nil })", [("error", '"errorMessage":"')]),
    "ruby.deep_client_context": Row("def handler(event:, context:) = context.client_context", [("result", DEEP)], sent={"client_context": DEEP}),
    "ruby.not_json": Row("def handler(event:, context:) = 1", [("error", "Runtime.UnmarshalError")], "{a"),
    "ruby.cause": Row(
        "def handler(event:, context:)\n  raise KeyError, 'inner'\nrescue KeyError\n  raise 'outer'\nend", [("error", '"cause":{')]
    ),
    "ruby.silent_logger": Row("L = Logger.new(nil)\ndef handler(event:, context:) = L.error('said') && 1", [("result", "1")], unlogged="said"),
    "ruby.json_log": Row(
        "L = Logger.new($stdout)\ndef handler(event:, context:) = L.error('said') && 1", [("result", "1")],
        variables={"AWS_LAMBDA_LOG_FORMAT": "JSON"}, logged='"message":"said"',
    ),
    "ruby.xray_cause": Row("def handler(event:, context:) = raise('on purpose')", [("error", '"errorType":"Function<RuntimeError>"')]),
    "sh.context": Row(
        "handler() { printf '%s ' \"$_X_AMZN_TRACE_ID\"; get_remaining_time_in_millis | sed 's/...$//'; echo \"$2\"; }\n",
        [("text", '"function_name":"pipes"')], sent=TRACED,
    ),
    "sh.standard_input": Row("handler() { cat; }\n", [("text", '{"a":1}')], '{"a":1}'),
    "sh.status": Row("handler() { return 3; }\n", [("error", "handler exited with status 3")]),
    "sh.text": Row("handler() { echo no JSON; }\n", [("text", "no JSON")]),
    "sh.without_interpreter": Row("handler() { echo 1\n", [], logged="has no line such as #!/bin/bash, so that it is run by sh"),
}  # fmt: skip


def holds(name, row):
    root = Root(LANGUAGES[name.split(".")[0]])
    with root.start(row.text, row.function, **row.variables) as running:
        is_loaded = row.heard and row.heard[0][0] != "fatal"
        if is_loaded:
            running.ready()
        # What it does once it does again.
        for turn in range(2 if is_loaded else 1):
            request_id = running.send(row.event, **row.sent) if is_loaded else "-"
            for kind, part in row.heard:
                heard, answered, body = running.hear()
                check(f"{name}, {turn}: {heard}, {part} in {body[:2000]}", (heard in kind.split("|"), answered, part.encode() in body), (True, request_id, True))
        if not row.heard:
            running.process.wait()
        logged = running.logged()
        check(f"{name}: the log, {logged}", (row.logged in logged, row.unlogged in logged), (True, False))


def listed(page):
    """Names of tests in tables whose last column has those; each row there has one."""
    names, is_listing = [], False
    for line in page.read_text().splitlines():
        if not line.startswith("|"):
            is_listing = False
            continue
        last = line.strip("|").split("|")[-1].strip()
        if is_listing and last.strip("-"):
            found = re.findall(r"`(\w+\.\w+)`", last)
            check(f"{page.name}: a test of {line}", bool(found), True)
            names += found
        is_listing = is_listing or last == "tests"
    return names


def main(*names):
    for name in names or ROWS:
        holds(name, ROWS[name])
    if not names:
        on_pages = [name for language in LANGUAGES for name in listed(PAGES / f"{language}.md")]
        check("rows of the tables in docs/languages", sorted(on_pages), sorted(ROWS))
    print(f"{len(names or ROWS)} rows of tables passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
