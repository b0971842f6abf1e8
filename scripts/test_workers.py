"""What the worker of every language stands, tried on all of them alike: `test_workers.py [LANGUAGE]...`. What each has of its
own is tried by `test_worker_LANGUAGE.py`.
"""

import json
import resource
import signal
import sys
import threading
import time

from worker_pipes import LIMIT, RAW_SIZES, SIZES, Root, check, every_byte, roots, try_all, value

# In each language: a file that closes its standard streams, lets a signal pass or asks for bytes when it is loaded, if `DOES`
# says so, and these functions: `same` answers with its event, `sized` with an event's length or a text of the length that it asks for,
# `streamed` with such a text as the one piece of a stream (shells have no streams), `closes` closes the standard streams and
# prints, `opens` opens files until there may be no more, `foreign` answers with what the caller sent along, and `changes`
# changes whatever its process has of its own at its first event, and then answers with its event and whether it can see that.
PYTHON = """
import os, signal
def closing():
    for number in range(3): os.close(number)
if os.environ.get("DOES") == "close": closing()
if os.environ.get("DOES") == "bytes": os.environ["LAMBWIRE_BYTES"] = "1"
if os.environ.get("DOES") == "signals": signal.signal(signal.SIGUSR2, lambda *_: None)
def same(event, context): return event
def sized(event, context): return "x" * event["size"] if isinstance(event, dict) else len(event)
def streamed(event, context): yield "x" * event["size"]
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
def changes(event, context):
    import decimal, fcntl, gc, io, json, locale, resource, sys, threading, time, warnings
    if event != "change": return [event, os.getcwd() == "/", 1 / 3]
    locale.setlocale(locale.LC_ALL, "C.UTF-8"); time.tzset(); decimal.getcontext().prec = 1
    os.chdir("/"); os.umask(0o777); os.nice(1); os.environ.clear(); os.environ.update(TZ="Asia/Tokyo", LC_ALL="tr_TR", PYTHONIOENCODING="utf-16")
    for number in signal.Signals:
        if number not in (signal.SIGKILL, signal.SIGSTOP): signal.signal(number, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01); signal.set_wakeup_fd(-1)
    warnings.simplefilter("error"); sys.setswitchinterval(1e-6); gc.disable(); sys.setprofile(lambda *_: None); sys.tracebacklimit = 0
    sys.stdout.reconfigure(encoding="utf-16", line_buffering=False); print("kept back", end="")
    sys.stdout, sys.stderr = io.StringIO(), None
    sys.displayhook = sys.excepthook = threading.excepthook = sys.unraisablehook = None
    json.dumps = json.loads = json.JSONEncoder = json.JSONDecoder = None
    os.dup2(os.open("/dev/zero", os.O_RDONLY), 0); os.dup2(os.open("/dev/full", os.O_WRONLY), 1); os.closerange(5, 64)
    for number in map(int, os.listdir("/proc/self/fd")):
        try: fcntl.fcntl(number, fcntl.F_SETFL, os.O_NONBLOCK)
        except OSError: pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)); resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return "changed"
"""
NODE = """
const fs = require('fs');
const closing = () => { for (const number of [0, 1, 2]) fs.closeSync(number); };
if (process.env.DOES === 'close') closing();
if (process.env.DOES === 'bytes') process.env.LAMBWIRE_BYTES = '1';
if (process.env.DOES === 'signals') process.on('SIGUSR2', () => {});
exports.same = async (event) => event;
exports.sized = async (event) => (event.size === undefined ? event.length : 'x'.repeat(event.size));
exports.streamed = async function* (event) { yield 'x'.repeat(event.size); };
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
exports.changes = async (event) => {
  if (event !== 'change') return [event, process.cwd() === '/', 1.0 / 3];
  process.chdir('/');
  process.umask(0o777);
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, { TZ: 'Asia/Tokyo', LC_ALL: 'tr_TR', NODE_OPTIONS: '--no-such' });
  for (const name of Object.keys(require('os').constants.signals)) try { process.on(name, () => {}); } catch {}
  process.title = 'other';
  process.exitCode = 9;
  process.argv.length = 0;
  process.setUncaughtExceptionCaptureCallback(() => {});
  setInterval(() => {}, 1);
  process.stdout.cork();
  process.stdout.write('kept back');
  process.stdout.setDefaultEncoding('utf16le');
  process.stdout.write = process.stderr.write = () => true;
  Error.stackTraceLimit = 0;
  Error.prepareStackTrace = () => 7;
  Date.now = () => NaN;
  String.prototype.toJSON = Object.prototype.toJSON = () => 'not this';
  delete String.prototype.toJSON;
  delete Object.prototype.toJSON;
  for (const fd of fs.readdirSync('/proc/self/fd').map(Number)) {
    try { if (fs.fstatSync(fd).isFIFO()) new (require('net').Socket)({ fd, readable: false }).unref(); } catch {}
  }
  for (const number of [0, 1, 2]) fs.closeSync(number);
  fs.openSync('/dev/zero');
  fs.openSync('/dev/full', 'w');
  return 'changed';
};
"""
PHP = """<?php
function closing() { fclose(STDIN); fclose(STDOUT); fclose(STDERR); }
if (getenv('DOES') === 'close') { closing(); }
if (getenv('DOES') === 'bytes') { putenv('LAMBWIRE_BYTES=1'); }
if (getenv('DOES') === 'signals') { pcntl_async_signals(true); pcntl_signal(SIGUSR2, function () {}); }
function same(object|array|string|int|float|bool|null $event) { return $event; }
function sized($event) { return is_array($event) ? str_repeat('x', $event['size']) : strlen($event); }
function streamed($event) { yield str_repeat('x', $event['size']); }
function closes($event) { $event === 1 && closing(); echo 'closed'; error_log('closed'); return 'well'; }
function opens() { static $held = []; while ($held[] = @fopen('/dev/null', 'r')); return 'well'; }
function foreign($event, $context) { return json_encode($context['client_context'], 0, 3000); }
function changes($event) {
    if ($event !== 'change') { return [$event, getcwd() === '/', 1.0 / 3]; }
    setlocale(LC_ALL, 'C.UTF-8'); date_default_timezone_set('Asia/Tokyo');
    chdir('/'); umask(0777); foreach (array_keys(getenv()) as $name) { putenv($name); } putenv('LC_ALL=tr_TR');
    foreach (['precision' => 1, 'serialize_precision' => 1, 'default_charset' => 'UTF-16', 'implicit_flush' => 0, 'display_errors' => 1,
        'auto_detect_line_endings' => 1, 'arg_separator.output' => '|', 'error_log' => '/none', 'memory_limit' => '256M'] as $name => $value) {
        @ini_set($name, $value);
    }
    for ($number = 0; $number < 64; $number++) { ($pipe = @fopen("php://fd/$number", 'r+')) && stream_set_blocking($pipe, false); }
    pcntl_async_signals(true);
    foreach (array_diff(range(1, 31), [SIGKILL, SIGSTOP]) as $number) { pcntl_signal($number, function () {}); }
    pcntl_alarm(1); error_reporting(0); gc_disable(); assert_options(ASSERT_ACTIVE, 1);
    set_error_handler(fn ($number, $message) => throw new ErrorException($message)); set_exception_handler(fn () => exit(9));
    foreach (array_keys($GLOBALS) as $name) { unset($GLOBALS[$name]); }
    ob_start(fn ($text) => strtoupper($text)); echo 'kept back';
    fclose(STDIN); fclose(STDOUT); fclose(STDERR); fopen('/dev/zero', 'r'); fopen('/dev/full', 'w');
    return 'changed';
}
"""
PERL = """
sub closing { close STDIN; close STDOUT; close STDERR }
closing() if $ENV{DOES} eq 'close';
$ENV{LAMBWIRE_BYTES} = 1 if $ENV{DOES} eq 'bytes';
$SIG{USR2} = sub { } if $ENV{DOES} eq 'signals';
sub same { return $_[0] }
sub sized { return ref $_[0] ? 'x' x $_[0]{size} : length $_[0] }
sub streamed { my $size = $_[0]{size}; return sub { $_[0]->('x' x $size) } }
sub closes { closing() if $_[0] eq '1'; print 'closed'; warn 'closed'; return 'well' }
my @held;
sub opens { while (open my $file, '<', '/dev/null') { push @held, $file } return 'well' }
sub foreign { return defined $_[1]->client_context ? 'given' : 'none' }
use POSIX (); use PerlIO::encoding; use Encode::Unicode; use Fcntl;
sub changes {
    return [$_[0], POSIX::getcwd() eq '/' ? \\1 : \\0, 1 / 3] if ref $_[0] || $_[0] ne 'change';
    POSIX::setlocale(POSIX::LC_ALL(), 'C.UTF-8'); POSIX::nice(1); %ENV = (LC_ALL => 'tr_TR', TZ => 'Asia/Tokyo', PERLIO => ':crlf');
    chdir '/'; umask 0777; ($/, $\\, $,, $", $;, $^A, $:, $~, $^, $0, $^W, $., $@, $!) = (undef, ('|') x 8, 'other', 1, 7, 'error', 5);
    @INC = @ARGV = %INC = (); alarm 1; srand 1; $_ = 'topic';
    for (grep { !/KILL|STOP|CHLD|CLD|NUM|RT/ } keys %SIG) { $SIG{$_} = sub { } }
    $SIG{__WARN__} = $SIG{__DIE__} = sub { };
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(map { eval "POSIX::SIG$_()" } qw(USR1 HUP PIPE)));
    binmode STDOUT, ':encoding(UTF-16LE)'; $| = 0; print 'kept back'; select STDERR; $| = 0; ${^OPEN} = ":crlf\\0:crlf";
    for (0 .. 63) { open my $pipe, '<&=', $_ or next; fcntl $pipe, F_SETFL, O_NONBLOCK; push @held, $pipe }
    close STDIN; close STDOUT; open my $zero, '<', '/dev/zero'; open my $full, '>', '/dev/full'; push @held, $zero, $full;
    return 'changed';
}
1;
"""
RUBY = """
require 'io/nonblock'
def closing = [STDIN, STDOUT, STDERR].each(&:close)
closing if ENV['DOES'] == 'close'
ENV['LAMBWIRE_BYTES'] = '1' if ENV['DOES'] == 'bytes'
trap('USR2') { } if ENV['DOES'] == 'signals'
def same(event:, context:) = event
def sized(event:, context:) = event.is_a?(Hash) ? 'x' * event['size'] : event.size
def streamed(event:, context:) = Enumerator.new { |pieces| pieces << 'x' * event['size'] }
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
def changes(event:, context:)
  return [event, Dir.pwd.b == '/', 1.0 / 3] if event != 'change'
  $VERBOSE = nil
  $/ = nil; $\\ = '!'; $, = ';'; $; = 'e'; $_ = 'line'; $0 = 'other'; $. = 7; $PROGRAM_NAME = 'other'; $DEBUG = false
  Dir.chdir('/'); File.umask(0o777); Process.setpriority(Process::PRIO_PROCESS, 0, 1)
  ENV.clear; ENV.update('LC_ALL' => 'tr_TR', 'TZ' => 'Asia/Tokyo', 'RUBYOPT' => '--none')
  Encoding.default_external = Encoding::UTF_16LE
  Encoding.default_internal = Encoding::ISO_8859_1
  (Signal.list.keys - %w[EXIT KILL STOP VTALRM SEGV BUS ILL FPE]).each { |name| trap(name) { } rescue nil }
  Thread.abort_on_exception = true; Thread.new { loop { sleep 0.01 } }
  GC.disable; srand(1); ARGV.replace(%w[a]); $LOAD_PATH.clear; $LOADED_FEATURES.clear
  $stdout.sync = false; print 'kept back'; $stdout.set_encoding('UTF-16LE')
  64.times { |number| HELD << IO.for_fd(number, autoclose: false).tap { |pipe| pipe.nonblock = true } rescue nil }
  $stdout = $stderr = StringIO.new
  [STDIN, STDOUT, STDERR].each(&:close); HELD << File.open('/dev/zero') << File.open('/dev/full', 'w')
  Process.setrlimit(Process::RLIMIT_NOFILE, 32)
  'changed'
end
"""
LUA = """
local function closing() io.stdin:close() io.stdout:close() io.stderr:close() end
if os.getenv("DOES") == "close" then closing() end
if os.getenv("DOES") == "bytes" then LAMBWIRE_BYTES = true end
function same(event) return event end
function sized(event) return type(event) == "table" and string.rep("x", event.size) or #event end
function streamed(event) return coroutine.wrap(function() coroutine.yield(string.rep("x", event.size)) end) end
function closes(event) if event == 1 then closing() end pcall(print, "closed") return "well" end
local held = {}
function opens()
  repeat held[#held + 1] = io.open("/dev/null") until not io.open("/dev/null")
  return "well"
end
function foreign(event, context) return json.encode(context.client_context) end
local changed = false
function changes(event)
  if event ~= "change" then return { event, changed, 1 / 3 } end
  changed = true
  os.setlocale("C.UTF-8") os.setlocale("de_DE.UTF-8", "numeric")
  io.output():setvbuf("full", 65536) io.write("kept back")
  io.output("/dev/full") io.output():setvbuf("no") io.input("/dev/zero")
  io.stdin:close() io.stdout:close() io.stderr:close()
  collectgarbage("stop") debug.sethook(function() end, "crl", 1) math.randomseed(1)
  package.path, package.cpath, package.loaded.json = "", "", nil
  for name in pairs(package.loaded) do package.loaded[name] = nil end pairs = nil
  getmetatable("").__index = nil
  print, type, ipairs, error, assert, tostring, next, select = nil
  string.format, table.concat, io.open, os.getenv, os.exit, json.encode = nil
  setmetatable(_G, { __index = function() return 1 end, __newindex = function() end })
  return "changed"
end
"""
SH = """
[ "${DOES-}" != close ] || exec <&- >&- 2>&-
[ "${DOES-}" != signals ] || trap : USR2
[ "${DOES-}" != bytes ] || LAMBWIRE_BYTES=1
counted() { wc -c; printf %s "[$1]"; }
same() { cat; }
sized() { case $1 in '{'*) n=${1#*:}; head -c "${n%?}" /dev/zero | tr '\\0' x ;; *) printf %s $((${#1} - 2)) ;; esac; }
closes() { printf '"well"'; exec <&- >&- 2>&-; echo closed; :; }
foreign() { printf %s "$2" | sed 's/.*"client_context"://'; }
changes() {
    case $1 in '"change"') ;; *) printf '[%s,true,0.3333333333333333]' "$1"; return ;; esac
    IFS='en"'; cd /; umask 777; HOME=; unset HOME
    LC_ALL=C LANG=tr_TR TZ=Asia/Tokyo PS4='+'; export LC_ALL LANG TZ
    trap '' HUP INT QUIT TERM USR1 PIPE; trap : EXIT
    read() { :; }; head() { :; }; cat() { :; }; sed() { :; }; tr() { :; }; alias printf=false echo=false
    ulimit -c 0; exec 3>&- 4>&- 5>/dev/null 6</dev/zero 9>&-; echo '"changed"'; PATH=/none; set -euafC; set -- a b c; exec 7>&- 8>&-; exit 0
}
"""

# Lua knows no signals. In bash 5.2 and ksh 93u+m, a signal that has a trap may keep the rest of a pipeline from being started,
# or end the shell, in any script.
NEVER_INTERRUPTED = {"lua5.1", "lua5.3", "lua5.4", "luajit", "bash", "ksh"}

# As many digits of a fraction as every language keeps, and what a third is with them.
DIGITS = 14
THIRD = round(1 / 3, DIGITS)

# How many files a limited process may have open.
FILES = 64


HANDLERS = {"py": PYTHON, "js": NODE, "php": PHP, "pl": PERL, "rb": RUBY, "lua": LUA, "sh": SH}


class Bench(Root):
    """Starts the worker of one language for the functions above."""

    def start(self, function, does="none", **variables):
        return super().start(HANDLERS[self.language.extension], function, DOES=does, **variables)


def sizes(bench):
    with bench.serve("sized") as running:
        for size in SIZES[2:]:
            check(f"event of {size} bytes", str(value(running.invoke(b'"%s"' % (b"x" * (size - 2))))), str(size - 2))
        # With and without the quotation marks that make JSON of it.
        for size in {size - marks for size in SIZES for marks in (0, 2) if size >= marks}:
            check(f"answer of {size} bytes", value(running.invoke('{"size":%d}' % size)) == "x" * size, True)
    with bench.serve("same") as running:
        check("event of 0 bytes", running.invoke(b"")[0] in ("result", "text", "bytes", "error"), True)
        check("event of 1 byte", value(running.invoke(b"1")), 1)
        # Of more than one byte a character, so that a read may end within one, and up to what the bootstrap takes as an answer.
        for size in SIZES[2:]:
            event = '["%s"]' % ("é" * ((size - 4) // 2))
            check(f"{size} bytes and back", value(running.invoke(event)) == json.loads(event), True)


def raw(bench):
    """Whoever asks for it, by a variable that is set from the start or by his file, gets events byte for byte; bytes go back as
    they are, but from shells, which hold no NUL."""
    for does, variables in (("bytes", {}), ("none", {"LAMBWIRE_BYTES": "1"}), ("none", {"LAMBWIRE_BYTES": ""})):
        with bench.start("counted" if bench.language.is_shell else "same", does, **variables) as running:
            is_asked = does == "bytes" or variables["LAMBWIRE_BYTES"] != ""
            check(f"asks, {does} {variables}", running.ready().get("bytes", False), is_asked)
            for size in RAW_SIZES if is_asked else []:
                event = every_byte(size)
                kind, body = running.invoke(event)
                if bench.language.is_shell:
                    check(f"{size} bytes", body.replace(b"\n", b"").strip(), b"%d[]" % size)
                else:
                    check(f"{size} bytes, {does}, {kind} {body[:100]}", (kind, body == event), ("bytes", True))


def streams(bench):
    """A piece of a stream may be larger than a frame."""
    if bench.language.is_shell:
        return
    with bench.serve("streamed") as running:
        for size in [*SIZES, 7_000_000]:
            *chunks, end = running.stream('{"size":%d}' % size)
            check(f"kinds of {size} bytes", ({kind for kind, _ in chunks} <= {"chunk"}, end), (True, ("end", b"")))
            check(f"a piece of {size} bytes", b"".join(body for _, body in chunks) == b"x" * size, True)
            check(f"frames of {size} bytes", max((len(body) for _, body in chunks), default=0) <= LIMIT, True)


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
    is_shell = bench.language.is_shell
    with bench.serve("same" if is_shell else "opens") as running:
        for limit, most in {resource.RLIMIT_NOFILE: FILES, **({} if is_shell else {resource.RLIMIT_FSIZE: 0})}.items():
            resource.prlimit(running.process.pid, limit, (most, most))
        for event in ("[2]", '"%s"' % ("x" * 70_000), "[3]"):
            check("within limits", value(running.invoke(event, trace_id="Root=1")), json.loads(event) if is_shell else "well")


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


def found(answer):
    *seen, third = value(answer)
    return [*seen, round(third, DIGITS)]


def changed(bench):
    """Separators, options, globals, buffers, signals, folder, mask, locale, descriptors: the handler has changed them all."""
    with bench.serve("changes") as running:
        check("change", value(running.invoke('"change"')), "changed")
        for event in ([1, {"a": "é"}, None], "x" * 70_000, ["\u0131", "a\nb\tc"], 0.25, {"entier": [True, 2**52]}):
            for text in (json.dumps(event), json.dumps(event, ensure_ascii=False, separators=(",", ":"))):
                check(f"then {text[:50]}", found(running.invoke(text)), [event, True, THIRD])
        check("no JSON", running.invoke("[1,")[0] if not bench.language.is_shell else "error", "error")
        check("after an error", found(running.invoke("[2]")), [[2], True, THIRD])


PARTS = [sizes, raw, streams, pieces, closed, limited, interrupted, stopped, contexts, changed]


if __name__ == "__main__":
    for root in roots(sys.argv[1:], Bench):
        try_all(root, PARTS)
