"""The worker for shells over two pipes: `test_worker_sh.py [SHELL]...`, where a shell may have an argument, as `busybox sh`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from worker_pipes import PATIENCE, SH, SHELLS, Root, check, try_all

# Shells that know more than POSIX says.
RICH = ["bash", "ksh", "zsh"]
# The programs that a worker needs.
NEEDED = ["head", "sed", "tr", "cat", "wc"]
# Traps which end the shell around the function, too.
TRAPS_ON_ERRORS = {"bash": ["set -E; trap 'exit 3' ERR"], "zsh": ["trap 'exit 3' ZERR", "TRAPZERR() { exit 3; }"]}
ECHO = 'handler() { printf \'{"got":%s}\' "$1"; }\n'

# What stands before a handler that echoes: whatever a careful script begins with, and whatever else a script can change.
BEGINNINGS = {
    "IFS": "IFS=','",
    "IFS of none": "IFS=",
    "IFS of all": "IFS='ent0123456789 -{}\":'",
    "nounset": "set -u",
    "errexit": "set -e",
    "noglob": "set -f",
    "noclobber": "set -C",
    "allexport": "set -a",
    "xtrace": "set -x",
    "verbose": "set -v",
    "strict": "set -eu\nIFS='\n\t'",
    "positional parameters": "set -- a b c",
    "functions": "read() { echo hostile; }; printf2() { :; }; head() { echo hostile; }; sed() { echo hostile; }; "
    "tr() { echo hostile; }; cat() { echo hostile; }; wc() { echo hostile; }; command() { echo hostile; }",
    "aliases": "alias read='echo hostile' head='echo hostile' sed='echo hostile' exec='echo hostile' echo='false' command='false' "
    "lambwire_clean=false case=false",
    "traps": "trap 'echo term >&2' TERM; trap 'echo hup' HUP",
    "directory": "cd /",
    "umask": "umask 777",
    "PATH": "PATH=",
    "no PATH": "unset PATH",
    "descriptors": "exec 3>/dev/null 4</dev/null 5</dev/null 6</dev/null 7</dev/null 8>/dev/null 9>/dev/null",
    "closed descriptors": "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-",
    "standard input": "exec </dev/zero",
    "locale": "LC_ALL=C LANG=C LC_CTYPE=C; export LC_ALL LANG LC_CTYPE",
    "limits": "ulimit -c 0; ulimit -n ${YASH_VERSION:+1}20",
    "prompts": "PS1='$(echo hostile)' PS4='$(echo hostile >&2)' ENV=/none BASH_ENV=/none; export ENV BASH_ENV",
    "variables": "HOME= ; unset HOME; OPTIND=7; PPID2=1; TMPDIR=/none; export TMPDIR; LINES=1",
    "background": "sleep 60 &",
    "jobs": "set -m",
    "status": "false",
    "no variables": "unset LAMBWIRE_FILE LAMBWIRE_FUNCTION RANDOM",
}
RICH_BEGINNINGS = {
    "strict of bash": "set -euo pipefail\nIFS=$'\\n\\t'",
    "function keyword": "function other { :; }",
    "printf": "printf() { echo hostile; }; echo() { command echo hostile; }; handler() { print -r \"{\\\"got\\\":$1}\" 2>&- || builtin echo \"{\\\"got\\\":$1}\"; }; unused() { :; }\n#",
    "debug trap": "trap ':' DEBUG ERR",
    "exit trap": "trap 'echo ended >&2' EXIT",
    "arrays": "a=(1 2 3); typeset -a b; typeset -i c=1",
}
ZSH_BEGINNINGS = {
    "err_return": "setopt ERR_RETURN; exec 0<&-",
    "trap on errors": "trap 'exit 3' ZERR; exec 0<&-",
    "function for a trap on errors": "TRAPZERR() { exit 3; }",
    "other syntax": "setopt KSH_ARRAYS SH_WORD_SPLIT NULL_GLOB EXTENDED_GLOB CSH_NULLCMD WARN_CREATE_GLOBAL; unsetopt MULTIBYTE MULTIOS",
    "emulation": "emulate -R csh",
    "functions that the worker calls": "enable() { echo hostile; }; emulate() { echo hostile; }; trap() { echo hostile; }; exec 9>&-",
    "disabled": "disable read print test command exec exit export unalias trap emulate",
    "aliases of zsh": "alias -g esac=false in=false; alias -s sh=false",
}
BASH_BEGINNINGS = {
    "exec": "exec() { echo hostile; }; eval() { echo hostile; }; trap() { echo hostile; }; exit() { echo hostile; }",
    "unset and export": "unset() { echo hostile; }; export() { echo hostile; }",
    "disabled": "enable -n read test command exec exit export unalias trap",
    "shopt": "shopt -s lastpipe extglob nullglob failglob nocasematch inherit_errexit expand_aliases; set -o posix",
    "errtrace": "set -o errtrace -o functrace; trap 'echo hostile' DEBUG; trap 'echo hostile >&2' ERR; trap - DEBUG",
    "exported": "head() { echo hostile; }; export -f head; sed() { echo hostile; }; export -f sed",
}


def begun(root):
    """Whatever a file begins with."""
    passed = 0
    beginnings = {**BEGINNINGS, **(RICH_BEGINNINGS if root.name in RICH else {}), **{"bash": BASH_BEGINNINGS, "zsh": ZSH_BEGINNINGS}.get(root.name, {})}
    for what, beginning in beginnings.items():
        builtin = "print -rn --" if root.name in ("mksh",) else "printf %s"
        echo = f"handler() {{ {builtin} \"{{\\\"got\\\":$1}}\"; }}\n"
        source = f"{beginning}\n" if "handler()" in beginning else f"{echo}{beginning}\n"
        with root.serve(source) as running:
            for event in ('{"n":1}', '{"é":" x "}', "[1]\n\n"):
                kind, body = running.invoke(event, trace_id="Root=1")
                check(f"{what}, {event!r}; {running.logged()}", (kind, json.loads(body)), ("text", {"got": json.loads(event)}))
        passed += 1
    return passed


def changes(root):
    """A handler that changes its shell."""
    passed = 0
    changing = (
        'handler() { IFS=,; set -f; cd /; umask 777; PATH=; n=${n-0}; n=$((n + 1)); trap "" TERM; exec 3>&- 4>&- 5>&- 6>&- 9>&-\n'
        'LC_ALL=C; alias cat=false; sed() { :; }; tr() { :; }; unset -f lambwire_answer lambwire_receive; lambwire_turn=7\n'
        'lambwire_id=x; lambwire_function=none; echo "[$1,$n]"; set -eu; exec 7>&- 8>&-; exit 0; }\n'
    )
    with root.serve(changing) as running:
        for n in range(3):
            check("changes", running.invoke(str(n)), ("text", f"[{n},1]".encode()))
    passed += 1
    for separators in ("en", " ", "$(printf '\\n\\t')", "}", "0123456789", "1"):
        for names in ("IFS", "PATH", "LC_ALL POSIXLY_CORRECT PATH IFS RANDOM _X_AMZN_TRACE_ID")[: 3 if separators == " " else 1]:
            fixed = f'IFS="{separators}" PATH=$PATH:/none; readonly {names}\nhandler() {{ printf "%s\\n%s" "$1" "$2"; }}\n'
            with root.serve(fixed) as running:
                for event in ("1", "[12345678]]", '{"en":" en "}', f'["{"en " * 30_000}x"]'):
                    kind, body = running.invoke(event)
                    seen, context = body.decode().split("\n")
                    what = f"readonly {names} of {separators!r}"
                    check(what, (kind, seen, json.loads(context)["client_context"]), ("text", event, None))
                check(f"readonly {names}: the end", (running.end(), running.logged()), (0, ""))
            passed += 1
    return passed


def faults(root):
    """How a function ends."""
    passed = 0
    does = (
        "handler() { case $1 in 1) return 3 ;; 2) exit 4 ;; 3) set -u; echo \"$NONE\" ;; 4) no-such-program ;; 5) set -e; false; echo no ;;\n"
        "6) echo half; exit 7 ;; 7) kill -9 $$; sleep 60 ;; esac; }\n"
    )
    with root.serve(does) as running:
        for event, status in (("1", 3), ("2", 4), ("3", None), ("4", 127), ("5", 1), ("6", 7)):
            kind, body = running.invoke(event)
            seen = json.loads(body)
            check(f"fault {event}", (kind, seen["errorType"], seen["stackTrace"]), ("error", "Function.ExitStatus", []))
            check(f"fault {event}", status is None or seen["errorMessage"] == f"handler exited with status {status}", True)
        check("nothing", running.invoke("0"), ("text", b""))
        running.send("7")
        check("killed", running.process.wait(PATIENCE), -signal.SIGKILL)
    passed += 7
    for beginning in ("setopt ERR_RETURN", "trap 'exit 3' ZERR") if root.name == "zsh" else ():
        with root.serve(f"{beginning}\nhandler() {{ [ \"$1\" = 1 ] && echo yes; }}\n") as running:
            for event in ("1", "2", "1"):
                seen = {"1": ("text", b"yes")}.get(event, ("error", b'"errorType":"Function.ExitStatus"'))
                kind, body = running.invoke(event)
                check(f"{beginning}: {body}", (kind, seen[1] in body), (seen[0], True))
        passed += 1
    for beginning in (":", "setopt EXTENDED_GLOB", "emulate sh") if root.name == "zsh" else ():
        with root.serve(f"{beginning}\nhandler() {{ unexported=1; false; env | grep -c unexported; :; }}\n") as running:
            check(f"{beginning}: no options but its own", (running.invoke("1"), running.logged()), (("text", b"0"), ""))
        passed += 1
    with root.serve(f"set -eu\nhandler() {{ [ \"$1\" = 1 ] && false; echo \"$NONE\"; }}\n") as running:
        check("strict in the handler", [running.invoke(event)[0] for event in ("1", "2")], ["error", "error"])
    passed += 1
    return passed


def jobs(root):
    """What is left in the background."""
    passed = 0
    background = "handler() { (while [ ! -e go ]; do sleep 0.1; done; echo late) & echo now; }\n"
    with root.serve(background) as running:
        check("background", [running.invoke("1"), running.invoke("2")], [("text", b"now")] * 2)
        open(os.path.join(root.path, "go"), "w").close()
        give_up_at = time.monotonic() + PATIENCE
        while running.logged().count("late") < 2 and time.monotonic() < give_up_at:
            time.sleep(0.1)
        check("background", running.logged().split(), ["late", "late"])
    passed += 1
    with root.serve("handler() { exec >&2; sleep 60 & echo $! >&2; }\n") as running:
        check("own output", running.invoke("1" * 200_000), ("text", b""))
    passed += 1
    return passed


def inputs(root):
    """Events and answers of any bytes."""
    passed = 0
    with root.serve("handler() { cat; }\n") as running:
        for event in (b"1", b'"' + b"x" * 100_000 + b'"', '"é\\u0000"'.encode(), b" \n1\n"):
            check("standard input", running.invoke(event), ("text", event.rstrip(b"\n")))
        kind, body = running.invoke(b"a\0b")
        if root.name == "zsh":
            check("NUL", (kind, json.loads(body)["errorType"]), ("error", "Runtime.MarshalError"))
        else:
            seen = json.loads(body)
            check("NUL", (kind, seen["errorType"], "LAMBWIRE_BYTES=1" in seen["errorMessage"]), ("error", "Runtime.UnmarshalError", True))
        check("after NUL", running.invoke(b"2"), ("text", b"2"))
    passed += 6
    with root.serve("LAMBWIRE_BYTES=1\nhandler() { :; }\n") as running:
        check("bytes unread", [running.invoke(b"\0" * 1_000_000), running.invoke(b"1")], [("text", b"")] * 2)
    # As where there may be no more processes: what is left of an event is not taken for the next.
    passed += 1
    # busybox has its own, wherever others are.
    for program in ("head", "wc") if root.name != "busybox sh" else ():
        path = root.write(f"failing-{program}/{program}", f"#!/bin/sh\ntest -e no-{program} && exit 126\nexec '{shutil.which(program)}' \"$@\"\n")
        os.chmod(path, 0o755)
        places = {"PATH": os.path.dirname(path) + ":" + root.variables.get("PATH", os.environ["PATH"])}
        text = f"LAMBWIRE_BYTES=1\nhandler() {{ read -r _; : >no-{program}; echo 1; }}\n"
        with root.serve(text, **places) as running:
            kinds = [running.invoke(b"\n" * 60_000)[0] for _ in range(2 if program == "head" else 1)]
            check(f"{program} that cannot be started", kinds, ["text", "fatal"] if program == "head" else ["fatal"])
            if program == "head":
                check("the end behind what is no frame", running.process.wait(PATIENCE) != 0, True)
        passed += 1
        # Each event of text is read by `head`, and shells that count characters ask `wc` for the length of an answer.
        for beginning in ("", "readonly LC_ALL\n"):
            for status, expected in {0: ("text", "é"), 3: ("error", "Function.ExitStatus")}.items():
                Path(root.path, f"no-{program}").unlink()
                with root.serve(f"{beginning}handler() {{ : >no-{program}; echo é; return {status}; }}\n", **places) as running:
                    kind, body = running.invoke("[1]")
                    if program == "head":
                        check(f"before {body}", (kind, expected[1] in body.decode()), (expected[0], True))
                        kind, body = running.invoke("[2]")
                    if program == "head" or kind == "fatal":
                        check(f"{program} for text: {body}", (kind, json.loads(body)["errorType"]), ("fatal", "Runtime.WorkerLost"))
                    else:
                        check(f"{program} for text: {body}", (kind, expected[1] in body.decode()), (expected[0], True))
        passed += 1
    for trap in TRAPS_ON_ERRORS.get(root.name, ()):
        with root.serve(f"LAMBWIRE_BYTES=1\n{trap}\nhandler() {{ false; }}\n") as running:
            kind, body = running.invoke(b"\n" * 60_000)
            check(f"bytes that nobody has read: {trap}", (kind, json.loads(body)["errorType"]), ("fatal", "Function.ExitStatus"))
        passed += 1
    with root.serve("handler() { printf 'a\\0b'; }\n") as running:
        kind, body = running.invoke("1")
        seen = json.loads(body)
        check("NUL in an answer", (kind, seen["errorType"], "has a NUL" in seen["errorMessage"]), ("error", "Runtime.MarshalError", True))
    with root.serve("handler() { printf 'a\\376\\377b'; }\n") as running:
        kind, body = running.invoke("1")
        if root.name == "yash":
            check("no text", (kind, json.loads(body)["errorType"]), ("error", "Runtime.MarshalError"))
        else:
            check("no text, and no NUL", (kind, body), ("text", b"a\xfe\xfeb"))
    passed += 2
    return passed


def contexts(root):
    """What a handler learns about its invocation."""
    passed = 0
    context = "handler() { printf '%s\\n%s\\n' \"$_X_AMZN_TRACE_ID\" \"$2\"; env | grep -c LAMBWIRE; ls /proc/self/fd | tr '\\n' ' '; }\n"
    with root.serve(context) as running:
        trace = 'Root=1-a;"\\//é€'
        body = running.invoke("1", trace_id=trace, client_context='{"trace_id":"theirs"}')[1].decode()
        check("trace", body.split("\n")[0], trace)
        seen = json.loads(body.split("\n")[1])
        check("context", (seen["trace_id"], seen["client_context"]), (trace, {"trace_id": "theirs"}))
        check("children", (body.split("\n")[2], body.split("\n")[3].split()[:4]), ("0", ["0", "1", "2", "3"]))
        check("descriptors", len(body.split("\n")[3].split()), 4)
        deep = "[" * 1300 + "]" * 1300
        body = running.invoke("1", client_context=deep)[1].decode()
        check("deep", (body.split("\n")[0], deep in body), ("", True))
        body = running.invoke("1", client_context='{"trace_id":"theirs"}')[1].decode()
        check("no trace", body.split("\n")[0], "")
    passed += 4
    with root.serve("handler() { echo \"$2\"; }\n") as running:
        long = "x" * (1 << 20)
        body = running.invoke("1", client_context=f'"{long}"')[1]
        check("a megabyte of context", json.loads(body)["client_context"] == long, True)
    passed += 1
    with root.serve("handler() { get_remaining_time_in_millis; }\n") as running:
        check("remaining", 50_000 < int(running.invoke("1")[1]) <= 60_000, True)
        check("none remains", int(running.invoke("1", deadline_ms=1)[1]), 0)
    passed += 2
    return passed


def freeze(shell):
    """Stops what the shell has started, and has it go on, once the shell has had time to notice."""
    started = [int(pid) for pid in Path(f"/proc/{shell}/task/{shell}/children").read_text().split()]
    for kind in (signal.SIGSTOP, signal.SIGCONT):
        for pid in started:
            # What was at the end of the event before may be gone.
            with suppress(ProcessLookupError):
                os.kill(pid, kind)
        time.sleep(0.05)


def lives(root):
    """The end, snapshots, and files that do not load."""
    passed = 0
    with root.start("handler() { echo 1; }\ntrap 'echo ended' EXIT\n") as running:
        check("exit trap", running.ready(), {})
        running.invoke("1")
        check("exit trap", (running.end(), running.logged()), (0, "ended\n"))
    passed += 1

    with root.serve("handler() { echo ${RANDOM-none}; }\n") as running:
        drawn = {running.invoke("1")[1] for _ in range(4)}
        check(f"random numbers {drawn}", len(drawn) > 1 or drawn == {b"none"}, True)
    passed += 1

    with root.serve("handler() { echo \"$1\"; }\n") as running:
        for turn in range(3):
            freeze(running.process.pid)
            check(f"turn {turn} after it was frozen", running.invoke(f"[{turn}]"), ("text", f"[{turn}]".encode()))
    passed += 1

    for line in ("", "#!/bin/sh\n"):
        with root.start(f"{line}function handler () (\n") as running:
            check("a file that cannot be read", running.process.wait(PATIENCE) > 0, True)
            # Others go on after that, and say that there is no function.
            if root.name in ("sh", "dash", "busybox sh"):
                check(f"hint: {running.logged()}", "--interpreter" in running.logged(), not line)
        passed += 1
    for missing in NEEDED if root.name != "busybox sh" else ():
        programs = Path(root.path, f"without-{missing}")
        programs.mkdir()
        for program in {*NEEDED, root.command[0]} - {missing}:
            (programs / program).symlink_to(shutil.which(program))
        with root.start(ECHO, PATH=str(programs)) as running:
            kind, _, body = running.hear()
            check(f"no {missing}: {body}", (kind, f"needs {missing}, which".encode() in body), ("fatal", True))
        passed += 1
    with root.start("PATH=/none\nreadonly PATH\nhandler() { echo 1; }\n") as running:
        kind, _, body = running.hear()
        # Some builds of busybox are their own programs, whatever PATH is.
        if root.name == "busybox sh" and subprocess.run(["busybox", "sh", "-c", "PATH=/none; command -v head"]).returncode == 0:
            check("programs of busybox", kind, "ready")
        else:
            check(f"no programs in a readonly PATH: {body}", (kind, b"which is not in PATH" in body), ("fatal", True))
    with root.serve("after_restore() { IFS=,; readonly IFS PATH LC_ALL RANDOM; }\nhandler() { echo \"$1\"; }\n") as running:
        check("a hook that makes variables readonly", running.hooks("after-restore"), ("done", "-", b""))
        check("after that hook", running.invoke("[1]"), ("text", b"[1]"))
    passed += 2
    # In zsh, what a function makes readonly is local to it.
    if root.name not in ("busybox sh", "zsh"):
        with root.serve("after_restore() { PATH=/none; readonly PATH; }\nhandler() { echo 1; }\n") as running:
            kind, _, body = running.hooks("after-restore")
            check(f"a hook that leaves no programs: {body}", (kind, b"which is not in PATH" in body), ("fatal", True))
            check("its end", running.process.wait(PATIENCE), 1)
        passed += 1
    # To busybox, `cat` is as much its own as a function.
    missing = {":\n": "none"} if root.name == "busybox sh" else {":\n": "none", "cat=1\n": "cat"}
    for source, function in missing.items():
        error_type = "Runtime.HandlerNotFound"
        with root.start(source, function) as running:
            kind, request_id, body = running.hear()
            check(source, (kind, request_id, json.loads(body)["errorType"]), ("fatal", "-", error_type))
            check(source, running.process.wait(PATIENCE), 1)
        passed += 1
    return passed


TESTS = [begun, changes, faults, jobs, inputs, contexts, lives]

if __name__ == "__main__":
    for shell in sys.argv[1:] or ["sh", *SHELLS]:
        try_all(Root(SH, shell), TESTS)
