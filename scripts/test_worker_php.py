"""The worker for PHP over two pipes: `test_worker_php.py [PHP]`. What needs an extension is left out where it is lacking,
and the test says so."""

import copy
import json
import os
import subprocess
import sys
import time

from worker_pipes import PATIENCE, PHP, Ended, Root, check, dies_of_sigterm, is_reported, outlives_sigterm, try_all, without_proc

SAME = "<?php function handler(stdClass|array|string|int|float|bool|null $event) { return $event; }"
OBJECTS = "<?php function handler(object $event) { return $event; }"
ARRAYS = "<?php function handler($event) { return $event; }"

# What a handler that takes objects hands back byte for byte.
KEPT = [
    '{"request":{"validationData":{}},"response":{},"list":[],"map":{"0":"a","1":"b"}}', '{"":1,"a b":[{},[],[{}]]}',
    '{"n":[0,-1,9007199254740993,9223372036854775807,0.1,0.30000000000000004,3.141592653589793,1.0,1.0e+300,-0.0,5.0e-324]}',
    '{"s":["","é€😀","\\u0000\\u001f\\"\\\\","/"],"b":[true,false,null]}',
]  # fmt: skip
# What arrays make of it. Digits are kept, if not the type.
CHANGED = {
    '{"a":{}}': '{"a":[]}', '{"0":"a","1":"b"}': '["a","b"]', "12345678901234567890": "12345678901234567890",
    "[12345678901234567890,-9223372036854775809]": '["12345678901234567890","-9223372036854775809"]', "[1e2]": "[100.0]",
}  # fmt: skip

# Most levels of JSON, and what may be nested.
DEPTH = 1600
NESTED = {"[": "]", "[1,": "]", '{"a":': "}", '{"a":1,"b":2,"c":': "}"}

# What a handler does, and what kind of frame says what about it.
RESULTS = {
    "return new stdClass;": ("bytes", "{}"), "return ['a' => (object) []];": ("bytes", '{"a":{}}'), "return;": ("bytes", "null"),
    "return 'text';": ("text", "text"), "return [0.1 + 0.2, 1.0];": ("bytes", "[0.30000000000000004,1.0]"),
    "ini_set('serialize_precision', 5); return 0.1 + 0.2;": ("bytes", "0.30000000000000004"),
    "return new class implements JsonSerializable { function jsonSerialize(): mixed { return 7; } };": ("bytes", "7"),
    "return [new DateTimeZone('UTC')];": ("bytes", '[{"timezone_type":3,"timezone":"UTC"}]'),
    "return NAN;": ("error", "the result cannot be written as JSON: Inf and NaN"), "return [INF];": ("error", "Inf and NaN"),
    "return [\"\\xff\"];": ("error", "UTF-8"), "$a = []; $a[0] = &$a; return $a;": ("error", "cannot be written as JSON"),
    "return fopen('/dev/null', 'r');": ("error", "not supported"),
    "throw new DomainException('on purpose');": ("error", '"errorType":"DomainException","errorMessage":"on purpose"'),
    "throw new class('mine') extends Exception {};": ("error", '"errorType":"Exception@anonymous","errorMessage":"mine"'),
    "throw new Exception(\"\\xff\");": ("error", "\ufffd"),
    "return strlen([]);": ("error", '"TypeError"'), "return 1 % 0;": ("error", '"DivisionByZeroError"'),
    "return $context->typo;": ("bytes", "null"), "return isset($context['typo'], $context->typo);": ("bytes", "false"),
    "return [isset($context['trace_id']), empty($context->aws_request_id), count($context)];": ("bytes", "[false,false,13]"),
    "$context['mine'] = 1; unset($context['identity']); return [$context->mine, count($context)];": ("bytes", "[1,13]"),
    "foreach ($context as $key => $value) $keys[] = $key; return $keys[0];": ("text", "function_name"),
    "return $context->getRemainingTimeInMillis() > 0 && $context->getRemainingTimeInMillis() <= 60000;": ("bytes", "true"),
    "return $context->getAwsRequestId() === $context['aws_request_id'];": ("bytes", "true"),
    "return [$context->getTraceId(), getenv('_X_AMZN_TRACE_ID'), $context->getInvokedFunctionArn() !== ''];":
        ("bytes", '["",false,true]'),
    "return [getenv('LAMBWIRE_FILE'), getenv('LAMBWIRE_EVENTS_FD'), isset($_SERVER['LAMBWIRE_ANSWERS_FD'])];":
        ("bytes", "[false,false,false]"),
    "return Context::no;": ("error", 'Class \\"Context\\" not found'),
}  # fmt: skip
# What a generator yields, and the frames.
PIECES = {
    "yield 'a'; yield 'é'; yield 1; yield 1.5;": [("chunk", b"a"), ("chunk", "é".encode()), ("chunk", b"1"), ("chunk", b"1.5"), ("end", b"")],
    "yield ['statusCode' => 201]; yield 'a';": [("prelude", b'{"statusCode":201}'), ("chunk", b"a"), ("end", b"")],
    "yield (object) ['headers' => new stdClass];": [("prelude", b'{"headers":{}}'), ("end", b"")],
    "return; yield;": [("end", b"")],
    "yield 'a'; yield ['statusCode' => 201];": [("chunk", b"a"), ("error", b"a piece of an answer is a string, not array")],
    "yield 'a'; throw new LogicException('half way');": [("chunk", b"a"), ("error", b"half way")],
    "yield null;": [("error", b"not null")],
}  # fmt: skip
# Files, and the function that is asked for, and its answer.
FOUND = {
    ("return fn ($event) => 'returned';", "handler"): "returned",
    ("spl_autoload_register(fn ($class) => throw new Exception($class)); return fn () => 'strict';", "handler"): "strict",
    ("return new class { function __invoke() { return 'invoked'; } };", "handler"): "invoked",
    ("return new class { function handler() { return 'method'; } };", "handler"): "method",
    ("return ['handler' => fn () => 'first', 'other' => fn () => 'second'];", "other"): "second",
    ("class A { static function b() { return 'static'; } }", "A.b"): "static",
    ("class A { static function b() { return 'static'; } }", "A::b"): "static",
    ("namespace N; function f() { return 'namespace'; }", "N\\f"): "namespace",
    ("function handler() { return 'named'; } return fn () => 'returned';", "handler"): "named",
    ("$db = 'global'; function handler() { global $db; return $db; }", "handler"): "global",
    # What bref's package has, as far as a handler sees.
    ("""namespace Bref\\Event { interface Handler {} } namespace { class H implements Bref\\Event\\Handler {
        function handle($event, $context) { return 'handled'; } } return new H; }""", "handler"): "handled",
}  # fmt: skip
BREF = """<?php namespace Bref\\Context { final class Context { function __construct(private string $id, private int $deadline,
    private string $arn, private string $trace) {} function all() { return [$this->id !== '', $this->deadline > 1e12, $this->trace]; } } }
namespace { %s }"""
BREF_GIVEN = {
    "return fn ($event, $context) => $context->all();": '[true,true,"Root=1"]',
    "function handler($event, Bref\\Context\\Context $context) { return $context->all(); }": '[true,true,"Root=1"]',
    "function handler($event, $context) { return get_class($context); }": "Lambwire\\Context",
    "return fn ($event, Lambwire\\Context $context) => get_class($context);": "Lambwire\\Context",
    "return fn ($event, ArrayAccess $context) => get_class($context);": "Lambwire\\Context",
}
# Files that do not load, and why.
UNLOADABLE = {
    "function f() {": ("ParseError", "app.php:"), "throw new Exception('top');": ("Exception", "top"),
    "": ("Runtime.HandlerNotFound", "no function handler"), "return 7;": ("Runtime.HandlerNotFound", "returns no handler"),
    "class A { function handler() {} }": ("Runtime.HandlerNotFound", "handler"), "return 'strlen';": ("Runtime.HandlerNotFound", ""),
    "no_such();": ("Error", "no_such"), "ini_set('memory_limit', '4M'); str_repeat('x', 1 << 30);": ("Runtime.OutOfMemory", "memory size"),
}  # fmt: skip
# What ends the process during an event: the type of the report, or the status alone.
FATAL = {
    "ini_set('memory_limit', '32M'); return str_repeat('x', 1 << 30);": ("Runtime.OutOfMemory", "app.php:2"),
    "ini_set('memory_limit', '16M'); for (;;) $all[] = new stdClass;": ("Runtime.OutOfMemory", "app.php:2"),
    "trigger_error('given up', E_USER_ERROR);": ("FatalError", "given up"),
    "class_alias('no', 'such'); interface_exists('x'); eval('class B extends A {} class A { final function f() {} } class C extends A { function f() {} }');":
        ("FatalError", "final"),
    "exit(3);": (None, 3), "die('last words');": (None, 0),
}  # fmt: skip

# A handler that changes all that it can, and looks afterwards whether it is asked again.
SPOILS = r"""<?php
function handler($event) {
    static $events = 0;
    if ($events++) {
        return ['events' => $events, 'sum' => 0.1 + 0.2, 'event' => $event];
    }
    set_exception_handler(fn () => exit(9));
    error_reporting(0);
    foreach (['serialize_precision' => 3, 'precision' => 3, 'display_errors' => 1, 'memory_limit' => '64M', 'default_charset' => 'ISO-8859-1',
        'open_basedir' => '/tmp', 'pcre.backtrack_limit' => 1, 'user_agent' => 'x', 'auto_detect_line_endings' => 1,
        'zend.assertions' => 1, 'error_log' => '/nowhere/at/all', 'log_errors' => 1, 'include_path' => '/nowhere'] as $key => $value) {
        @ini_set($key, $value);
    }
    setlocale(LC_ALL, 'C.UTF-8');
    ob_start();
    echo 'in a buffer';
    ob_start(fn ($text) => strtoupper($text));
    echo ' in another';
    chdir('/');
    umask(0777);
    putenv('PATH=');
    $_SERVER = $_ENV = [];
    foreach (array_keys($GLOBALS) as $key) {
        unset($GLOBALS[$key]);
    }
    date_default_timezone_set('Asia/Tokyo');
    set_time_limit(1);
    stream_wrapper_unregister('php');
    stream_wrapper_unregister('file');
    fclose(STDIN);
    gc_disable();
    mt_srand(1);
    spl_autoload_register(fn ($class) => throw new Exception("autoload $class"));
    if (function_exists('pcntl_signal')) {
        pcntl_async_signals(true);
        foreach ([SIGHUP, SIGINT, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGTERM] as $signal) {
            pcntl_signal($signal, fn () => 0);
        }
        pcntl_alarm(1);
    }
    set_error_handler(function ($number, $message) { throw new ErrorException($message); });
    return 'spoilt';
}
"""
BUFFERS = """<?php
ob_start();
function handler($event) {
    echo "[$event";
    ob_start();
    echo ']';
    if ($event === 'throw') { throw new Exception; }
    if ($event === 'all') { while (ob_get_level()) ob_end_clean(); }
    if ($event === 'callback') { ob_start(fn () => throw new Exception('in a buffer')); echo 'x'; }
    return 'well';
}
"""
SIGNAL = """<?php
pcntl_signal(SIGTERM, function () { echo "flushed\\n"; %s });
register_shutdown_function(function () { echo "shut down\\n"; });
function handler() { return 'well'; }
"""
LOGS = """<?php function handler($event) { trigger_error($event, E_USER_WARNING); trigger_error('a notice', E_USER_NOTICE); @strlen($none);
    error_log("two\nlines \\xff"); error_log('to the server', 4); error_log("kept\n", 3, __DIR__ . '/errors'); return 'well'; }"""


# What settings may disable: what the worker does without, and what it names.
SPARED = "getmypid,ignore_user_abort,ini_set,pcntl_async_signals,pcntl_signal,pcntl_fork,posix_kill,putenv,set_time_limit,stream_select"
NEEDED = ["fopen", "getenv", "get_cfg_var"]


class Php(Root):
    def __init__(self, *interpreter):
        super().__init__(PHP, *interpreter)
        names = subprocess.run([*self.command[:-1], "-m"], capture_output=True, text=True, check=True).stdout.lower().split()
        self.extensions = {name for name in ("pcntl", "posix", "ffi") if name in names}

    def handler(self, body):
        return self.serve("<?php function handler($event, $context = null) {\n" + body + "\n}")


def is_frame(what, frame, kind, part):
    check(what, (frame[0], part in frame[-1].decode()), (kind, True)) if part else check(what, frame[0], kind)


def values(root):
    for text in (OBJECTS, SAME, "<?php return fn (?stdClass $event) => $event;"):
        with root.serve(text) as running:
            for event in KEPT:
                check(f"objects: {event}", running.invoke(event), ("bytes", event.encode()))
    for text in (ARRAYS, ARRAYS.replace('$event)', 'mixed $event)')):
        with root.serve(text) as running:
            for event, expected in CHANGED.items():
                kind, body = running.invoke(event)
                check(f"arrays: {event}", body.decode(), expected)
            is_frame("no JSON", running.invoke("{"), "error", "the event cannot be read as JSON: Syntax error")
            for begin, end in NESTED.items():
                for levels in (DEPTH - 1, DEPTH):
                    check(f"{levels} levels of {begin}", running.invoke(begin * levels + "1" + end * levels)[0], "bytes")
                for levels in (DEPTH + 1, 2 * DEPTH, 100 * DEPTH):
                    is_frame(f"{levels} levels", running.invoke(begin * levels + "1" + end * levels), "error", "depth")
    return 2 * (len(KEPT) + len(CHANGED) + 5 * len(NESTED) + 1)


def results(root):
    for body, (kind, part) in RESULTS.items():
        with root.handler(body) as running:
            is_frame(body, running.invoke("{}"), kind, part)
            check(f"after {body}", running.invoke("{}")[0], kind)
    for body, frames in PIECES.items():
        with root.handler(body) as running:
            for (kind, part), (said, seen) in zip(frames, running.stream("{}"), strict=True):
                check(body, (said, seen == part if kind != "error" else part in seen), (kind, True))
    return len(RESULTS) + len(PIECES)


def handlers(root):
    for (text, function), expected in FOUND.items():
        with root.serve("<?php " + text, function) as running:
            check(text, running.invoke("{}"), ("text", expected.encode()))
    for text, expected in BREF_GIVEN.items():
        with root.serve(BREF % text) as running:
            check(text, running.invoke("{}", trace_id="Root=1")[1].decode(), expected)
    for text, (error_type, part) in UNLOADABLE.items():
        with root.start("<?php " + text) as running:
            kind, request_id, body = running.hear()
            check(text, (kind, request_id, json.loads(body)["errorType"], part in body.decode()), ("fatal", "-", error_type, True))
    for body, (error_type, expected) in FATAL.items():
        with root.handler(body) as running:
            if error_type:
                kind, report = running.invoke("{}")
                check(body, (kind, json.loads(report)["errorType"], expected in report.decode()), ("fatal", error_type, True))
            else:
                running.send("{}")
                check(body, running.process.wait(), expected)
    return len(FOUND) + len(BREF_GIVEN) + len(UNLOADABLE) + len(FATAL)


def causes(root):
    body = "try { throw new DomainException('inner'); } catch (Exception $e) { throw new LogicException('outer', 0, $e); }"
    with root.handler(body) as running:
        report = json.loads(running.invoke("{}")[1])
        check("types", (report["errorType"], report["cause"]["errorType"]), ("LogicException", "DomainException"))
        for each in (report, report["cause"]):
            check("stack", [line.rsplit("/", 1)[1] for line in each["stackTrace"]], ["app.php:2 in handler"])
    return 1


def contexts(root):
    """What a caller sends along concerns that caller alone."""
    text = "<?php function handler($event, $context) { return $context['client_context']; }"
    deep = "[" * 1300 + "]" * 1300
    with root.serve(text) as running:
        for sent, expected in {
            deep: ("bytes", deep), '"\\ud800"': ("text", '"\\ud800"'), "[[]": ("text", "[[]"), "null": ("bytes", "null"),
            '{"identity":1,"client_context":2}': ("bytes", '{"identity":1,"client_context":2}'), "[]": ("bytes", "[]"),
        }.items():  # fmt: skip
            check(sent[:40], running.invoke("{}", client_context=sent), (expected[0], expected[1].encode()))
            check(f"after {sent[:40]}", running.invoke("{}"), ("bytes", b"null"))
    trace = 'Root=1-a;"\\\t"é€'
    with root.serve("<?php function handler($event, $context) { return [getenv('_X_AMZN_TRACE_ID'), $context->trace_id]; }") as running:
        for sent in (trace, "Root=1", None, trace):
            kind, body = running.invoke("{}", trace_id=sent, client_context='{"a":0,"trace_id":"theirs"}')
            check(f"trace {sent}", json.loads(body), [sent or False, sent])
    return 16


def spoiled(root):
    with root.serve(SPOILS) as running:
        check("spoils", running.invoke("{}"), ("text", b"spoilt"))
        time.sleep(1.5)
        for events in (2, 3):
            expected = f'{{"events":{events},"sum":0.30000000000000004,"event":[1.5]}}'.encode()
            check("spoilt", running.invoke("[1.5]"), ("bytes", expected))
        check("buffers", "in a buffer IN ANOTHER" in running.logged(), True)
        check("ends", running.end(), 0)
    return 1


def buffers(root):
    """One that was opened while the file was loaded stays, and holds what it is given to the end."""
    with root.serve(BUFFERS) as running:
        for event, kind in (("one", "text"), ("throw", "error"), ("two", "text")):
            check(event, running.invoke(json.dumps(event))[0], kind)
        running.end()
        check("log", running.logged(), "[one][throw][two]")
    with root.serve(BUFFERS.replace("ob_start();\nf", "f")) as running:
        for event, log in (("one", "[one]"), ("throw", "[one][throw]"), ("all", "[one][throw][all"), ("two", "[one][throw][all[two]")):
            running.invoke(json.dumps(event))
            check(event, running.logged(), log)
        kind, report = running.invoke('"callback"')
        check("callback", (kind, "in a buffer" in report.decode()), ("fatal", True))
    with root.serve("<?php set_error_handler(fn ($_, $m) => throw new Exception($m)); function handler() { ob_start(null, 0, 0); return 1; }") as running:
        check("buffers that cannot be ended", [running.invoke("{}") for _ in range(2)], [("bytes", b"1")] * 2)
    return 8


def signals(root):
    if "pcntl" not in root.extensions:
        return 0
    dies_of_sigterm(root, SIGNAL % "throw new Exception('at the end');", "flushed\nshut down\n")
    outlives_sigterm(root, SIGNAL % "")
    throws = "pcntl_async_signals(true); pcntl_signal(SIGALRM, fn () => throw new DomainException('late'));"
    with root.serve(f"<?php {throws} function handler() {{ pcntl_alarm(1); return 1; }}") as running:
        running.invoke("{}")
        is_reported("between events", running.hear(), "fatal", "DomainException", "late")
    return 3


def logs(root):
    with root.serve(LOGS, AWS_LAMBDA_LOG_FORMAT="JSON") as running:
        check("answer", running.invoke('"careful \\u00e9"'), ("text", b"well"))
        lines = running.logged().splitlines()
        seen = [json.loads(line) for line in lines if line.startswith("{")]
        expected = [("WARN", "careful é"), ("INFO", "a notice")]
        # Without pcntl, what `error_log` is given stays text.
        errors = [("ERROR", "two\nlines \ufffd"), ("ERROR", "to the server")] if "pcntl" in root.extensions else []
        check("lines", [(line["level"], line["message"]) for line in seen], expected + errors)
        check("lines in all", len(lines), len(expected) + (2 if errors else 3))
        check("members", [bool(seen[0][key]) for key in ("timestamp", "requestId", "location")], [True] * 3)
    with open(os.path.join(root.path, "errors")) as kept:
        check("a file", kept.read(), "kept\n")
    with root.serve(LOGS, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="ERROR") as running:
        running.invoke('"careful"')
        check("level", "careful" in running.logged(), False)
    with root.serve(LOGS) as running:
        running.invoke('"careful"')
        check("text", "lines" in running.logged() and "{" not in running.logged(), True)
    # It cannot be started anew there, so that what `error_log` is given stays text.
    with without_proc(root).serve(LOGS, AWS_LAMBDA_LOG_FORMAT="JSON") as running:
        check("without /proc", running.invoke('"careful"'), ("text", b"well"))
        check("lines without /proc", [json.loads(line)["level"] for line in running.logged().splitlines() if line.startswith("{")], ["WARN", "INFO"])
    # A list of the settings' own is kept.
    listed = "<?php function handler() { return [function_exists('exec'), get_cfg_var('disable_functions')]; }"
    with open(os.path.join(root.path, "own.ini"), "w") as file:
        file.write("disable_functions = exec,system\n")
    with root.serve(listed, AWS_LAMBDA_LOG_FORMAT="JSON", PHP_INI_SCAN_DIR=":" + root.path) as running:
        expected = [False, "exec,system,error_log" if "pcntl" in root.extensions else "exec,system"]
        check("disabled", json.loads(running.invoke("{}")[1]), expected)
    return 5


def disabled(root):
    text = "<?php function handler($event, $context) { echo 'said'; return [$_SERVER['_X_AMZN_TRACE_ID'], function_exists('getmypid')]; }"
    for log in ("Text", "JSON"):
        for name in (SPARED, *SPARED.split(",")):
            with disabling(root, name).serve(text, AWS_LAMBDA_LOG_FORMAT=log) as running:
                expected = ("bytes", json.dumps(["Root=1", "getmypid" not in name.split(",")]).replace(" ", "").encode())
                check(f"without {name}", [running.invoke("1", trace_id="Root=1") for _ in range(2)], [expected] * 2)
                check(f"log without {name}", running.logged(), "saidsaid")
        for name in NEEDED:
            with disabling(root, name).start(text, AWS_LAMBDA_LOG_FORMAT=log) as running:
                is_reported(f"without {name}", running.hear(), "fatal", "Error", f"{name}()")
                check(f"the end without {name}", running.process.wait(PATIENCE), 1)
    return 2 * (len(SPARED.split(",")) + 1 + len(NEEDED))


def disabling(root, names):
    other = copy.copy(root)
    other.command = [*root.command[:-1], "-d", f"disable_functions={names}", root.command[-1]]
    return other


def ends(root):
    with root.serve("<?php register_shutdown_function(function () { echo 'shut down'; }); function handler() { return 1; }") as running:
        running.invoke("{}")
        check("status", running.end(), 0)
        check("log", running.logged(), "shut down")
        try:
            running.hear()
            raise AssertionError("a frame after the end")
        except Ended:
            pass
    return 1


TESTS = [values, results, handlers, causes, contexts, spoiled, buffers, signals, logs, disabled, ends]

if __name__ == "__main__":
    try_all(Php(*sys.argv[1:]), TESTS)
