"""Runs the conformance kit on runtimes, then on the same behind examples/proxy, and demands that the proxy changes nothing:
`conformance_proxy.py PEERS [NAME...]`, the folder of others' programs, and the subjects if not all."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEBUG = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "debug"
FUNCTIONS = ROOT / "conformance/functions"
# Seconds that a subject may do nothing; generous, as the machine may be busy.
TIMEOUT = "60"
# Most of a run is waiting.
AT_A_TIME = 3
# The Host that a runtime sends names the proxy, as its environment does, and not the kit; the proxy leaves it as it is.
NAMES_THE_PROXY = "1-6"
# Runs of a requirement that comes out otherwise behind the proxy: what races with the end of a connection has two verdicts.
TRIES = 8


def subjects(peers):
    """Name, options, program. Of others' programs only suites of valid protocol are run."""
    return [
        ("hello", [], [DEBUG / "hello"]),
        ("lambwire-smol", ["--with", "concurrency"], [DEBUG / "examples/echo_smol"]),
        ("bootstrap", ["--handler", "echo.handler"], [DEBUG / "bootstrap", "echo.handler"]),
        ("lambda_runtime", ["--valid", "--with", "concurrency"], [peers / "lambda_runtime"]),
    ]


def verdicts(options, program):
    command = [DEBUG / "lambwire-conformance", "runtime", "--json", "--timeout", TIMEOUT, *options, "--", *program]
    done = subprocess.run(list(map(str, command)), cwd=FUNCTIONS, stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        raise SystemExit(f"the kit ended with {done.returncode}")
    return {one["number"]: one["verdict"] for one in json.loads(done.stdout)["requirements"]}


def compare(subject):
    """What the proxy changes, in words."""
    name, options, program = subject
    proxied = [DEBUG / "proxy", *program]
    plain, behind = verdicts(options, program), verdicts(options, proxied)
    held = sum(verdict == "held" for verdict in behind.values())
    print(f"{name} behind the proxy: {held} of {sum(verdict != 'skipped' for verdict in behind.values())} hold", flush=True)
    odd = [number for number in plain if plain[number] != behind[number] and number != NAMES_THE_PROXY]
    return [f"{name}, {number}: {plain[number]}, {behind[number]} behind the proxy" for number in odd if not races(options, program, number, behind[number])]


def races(options, program, number, verdict):
    """Whether the program comes to this verdict without the proxy, too."""
    return any(verdicts([*options, "--only", number], program)[number] == verdict for _ in range(TRIES))


def main(peers, *names):
    wanted = [one for one in subjects(Path(peers).resolve()) if not names or one[0] in names]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        changed = [line for lines in pool.map(compare, wanted) for line in lines]
    print("\n".join(changed) or "the proxy changes nothing")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
