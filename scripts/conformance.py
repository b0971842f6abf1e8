"""Runs the conformance kit on runtimes and servers, and writes what came of it into docs/conformance.md:
`conformance.py AWSLAMBDARIC AWS_LAMBDA_RIC [NAME...]`, two versions, and the subjects if not all."""

import datetime
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
PEERS = TARGET / "peers"
KIT = TARGET / "debug/lambwire-conformance"
FUNCTIONS = ROOT / "conformance/functions"
RESULTS = TARGET / "conformance-results"
PAGE = ROOT / "docs/conformance.md"
BEGIN, END = "<!-- results: written by `just conformance` -->", "<!-- end of results -->"
# Seconds that a subject may do nothing; generous, as the machine may be busy.
TIMEOUT = "20"
# Subjects that are tried at a time: most of a run is waiting.
AT_A_TIME = 3
# Why ours do not what is required: for a subject, and for some requirements of it.
REASONS = {
    "hello": "it answers with a greeting, and of the context it gives the request id alone",
    "bootstrap, PHP": "an array of PHP is a list or an object, and an empty one is sent as a list",
    "bootstrap, Python": "AWS's client for Python fails such an invocation, with the same error",
    "tiny": "it starts no invocation again that was cut short, but asks for the next one",
    "curl.sh": "each request is a process of curl, which tries nothing again",
}
# What cannot be answered for long is not a hang of a run of hundreds of requirements.
RUN_SECONDS = 3600


class Subject(NamedTuple):
    name: str
    ours: bool
    options: list
    program: list
    cwd: Path = FUNCTIONS


def runtimes(awslambdaric, aws_lambda_ric):
    tools = ROOT / ".tools"
    python = [tools / f"awslambdaric-{awslambdaric}/bin/python", "-m", "awslambdaric"]
    node = ["node", tools / f"aws-lambda-ric-{aws_lambda_ric}/node_modules/aws-lambda-ric/bin/index.mjs"]
    debug = TARGET / "debug"

    def bootstrap(language, function):
        return Subject(f"bootstrap, {language}", True, ["--handler", function], [debug / "bootstrap", function])

    lambda_runtime = [PEERS / "debug/lambda_runtime"]
    return [
        Subject("lambda_runtime 1.5.0", False, ["--handler", "buffered", "--with", "concurrency"], lambda_runtime),
        Subject("lambda_runtime 1.5.0, streaming", False, ["--handler", "streamed", "--only", "5"], lambda_runtime),
        Subject(f"awslambdaric {awslambdaric}", False, ["--handler", "echo.handler"], [*python, "echo.handler"]),
        Subject(f"aws-lambda-ric {aws_lambda_ric}", False, ["--handler", "node.handler"], [*node, "node.handler"]),
        Subject(f"aws-lambda-ric {aws_lambda_ric}, streaming", False, ["--handler", "node.streaming", "--only", "5"], [*node, "node.streaming"]),
        Subject("curl.sh", True, ["--valid"], [FUNCTIONS / "curl.sh"]),
        Subject("lambwire-mio", True, [], [debug / "examples/echo_mio"]),
        Subject("lambwire-smol", True, ["--with", "concurrency"], [debug / "examples/echo_smol"]),
        Subject("hello", True, [], [debug / "hello"]),
        Subject("examples/tokio", True, [], [debug / "tokio-adapter"]),
        Subject("tiny", True, [], [TARGET / "bootstrap/tiny"]),
        bootstrap("Python", "echo.handler"),
        bootstrap("Node", "node.handler"),
        bootstrap("Ruby", "ruby.handler"),
        bootstrap("PHP", "php.handler"),
        bootstrap("Perl", "perl.handle"),
        bootstrap("Lua", "lua.handler"),
        bootstrap("sh", "sh.handler"),
    ]


def servers():
    rie = os.environ["RIE"]
    addresses = ["--runtime-interface-emulator-address=127.0.0.1:{port}", "--runtime-api-address=127.0.0.1:{api-port}"]
    emulator = [TARGET / "debug/lambwire-emulator", "--listen", "127.0.0.1:{port}", "--timeout", "{timeout}"]
    simulator = [PEERS / "debug/lambda_simulator", "{port}", "{api-port}", "{timeout}"]
    watch = [os.environ["CARGO_LAMBDA"], "lambda", "watch", "--only-lambda-apis", "-A", "127.0.0.1", "-P", "{port}"]
    # In this mode it starts /var/task/bootstrap, whatever its arguments say, as another user.
    managed = (
        'set -e; dir=$(mktemp -d); chmod 755 "$dir"; mkdir "$dir/task"; cp "$1" "$dir/rie"; cp "$2" "$dir/task/bootstrap"; '
        'mount --bind "$dir" /var; shift 2; AWS_LAMBDA_MAX_CONCURRENCY=4 exec /var/rie "$@" /var/task/bootstrap'
    )
    many = ["--with", "concurrency"]
    return [
        Subject("AWS's emulator", False, [], [rie, *addresses, "{bootstrap}"]),
        Subject("AWS's emulator, managed instances", False, [*many, "--only", "28"], ["unshare", "--mount", "sh", "-c", managed, "sh", rie, "{bootstrap}", *addresses]),
        Subject("cargo-lambda 1.9.2", False, ["--function", "_", "--api", "http://127.0.0.1:{port}/.rt"], watch, project()),
        Subject("lambda-simulator 0.1.6", False, ["--api", "http://127.0.0.1:{api-port}"], simulator),
        Subject("lambwire-emulator", True, [], [*emulator, "--", "{bootstrap}"]),
        Subject("lambwire-emulator, concurrent", True, [*many, "--only", "28"], [*emulator, "--concurrency", "4", "--", "{bootstrap}"]),
    ]


def project():
    """cargo-lambda wants to stand in a project, even where it builds nothing."""
    place = TARGET / "conformance-project"
    (place / "src").mkdir(parents=True, exist_ok=True)
    (place / "src/main.rs").write_text("fn main() {}\n")
    (place / "Cargo.toml").write_text('[package]\nname = "function"\nversion = "0.0.0"\n[workspace]\n')
    return place


def run(what, subject):
    """Tries a subject. What came of it is kept, so that a run that was broken off goes on where it was."""
    kept = RESULTS / f"{subject.name.replace('/', '-')}.json"
    if not kept.exists():
        RESULTS.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(tried(what, subject)))
    requirements = json.loads(kept.read_text())
    print(f"{subject.name}: {tally(requirements)}", file=sys.stderr, flush=True)
    return requirements


def tried(what, subject):
    options = ["--json", "--timeout", TIMEOUT, *subject.options]
    if not subject.ours:
        options.append("--valid")
    command = [KIT, what, *options, "--", *subject.program]
    done = subprocess.run(list(map(str, command)), cwd=subject.cwd, stdout=subprocess.PIPE, timeout=RUN_SECONDS)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"{subject.name}: the kit ended with {done.returncode}")
    return json.loads(done.stdout)["requirements"]


def tally(requirements):
    tried = [one for one in requirements if one["verdict"] != "skipped"]
    return f"{sum(one['verdict'] == 'held' for one in tried)}/{len(tried)}" if tried else "–"


def table(results):
    suites = sorted({(one["suite"], one["suiteTitle"]) for _, requirements in results for one in requirements})
    lines = ["| | " + " | ".join(f"{number}" for number, _ in suites) + " | musts | crashed or hung in |"]
    lines.append("|---|" + "---|" * (len(suites) + 2))
    for subject, requirements in results:
        cells = [tally([one for one in requirements if one["suite"] == number]) for number, _ in suites]
        musts = tally([one for one in requirements if one["severity"] == "must"])
        fell = sorted({one["suite"] for one in requirements if fell_over(one)})
        lines.append(f"| {subject.name} | " + " | ".join(cells) + f" | {musts} | {', '.join(map(str, fell))} |")
    named = "; ".join(f"{number}: {title[0].lower() + title[1:]}" for number, title in suites)
    return [f"Suites: {named}.", "", *lines]


def fell_over(one):
    crashed = one["verdict"] == "ended" and "signal" in one["what"]
    return crashed or one["verdict"] == "hung" or (one["verdict"] == "ended" and one["severity"] == "must")


def misses(results):
    for subject, requirements in results:
        missed = [one for one in requirements if one["severity"] == "must" and one["verdict"] == "missed"]
        named = "; ".join(f"{one['number']} ({one['title']})" for one in missed)
        if missed:
            yield f"- **{subject.name}**: {named}{reason(subject)}."
    for subject, requirements in results:
        odd = [one for one in requirements if subject.ours and one["severity"] != "must" and failed(one)]
        if odd:
            named = "; ".join(f"{one['number']} ({one['title']})" for one in odd)
            yield f"- {subject.name}, no must: {named}{reason(subject)}."


def reason(subject):
    return f": {REASONS.get(subject.name, 'the reason is not known')}" if subject.ours else ""


def failed(one):
    return one["verdict"] in ("missed", "hung", "ended")


def page(runtime_results, server_results):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    lines = [BEGIN, "", "## Results", ""]
    lines.append(
        f"Of {today}. A cell says how many requirements of a suite hold, of those that apply; `–`: none does. On programs of "
        "others only the suites of valid protocol are run. A process that ended where it should have gone on, and one that "
        f"did nothing until the time limit, stand in the last column. AWS's emulator is that of {Path(os.environ['RIE']).parent.name}."
    )
    for title, results in (("Runtimes", runtime_results), ("Servers", server_results)):
        lines += ["", f"### {title}", "", *table(results), "", "What is not as required:", "", *misses(results)]
    lines += ["", END]
    return "\n".join(lines)


def main(awslambdaric, aws_lambda_ric, *names):
    wanted = lambda subjects: [one for one in subjects if not names or one.name in names]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        ran = [
            pool.map(lambda one, what=what: (one, run(what, one)), wanted(subjects))
            for what, subjects in (("runtime", runtimes(awslambdaric, aws_lambda_ric)), ("server", servers()))
        ]
        runtime_results, server_results = map(list, ran)
    if names:
        return print(page(runtime_results, server_results))
    text = PAGE.read_text()
    before = text.split(BEGIN)[0].rstrip("\n")
    PAGE.write_text(before + "\n\n" + page(runtime_results, server_results) + "\n")
    shutil.rmtree(RESULTS)


if __name__ == "__main__":
    main(*sys.argv[1:])
