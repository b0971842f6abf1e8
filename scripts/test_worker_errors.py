"""What a handler raises may fail when it is asked what it is, or say nothing: the worker of each language tells what can be
told, and goes on with the next event: `test_worker_errors.py [LANGUAGE]...`."""

import json
import sys

from worker_pipes import check, roots, try_all

# In each language: what does what the event says, and how it is said that there is nothing to do.
DOES = {
    "py": ("class E(Exception): pass\ndef handler(event, context):\n    exec(event)\n", "pass"),
    "js": ("exports.handler = async (event) => eval(event) ?? null;", "null"),
    "php": ("<?php function handler($event) { return eval($event); }", "return null;"),
    "pl": ("sub handler { my $does = eval \"sub { $_[0] }\" or die $@; return $does->() } 1;", "undef"),
    "rb": ("def handler(event:, context:) = eval(event)", "nil"),
    "lua": ("local load = loadstring or load function handler(event) return assert(load(event, '@app.lua'))() end", "return nil"),
}
UNTOLD = "its text cannot be had"
# What AWS's client says there.
NODE_UNTOLD = ("handled", "there was a problem while retrieving")
# How often a cause is reported at most.
CAUSES = 10


def python(members, do="raise E('x')"):
    return f"class E(Exception):\n {members}\n{do}"


def perl(methods, number=iter(range(1000))):
    name = f"E{next(number)}"
    return f"package {name} {{ {methods} }} die bless {{}}, '{name}'"


def ruby(methods):
    return f"raise Class.new(StandardError) {{ {methods} }}"


# What is raised, and the type and a part of the message of its report. Ruby says in which class of its own an error is.
RAISED = {
    "py": {
        python("def __str__(self): raise ValueError('s')"): ("E", UNTOLD),
        python("def __str__(self): raise SystemExit(3)"): ("E", UNTOLD),
        python("def __str__(self): raise KeyboardInterrupt"): ("E", UNTOLD),
        python("def __str__(self): return 5"): ("E", UNTOLD),
        python("def __str__(self): return str(self)"): ("E", UNTOLD),
        python("__traceback__ = property(lambda self: 1 / 0)"): ("E", "x"),
        python("__cause__ = property(lambda self: 1 / 0)"): ("E", "x"),
        python("__class__ = property(lambda self: 1 / 0)"): ("E", "x"),
        python("def __bool__(self): raise ValueError", "raise E('x') from E('y')"): ("E", "x"),
        "class M(type): __name__ = property(lambda self: 1 / 0)\nclass E(Exception, metaclass=M): pass\nraise E('x')": ("E", "x"),
        "class M(type): __name__ = 5\nclass E(Exception, metaclass=M): pass\nraise E('x')": ("E", "x"),
        "e = ValueError('x'); e.__cause__ = e; raise e": ("ValueError", "x"),
        "raise ValueError": ("ValueError", ""), "raise ValueError('\\ud800')": ("ValueError", "\ud800"),
        "raise ExceptionGroup('g', [ValueError()])" if sys.version_info >= (3, 11) else "raise ValueError('g')": ("", "g"),
        "raise BaseException('x')": ("BaseException", "x"), "raise StopIteration('x')": ("StopIteration", "x"),
    },
    "js": {
        "throw undefined": ("string", "handled"), "throw null": ("string", "handled"), "throw 0": ("number", "0"), "throw ''": ("string", ""),
        "throw Symbol('s')": ("symbol", "Symbol(s)"), "throw 5n": ("bigint", "5"), "throw new Error": ("Error", ""),
        "throw Object.create(null)": NODE_UNTOLD, "throw { toString() { throw 1 } }": NODE_UNTOLD,
        "throw new Proxy({}, { get() { throw 1 } })": NODE_UNTOLD,
        "throw Object.defineProperty(new Error('x'), 'name', { get() { throw 1 } })": NODE_UNTOLD,
        "throw Object.defineProperty(new Error('x'), 'message', { get() { throw 1 } })": NODE_UNTOLD,
        "throw Object.defineProperty(new Error('x'), 'stack', { get() { throw 1 } })": NODE_UNTOLD,
        "throw Object.defineProperty(new Error('x'), 'cause', { get() { throw 1 } })": NODE_UNTOLD,
        "throw Object.assign(new Error('x'), { name: Symbol('n') })": NODE_UNTOLD,
        "const e = new Error('x'); e.cause = e; throw e": ("Error", "x"), "throw new Error('\\ud800')": ("Error", "\ud800"),
        "Promise.reject(undefined)": ("string", "handled"), "({ get then() { throw new Error('then') } })": ("Error", "then"),
    },
    "php": {
        "$e = new Exception('x'); (new ReflectionProperty('Exception', 'previous'))->setValue($e, $e); throw $e;": ("Exception", "x"),
        "$e = null; for ($i = 0; $i < 5000; $i++) $e = new Exception('x', 0, $e); throw $e;": ("Exception", "x"),
        "throw new class extends Exception { function __construct() {} };": ("Exception@anonymous", ""),
        "throw new class extends Exception { function __toString(): string { throw $this; } };": ("Exception@anonymous", ""),
        "throw new Exception(\"\\xff\\0\");": ("Exception", "\ufffd\0"),
    },
    "pl": {
        perl("use overload '\"\"' => sub { die 's' }, fallback => 1"): ("E", UNTOLD), perl("sub can { die 'can' }"): ("E", "=HASH"),
        perl("use overload 'bool' => sub { die 'b' }, '\"\"' => sub { 'x' }"): ("E", "x"),
        perl("sub message { die 'm' } sub cause { die 'c' }"): ("E", "=HASH"), perl("sub message { $_[0] } use overload '\"\"' => sub { die }"): ("E", UNTOLD),
        perl("sub message { 'x' } sub cause { $_[0] }"): ("E", "x"), perl("sub message { undef }"): ("E", "=HASH"),
        "local *UNIVERSAL::can = sub { die }; " + perl("sub message { 'x' }"): ("E", "x"),
        "$SIG{__DIE__} = sub { exit 9 if $_[0] =~ /inner/ }; " + perl("sub message { die 'inner' }"): ("E", "=HASH"),
        "die undef": ("Error", "Died at"), "die \"\\n\"": ("Error", ""), "die \"\\x{d800}\\x{110000}\\n\"": ("Error", "\ufffd\ufffd"), "die \\*STDOUT": ("", "GLOB"), "die { code => sub {} }": ("Error", "HASH"),
    },
    "rb": {
        ruby("def message = raise('m')"): ("#<Class:", "whose message raises RuntimeError"),
        ruby("def message = raise(Exception, 'm')"): ("#<Class:", "whose message raises Exception"),
        ruby("def message = exit(3)"): ("#<Class:", "whose message raises SystemExit"),
        ruby("def message = message"): ("#<Class:", "whose message raises SystemStackError"),
        ruby("def backtrace = raise('b')"): ("#<Class:", ""), ruby("def backtrace = 'b'"): ("#<Class:", ""),
        "e = StandardError.new('x'); e.set_backtrace([\"\\xff\", 'b'.encode('UTF-16LE')]); raise e": ("StandardError", "x"),
        ruby("def cause = raise('c')"): ("#<Class:", ""), ruby("def cause = self"): ("#<Class:", ""),
        "e = Class.new(StandardError); def e.to_s = raise('s'); def e.name = raise('n'); raise e, 'x'": ("Exception", "x"),
        "raise Class.new(StandardError) { def class = nil }, 'x'": ("", "x"), "raise nil": ("TypeError", ""), "raise ''": ("RuntimeError", ""),
    },
    "lua": {
        "error(setmetatable({}, { __index = function() error('i') end }))": ("Error", "an error of type table"),
        "error({ message = setmetatable({}, { __tostring = function() error('s') end }) })": ("Error", "an error of type table"),
        "error(setmetatable({ cause = 1 }, { __metatable = 5 }))": ("Error", '"cause":1'), "error({ caught = { 1 } })": ("Error", "caught"),
        "local e = { message = 'x' } e.cause = e error(e)": ("Error", "x"), "error(nil)": ("Error", "nil"), "error(false)": ("Error", "false"),
        "error({ type = 5, message = 'x', cause = false })": ("Error", "x"),
    },
}  # fmt: skip

# What is raised within so many calls of calls, of which a report has no more than so many.
CALLS, LINES = 5_000, 1_000
DEEP = {
    "py": f"import sys; sys.setrecursionlimit(10**6)\nf = lambda n: g(n) if n else 1 / 0\ng = lambda n: f(n - 1)\nglobals().update(f=f, g=g); f({CALLS // 2})",
    "js": f"const f = (n) => n ? f(n - 1) : undefined(); f({CALLS})",
    "php": f"$f = function ($n) use (&$f) {{ if ($n === 0) throw new Exception; $f($n - 1); }}; $f({CALLS});",
    "pl": f"no warnings; sub f {{ $_[0] ? f($_[0] - 1) : die }} f({CALLS})",
    "rb": f"def f(n) = n.zero? ? raise : f(n - 1)\nf({CALLS})",
    "lua": f"local function f(n) if n == 0 then error('x') end f(n - 1) return n end f({CALLS})",
}  # fmt: skip


# The same in JavaScript where nobody waits for it, which ends the process: a part of the message.
REJECTED = {
    **{raises.removeprefix("throw "): part for raises, (kind, part) in RAISED["js"].items() if (kind, part) == NODE_UNTOLD and "'cause'" not in raises},
    "Symbol('s')": "Symbol(s)", "undefined": "", "null": "null", "'x'": "x", "new Error('x')": "Error: x",
}  # fmt: skip


def rejected(root):
    if root.language.extension != "js":
        return 0
    text, _ = DOES["js"]
    for value, part in REJECTED.items():
        with root.serve(text) as running:
            kind, body = running.invoke(json.dumps(f"Promise.reject({value}); new Promise((done) => setTimeout(done, 60_000))"))
            report = json.loads(body)
            seen = kind, report["errorType"], part in report["errorMessage"]
            check(f"rejected with {value}: {report}", seen, ("fatal", "Runtime.UnhandledPromiseRejection", True))
    return len(REJECTED)


def deep(root):
    if root.language.extension not in DEEP:
        return 0
    text, _ = DOES[root.language.extension]
    with root.serve(text) as running:
        kind, body = running.invoke(json.dumps(DEEP[root.language.extension]))
        report = json.loads(body)
        lines = len(report.get("stackTrace", report.get("trace")))
        check(f"a deep stack: {body[:1000]}", (kind, 2 <= lines <= LINES), ("error", True))
    return 1


def told(root):
    extension = root.language.extension
    if extension not in RAISED:
        return 0
    text, nothing = DOES[extension]
    with root.serve(text) as running:
        for raises, (error_type, part) in RAISED[extension].items():
            kind, body = running.invoke(json.dumps(raises))
            report = json.loads(body)
            seen = kind, report["errorType"].removeprefix("Function<"), report["errorMessage"]
            what = f"{raises}: {str(seen)[:2000]}"
            check(what, (kind, error_type and not seen[1].startswith(error_type), part in seen[2]), ("error", error_type and False, True))
            check(f"causes of {raises}", body.count(b'"cause"') <= CAUSES, True)
            check(f"after {raises}", running.invoke(json.dumps(nothing))[1], b"null")
    return len(RAISED[extension])


if __name__ == "__main__":
    for root in roots(sys.argv[1:]):
        if not root.language.is_shell:
            try_all(root, [told, rejected, deep])
