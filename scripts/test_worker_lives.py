"""How the process of a worker lives, in every language: what it starts, snapshots, SIGTERM, its end:
`test_worker_lives.py [LANGUAGE]...`."""

import json
import re
import signal
import subprocess
import sys
import time

from worker_pipes import PATIENCE, check, roots, try_all, value

# How long a forked child lives on at least, in seconds.
CHILD_S = 0.1

# How many descriptors a program finds that a handler has started: its standard streams, and the directory that lists them.
FOUND = 4

# What a handler leaves to children. `inherits` tells how many descriptors a program finds that is started by the plainest of
# ways; all else forks, and the child does what its name says, while its parent waits, but for one that is late.
CHILDREN = {
    "py": r'''
import atexit, ctypes, os, sys, time
atexit.register(print, "at the end")
def handler(event, context):
    if event == "inherits": return os.system("exit $(ls /proc/self/fd | wc -l)") >> 8
    child = ctypes.CDLL(None).fork() if event == "unknown" else os.fork()
    if child == 0:
        time.sleep(0.1)
        if event == "raise": raise RuntimeError("of a child")
        if event == "exit": sys.exit(0)
        return "of a child"
    if event != "late": os.waitpid(child, 0)
    return "of the parent"
''',
    "js": r"""
const { execSync } = require('child_process');
exports.handler = async () => parseInt(execSync('ls /proc/self/fd | wc -l'));
""",
    "php": r"""<?php
register_shutdown_function(function () { echo "at the end\n"; });
function handler($event) {
    // It opens the two pipes itself; those that it was given, the bootstrap gives it as paths.
    if ($event === 'inherits') { return exec('ls /proc/self/fd | wc -l') - 2; }
    if (pcntl_fork() === 0) {
        usleep(100000);
        if ($event === 'raise') { throw new Exception('of a child'); }
        if ($event === 'exit') { exit(0); }
        if ($event === 'memory') { ini_set('memory_limit', '16M'); return str_repeat('x', 1 << 30); }
        return 'of a child';
    }
    if ($event !== 'late') { pcntl_wait($status); }
    return 'of the parent';
}
""",
    "pl": r"""
END { print "at the end\n" }
sub handler {
    my ($event) = @_;
    return system('exit $(ls /proc/self/fd | wc -l)') >> 8 if $event eq 'inherits';
    if (!(my $child = fork)) {
        select undef, undef, undef, 0.1;
        die "of a child\n" if $event eq 'raise';
        exit 0 if $event eq 'exit';
        return sub { $_[0]->('of a child') } if $event eq 'pieces';
        return 'of a child';
    }
    wait if $event ne 'late';
    return 'of the parent';
}
1;
""",
    "rb": r"""
at_exit { puts 'at the end' }
def handler(event:, context:)
  return `ls /proc/self/fd | wc -l`.to_i if event == 'inherits'
  if fork.nil?
    sleep 0.1
    raise 'of a child' if event == 'raise'
    exit 0 if event == 'exit'
    return 'of a child'
  end
  Process.wait if event != 'late'
  'of the parent'
end
""",
    "lua": r"""function handler() return io.popen('ls /proc/self/fd | wc -l'):read('*n') end""",
    "sh": "handler() { ls /proc/self/fd | wc -l; }\n",
}
# How many processes come to an end of their own, once there was one child of each kind.
AT_THE_END = {"py": 2, "php": 3, "pl": 2, "rb": 1}
KINDS = {"py": ["unknown"], "php": ["memory"], "pl": ["pieces"], "rb": []}

# Hooks say `before 1` if they were registered first and `before 2` after that, and `after`; the last fails if `FAILS` is set.
# The handler draws a number of the generator that the file has seeded.
HOOKS = {
    "py": """
import os, random
from snapshot_restore_py import register_after_restore, register_before_snapshot
random.seed(7)
register_before_snapshot(print, "before 1")
register_before_snapshot(print, "before 2")
register_after_restore(print, "after")
@register_after_restore
def fails():
    if os.environ.get("FAILS"): raise OSError("no network")
def handler(event, context): return random.random()
""",
    "js": r"""
const say = (text) => void require('fs').writeSync(1, `${text}\n`);
awslambda.registerBeforeSnapshot(() => say('before 1'));
awslambda.registerBeforeSnapshot(async () => say('before 2'));
awslambda.registerAfterRestore(() => say('after'));
awslambda.registerAfterRestore(async () => { if (process.env.FAILS) throw new TypeError('no network'); });
exports.handler = async () => Math.random();
""",
    "php": r"""<?php
Lambwire\register_before_snapshot(function () { echo "before 1\n"; });
Lambwire\register_before_snapshot(function () { echo "before 2\n"; });
Lambwire\register_after_restore(function () { echo "after\n"; if (getenv('FAILS')) throw new Exception('no network'); });
mt_srand(7);
function handler() { return mt_rand(); }
""",
    "pl": r"""
Lambwire::register_before_snapshot(sub { print "before 1\n" });
Lambwire::register_before_snapshot(sub { print "before 2\n" });
Lambwire::register_after_restore(sub { print "after\n"; die "no network\n" if $ENV{FAILS} });
srand 7;
sub handler { return rand }
1;
""",
    "rb": """
Lambwire.before_snapshot { puts 'before 1' }
Lambwire.before_snapshot { puts 'before 2' }
Lambwire.after_restore { puts 'after' }
Lambwire.after_restore { raise 'no network' if ENV['FAILS'] }
srand(7)
def handler(event:, context:) = rand
""",
    "lua": """
lambwire.before_snapshot(function() print('before 1') end)
lambwire.before_snapshot(function() print('before 2') end)
lambwire.after_restore(function() print('after') if os.getenv('FAILS') then error('no network') end end)
math.randomseed(7)
function handler() return math.random(1, 2^30) end
""",
    # Once for all. What they set lasts.
    "sh": """
n=1
before_snapshot() { n=2; echo before $n; echo before 1; }
after_restore() { echo after; [ -z "${FAILS-}" ] || return 3; }
RANDOM=7
handler() { [ $n = 2 ] && echo ${RANDOM-}; }
""",
}
FAILURES = {"sh": "after_restore exited with status 3"}
# What AWS's package of that name does, as far as a handler sees.
SNAPSHOT_RESTORE_PY = """
before, after = [], []
def register_before_snapshot(function, *arguments, **named):
    before.append((function, arguments, named)); return function
def register_after_restore(function, *arguments, **named):
    after.append((function, arguments, named)); return function
def get_before_snapshot(): return before
def get_after_restore(): return after
"""

# What says `closing` at SIGTERM, by its language's habit, and `closed` a while later; and what the process ends with then.
CAREFUL_LOOP = """
import asyncio, signal, sys
signal.signal(signal.SIGTERM, lambda *_: None)
async def handler(event, context):
    loop = asyncio.get_running_loop()
    handler.ticking = loop.create_task(asyncio.sleep(1000))
    async def close():
        print("closing", flush=True)
        await asyncio.sleep(0.1)
        print("closed", flush=True)
        sys.exit(0)
    loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(close()))
    return 1
"""
CAREFUL_NODE = """
process.on('SIGTERM', () => { console.log('closing'); setTimeout(() => { console.log('closed'); %s }, 100); });
exports.handler = async () => 1;
"""
CAREFUL = {
    "py": [
        ("""
import signal, sys, time
def bye(number, frame):
    print("closing"); time.sleep(0.1); print("closed"); sys.exit(5)
signal.signal(signal.SIGTERM, bye)
def handler(event, context): return 1
""", 5, {}),
        (CAREFUL_LOOP, 0, {}),
        (CAREFUL_LOOP, 0, {"LAMBWIRE_CONCURRENCY": "3"}),
    ],
    "js": [(CAREFUL_NODE % "", 0, {}), (CAREFUL_NODE % "process.exit(5);", 5, {})],
    "php": [("""<?php
pcntl_signal(SIGTERM, function () { echo "closing\\n"; usleep(100000); echo "closed\\n"; exit(5); });
function handler() { return 1; }
""", 5, {})],
    "pl": [("""
$SIG{TERM} = sub { print "closing\\n"; select undef, undef, undef, 0.1; print "closed\\n"; exit 5 };
sub handler { 1 }
1;
""", 5, {})],
    # A trap may not lock a thing, as a logger does.
    "rb": [
        ("trap('TERM') { puts 'closing'; sleep 0.1; puts 'closed'; exit 5 }\ndef handler(event:, context:) = 1\n", 5, {}),
        ("""
Thread.new { sleep }
trap('TERM') { Thread.new { Logger.new($stderr).info('closing'); sleep 0.1; $stderr.puts 'closed'; Thread.main.raise(SystemExit) } }
def handler(event:, context:) = ($kept ||= Thread.new { sleep }) && 1
""", 0, {}),
    ],
    "lua": [("""
local posix, clock = require("posix.signal"), require("posix.time")
posix.signal(posix.SIGTERM, function()
  print("closing") clock.nanosleep({ tv_sec = 0, tv_nsec = 100000000 }) print("closed") os.exit(5)
end)
lambwire.handles_sigterm()
function handler() return 1 end
""", 5, {})],
    "sh": [("trap 'echo closing; sleep 0.1; echo closed; exit 5' TERM\nhandler() { echo 1; }\n", 5, {})],
}  # fmt: skip
# What knows no signals.
PLAIN = {
    "py": "def handler(event, context): return 1",
    "js": "exports.handler = async () => 1;",
    "php": "<?php function handler() { return 1; }",
    "pl": "sub handler { 1 } 1;",
    "rb": "def handler(event:, context:) = 1",
    "lua": "function handler() return 1 end",
    "sh": "handler() { echo 1; }\n",
}

# What files begin with that run by themselves as well, if they are what is run. Each adds to what the handler answers with.
DIRECTLY = {
    "py": """
import sys
ran = [__name__ == "__main__", sys.argv[0] == __file__]
def handler(event, context): return ran.count(True)
""",
    "js": r"""
const path = require('fs').realpathSync(process.argv[1]);
const ran = [require.main === module, !module.parent, path === __filename, path === require('path').resolve(process.argv[1], '../app.js')];
exports.handler = async () => ran.filter((ran) => ran).length;
""",
    "php": r"""<?php
$ran = [realpath($_SERVER['SCRIPT_FILENAME']) === __FILE__, ($argv[0] ?? '') === __FILE__, !debug_backtrace(), get_included_files()[0] === __FILE__,
    basename($_SERVER['PHP_SELF'] ?? '') === basename(__FILE__), count(get_included_files()) === 1];
function handler() { return count(array_filter($GLOBALS['ran'])); }
""",
    "pl": r"""
my @ran = grep { $_ } !caller, $0 eq __FILE__;
sub handler { scalar @ran }
1;
""",
    "rb": """
RAN = [__FILE__ == $0, $PROGRAM_NAME == __FILE__, __dir__ == File.dirname($0)].count(true)
def handler(event:, context:) = RAN
""",
    "lua": """
local ran = 0
if ... == nil then ran = ran + 1 end
if not pcall(debug.getlocal, 4, 1) then ran = ran + 1 end
if arg and arg[0] and arg[0]:match("app.lua$") then ran = ran + 1 end
function handler() return ran end
""",
    "sh": r"""
ran=0
if [ -n "${ZSH_VERSION-}" ]; then
    case $ZSH_EVAL_CONTEXT in toplevel) ran=$((ran + 1)) ;; esac
else
    case ${0##*/} in app.sh) ran=$((ran + 1)) ;; esac
fi
[ -z "${BASH_VERSION-}" ] || eval 'if [[ ${BASH_SOURCE[0]} == "$0" ]]; then ran=$((ran + 1)); fi'
handler() { printf %s "$ran"; }
""",
}


def directly(bench):
    """A file that also runs by itself is not what is run."""
    with bench.serve(DIRECTLY[bench.language.extension]) as running:
        check("guards that let it run", value(running.invoke("1")), 0)


def children(bench):
    extension = bench.language.extension
    with bench.serve(CHILDREN[extension]) as running:
        kinds = ["return", "raise", "exit", "late", "late", *KINDS[extension]] if extension in KINDS else []
        for kind in [*kinds, "inherits"]:
            expected = FOUND if kind == "inherits" else "of the parent"
            check(kind, value(running.invoke(json.dumps(kind))), expected)
        if kinds:
            # Whoever is late has come back by then.
            time.sleep(4 * CHILD_S)
            check("after all", value(running.invoke('"return"')), "of the parent")
            check(f"reported: {running.logged()}", "of a child" in running.logged(), True)
        check("the end", running.end(), 0)
        check("at the end", running.logged().count("at the end"), AT_THE_END.get(extension, 0))


def snapshots(bench):
    extension = bench.language.extension
    bench.write("snapshot_restore_py.py", SNAPSHOT_RESTORE_PY)
    seeded, drawn = [], []
    # Node's is seeded by an option alone.
    options = ["--random-seed=7"] if extension == "js" else []
    bench.command[1:1] = options
    for _ in range(2):
        if not bench.language.is_shell:
            with bench.serve(HOOKS[extension]) as running:
                seeded.append(value(running.invoke("1")))
        with bench.serve(HOOKS[extension]) as running:
            check("asked", running.asked, {"snapshot": True})
            for kind in ("before-snapshot", "after-restore"):
                check(kind, running.hooks(kind), ("done", "-", b""))
            drawn.append(value(running.invoke("1")))
            check("the end", running.end(), 0)
            check("order", running.logged(), "before 2\nbefore 1\nafter\n")
    # There are shells without such numbers, and some that draw others in each subshell.
    check(f"the same seed: {seeded}", len(set(seeded)) < 2, True)
    check(f"another seed: {drawn}", drawn[0] != drawn[1] or bench.language.is_shell and drawn in (["", ""], [7, 7]), True)
    del bench.command[1 : 1 + len(options)]
    with bench.serve(HOOKS[extension], FAILS="1") as running:
        check("before", running.hooks("before-snapshot"), ("done", "-", b""))
        kind, request_id, body = running.hooks("after-restore")
        message = FAILURES.get(extension, "no network")
        check(f"it fails: {body}", (kind, request_id, message in json.loads(body)["errorMessage"]), ("error", "-", True))
    with bench.serve(PLAIN[extension]) as running:
        check("no hooks", running.hooks("before-snapshot"), ("done", "-", b""))


def sigterm(bench):
    """As the bootstrap has it: the signal, and then the end of the events, of which the process may see both at once."""
    extension = bench.language.extension
    with bench.serve(PLAIN[extension]) as running:
        check("not asked for", running.asked, {})
        running.process.send_signal(signal.SIGTERM)
        # mksh, which has a handler of its own, may wait for an event by then, and sees the signal after that.
        running.close_events()
        check("without a handler", running.process.wait(PATIENCE), -signal.SIGTERM)
    if extension == "lua" and not has_posix(bench):
        return 0
    for text, status, variables in CAREFUL[extension]:
        for kinds in ([signal.SIGTERM], [signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT], []):
            with bench.serve(text, **variables) as running:
                check("asked", running.asked.get("sigterm"), True)
                check("before the end", value(running.invoke("1")), 1)
                for kind in kinds[:2]:
                    running.process.send_signal(kind)
                running.close_events()
                for kind in kinds[2:]:
                    running.process.send_signal(kind)
                check(f"the end, {kinds}: {running.logged()}", running.process.wait(PATIENCE), status if kinds else 0)
                said = re.findall("closing|closed", running.logged())
                check(f"all that it does, {kinds}", said, ["closing", "closed"] if kinds else [])


def has_posix(bench):
    return subprocess.run([*bench.command[:-1], "-e", 'require "posix.signal"'], stderr=subprocess.DEVNULL).returncode == 0


PARTS = [directly, children, snapshots, sigterm]


if __name__ == "__main__":
    for root in roots(sys.argv[1:]):
        try_all(root, PARTS)
