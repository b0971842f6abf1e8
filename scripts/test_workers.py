"""What the worker of every language stands, tried on all of them alike: `test_workers.py [LANGUAGE]...`. What each has of its
own is tried by `test_worker_LANGUAGE.py`.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from worker_pipes import WORKERS, Worker, check

# In each language: a file that closes its standard streams or lets a signal pass when it is loaded, if `DOES` says so, and
# these functions: `same` answers with its event, `sized` with an event's length or a text of the length that it asks for,
# `closes` closes the standard streams and prints, `opens` opens files until there may be no more, `foreign` answers with what the caller sent along.
PYTHON = """
import os, signal
def closing():
    for number in range(3): os.close(number)
if os.environ.get("DOES") == "close": closing()
if os.environ.get("DOES") == "signals": signal.signal(signal.SIGUSR2, lambda *_: None)
def same(event, context): return event
def sized(event, context): return "x" * event["size"] if isinstance(event, dict) else len(event)
def closes(event, context):
    if event == 1: closing()
    try: print("closed")
    except OSError: pass
    return "well"
held = []
def opens(event, context):
    try:
        while True: held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError: return "well"
def foreign(event, context): return repr(context.client_context and context.client_context.custom)
"""
NODE = """
const fs = require('fs');
const closing = () => { for (const number of [0, 1, 2]) fs.closeSync(number); };
if (process.env.DOES === 'close') closing();
if (process.env.DOES === 'signals') process.on('SIGUSR2', () => {});
exports.same = async (event) => event;
exports.sized = async (event) => (event.size === undefined ? event.length : 'x'.repeat(event.size));
exports.closes = async (event) => {
  if (event === 1) closing();
  try { fs.writeSync(1, 'closed'); } catch {}
  return 'well';
};
const held = [];
exports.opens = async () => {
  try { for (;;) held.push(fs.openSync('/dev/null')); } catch { return 'well'; }
};
exports.foreign = async (event, context) => JSON.stringify(context.clientContext);
"""
PHP = """<?php
function closing() { fclose(STDIN); fclose(STDOUT); fclose(STDERR); }
if (getenv('DOES') === 'close') { closing(); }
if (getenv('DOES') === 'signals') { pcntl_async_signals(true); pcntl_signal(SIGUSR2, function () {}); }
function same(object|array|string|int|float|bool|null $event) { return $event; }
function sized($event) { return is_array($event) ? str_repeat('x', $event['size']) : strlen($event); }
function closes($event) { $event === 1 && closing(); echo 'closed'; error_log('closed'); return 'well'; }
function opens() { static $held = []; while ($held[] = @fopen('/dev/null', 'r')); return 'well'; }
function foreign($event, $context) { return json_encode($context['client_context'], 0, 3000); }
"""
PERL = """
sub closing { close STDIN; close STDOUT; close STDERR }
closing() if $ENV{DOES} eq 'close';
$SIG{USR2} = sub { } if $ENV{DOES} eq 'signals';
sub same { return $_[0] }
sub sized { return ref $_[0] ? 'x' x $_[0]{size} : length $_[0] }
sub closes { closing() if $_[0] eq '1'; print 'closed'; warn 'closed'; return 'well' }
my @held;
sub opens { while (open my $file, '<', '/dev/null') { push @held, $file } return 'well' }
sub foreign { return defined $_[1]->client_context ? 'given' : 'none' }
1;
"""
RUBY = """
def closing = [STDIN, STDOUT, STDERR].each(&:close)
closing if ENV['DOES'] == 'close'
trap('USR2') { } if ENV['DOES'] == 'signals'
def same(event:, context:) = event
def sized(event:, context:) = event.is_a?(Hash) ? 'x' * event['size'] : event.size
def closes(event:, context:)
  closing if event == 1
  begin; puts 'closed'; rescue IOError; end
  'well'
end
HELD = []
def opens(event:, context:)
  loop { HELD << File.open('/dev/null') }
rescue SystemCallError
  'well'
end
def foreign(event:, context:) = context.client_context.inspect
"""
LUA = """
local function closing() io.stdin:close() io.stdout:close() io.stderr:close() end
if os.getenv("DOES") == "close" then closing() end
function same(event) return event end
function sized(event) return type(event) == "table" and string.rep("x", event.size) or #event end
function closes(event) if event == 1 then closing() end pcall(print, "closed") return "well" end
local held = {}
function opens()
  repeat held[#held + 1] = io.open("/dev/null") until not io.open("/dev/null")
  return "well"
end
function foreign(event, context) return json.encode(context.client_context) end
"""
SH = """
[ "${DOES-}" != close ] || exec <&- >&- 2>&-
[ "${DOES-}" != signals ] || trap : USR2
same() { cat; }
sized() { case $1 in '{'*) n=${1#*:}; head -c "${n%?}" /dev/zero | tr '\\0' x ;; *) printf %s $((${#1} - 2)) ;; esac; }
closes() { printf '"well"'; exec <&- >&- 2>&-; echo closed; :; }
foreign() { printf %s "$2" | sed 's/.*"client_context"://'; }
"""

# Lua knows no signals. In bash 5.2 and ksh 93u+m, a signal that has a trap may keep the rest of a pipeline from being started,
# or end the shell, in any script.
NEVER_INTERRUPTED = {"lua5.1", "lua5.3", "lua5.4", "luajit", "bash", "ksh"}

# In bytes: nothing, a byte, a pipe's worth and what lies beside it, and all that Lambda takes.
SIZES = [0, 1, 65_535, 65_536, 65_537, 1 << 20, (6 << 20) + 100]

# How many files a limited process may have open.
FILES = 64


class Language(NamedTuple):
    command: list
    extension: str
    handlers: str
    files: list
    variables: dict = {}


LANGUAGES = {
    "python": Language([sys.executable, "-c"], "py", PYTHON, ["python/worker.py"]),
    "node": Language(["node", "-e"], "js", NODE, ["node/worker.cjs"]),
    "php": Language(["php", "-r"], "php", PHP, ["php/worker.php"]),
    "perl": Language(["perl", "-e"], "pl", PERL, ["perl/worker.pl"]),
    "ruby": Language(["ruby", "-e"], "rb", RUBY, ["ruby/worker.rb"]),
    **{each: Language([each, "-e"], "lua", LUA, ["lua/json.lua", "lua/worker.lua"]) for each in ("lua5.1", "lua5.3", "lua5.4", "luajit")},
    **{
        each: Language([*each.split(), "-c"], "sh", SH, ["sh/worker.sh"], {"LC_ALL": "C.UTF-8"})
        for each in ("dash", "bash", "busybox sh", "ksh", "mksh", "yash", "zsh")
    },
}


class Bench:
    """Starts the worker of one language in a task root of its own."""

    def __init__(self, name, root):
        self.name, self.language = name, LANGUAGES[name]
        self.text = "\n" + "".join(Path(WORKERS, file).read_text().removeprefix("<?php") for file in self.language.files)
        self.path = os.path.join(root, f"app.{self.language.extension}")
        Path(self.path).write_text(self.language.handlers)

    def serve(self, function, does="none"):
        is_shell = self.language.extension == "sh"
        worker = Worker(self.language.command, self.text, (self.path, function), {**self.language.variables, "DOES": does}, [self.path] * is_shell)
        worker.told = worker.ready()
        return worker


def value(answer):
    """What an answer is: JSON, or a text."""
    kind, body = answer
    check(f"kind of {body[:200]}", kind in ("result", "text", "bytes"), True)
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def sizes(bench):
    with bench.serve("sized") as running:
        for size in SIZES[2:]:
            check(f"event of {size} bytes", str(value(running.invoke(b'"%s"' % (b"x" * (size - 2))))), str(size - 2))
        for size in SIZES:
            check(f"answer of {size} bytes", value(running.invoke('{"size":%d}' % size)) == "x" * size, True)
    with bench.serve("same") as running:
        check("event of 0 bytes", running.invoke(b"")[0] in ("result", "text", "error"), True)
        check("event of 1 byte", value(running.invoke(b"1")), 1)
        # Of more than one byte a character, so that a read may end within one, and up to what the bootstrap takes as an answer.
        for size in SIZES[2:]:
            event = '["%s"]' % ("é" * ((size - 4) // 2))
            check(f"{size} bytes and back", value(running.invoke(event)) == json.loads(event), True)


def pieces(bench):
    """An event may come in pieces of any size."""
    with bench.serve("same") as running:
        context = b'{"trace_id":null,"identity":null,"client_context":null}\n'
        frame = b"event id %d 9\n" % len(context) + context + b"[1,2,[3]]"
        for cut in range(1, len(frame)):
            running.write(frame[:cut])
            time.sleep(0.001)
            running.write(frame[cut:])
            check(f"cut at {cut}", value(running.hear()[::2]), [1, 2, [3]])


def closed(bench):
    """Without standard streams, from the start and from an event on."""
    for does in ("none", "close"):
        with bench.serve("closes", does) as running:
            for event in ("1" if does == "none" else "2", "2", "3"):
                check(f"{does}: {event}", value(running.invoke(event)), "well")
            check(f"{does}: end", running.end(), 0)


def limited(bench):
    """With as many files open as there may be, of which none may grow."""
    # What a shell opens for an event is closed with it, and some have files behind their pipes.
    is_shell = bench.language.extension == "sh"
    with bench.serve("same" if is_shell else "opens") as running:
        for limit, most in {resource.RLIMIT_NOFILE: FILES, **({} if is_shell else {resource.RLIMIT_FSIZE: 0})}.items():
            resource.prlimit(running.process.pid, limit, (most, most))
        for event in ("[2]", '"%s"' % ("x" * 70_000), "[3]"):
            check("within limits", value(running.invoke(event)), json.loads(event) if is_shell else "well")


def interrupted(bench):
    """Signals that a handler lets pass come in the midst of everything."""
    if bench.name in NEVER_INTERRUPTED:
        return
    with bench.serve("same", "signals") as running:
        over = threading.Event()

        def disturb():
            while not over.wait(0.001):
                running.process.send_signal(signal.SIGUSR2)

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            for size in (1, 10, 70_000, 1 << 20) * 3:
                check(f"{size} bytes", len(value(running.invoke('["%s"]' % ("x" * size)))[0]), size)
        finally:
            over.set()
            thread.join()


def stopped(bench):
    """A process that is frozen and thawed, as Lambda does between events, goes on."""
    with bench.serve("same") as running:
        for event in ("[1]", '["%s"]' % ("x" * 300_000)):
            running.process.send_signal(signal.SIGSTOP)
            threading.Timer(0.1, running.process.send_signal, [signal.SIGCONT]).start()
            check("thawed", value(running.invoke(event)), json.loads(event))


def contexts(bench):
    """What one caller sends along is no matter of the next."""
    with bench.serve("foreign") as running:
        for sent in ("[" * 1300 + "]" * 1300, '{"custom":' * 700 + "1" + "}" * 700, '{"custom":{"a":"\\ud800"}}', '"text"'):
            kind, body = running.invoke("{}", client_context=sent)
            check(f"{sent[:30]}: {body[:200]}", kind in ("result", "text", "bytes") or b"lient" in body, True)
            nothing = value(running.invoke("{}"))
            check(f"after {sent[:30]}", str(nothing).strip("}\n ") in ("None", "null", "none", "nil", ""), True)


PARTS = [sizes, pieces, closed, limited, interrupted, stopped, contexts]


def main(*names):
    for name in names or LANGUAGES:
        for part in PARTS:
            with tempfile.TemporaryDirectory() as root:
                try:
                    part(Bench(name, os.path.realpath(root)))
                except Exception as error:
                    sys.exit(f"{name}: {part.__name__}: {type(error).__name__}: {error}")
        print(f"{name}: {len(PARTS)} passed, 0 failed", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
