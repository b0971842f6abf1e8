"""The worker for Ruby over two pipes: `test_worker_ruby.py [RUBY]...`."""

import json
import sys

from worker_pipes import PATIENCE, RUBY, Root, check, is_reported, try_all

# Each is a file, the function, and what `{"n":1}` is answered with, as AWS's client does but where it says otherwise.
SHAPES = {
    "keywords": ("def h(event:, context:) = [event, context.class.to_s]", "h", [{"n": 1}, "LambdaContext"]),
    "all keywords": ("def h(**opts) = opts.keys", "h", ["event", "context"]),
    "one and the rest": ("def h(event:, **rest) = [event, rest.keys]", "h", [{"n": 1}, ["context"]]),
    "one hash": ("def h(given) = [given[:event], given.keys]", "h", [{"n": 1}, ["event", "context"]]),
    "any": ("def h(*given) = [given.size, given[0][:event]]", "h", [1, {"n": 1}]),
    "optional": ("def h(given = nil) = given.keys", "h", ["event", "context"]),
    "more keywords": ("def h(event:, context:, more: 3) = more", "h", 3),
    "forwarded": ("def i(event:, context:) = event\ndef h(...) = i(...)", "h", {"n": 1}),
    "class method": ("module M; class C; def self.h(event:, context:) = event; end; end", "M::C.h", {"n": 1}),
    "private class method": ("class C; def self.h(event:, context:) = event; private_class_method :h; end", "C.h", {"n": 1}),
    "module function": ("module M; module_function\ndef h(event:, context:) = event; end", "M.h", {"n": 1}),
    "defined": ("define_method(:h) { |event:, context:| event }", "h", {"n": 1}),
    "replaced": ("def h(event:, context:) = Object.define_method(:h) { |event:, context:| 2 }.to_s", "h", "h"),
    # AWS's client fails at these.
    "two": ("def h(event, context) = [event, context.class.to_s]", "h", [{"n": 1}, "LambdaContext"]),
    "none": ("def h = 7", "h", 7),
    "event alone": ("def h(event:) = event", "h", {"n": 1}),
    "lambda": ("H = ->(event:, context:) { event }", "H", {"n": 1}),
    "proc": ("module M; H = proc { |event, context| [event, context.class.to_s] }; end", "M.H", [{"n": 1}, "LambdaContext"]),
    "callable": ("class C; def self.call(event:, context:) = event; end", "C", {"n": 1}),
}

# What is done, and the kind, the type and a part of the message of the report.
FAULTS = {
    "raise ArgumentError, 'on purpose'": ("error", "Function<ArgumentError>", "on purpose"),
    "raise": ("error", "Function<RuntimeError>", ""),
    "raise Class.new(StandardError) { def message = nil }": ("error", "Function<#<Class:", ""),
    "raise Class.new(StandardError) { def message = raise('no') }": ("error", "Function<#<Class:", "whose message raises"),
    "raise StandardError, { a: 1 }.inspect.encode('UTF-16LE')": ("error", "Function<StandardError>", "a"),
    "raise \"caf\\xe9\"": ("error", "Function<RuntimeError>", "caf\ufffd"),
    "raise Exception, 'no StandardError'": ("error", "Function<Exception>", "no StandardError"),
    "raise NotImplementedError": ("error", "Function<NotImplementedError>", "NotImplementedError"),
    "eval('(')": ("error", "Function<SyntaxError>", "eval"),
    "def deep(n) = deep(n + 1) + 1\ndeep(0)": ("error", "Function<SystemStackError>", "stack level too deep"),
    "nil.none": ("error", "Function<NoMethodError>", "none"),
    "throw :none": ("error", "Function<UncaughtThrowError>", "none"),
    "raise StopIteration": ("error", "Function<StopIteration>", ""),
    "proc { return 1 }.then { |p| Thread.new(&p).join }": ("error", "Function<LocalJumpError>", ""),
    "Float::NAN": ("error", "Function<JSON::GeneratorError>", "NaN"),
    "[\"\\xff\"]": ("error", "Function<JSON::GeneratorError>", ""),
    "ring = []; ring << ring": ("error", "Function<", "nesting"),
    "[0].each": ("error", "Function<TypeError>", "its piece 0 is a Integer"),
    "exit 3": ("fatal", "Function<SystemExit>", "exit"),
    "abort 'given up'": ("fatal", "Function<SystemExit>", "given up"),
    "Thread.exit": ("fatal", "Function<SystemExit>", ""),
    "raise NoMemoryError, 'no more'": ("fatal", "Function<NoMemoryError>", "no more"),
    "Process.kill(:INT, $$); sleep": ("fatal", "Function<Interrupt>", ""),
    "Process.kill(:TERM, $$); sleep": ("fatal", "Function<SignalException>", "SIGTERM"),
}

# What a process ends with that says before that it will.
ENDS = {"exit 3": 3, "Thread.exit": 0, "Process.kill(:INT, $$); sleep": -2, "Process.kill(:TERM, $$); sleep": -15}

# All that a handler can change in its process, before its second event.
CHANGES = r"""
require 'tmpdir'
def handler(event:, context:)
  $/ = nil; $\ = "!"; $, = ';'; $; = 'e'
  Dir.chdir('/'); File.umask(0o777)
  Encoding.default_internal = Encoding::UTF_16LE rescue nil
  Encoding.default_external = Encoding::ISO_8859_1
  $stdout = StringIO.new; $stderr = StringIO.new; $stdin = StringIO.new
  ENV.clear; $LOAD_PATH.clear; $LOADED_FEATURES.clear
  GC.disable; srand(1); trap('INT', 'IGNORE'); Thread.report_on_exception = false
  Object.send(:remove_const, :Process) if event['n'] == 0
  Kernel.module_eval('def puts(*) = raise; def loop = raise; def exit(*) = raise; def raise(*) = 1; def rand(*) = 1; def warn(*) = raise')
  IO.class_eval('def read(*) = 1; def write(*) = 1; def readpartial(*) = 1; def sysread(*) = 1; def gets(*) = 1; def syswrite(*) = 1')
  Time.class_eval('def self.now = 1')
  JSON.module_eval('def self.parse(*) = 1; def self.generate(*) = 1') if event['n'] == 3
  { ok: event['n'] }
end
"""


def one(root, what, source, event, expected, **fields):
    with root.serve(source) as running:
        kind, body = running.invoke(event, **fields)
        check(what, (kind, json.loads(body)), ("result", expected))


def shapes(root):
    """How handlers are called."""
    passed = 0
    for name, (source, function, expected) in SHAPES.items():
        with root.start(source, function) as running:
            check(name, running.ready(), {})
            kind, body = running.invoke('{"n":1}')
            check(name, (kind, json.loads(body)), ("result", expected))
        passed += 1
    return passed


def faults(root):
    """What is raised, and how the process ends."""
    passed = 0
    does = "def handler(event:, context:) = eval(event['do'])"
    with root.serve(does) as running:
        for do, fault in FAULTS.items():
            if fault[0] == "error":
                is_reported(do, running.invoke(json.dumps({"do": do})), *fault)
        check("after faults", running.invoke('{"do":"1"}'), ("result", b"1"))
    for do, fault in FAULTS.items():
        if fault[0] == "fatal":
            with root.serve(does) as running:
                is_reported(do, running.invoke(json.dumps({"do": do})), *fault)
                check(do, running.process.wait(PATIENCE), ENDS.get(do, 1))
    passed += len(FAULTS)

    chain = "def handler(event:, context:)\n begin; raise KeyError, 'inner'; rescue KeyError; raise 'outer'; end\nend"
    with root.serve(chain) as running:
        seen = json.loads(running.invoke("{}")[1])
        check("cause", (seen["errorMessage"], seen["cause"]["errorMessage"]), ("outer", "inner"))
        check("cause's type", seen["cause"]["errorType"], "Function<KeyError>")
        check("stack", "app.rb:2:in" in seen["stackTrace"][0] and len(seen["stackTrace"]) < 4, True)
        passed += 1
    return passed


def changes(root):
    """A handler that changes its process."""
    passed = 0
    with root.serve(CHANGES) as running:
        for n in range(5):
            check("changes", running.invoke(f'{{"n":{n}}}'), ("result", f'{{"ok":{n}}}'.encode()))
        passed += 1
    with root.serve('$, = " "; $\\ = "\\n"; $/ = nil; $; = "e"\ndef handler(event:, context:) = { ok: 1 }') as running:
        check("separators at the top", [running.invoke("{}") for _ in range(2)], [("result", b'{"ok":1}')] * 2)
        passed += 1
    return passed


def values(root):
    """What comes back."""
    passed = 0
    one(root, "URI", "def handler(event:, context:) = [URI('http://host/').host, URI.join('http://a/', 'b').path, URI('x').to_s]", "1",
        ["host", "/b", "x"])  # fmt: skip
    passed += 1
    one(root, "string", "def handler(event:, context:) = '{\"a\":1}'", "{}", '{"a":1}')
    passed += 3
    one(root, "nil", "def handler(event:, context:) = nil", "{}", None)
    one(root, "big", "require 'bigdecimal'\ndef handler(event:, context:) = [event, BigDecimal('1.5')]",
        '{"n":123456789012345678901234567890,"f":0.30000000000000004}',
        [{"n": 123456789012345678901234567890, "f": 0.30000000000000004}, "0.15e1"])  # fmt: skip
    deep = "[" * 1300 + "]" * 1300
    with root.serve("def handler(event:, context:) = context.client_context.flatten.size") as running:
        for client_context in (deep, "null", deep):
            kind, _ = running.invoke("{}", client_context=client_context)
            check("deep client context", kind, "error" if client_context == "null" else "result")
        passed += 1
    with root.serve("def handler(event:, context:) = event") as running:
        for depth, kind in ((9_999, "result"), (10_000, "result"), (10_001, "error"), (3_000_000, "error")):
            seen = running.invoke("[" * depth + "]" * depth)
            check(f"{depth} deep", seen[0], kind)
            check(f"{depth} deep", kind == "result" or json.loads(seen[1])["errorType"], kind == "result" or "Runtime.UnmarshalError")
        check("no JSON", json.loads(running.invoke("{a")[1])["errorType"], "Runtime.UnmarshalError")
        check("then", running.invoke("1"), ("result", b"1"))
        passed += 5
    return passed


def contexts(root):
    """What a handler learns about its invocation."""
    passed = 0
    context = """def handler(event:, context:)
      [context.aws_request_id, context.function_name, context.memory_limit_in_mb, context.log_group_name, context.identity,
       context.client_context, context.tenant_id, context.get_remaining_time_in_millis.between?(1, 60_000),
       context.deadline_ms.class.to_s, ENV['_X_AMZN_TRACE_ID'], ENV.keys.grep(/LAMBWIRE/), $_global_aws_request_id]
    end"""
    with root.serve(context) as running:
        given = {"client_context": '{"custom":{"a":1}}', "identity": {"cognitoIdentityId": "i"}, "tenant_id": "t"}
        request_id = running.send("{}", trace_id='Root=1;"\\é', **given)
        seen = json.loads(running.hear()[2])
        expected = [request_id, "pipes", "128", "/aws/lambda/pipes", {"cognitoIdentityId": "i"}, {"custom": {"a": 1}}, "t",
                    True, "Integer", 'Root=1;"\\é', [], request_id]  # fmt: skip
        check("context", seen, expected)
        seen = json.loads(running.invoke("{}", deadline_ms=1)[1])
        check("no trace, no time", (seen[9], seen[7]), (None, False))
        passed += 1
    return passed


def streams(root):
    """Answers in pieces, and of bytes."""
    passed = 0
    with root.serve("def handler(event:, context:) = Enumerator.new { |y| y << { statusCode: 201 } << 'a' << \"\\xff\".b << 'x' * 3_000_000 }") as running:
        frames = running.stream("{}")
        kinds = [kind for kind, _ in frames]
        check("stream", (kinds[0], kinds[-1], b"".join(body for kind, body in frames if kind == "chunk")),
              ("prelude", "end", b"a\xff" + b"x" * 3_000_000))  # fmt: skip
        passed += 1
    with root.serve("def handler(event:, context:) = StringIO.new(\"\\xff\\n\".b)") as running:
        check("bytes", running.invoke("{}"), ("bytes", b"\xff\n"))
        passed += 1
    return passed


def ends(root):
    """Errors between events."""
    passed = 0
    late = "def handler(event:, context:) = Thread.new { sleep 0.01 until File.exist?('go'); Thread.main.raise(IOError, 'late') } && 1"
    with root.serve(late) as running:
        running.invoke("{}")
        running.wait_until_it_waits()
        root.write("go", "")
        kind, request_id, body = running.hear()
        check("late", (kind, request_id, json.loads(body)["errorMessage"]), ("fatal", "-", "late"))
        check("late", running.process.wait(PATIENCE), 1)
        passed += 1
    return passed


def loads(root):
    """Files that do not load."""
    passed = 0
    for source, error_type in (("def h(\n", "Init<SyntaxError>"), ("require 'none'", "Init<LoadError>"), ("exit 4", "Init<SystemExit>"),
                               ("raise 'at the top'", "Init<RuntimeError>"), ("1", "Runtime.HandlerNotFound")):  # fmt: skip
        with root.start(source) as running:
            kind, request_id, body = running.hear()
            check(source, (kind, request_id, json.loads(body)["errorType"]), ("fatal", "-", error_type))
            check(source, running.process.wait(PATIENCE), 4 if source == "exit 4" else 1)
        passed += 1
    return passed


def logs(root):
    """The standard logger."""
    passed = 0
    logs = "L = Logger.new($stdout)\ndef handler(event:, context:) = L.info('seen') && L.debug { 'more' } && L.error(KeyError.new('k'))"
    with root.serve(logs) as running:
        running.invoke("{}")
        check("log", " INFO 00000001-0000-4000-8000-000000000000 -- : seen\n" in running.logged(), True)
        passed += 1
    with root.serve(logs, AWS_LAMBDA_LOG_FORMAT="JSON", AWS_LAMBDA_LOG_LEVEL="INFO") as running:
        running.invoke("{}")
        lines = [json.loads(line) for line in running.logged().splitlines()]
        check("log", [(line["level"], line["message"], line["requestId"][:8]) for line in lines],
              [("INFO", "seen", "00000001"), ("ERROR", "k", "00000001")])  # fmt: skip
        check("log", (lines[1]["errorType"], lines[0]["timestamp"][-1]), ("KeyError", "Z"))
        passed += 1
    return passed


TESTS = [shapes, faults, changes, values, contexts, streams, ends, loads, logs]

if __name__ == "__main__":
    for ruby in sys.argv[1:] or ["ruby"]:
        root = Root(RUBY, ruby)
        root.variables = {"AWS_LAMBDA_LOG_FORMAT": ""}
        try_all(root, TESTS)
