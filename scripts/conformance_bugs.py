"""Plants bugs in a copy of the runtime in conformance/functions/curl.sh, one at a time, and demands that the conformance kit
finds each by the one requirement that names it: `conformance_bugs.py KIT`, the path of its executable."""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

RUNTIME = Path(__file__).resolve().parent.parent / "conformance/functions/curl.sh"
# Seconds that the runtime may do nothing; generous, as the machine may be busy.
TIMEOUT = "30"
# Most of a run is waiting.
AT_A_TIME = 3


class Bug(NamedTuple):
    name: str
    title: str
    old: str
    new: str


BUGS = [
    Bug("no User-Agent", "says who it is", "curl -sS -f -D", "curl -A '' -sS -f -D"),
    Bug("a go-ahead is asked for", "does not ask for a go-ahead with a large body", "-H 'Expect:' ", ""),
    Bug(
        "no nonce with errors",
        "sends the invocation id back with an error",
        "        verb=error\n",
        "        verb=error nonce=\n",
    ),
    Bug(
        "a nonce is kept",
        "does not send an earlier invocation id",
        '    message=$(head',
        '    nonce=${nonce:-$kept} kept=$nonce\n    message=$(head',
    ),
    Bug("an error without a type", "reports a failure as JSON", '{"errorType":"Function.Failed",', "{"),
    Bug("an error without its message", "reports the message", '"errorMessage":"%s"}\' "$message"', '"errorMessage":"failed"}\''),
    Bug(
        "errors are text",
        "has a media type for errors",
        "-H 'Content-Type: application/json'",
        '-H "Content-Type: $([ $verb = error ] && echo text/plain || echo application/json)"',
    ),
    Bug(
        "it says that it buffers",
        "does not say that it buffers",
        "-H 'Content-Type: application/json'",
        "-H 'Content-Type: application/json' -H 'Lambda-Runtime-Function-Response-Mode: '$([ $verb = error ] || echo buffered)",
    ),
    Bug("an init error without a type", "reports it as JSON", '{"errorType":"Runtime.InitError",', "{"),
    Bug("a start that fails ends well", "ends with another status than 0", "    exit 1\nfi", "    exit 0\nfi"),
]


def failed(kit, script):
    """The titles of what does not hold."""
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory) / "runtime.sh"
        program.write_text(script)
        program.chmod(0o755)
        command = [kit, "runtime", "--json", "--valid", "--timeout", TIMEOUT, "--", program]
        done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE)
    requirements = json.loads(done.stdout)["requirements"]
    return {one["title"] for one in requirements if one["verdict"] not in ("held", "skipped")}


def find(kit, healthy, bug):
    script = RUNTIME.read_text()
    if script.count(bug.old) != 1:
        return f"{bug.name}: cannot be planted"
    found = failed(kit, script.replace(bug.old, bug.new)) ^ healthy
    return None if found == {bug.title} else f"{bug.name}: found by {sorted(found)}, not by {bug.title!r}"


def main(kit):
    healthy = failed(kit, RUNTIME.read_text())
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        wrong = [one for one in pool.map(lambda bug: find(kit, healthy, bug), BUGS) if one]
    print("\n".join(wrong) or f"{len(BUGS)} bugs, each found by the requirement that names it")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
