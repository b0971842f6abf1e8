"""The worker for Perl over two pipes: `test_worker_perl.py [PERL]`. With JSON::PP, and with
JSON::XS and Cpanel::JSON::XS where they are installed."""

import copy
import json
import os
import subprocess
import sys
import time

from worker_pipes import PERL, Ended, Root, check, dies_of_sigterm, is_reported, outlives_sigterm, try_all

SAME = "sub handler { return $_[0] } 1;"

# What comes back byte for byte, and what else comes back as an equal value.
KEPT = [
    '{"a":{},"b":[],"c":[{},[[]]]}', '{"":1,"a b":null}', '["","é€😀","\\"\\\\","/"]', "[true,false,null]", "0", '""', "null",
    "[0,-1,9007199254740993,9223372036854775807,-9223372036854775807,18446744073709551615]", '["5","05","1e2","0.0"]',
]  # fmt: skip
EQUAL = ["1.0", "1e2", "-0.0", '"\\u0000\\u001f\\u00e9"', "1.5", "1e300", "52.520006599999999"]
# The others read and write 15 digits, and JSON::XS has no room for that integer.
DIGITS = ["-9223372036854775808", "0.30000000000000004", "3.141592653589793", "1.7976931348623157e+308", "52.52000659999999"]

# What a handler does, and what kind of frame says what about it.
RESULTS = {
    "return 'text'": ("text", "text"), "return": ("result", "null"), "return {}": ("result", "{}"), "return [1, '1']": ("result", '[1,"1"]'),
    "return JSON::PP::true()": ("result", "true"), "return [\\1, \\0]": ("result", "[true,false]"),
    "return '{\"a\":1}'": ("text", '{"a":1}'), 'return "\\xe9"': ("text", "é"), 'return "\\x{20ac}"': ("text", "€"),
    'return "\\xc3\\xa9"': ("text", "é"), "return $context": ("result", '"aws_request_id":"0000'),
    "return sub {} ": ("end", ""), "return { code => sub {} }": ("error", "the result cannot be written as JSON: encountered CODE"),
    "return bless {}, 'Plain'": ("error", "the result cannot be written as JSON: encountered object"),
    "die \"on purpose\\n\"": ("error", '"on purpose"'), "die 'where'": ("error", "where at /"), "die { code => 7 }": ("error", '{\\"code\\":7}'),
    "die bless {}, 'My::Error'": ("error", '"errorType":"My::Error"'), "no_such()": ("error", "no_such"), "1 / ($event->{x} // 0)": ("error", "division by zero"),
    "my $x = undef; eval { die 'caught' }; return 'well'": ("text", "well"), "$@ = 'left behind'; return 'well'": ("text", "well"),
    "next": ("error", "next, last or redo"), "last": ("error", "next, last or redo"), "redo": ("error", "next, last or redo"),
    "for (1, 2) { next if $_ == 1; return $_ }": ("result", "2"), "eval { next }; return 1": ("error", "next, last or redo"),
    "return sub { next }": ("error", "next, last or redo"), "next NOWHERE": ("error", "NOWHERE"),
    "return $context->get_remaining_time_in_millis > 0 && $context->get_remaining_time_in_millis <= 60000 ? 1 : 0": ("result", "1"),
    "return $context->aws_requestid": ("error", "Can't locate object method \\\"aws_requestid\\\""),
    "return [map { $context->$_ // 'none' } qw(function_name trace_id identity client_context tenant_id)]":
        ("result", '["pipes","none","none","none","none"]'),
    "return [exists $ENV{_X_AMZN_TRACE_ID} ? 1 : 0, grep { /^LAMBWIRE_/ } keys %ENV]": ("result", "[0]"),
    "return $AWS::Lambda::context == $context ? 1 : 0": ("result", "1"),
}  # fmt: skip
# A number that was used as a text is a number, and the reverse. The others take the last use.
USED = {"my $n = 5; my $text = \"$n\"; my $s = '7'; $s + 1; return [$n, $s]": ("result", '[5,"7"]')}
# What the others write as no JSON at all, which the bootstrap refuses.
NO_NUMBERS = ["9**9**9", "[-9**9**9]", "{ a => -sin(9**9**9) }"]
# What a handler that answers in pieces does with what it is given, and the frames.
WRITTEN = "application/vnd.awslambda.http-integration-response"
PIECES = {
    "$_[0]->('a'); $_[0]->('text/html'); $_[0]->(\"\\x{20ac}\")": [("chunk", b"a"), ("chunk", b"text/html"), ("chunk", "€".encode()), ("end", b"")],
    "$_[0]->({ statusCode => 201 }); $_[0]->('a')": [("prelude", b'{"statusCode":201}'), ("chunk", b"a"), ("end", b"")],
    "$_[0]->('text/html')": [("chunk", b"text/html"), ("end", b"")],
    "$_[0]->(\"\\xff\\0\")": [("chunk", b"\xff\0"), ("end", b"")],
    "$_[0]->('a'); die \"half way\\n\"": [("chunk", b"a"), ("error", b"half way")],
    "$_[0]->('a'); $_[0]->({})": [("chunk", b"a"), ("error", b"a piece of an answer is a string")],
    "$_[0]->(undef)": [("error", b"a piece of an answer is a string")],
    "my $w = $_[0]->('text/plain'); $w->write('a'); $w->write(''); $w->write('b'); $w->close": [("chunk", b"a"), ("chunk", b"b"), ("end", b"")],
    f"my $w = $_[0]->('{WRITTEN}'); $w->write('{{\"statusCode\":200}}' . \"\\0\" x 3); $w->write(\"\\0\" x 5 . 'a'); $w->write('b'); $w->close":
        [("prelude", b'{"statusCode":200}'), ("chunk", b"a"), ("chunk", b"b"), ("end", b"")],
    f"my $w = $_[0]->('{WRITTEN}'); $w->close; $w->write('late')": [("error", b"already closed")],
    "my $w = $_[0]->('text/plain; charset=utf-8'); $w->write('a'); next": [("chunk", b"a"), ("error", b"next, last or redo")],
}  # fmt: skip
SIGNATURES = "use feature 'signatures'; no warnings; "
# Files, and the function that is asked for, and its answer.
FOUND = {
    ("sub handler { 'named' }", "handler"): "named", ("package A::B; sub c { 'package' } 1;", "A::B.c"): "package",
    ("package A::B; sub c { 'dots' } 1;", "A.B.c"): "dots", ("sub { 'returned' }", "handler"): "returned",
    (SIGNATURES + "sub handler ($event) { 'of the event' }", "handler"): "of the event", (SIGNATURES + "sub () { 'of none' }", "handler"): "of none",
    ("sub handler { 'named' } sub { 'returned' }", "handler"): "named", ("use lib 'lib'; sub handler { __PACKAGE__ } 0;", "handler"): "main",
    ("$, = ' '; $\\ = \"\\n\"; $/ = undef; sub handler { 'separated' } 1;", "handler"): "separated",
}  # fmt: skip
UNLOADABLE = {
    "sub f {": ("Error", "app.pl line"), "die 'top'": ("Error", "top at"), "1;": ("Runtime.HandlerNotFound", "no function handler"),
    "use No::Such;": ("Error", "No/Such.pm"), "die bless {}, 'Mine'": ("Mine", ""),
}  # fmt: skip

# A handler that changes all that it can, and looks afterwards whether it is asked again.
SPOILS = r"""my $events;
sub handler {
    return { events => $events, sum => .1 + .2 > .3 ? 1 : 0, event => $_[0] } if $events++;
    $/ = undef; $\ = "|"; $, = "-"; $" = "+"; $; = "q"; $_ = "topic"; $@ = "error"; $! = 5; $^W = 1; $0 = "other"; $a = $b = 1;
    print STDOUT "printed";
    $| = 0; select STDERR; $| = 0;
    %ENV = (); @INC = (); @ARGV = (1); %INC = (); srand 1; alarm 1;
    chdir "/"; umask 0777; close STDIN;
    $SIG{$_} = sub { die "a signal" } for qw(HUP USR1 USR2 INT PIPE CHLD);
    $SIG{$_} = sub { } for qw(ALRM TERM);
    $SIG{__WARN__} = sub { die "a warning: @_" }; $SIG{__DIE__} = sub { };
    require POSIX if 0; no warnings;
    *CORE::GLOBAL::time = sub { 0 }; *CORE::GLOBAL::die = sub { }; *CORE::GLOBAL::sysread = sub { 0 };
    open my $file, '<', $0; my $line = <$file>;
    @_ = (); undef @_;
    return "spoilt";
}
1;
"""
SLURPS = 'sub handler { $/ = undef; open my $file, "<", "/proc/self/comm"; my $text = <$file>; return { ok => 1 } } 1;'
SIGNAL = '$SIG{TERM} = sub { print "flushed\\n"; %s }; END { print "at the end\\n" } sub handler { "well" } 1;'
LOGS = "use warnings; sub handler { warn $_[0]; warn 'two', ' parts'; return 'well' } 1;"
# In the order in which the worker looks for them.
CODECS = ["JSON::XS", "Cpanel::JSON::XS", "JSON::PP"]
# What keeps modules from being found.
HIDES = "package Hides; sub import { my %hidden = map { s{::}{/}gr . '.pm' => 1 } @_; unshift @INC, sub { die qq(hidden\\n) if $hidden{$_[1]} } } 1;"
# Texts at whose edges a reader may go wrong, each with what it is, if it is JSON.
EDGES = [
    '"\\ud83d\\ude00\\u00e9\\\\\\"\\/\\b\\f\\n\\r\\t"', '["\\u20ac",{"\\u0061\\"b":"c"}]', ' [ 1 , { "a" : [ ] } ] \n', '[0,-0,0.5,-1.5e-7,1E+2,10]',
    '"%s"' % ("\\\\\\u00e9é" * 40_000), '["a\x7f"]', "[[],{},[{}]]",
]  # fmt: skip
NO_JSON = [
    "{", "", "{a:1}", "[1,]", "[,1]", '{"a":1,}', '{"a"}', '{"a":}', '{"a" 1}', "[1 2]", "[1", '"a', '"\\x"', '"\\u12"', '"\n"', "01", "1.", ".5", "1e", "-",
    "+1", "tru", "nulls", "1 2", "[1]]", "NaN", "'a'", "[1]\x0b",
]  # fmt: skip


class Perl(Root):
    def __init__(self, codec, *interpreter):
        super().__init__(PERL, *interpreter)
        self.name += f", {codec}"
        self.codec = codec
        hidden = CODECS[: CODECS.index(codec)]
        self.write("Hides.pm", HIDES)
        if hidden:
            self.variables = {"PERL5LIB": self.path, "PERL5OPT": f"-MHides={','.join(hidden)}"}

    def handler(self, body):
        return self.serve("use JSON::PP (); sub handler { my ($event, $context) = @_;\n" + body + "\n} 1;")


def values(root):
    with root.serve(SAME) as running:
        digits = DIGITS if root.codec == "JSON::PP" else []
        for event in KEPT + digits:
            kind, body = running.invoke(event)
            check(event, body.decode(), event if not event.startswith('"') else json.loads(event))
        for event in EQUAL:
            kind, body = running.invoke(event)
            check(event, body.decode() if kind == "text" else json.loads(body), json.loads(event))
        for event in EDGES:
            kind, body = running.invoke(event)
            check(event[:100], body.decode() if kind == "text" else json.loads(body), json.loads(event))
        if root.codec == "JSON::PP":
            # An integer that Perl has no room for keeps its digits.
            check("big", running.invoke("[123456789012345678901234567890]"), ("result", b'["123456789012345678901234567890"]'))
        for event in [*NO_JSON, b'"\xff"', *([b'"\xed\xa0\x80"'] if root.codec == "JSON::PP" else [])]:
            kind, body = running.invoke(event)
            check(f"{event}: {body}", (kind, "the event cannot be read as JSON" in body.decode()), ("error", True))
        for levels, expected in ((9_999, "result"), (10_000, "result"), (10_001, "error")):
            check(f"{levels} levels", running.invoke("[" * levels + "]" * levels)[0], expected)
        check("log", running.logged(), "")
    return len(KEPT + digits + EQUAL + EDGES + NO_JSON) + 4


def results(root):
    for body, (kind, part) in (RESULTS | USED if root.codec == "JSON::PP" else RESULTS).items():
        with root.handler(body) as running:
            for turn in ("first", "second"):
                said, seen = running.invoke("{}")
                check(f"{body}, {turn}", (said, part in seen.decode() if part else seen == b""), (kind, True))
    expected = ("error", ["JSON has no number for"]) if root.codec == "JSON::PP" else ("result", ["inf", "nan"])
    for number in NO_NUMBERS:
        with root.handler(f"return {number}") as running:
            kind, body = running.invoke("{}")
            check(f"{number}: {body}", (kind, any(part in body.decode() for part in expected[1])), (expected[0], True))
    for body, frames in PIECES.items():
        with root.handler(f"return sub {{ {body} }}") as running:
            for (kind, part), (said, seen) in zip(frames, running.stream("{}"), strict=True):
                check(body, (said, seen == part if kind != "error" else part in seen), (kind, True))
    return len(RESULTS) + len(PIECES)


def handlers(root):
    for (text, function), expected in FOUND.items():
        with root.serve(text, function) as running:
            check(text, running.invoke("{}"), ("text", expected.encode()))
    for text, (error_type, part) in UNLOADABLE.items():
        with root.start(text) as running:
            kind, request_id, body = running.hear()
            check(text, (kind, request_id, json.loads(body)["errorType"], part in body.decode()), ("fatal", "-", error_type, True))
    with root.start("1;") as running:
        running.hear()
        check("status", running.end(), 1)
    os.remove(os.path.join(root.path, "app.pl"))
    with root.start_file("app.pl") as running:
        kind, request_id, body = running.hear()
        parts = [part in body.decode() for part in ("Runtime.UnreadableFile", "app.pl", "No such file")]
        check("unreadable", (kind, request_id, parts), ("fatal", "-", [True] * 3))
    return len(FOUND) + len(UNLOADABLE) + 2


def errors(root):
    text = """package E { sub new { bless { text => $_[1], cause => $_[2] } } sub message { $_[0]{text} } sub cause { $_[0]{cause} } }
sub inner { die E->new('outer', E->new('inner')) }
sub handler { inner() } 1;"""
    with root.serve(text) as running:
        report = json.loads(running.invoke("{}")[1])
        check("report", (report["errorType"], report["errorMessage"]), ("E", "outer"))
        check("cause", (report["cause"]["errorType"], report["cause"]["errorMessage"]), ("E", "inner"))
        lines = [line.rsplit("/", 1)[1] for line in report["stackTrace"]]
        check("stack", lines, ["app.pl:2 in main::inner", "app.pl:3 in main::handler"])
    # What the worker itself dies of is no matter of the handler's.
    with root.serve("$SIG{__DIE__} = sub { exit 9 }; sub handler { return $_[0] ? [\\&handler] : $_[1]{client_context} } 1;") as running:
        for event, sent, part in (("[1,", "null", "event cannot be read"), ("1", "null", "result cannot be written"), ("0", "[[]", "[[]")):
            check(f"not heard: {part}", part in running.invoke(event, client_context=sent)[1].decode(), True)
    with root.serve("use Hash::Util; $ENV{_X_AMZN_TRACE_ID} = 'x'; Hash::Util::lock_hash(%ENV); sub handler { return $_[0] } 1;") as running:
        for trace in (None, "Root=1"):
            check("a locked environment", running.invoke("1", trace_id=trace), ("result", b"1"))
    # A signature that the handler itself does not keep to is an error, and nothing is called again.
    with root.serve(SIGNATURES + "my $n; sub f ($x) {} sub handler ($event, $context) { $n++ ? $n : f(1, 2) } 1;") as running:
        kind, body = running.invoke("1")
        check("signature", (kind, "main::f" in body.decode(), running.invoke("1")), ("error", True, ("result", b"2")))
    # The stack is that of this error, and of no other.
    with root.serve("sub handler { eval { die 'one' }; local $SIG{__DIE__} = sub { }; die \"two at /x.pl line 7.\\n\" } 1;") as running:
        running.invoke("{}")
        check("own", "app.pl" in running.invoke("{}")[1].decode(), True)
    return 2


def contexts(root):
    """What a caller sends along concerns that caller alone."""
    with root.serve("sub handler { return $_[1]{client_context} } 1;") as running:
        deep = "[" * 1300 + "]" * 1300
        for sent, expected in {
            deep: ("result", deep), "[[]": ("text", "[[]"), "nonsense": ("text", "nonsense"), "null": ("result", "null"),
            '{"client_context":2,"identity":1}': ("result", '{"client_context":2,"identity":1}'), '"\\u00e9"': ("text", "é"),
        }.items():  # fmt: skip
            check(sent[:40], running.invoke("{}", client_context=sent), (expected[0], expected[1].encode()))
            check(f"after {sent[:40]}", running.invoke("{}"), ("result", b"null"))
    trace = 'Root=1-a;"\\\t"é€'
    text = "sub handler { my $id = $ENV{_X_AMZN_TRACE_ID}; utf8::decode($id) if defined $id; return [$id, $_[1]->trace_id, $_[1]->client_context] } 1;"
    with root.serve(text) as running:
        for sent in (trace, "Root=1", None, trace):
            for client in ('{"trace_id":"theirs"}', "[[]"):
                kind, body = running.invoke("{}", trace_id=sent, client_context=client)
                check(f"trace {sent}", json.loads(body), [sent, sent, json.loads(client) if "{" in client else client])
    return 20


def spoiled(root):
    with root.serve(SPOILS) as running:
        check("spoils", running.invoke("{}"), ("text", b"spoilt"))
        time.sleep(1.2)
        for events in (2, 3):
            expected = f'{{"event":[1.5],"events":{events},"sum":1}}'.encode()
            check("spoilt", running.invoke("[1.5]"), ("result", expected))
        check("error", running.invoke("{")[0], "error")
        check("printed", "printed" in running.logged(), True)
        check("ends", running.end(), 0)
    with root.serve(SLURPS) as running:
        for _ in range(3):
            check("slurps", running.invoke("{}"), ("result", b'{"ok":1}'))
    return 2


def signals(root):
    dies_of_sigterm(root, SIGNAL % 'die "at last"', "flushed\nat the end\n")
    outlives_sigterm(root, SIGNAL % "1")
    # The first is that it is ready, the second is the answer.
    at_second_write = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=write", "-e", "inject=write:signal=USR2:when=2"]
    traced = copy.copy(root)
    traced.command = [*at_second_write, *root.command]
    with traced.serve("$SIG{USR2} = sub { die qq(late\\n) }; sub handler { 'well' } 1;") as running:
        check("answer", running.invoke("{}"), ("text", b"well"))
        is_reported("after a whole frame", running.hear(), "fatal", "Error", "late")
    return 3


def logs(root):
    with root.serve(LOGS, AWS_LAMBDA_LOG_FORMAT="JSON") as running:
        check("answer", running.invoke('"careful\\n"'), ("text", b"well"))
        seen = [json.loads(line) for line in running.logged().splitlines()]
        check("first", (seen[0]["level"], seen[0]["message"], bool(seen[0]["timestamp"])), ("WARN", "careful", True))
        check("second", (seen[1]["message"].startswith("two parts at"), seen[1]["requestId"][:8]), (True, "00000001"))
    with root.serve(LOGS, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="ERROR") as running:
        running.invoke('"careful"')
        check("level", running.logged(), "")
    with root.serve(LOGS) as running:
        running.invoke('"careful\\n"')
        check("text", running.logged().startswith("careful\ntwo parts at"), True)
    return 3


def ends(root):
    with root.serve("END { print 'at the end' } sub handler { print 'no line feed'; 1 } 1;") as running:
        running.invoke("{}")
        check("printed", running.logged(), "no line feed")
        check("status", running.end(), 0)
        check("log", running.logged(), "no line feedat the end")
        try:
            running.hear()
            raise AssertionError("a frame after the end")
        except Ended:
            pass
    return 1


def hooks(root):
    for leaves in ("next", "last", "redo", "die 'x'"):
        with root.serve(f"Lambwire::register_after_restore(sub {{ {leaves} }}, sub {{ print 'second' }}); {SAME}") as running:
            kind, _, body = running.hooks("after-restore")
            check(f"{leaves}: {body}", (kind, running.invoke("1")), ("error", ("result", b"1")))
    return 4


TESTS = [values, results, handlers, errors, contexts, spoiled, signals, logs, hooks, ends]

if __name__ == "__main__":
    for codec in CODECS:
        root = Perl(codec, *sys.argv[1:])
        if subprocess.run([*root.command[:-1], f"-M{codec}", "-e1"], stderr=subprocess.DEVNULL).returncode == 0:
            try_all(root, TESTS)
