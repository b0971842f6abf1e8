"""The worker for Python over two pipes: `test_worker_python.py [PYTHON]...`."""

import ast
import json
import os
import select
import signal
import subprocess
import sys
import time

from test_worker_lives import SNAPSHOT_RESTORE_PY
from worker_pipes import PATIENCE, PYTHON, Root, check, try_all

HANDLERS = r'''
import asyncio, atexit, contextvars, ctypes, gc, logging, os, random, signal, subprocess, sys, threading, time

def echo(event, context): return event

def spoiling(event, context):
    """Changes all that is within reach."""
    import builtins, io, json, marshal, posix, traceback
    if event == "look":
        return {"was": 1, "list": [1, (2,)]}
    os.environ.clear()
    os.chdir("/")
    call, listed, name = callable, dir, setattr
    for module in (os, posix, json, marshal, time, signal, traceback, logging, io):
        for each in listed(module):
            if call(getattr(module, each)) and each not in ("fspath",):
                name(module, each, None)
    sys.stdin = sys.stdout = sys.stderr = sys.excepthook = None
    sys.path[:], sys.meta_path[:], sys.path_hooks[:], sys.argv[:] = [], [], [], []
    sys.path_importer_cache.clear()
    sys.setrecursionlimit(30)
    sys.setswitchinterval(10)
    gc.disable()
    sys.modules.clear()
    for each in ["len", "isinstance", "str", "bytes", "int", "type", "hasattr", "getattr", "callable", "memoryview", "open",
                 "enumerate", "any", "float", "dict", "list", "tuple", "print", "globals", "vars", "Exception", "__import__"]:
        name(builtins, each, None)
    return "spoilt"

def raising(event, context):
    if event == "raise": raise LookupError("after all that")
    return "well"

def limits(event, context):
    """What a process has of its own: working directory, mask, signals, timers that do not raise, descriptors."""
    os.chdir("/tmp"); os.umask(0o777); os.closerange(0, 3)
    for number in (signal.SIGPIPE, signal.SIGALRM, signal.SIGUSR1): signal.signal(number, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    os.environ.clear()
    return "set"

async def kept_loop(event, context):
    await asyncio.sleep(0)
    return id(asyncio.get_running_loop())

ticks = 0
async def background(event, context):
    async def tick():
        global ticks
        while True:
            await asyncio.sleep(0.01); ticks += 1; print("tick", flush=True)
    if event == "start": kept_loop.task = asyncio.create_task(tick())
    return ticks

async def cancelled(event, context):
    asyncio.current_task().cancel(); await asyncio.sleep(1)

def future(event, context):
    return asyncio.sleep(0, "awaited") if event else "at once"

def stream(event, context):
    yield {"statusCode": 201, "cookies": ["a=b"]}
    yield "é"
    yield bytearray(b"\xff")
    yield ""
    yield memoryview(b"end")

async def async_stream(event, context):
    yield "a"
    await asyncio.sleep(0.01)
    yield b"b"

def half(event, context):
    yield "a"
    raise LookupError("half way")

async def async_half(event, context):
    yield "a"
    raise LookupError("half way")

def no_piece(event, context):
    yield "a"
    yield {"late": 1}

def nothing(event, context):
    return
    yield

def alarm(event, context):
    """Leaves a timer behind that raises as soon as the worker is found to wait for an event."""
    def ring(number, frame):
        while frame:
            if frame.f_code.co_name == "read_frame": raise TimeoutError("left behind")
            frame = frame.f_back
    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.1, 0.1)
    return "set"

def torn(event, context):
    def ring(number, frame): raise TimeoutError("left behind")
    signal.signal(signal.SIGALRM, ring)
    return "x" * (4 << 20)

def slowly(event, context):
    time.sleep(event)
    return "well"

ended = 0
async def at_once(event, context):
    """Ends in the turn that the event says, whenever it has begun."""
    global ended
    logging.warning("begins %s", event)
    while ended < event: await asyncio.sleep(0.001)
    ended += 1
    logging.warning("ends %s", event)
    if event == 0: raise ValueError("on purpose")
    return [event, context.aws_request_id]

async def exits(event, context):
    if event == "exit": sys.exit(3)
    try: await asyncio.sleep(600)
    except BaseException:
        if event == "wait": raise
        return "caught"

async def cancels(event, context):
    """Cancels every other task, now or before the next event."""
    def cancel():
        for task in asyncio.all_tasks(loop):
            if task is not own: task.cancel()
        print(event, flush=True)
    loop, own = asyncio.get_running_loop(), asyncio.current_task()
    if event == "now": cancel()
    if event == "later": loop.call_later(0.05, cancel)
    await asyncio.sleep(0.02)
    return event

def threads(event, context):
    threading.Thread(target=lambda: (time.sleep(0.1), print("from a thread", flush=True)), daemon=False).start()
    return "well"

def partial_line(event, context):
    print("without an end", end="")
    return "well"

def inherited(event, context):
    script = "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'result x 4\\nevil')\n    except OSError: pass"
    return subprocess.run([sys.executable, "-c", script], close_fds=False).returncode

def traced(event, context):
    there = subprocess.run(["sh", "-c", 'printf %s "$_X_AMZN_TRACE_ID"'], stdout=subprocess.PIPE).stdout.decode()
    return [os.environ.get("_X_AMZN_TRACE_ID"), there, context.trace_id]

def chain(event, context):
    try:
        raise KeyError("first")
    except KeyError:
        try:
            raise TypeError("second")
        except TypeError as error:
            raise ValueError("third") from error

def endless(event, context):
    error = ValueError("its own cause")
    error.__cause__ = error
    raise error

def fails_between(event, context):
    threading.Thread(target=lambda: (time.sleep(0.1), os._exit(9))).start()
    return "well"
'''

PLAIN = "def handler(event, context): return event"


class Python(Root):
    """A task root with the handlers in it."""

    def __init__(self, *interpreter):
        super().__init__(PYTHON, *interpreter)
        for name, text in {"app": HANDLERS, "plain": PLAIN}.items():
            self.write(name + ".py", text)

    def start(self, handler, **variables):
        file, function = handler.split(".", 1)
        return self.start_file(file + ".py", function, **variables)


def answer(value):
    return "bytes", json.dumps(value).encode()


def type_of(frame):
    kind, body = frame
    return kind, json.loads(body)["errorType"]


def programs_inherit_no_pipes(root):
    with root.serve("app.inherited") as running:
        check("descriptors", running.invoke("1"), answer(0))
        check("after that", running.invoke("1"), answer(0))


def a_trace_id_is_in_the_environment(root):
    with root.serve("app.traced") as running:
        for sent in ('Root=1-a;"\\\t"é€', "Root=1", None, "Root=2"):
            frame = running.invoke("1", trace_id=sent, client_context='{"trace_id":"theirs"}')
            check(f"trace {sent}", json.loads(frame[1]), [sent, sent or "", sent])


def what_a_handler_changes_does_no_harm(root):
    with root.serve("app.spoiling") as running:
        check("spoilt", running.invoke("1"), answer("spoilt"))
        for _ in range(2):
            check("after that", running.invoke('"look"')[0], "error")
        check("and a large one", running.invoke('"' + "x" * (1 << 20) + '"')[0], "error")
    with root.serve("app.limits") as running:
        for _ in range(2):
            check("limits", running.invoke("1"), answer("set"))
            time.sleep(0.05)


def one_loop_is_kept(root):
    with root.serve("app.kept_loop") as running:
        check("the same", running.invoke("1"), running.invoke("2"))
    with root.serve("app.background") as running:
        check("start", running.invoke('"start"'), answer(0))
        running.wait_for_log("tick")
        check("runs between events", json.loads(running.invoke('"look"')[1]) > 0, True)
    with root.serve("app.cancelled") as running:
        check("cancelled", [type_of(running.invoke("1")) for _ in range(2)], [("error", "CancelledError")] * 2)
    with root.serve("app.future") as running:
        found = [running.invoke(event) for event in ("0", "1", "0", "1")]
        check("either", found, [answer("at once"), answer("awaited")] * 2)


def streams_come_in_pieces(root):
    prelude = ("prelude", b'{"statusCode": 201, "cookies": ["a=b"]}')
    expected = {
        "stream": [prelude, ("chunk", "é".encode()), ("chunk", b"\xff"), ("chunk", b""), ("chunk", b"end"), ("end", b"")],
        "async_stream": [("chunk", b"a"), ("chunk", b"b"), ("end", b"")],
        "nothing": [("end", b"")],
    }
    for name, frames in expected.items():
        with root.serve("app." + name) as running:
            for _ in range(2):
                check(name, running.stream("1"), frames)
    for name, error_type in {"half": "LookupError", "async_half": "LookupError", "no_piece": "TypeError"}.items():
        with root.serve("app." + name) as running:
            frames = running.stream("1")
            check(name, [frames[0], type_of(frames[-1])], [("chunk", b"a"), ("error", error_type)])


def what_is_raised_between_events_is_reported(root):
    with root.serve("app.alarm") as running:
        check("answered", running.invoke("1"), answer("set"))
        kind, request_id, body = running.hear()
        check("reported", (kind, request_id, json.loads(body)["errorType"]), ("fatal", "-", "TimeoutError"))
        check("it ends", running.process.wait(PATIENCE), 1)
    with root.serve("app.torn") as running:
        running.send("1")
        # The answer does not fit into the pipe: when some of it is there, the rest is being written.
        select.select([running.answers], [], [])
        running.process.send_signal(signal.SIGALRM)
        check("it ends", running.process.wait(PATIENCE), 1)
        with os.fdopen(os.dup(running.answers), "rb") as answers:
            head, _, rest = answers.read().partition(b"\n")
        check("nothing is written within an answer", (head.split()[0], set(rest.decode())), (b"bytes", {'"', "x"}))
        check("log", "TimeoutError: left behind" in running.logged(), True)


def several_events_at_a_time(root):
    with root.serve("app.at_once", LAMBWIRE_CONCURRENCY="4") as running:
        check("said", running.asked, {"concurrency": 4})
        turns = [2, 0, 1]
        ids = {running.send(json.dumps(turn)): turn for turn in turns}
        order = [running.hear() for _ in turns]
        check("who is first", [ids[request_id] for _, request_id, _ in order], sorted(turns))
        check("failed", type_of((order[0][0], order[0][2])), ("error", "ValueError"))
        check("own context", [json.loads(body) for _, _, body in order[1:]], [[ids[name], name] for _, name, _ in order[1:]])
        lines = [line.split("\t") for line in running.logged().splitlines()]
        check("own lines", sorted(line[2:] for line in lines), sorted([name, f"{word} {ids[name]}"] for name in ids for word in ("begins", "ends")))
    with root.serve("app.exits", LAMBWIRE_CONCURRENCY="4") as running:
        for event in ("wait", "catch", "exit"):
            running.send(json.dumps(event))
        check("one of several exits", running.process.wait(PATIENCE), 3)
        check("none is answered", os.read(running.answers, 4096), b"")
    with root.serve("app.slowly", LAMBWIRE_CONCURRENCY="4") as running:
        check("one that is not async", running.asked, {})
        running.send("0.2")
        running.send("0.1")
        check("one after the other", [running.hear()[1][:8] for _ in range(2)], ["00000001", "00000002"])


def tasks_are_cancelled(root):
    for variables, events in ({}, ("later", "last")), ({"LAMBWIRE_CONCURRENCY": "2"}, ("now", "later", "last")):
        with root.serve("app.cancels", **variables) as running:
            for event in events:
                check(event, running.invoke(json.dumps(event)), answer(event))
                event == "last" or running.wait_for_log(event)
            check("it ends", (running.end(), running.logged().split()), (0, list(events[:-1])))


def causes_are_reported(root):
    def types(report):
        return [report["errorType"], *(types(report["cause"]) if "cause" in report else [])]

    with root.serve("app.chain") as running:
        check("chain", types(json.loads(running.invoke("1")[1])), ["ValueError", "TypeError", "KeyError"])
    with root.serve("app.endless") as running:
        check("limit", types(json.loads(running.invoke("1")[1])), ["ValueError"] * 9)


def contexts_that_are_deep(root):
    for deep in ("[" * 1300 + "]" * 1300, '{"custom":' + "[" * 1300 + "]" * 1300 + "}"):
        with root.serve("app.echo") as running:
            kind, body = running.invoke("1", client_context=deep)
            is_named = kind == "bytes" or "Client Context" in json.loads(body)["errorMessage"]
            check(f"the caller himself: {body}", is_named, True)
            check("the next", running.invoke("2"), answer(2))


def hooks_fail(root):
    root.write("snapshot_restore_py.py", SNAPSHOT_RESTORE_PY)
    hooks = "from snapshot_restore_py import *\nregister_before_snapshot(lambda: 1 / 0)\nregister_after_restore(lambda: {}['x'])\n"
    root.write("bad_hooks.py", hooks + PLAIN)
    with root.serve("bad_hooks.handler") as running:
        for kind, error_type in (("before-snapshot", "ZeroDivisionError"), ("after-restore", "KeyError")):
            frame, request_id, body = running.hooks(kind)
            check(kind, (frame, request_id, json.loads(body)["errorType"]), ("error", "-", error_type))


def it_ends_as_python_does(root):
    root.write("ends.py", "import atexit\natexit.register(print, 'at exit')\ndef handler(event, context): return 1\n")
    with root.serve("ends.handler") as running:
        running.invoke("1")
        check("status", running.end(), 0)
        check("log", running.logged(), "at exit\n")
    with root.serve("app.partial_line") as running:
        running.invoke("1")
        check("log", running.logged(), "without an end")
    with root.serve("app.threads") as running:
        running.invoke("1")
        check("status", running.end(), 0)
        check("log", running.logged(), "from a thread\n")


def nothing_is_imported_that_a_handler_may_not_need(root):
    """Imports are most of a start; these are those that AWS's client has, too, and that cost the most."""
    root.write("modules.py", "import sys\nfound = set(sys.modules)\ndef handler(event, context): return sorted(found)\n")
    with root.serve("modules.handler") as running:
        found = set(json.loads(running.invoke("1")[1]))
        bare = [root.command[0], "-c", "import sys; print(sorted(sys.modules))"]
        at_start = set(ast.literal_eval(subprocess.check_output(bare, text=True)))
        check("modules", found - at_start - {"_json", "modules", "time"}, set())


PARTS = {"context", "logs", "tasks", "values"}
# What a handler does, and the parts that it needs. `asyncio` imports `logging`.
NEEDED = {
    "left": set(), "context.log('')": set(), "context.tenant_id": {"context"}, "__import__('logging').raiseExceptions": {"logs"},
    "tasks()": {"logs", "tasks"}, "(b'',)": {"values"}, "{1}": {"values"},
}  # fmt: skip


def parts_are_compiled_when_they_are_needed(root):
    text = '''
import __main__
left = __main__.PARTS
async def tasks(): pass
def handler(event, context):
    return sorted(left) if event == "look" else eval(event)
'''
    root.write("parts.py", text)
    for event, needed in NEEDED.items():
        with root.serve("parts.handler") as running:
            for asked, expected in (("look", PARTS), (event, None), ("look", PARTS - needed)):
                _, body = running.invoke(json.dumps(asked))
                expected is None or check(f"{event}: {asked}", set(json.loads(body)), expected)


# A page is what new memory comes in, and an event of 1 MiB is in memory five times, decoded and encoded. What the loop of a
# handler does by itself takes a few.
PAGE_FAULTS = 100


def events_of_a_megabyte_take_no_new_memory(root):
    text = '''
import resource
before = 0
def handler(event, context):
    global before
    before, faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, before
    return [event, before - faults]
'''
    root.write("faults.py", text)
    with root.serve("faults.handler") as running:
        found = [json.loads(running.invoke(json.dumps("x" * (1 << 20)))[1])[1] for _ in range(8)]
        check(f"page faults {found}", min(found) < PAGE_FAULTS, True)


def what_is_no_json_is_described_as_python_does(root):
    texts = ['{"a":1,}', "[1,]", "[1,", '{"a"', "{1:2}", '"a', '"\\x"', "nul", "1 2", ""]
    look = "import json, sys\nfor text in json.load(sys.stdin):\n try: json.loads(text)\n except ValueError as error: print(error)"
    said = subprocess.check_output([root.command[0], "-c", look], input=json.dumps(texts), text=True).splitlines()
    for text, message in zip(texts, said, strict=True):
        # A process that has had no use for the module of that name.
        with root.serve("plain.handler") as running:
            kind, body = running.invoke(text)
            report = kind, json.loads(body)["errorType"], json.loads(body)["errorMessage"]
            check(text, report, ("error", "Runtime.UnmarshalError", f"Unable to unmarshal input: {message}"))


TESTS = [
    programs_inherit_no_pipes, a_trace_id_is_in_the_environment, what_a_handler_changes_does_no_harm, one_loop_is_kept,
    streams_come_in_pieces, what_is_raised_between_events_is_reported, several_events_at_a_time, tasks_are_cancelled,
    causes_are_reported, contexts_that_are_deep, hooks_fail, it_ends_as_python_does, nothing_is_imported_that_a_handler_may_not_need,
    parts_are_compiled_when_they_are_needed, events_of_a_megabyte_take_no_new_memory, what_is_no_json_is_described_as_python_does,
]  # fmt: skip


if __name__ == "__main__":
    for python in sys.argv[1:] or [sys.executable]:
        try_all(Python(python), TESTS)
