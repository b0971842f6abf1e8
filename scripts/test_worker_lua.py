"""The worker for Lua over two pipes: `test_worker_lua.py [LUA]...`."""

import json
import sys

from worker_pipes import LUA, LUAS, PATIENCE, Root, check, try_all, without_proc

ECHO = "function handler(event) return event end"

# What comes back byte for byte.
SAME = [
    "{}", "[]", "null", "true", "0", "-1", "1234567890123456789", "9007199254740993", "-9223372036854775808", "52.5200066",
    "0.30000000000000004", "0.1", "123456789012345678901234567890", "1e+400", '{"a":{}}', "[[],{}]", '{"0":"a"}', "[null,null]",
    '""', '"\\u0000\\u001f\\"\\\\"', '"é€😀"', '"\\ud800"', '"\\udc00\\ud800x"', '["\\\\ud800"]', "1.7976931348623157e+308",
    '[1,[2,[3,{"k":[]}]]]', " ",
]  # fmt: skip
# What comes back as another text of the same value.
EQUAL = ["5e-324", "1.0", "1E2", "-0.0", "52.520006599999999", " [ 1 , 2 ] ", '{ "a" : 1 }', '"\\/\\b\\f\\n\\r\\t\\u00e9"', '"\\ud83d\\ude00"', "-0"]
NO_JSON = ["{", "[1,]", "[1 2]", '{"a"}', '{"a":}', '{"a":1,}', '"a', '"\\x"', '"\\u12"', "01", "1.", ".5", "1e", "0x10", "nan", "inf",
           "-", "nul", "1 2", "", "tru", "+1", "{a:1}"]  # fmt: skip

# What a handler returns, and what is said about it, or the answer.
RESULTS = {
    "{ list = { [1] = 'a', [3] = 'c' } }": "value.list: an array of 2 entries whose last is at 3",
    "{ mixed = { 'a', k = 'v' } }": 'value.mixed: a table with the key "k" besides those of an array',
    "{ a = { b = { print } } }": "value.a.b[1]: no JSON for a function",
    "{ ['a b'] = { [1.5] = 1 } }": 'value["a b"]: a table with a key that is 1.5',
    "{ [true] = 1 }": "value: a table with a key that is a boolean",
    "{ x = 0/0 }": "value.x: no JSON for",
    "{ x = 1/0 }": "value.x: no JSON for inf",
    "{ t = coroutine.create(function() end) }": "value.t: no JSON for a thread",
    "{ [0] = 1, 2 }": "value: a table with the key 0",
    "(function() local ring = {} ring.ring = ring return ring end)()": "one within itself",
    "{ s = '\\255' }": "value.s: a string that is no UTF-8 at byte 1",
    "{ s = 'ab\\224\\160' }": "value.s: a string that is no UTF-8 at byte 3",
    "{ s = '\\192\\128' }": "no UTF-8 at byte 1",
    "{ s = '\\225\\195\\169\\128\\128' }": "no UTF-8 at byte 1",
    "{ ['\\255'] = 1 }": "no UTF-8",
    "json.array({ k = 1 })": "besides those of an array",
    "json.object({ [1] = 1, ['1'] = 2 })": "twice",
    "json.array({ 1, nil, 3 })": "an array of 2 entries whose last is at 3",
}
ANSWERS = {
    "{}": {}, "json.array()": [], "json.object()": {}, "json.object({ [3] = 'c' })": {"3": "c"}, "nil": None, "json.null": None,
    "false": False, "{ 1, json.null }": [1, None], "10 / 2": 5, "2^53": 2**53, "{ a = 1 / 3 }": {"a": 1 / 3}, "math.huge > 1": True,
    "setmetatable({}, { __jsontype = 'array' })": [], "'text'": "text", "'\\0'": "\0",
}  # fmt: skip
FAULTS = {
    "error('on purpose')": ("Error", "app.lua:1: on purpose"),
    "error()": ("Error", "nil"),
    "error({ type = 'Mine', message = 'm', cause = { message = 'c' } })": ("Mine", "m"),
    "error({ code = 7 })": ("Error", '{"code":7}'),
    "error(setmetatable({}, { __tostring = function() return 'seen' end }))": ("Error", "seen"),
    "error(setmetatable({}, { __tostring = function() error('no') end }))": ("Error", "an error of type table"),
    "error('\\255')": ("Error", "\ufffd"),
    "error('bad \\255 \u4e09 \\226\\130 \\237\\160\\128.\\244\\144\\128\\128')": ("Error", "bad \ufffd \u4e09 \ufffd\ufffd \ud800." + "\ufffd" * 4),
    "error({ type = 'T\\255\u4e09', message = 'm' })": ("T\ufffd\u4e09", "m"),
    "(function() local t = { ['f\\255'] = function() error('x') return 1 end } t['f\\255']() return 1 end)()": ("Error", "x"),
    "error(print)": ("Error", "function"),
    "(nil).none": ("Error", "nil"),
    "(function() local function deep() return 1 + deep() end return deep() end)()": ("Error", "stack overflow"),
    "coroutine.yield(1)": ("Error", "yield"),
}

# Hooks that a handler leaves set at its first event, and what comes of this one and the next.
HOOKS = {
    "debug.sethook(function() error('hook') end, '', 1000)": "result", "debug.sethook(function() error('hook') end, '', 100)": "result",
    "debug.sethook(function() error('hook') end, 'l')": "error", "debug.sethook(function() error('hook') end, 'c')": "error",
    "debug.sethook(function() error('hook') end, 'r')": "error", "debug.sethook(function() os.exit(9) end, 'c', 100000)": None,
    "debug.sethook(function() debug.sethook() end, 'l')": "result",
}  # fmt: skip

# All that a handler can change in its process, before its second event.
CHANGES = """
local G, set, mark, each, every = _G, rawset, setmetatable, pairs, ipairs
local libraries, names = { string, table, math, io, os, debug, coroutine, json, lambwire, getmetatable(io.stdout).__index }, {}
local setlocale, output, input, stderr, strip, collect = os.setlocale, io.output, io.input, io.stderr, debug.setmetatable, collectgarbage
for name in pairs(_G) do names[#names + 1] = name end
function handler(event)
  setlocale("de_DE.UTF-8") setlocale("C.UTF-8", "ctype")
  output(stderr) input(stderr)
  strip("", nil) strip(0, { __lt = function() return true end })
  collect("stop")
  for _, library in every(libraries) do for key in each(library) do library[key] = nil end end
  for _, name in every(names) do set(G, name, nil) end
  mark(G, { __index = function() return 1 end, __newindex = function() end })
  return { ok = event.n, half = 0.5 }
end
"""


def values(root):
    """What comes back as it came."""
    passed = 0
    with root.start(ECHO) as running:
        check("ready", running.ready(), {})
        for event in SAME[:-1]:
            kind = "text" if event.startswith('"') else "result"
            expected = json.loads(event).encode(errors="surrogatepass") if kind == "text" else event.encode()
            check(event, running.invoke(event), (kind, expected))
        for event in EQUAL:
            body = running.invoke(event)[1]
            check(event, json.loads(body) if event[0] != '"' else body.decode(), json.loads(event))
        for event in NO_JSON:
            kind, body = running.invoke(event)
            check(event, (kind, json.loads(body)["errorType"]), ("error", "Runtime.UnmarshalError"))
        for depth, expected in ((1_999, "result"), (2_000, "result"), (2_001, "error"), (3_000_000, "error")):
            check(f"{depth} deep", running.invoke("[" * depth + "]" * depth)[0], expected)
            check(f"{depth} objects deep", running.invoke('{"a":' * depth + "1" + "}" * depth)[0] if depth < 9999 else expected, expected)
        passed += len(SAME) + len(EQUAL) + len(NO_JSON) + 8
    return passed


def results(root):
    """What can be said, and what not."""
    passed = 0
    eval_handler = "local load = loadstring or load function handler(event) return assert(load('return ' .. event))() end"
    with root.serve(eval_handler) as running:
        for source, message in RESULTS.items():
            kind, body = running.invoke(json.dumps(source))
            seen = json.loads(body)
            check(f"{source}: {seen}", (kind, seen["errorType"], message in seen["errorMessage"]), ("error", "Runtime.MarshalError", True))
        for source, expected in ANSWERS.items():
            kind, body = running.invoke(json.dumps(source))
            check(source, body.decode() if kind == "text" else json.loads(body), expected)
        check("deep", running.invoke(json.dumps("(function() local t = 1 for i = 1, 2000 do t = { t } end return t end)()"))[0], "result")
        kind, body = running.invoke(json.dumps("(function() local t = 1 for i = 1, 2001 do t = { t } end return t end)()"))
        check("too deep", "2000 tables" in json.loads(body)["errorMessage"], True)
        passed += len(RESULTS) + len(ANSWERS) + 2
    return passed


def faults(root):
    """Errors of every kind."""
    passed = 0
    do_handler = "local load = loadstring or load function handler(event) local x = assert(load('return ' .. event, '@app.lua'))() return x end"
    with root.serve(do_handler) as running:
        for source, (error_type, message) in FAULTS.items():
            kind, body = running.invoke(json.dumps(source))
            seen = json.loads(body)
            check(f"{source}: {seen}", (kind, seen["errorType"], message in seen["errorMessage"]), ("error", error_type, True))
        seen = json.loads(running.invoke(json.dumps("error({ message = 'm', cause = { message = 'c', type = 'C' } })"))[1])
        check("cause", (seen["cause"]["errorMessage"], seen["cause"]["errorType"]), ("c", "C"))
        check("stack", ["app.lua:1" in line for line in seen["stackTrace"]][:1], [True])
        passed += len(FAULTS) + 1
    return passed


def changes(root):
    """A handler that changes its process."""
    passed = 0
    with root.serve(CHANGES) as running:
        for n in (0.5, 2, 3.25):
            check("changes", json.loads(running.invoke(f'{{"n":{n}}}')[1]), {"ok": n, "half": 0.5})
        passed += 1
    for hook, kind in HOOKS.items():
        with root.serve(f"function handler(event) if event == 1 then {hook} end return event end") as running:
            if kind is None:
                running.send("1")
                check(hook, running.process.wait(PATIENCE), 9)
            else:
                check(hook, [running.invoke(event)[0] for event in ("1", "2", "3")], [kind] * 3)
        passed += 1
    with root.serve("lambwire.after_restore(function() debug.sethook(function() error('hook') end, '', 100) end) " + ECHO) as running:
        check("a hook that a hook sets", (running.hooks("after-restore")[0], running.invoke("1")), ("done", ("result", b"1")))
    # One that is set lasts, as long as nobody takes it away.
    counts = "local n = 0 debug.sethook(function() n = n + 1 end, 'l') function handler(event) local seen = n\n if event then debug.sethook() n = 0 end\n return seen > 0 end"
    with root.serve(counts) as running:
        found = [json.loads(running.invoke(event)[1]) for event in ("false", "true", "true", "true")]
        check("a hook that lasts", found, [True, True, False, False])
    passed += 1
    return passed


def contexts(root):
    """What a handler learns about its invocation."""
    passed = 0
    deep = "[" * 1300 + "]" * 1300
    with root.serve("function handler(event, context) return { context.aws_request_id, context:get_remaining_time_in_millis(), context.client_context } end") as running:
        for client_context in (deep, "null", deep, '{"custom":{}}'):
            kind, body = running.invoke("{}", client_context=client_context)
            check("client context", (kind, body.endswith(b"," + client_context.encode() + b"]")), ("result", True))
            left = int(body.split(b",")[1])
            check("remaining time", 58_900 <= left <= 60_000, True)
        check("no time", running.invoke("{}", deadline_ms=1)[1].split(b",")[1], b"0")
        passed += 5
    return passed


def streams(root):
    """Answers in pieces, and of bytes."""
    passed = 0
    with root.serve("function handler() local i = 0 return function() i = i + 1 return ({ { statusCode = 201 }, 'a', '\\255', ('x'):rep(3e6) })[i] end end") as running:
        frames = running.stream("{}")
        check("stream", (frames[0][0], frames[-1][0], b"".join(body for kind, body in frames if kind == "chunk")),
              ("prelude", "end", b"a\xff" + b"x" * 3_000_000))  # fmt: skip
        passed += 1
    with root.serve("function handler() local done return function() done = not done and 1 or error('half way') return done and 'a' end end") as running:
        frames = running.stream("{}")
        check("stream", (frames[0], frames[-1][0]), (("chunk", b"a"), "error"))
        passed += 1
    with root.start("lambwire.handles_sigterm() function handler(event) return event end") as running:
        check("waits for SIGTERM", running.ready(), {"sigterm": True})
        passed += 1
    return passed


def logs(root):
    """What is printed is in the log at once: whoever is killed prints no more."""
    with root.serve('function handler() io.write("half") print(1, 2) io.stdout:write("of", " it") while true do end end') as running:
        running.send("{}")
        running.wait_for_log("half1\t2\nof it")
    return 1


def children(root):
    """Programs that a handler runs."""
    passed = 0
    children = """function handler(event, context)
      local pipe = io.popen('ls -l /proc/self/fd | wc -l; env | grep -c LAMBWIRE; echo "$_X_AMZN_TRACE_ID"')
      local seen = { pipe:read('*n'), pipe:read('*n'), pipe:read('*l') and pipe:read('*l'), os.getenv('_X_AMZN_TRACE_ID'), os.getenv('LAMBWIRE_FILE') }
      os.execute('printf "garbage %s" 0 >&4; printf "garbage %s" 0 >&5; printf "garbage %s" 0 >&6')
      return seen
    end"""
    with root.serve(children) as running:
        # `ls` tells the total, 0, 1, 2 and the directory.
        check("children", json.loads(running.invoke("{}", trace_id="Root='1")[1]), [5, 0, "Root='1", "Root='1"])
        check("children", json.loads(running.invoke("{}")[1]), [5, 0, ""])
        passed += 2
    return passed


def lives(root):
    """How a process begins and ends."""
    passed = 0
    for source, error_type in (("function f(\n", "Error"), ("error('at the top')", "Error"), ("return {}", "Runtime.HandlerNotFound"),
                               ("return 1", "Runtime.HandlerNotFound")):  # fmt: skip
        with root.start(source) as running:
            kind, request_id, body = running.hear()
            check(source, (kind, request_id, json.loads(body)["errorType"]), ("fatal", "-", error_type))
            check(f"{source}: no place in the worker", b"(command line)" in body, False)
            check(source, running.process.wait(PATIENCE), 1)
        passed += 1
    with root.serve("local M = { a = { b = function() return 1 end } } return M", "a.b") as running:
        check("module", (running.invoke("{}"), running.end()), (("result", b"1"), 0))
        passed += 1
    with root.serve("function handler() os.exit(3) end") as running:
        running.send("{}")
        check("exit", running.process.wait(PATIENCE), 3)
        passed += 1
    finalizer = "kept = setmetatable({}, { __gc = function() io.stderr:write('ended') end }) if newproxy then kept = newproxy(true) getmetatable(kept).__gc = function() io.stderr:write('ended') end end function handler() return 1 end"
    with root.serve(finalizer) as running:
        running.invoke("{}")
        check("end", (running.end(), running.logged()), (0, "ended"))
        passed += 1
    return passed


def unseen(root):
    with without_proc(root).serve("function handler(event, context) return { event, context:get_remaining_time_in_millis() > 50000 } end") as running:
        for event in (b"1", b'"' + b"x" * 1_000_000 + b'"'):
            check("without /proc", running.invoke(event), ("result", b"[" + event + b",true]"))


def in_bytes(root):
    """Whatever the variable is set to but nothing asks for bytes."""
    for value, asked in (("true", True), ("1", True), ("'1'", True), ("{}", True), ("''", False), ("false", False), ("nil", False)):
        with root.serve(f"LAMBWIRE_BYTES = {value} {ECHO}") as running:
            check(f"LAMBWIRE_BYTES = {value}", running.asked, {"bytes": True} if asked else {})
            check(f"event, {value}", running.invoke("[ 1 ]"), ("bytes", b"[ 1 ]") if asked else ("result", b"[1]"))
    return 7


TESTS = [values, results, faults, changes, contexts, streams, logs, children, lives, unseen, in_bytes]

if __name__ == "__main__":
    for lua in sys.argv[1:] or LUAS:
        try_all(Root(LUA, lua), TESTS)
