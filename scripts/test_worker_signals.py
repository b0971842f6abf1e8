"""Handlers of signals that raise, at whatever moment: the event is answered, or the worker ends; it never hangs, and what it
has begun to write is followed by nothing else: `test_worker_signals.py [LANGUAGE]...`."""

import copy
import fcntl
import os
import re
import shutil
import signal
import sys
import time

from test_worker_lives import has_posix
from worker_pipes import PATIENCE, Ended, check, roots, try_all

# What raises at a signal, and answers with as many bytes as the event says.
RAISES = {
    "py": """
import signal
def ring(*_): raise LookupError("late")
signal.signal(signal.SIGUSR2, ring)
def handler(event, context): return "x" * event
""",
    "js": """
process.on('SIGUSR2', () => { throw new RangeError('late'); });
exports.handler = async (event) => 'x'.repeat(event);
""",
    "php": """<?php
pcntl_async_signals(true);
pcntl_signal(SIGUSR2, function () { throw new RangeException('late'); });
function handler($event) { return str_repeat('x', $event); }
""",
    "pl": "$SIG{USR2} = sub { die \"late\\n\" };\nsub handler { 'x' x $_[0] }\n1;\n",
    "rb": "trap('USR2') { raise IndexError, 'late' }\ndef handler(event:, context:) = 'x' * event\n",
    "lua": """
local posix = require("posix.signal")
posix.signal(posix.SIGUSR2, function() error("late") end)
function handler(event) return string.rep("x", event) end
""",
    "sh": "trap 'exit 3' USR2\nhandler() { head -c \"$1\" /dev/zero | tr '\\0' x; }\n",
}
# Answers in two pieces, each as large as a pipe mostly is.
PAGE, PIECE = 4096, 65_536
IN_PIECES = RAISES["php"].replace("return str_repeat('x', $event);", f"yield str_repeat('x', {PIECE}); yield str_repeat('x', {PIECE});")
# Until a worker that was given room has used it, and waits for more, in seconds. If it takes longer, less is tried.
SOON_S = 0.2
# In bytes: much more than the pipe holds, so that most of it is yet to be written when some is there.
LARGE = 4 << 20
# What is read of it before the signal comes.
BEGUN = 1 << 20
# How often a signal is sent, each time a little later than before, in seconds.
TIMES, LATER_S = 60, 0.0001
SIZES = [1, 50_000]
# The processes that the worker for shells starts, until it waits for another event behind the first, and some more.
FORKS = range(1, 31)

# Has what a signal's handler does come at a moment that the event says: so many calls after the handler was called. There
# Python looks for signals, within asyncio as well, and while the next event is waited for.
COUNTED = """
import asyncio, signal, sys
def ring(*_): raise LookupError("late")
signal.signal(signal.SIGUSR2, ring)
def ring_after(calls):
    def count(frame, event, _):
        nonlocal calls
        calls -= event in ("call", "c_return")
        if calls == 0:
            sys.setprofile(None)
            ring()
    sys.setprofile(count)
async def handler(event, context):
    if event: ring_after(event)
    await asyncio.sleep(0)
    return event
"""
# Calls from that of the handler to the answer to the next event. Each fifth will do: what is lost at one is lost at
# some in a row.
CALLS = range(1, 400, 5)


def within_an_answer(bench):
    with bench.serve(RAISES[bench.language.extension]) as running:
        running.send(str(LARGE))
        with os.fdopen(os.dup(running.answers), "rb") as answers:
            begun = answers.read(BEGUN)
            running.process.send_signal(signal.SIGUSR2)
            running.close_events()
            head, _, rest = (begun + answers.read()).partition(b"\n")
        running.process.wait(PATIENCE)
        length = int(head.split()[2])
        check(f"{head}, of which {len(rest)} came: nothing else is within", set(rest[:length].strip(b'"')), {ord("x")})


def between_a_head_and_its_body(bench):
    """Where those are two writes, the first of them waits for room in a pipe of one page, and the signal comes meanwhile."""
    with bench.serve(IN_PIECES) as running:
        fcntl.fcntl(running.answers, fcntl.F_SETPIPE_SZ, PAGE)
        running.send("0")
        running.close_events()
        with os.fdopen(os.dup(running.answers), "rb", buffering=0) as answers:
            head = answers.read(PAGE)
            read = len(head) + sum(len(answers.read(PAGE)) for _ in range(PIECE // PAGE - 1))
            check("a page is unread", read, len(head) + PIECE - PAGE)
            time.sleep(SOON_S)
            running.process.send_signal(signal.SIGUSR2)
            second, _, piece = answers.readall()[PAGE:].partition(b"\n")
        running.process.wait(PATIENCE)
        is_torn = second.startswith(b"chunk") and bool(piece[:PIECE].strip(b"x"))
        check(f"{second}: something else is within: {piece[:200]}", is_torn, False)


def at_spread_moments(bench):
    def invoke(running, number):
        size = SIZES[number % len(SIZES)]
        request_id = running.send(str(size))
        time.sleep(LATER_S * number)
        running.process.send_signal(signal.SIGUSR2)
        kind, body = heard(running, request_id)
        kind in ("error", "fatal") or check("answer", body.strip(b'"'), b"x" * size)
        return kind

    invoke_while_it_lives(bench, RAISES[bench.language.extension], range(TIMES), invoke)


def within_every_fork(bench):
    """A process that zsh starts while a signal waits has the trap, too."""
    traced = copy.copy(bench)
    for fork in FORKS:
        inject = ["-e", "trace=clone", "-e", f"inject=clone:signal=USR2:when={fork}"]
        traced.command = [shutil.which("strace"), "-qq", "-o", "/dev/null", *inject, *bench.command]
        try:
            with traced.serve(RAISES["sh"]) as running:
                kind, body = heard(running, running.send("1"))
                kind == "error" or check(f"fork {fork}: answer", body, b"x")
                running.end()
        except (Ended, BrokenPipeError):
            pass


def at_every_call(bench):
    def invoke(running, calls):
        kind, body = heard(running, running.send(str(calls)))
        if kind != "fatal":
            kind, body = heard(running, running.send("0"))
        return kind

    for variables in ({}, {"LAMBWIRE_CONCURRENCY": "3"}) if bench.language.extension == "py" else ():
        invoke_while_it_lives(bench, COUNTED, CALLS, invoke, **variables)


def invoke_while_it_lives(bench, text, moments, invoke, **variables):
    """Invokes the handler at each moment, with another worker after the end of one."""
    running = None
    for moment in moments:
        running = running or bench.serve(text, **variables)
        try:
            kind = invoke(running, moment)
        except (Ended, BrokenPipeError):
            kind = "fatal"
        except Exception as error:
            raise AssertionError(f"moment {moment}: {error}") from error
        if kind == "fatal" or moment == moments[-1]:
            running.close_events()
            running.process.wait(PATIENCE)
            running.__exit__()
            running = None


def heard(running, request_id):
    """The kind and the body of the answer. What is raised while there is no event is of none, asyncio may say of its loop that
    it was stopped, and zsh may have ended the shell of the function, too."""
    kind, answered, body = running.hear()
    if kind in ("error", "fatal"):
        is_told = bool(re.search("late|loop|a trap has ended its shell", body.decode()))
        check(f"{kind}: {body}", (answered in (request_id, "-"), is_told), (True, True))
    else:
        check(f"{kind}: answered", answered, request_id)
    return kind, body


TESTS = [within_an_answer, at_spread_moments, at_every_call]

if __name__ == "__main__":
    for root in roots(sys.argv[1:]):
        # Lua has a module for signals that may be missing. With it, functions of LuaJIT's own library see other arguments than
        # they were called with when a signal comes (`os.time()` fails for want of a day), and nothing can be expected there.
        if root.language.extension != "lua" or root.name != "luajit" and has_posix(root):
            own = {"php": [between_a_head_and_its_body], "sh": [within_every_fork]}
            try_all(root, TESTS + own.get(root.language.extension, []))
