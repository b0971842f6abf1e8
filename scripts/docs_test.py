"""Tries what the documents say: every link that stays in the repository, every shell block, every block of code.

A shell block is run, in a directory of its document's own, with our programs on the path. What the reader has by then is
made by the words behind `Tried with` in a comment above the block; what cannot be run has the reason behind `Not tried`. A block
of code `Kept as` a file is that file for the blocks after it; `build NAME` makes a program of NAME.rs, for `cargo build`.
A line of a shell block that starts a server is left running while the lines behind it are run.
"""

import ast
import contextlib
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ["bootstrap", "lambwire-emulator", "lambwire-conformance", "hello"]
# What a block of Rust that is built may use.
CRATES = ["lambwire", "lambwire_mio"]
# Seconds that a line of a shell block may take, and that a server may take to listen.
LINE_SECONDS = 300
SERVER = ("127.0.0.1", 8080)
OURS = re.compile(r"https://github\.com/lambwire/lambwire/(?:blob|tree)/main/(.*)")
BLOCK = re.compile(r"(?:^<!-- (?P<how>Tried with|Kept as|Not tried(?: here)?): (?P<what>(?:(?!-->).)*?) -->\n+)?^```(?P<language>\S*)\n(?P<code>.*?)^```$", re.M | re.S)
# What looks at a file of a language without running it.
LOOKS = {
    "go": (".go", ["gofmt", "-l", "-d"]),
    "js": (".mjs", ["node", "--check"]),
    "lua": (".lua", ["lua", "-e", "assert(loadfile(arg[1]))", "-"]),
    "perl": (".pl", ["perl", "-c"]),
    "php": (".php", ["php", "-l"]),
    "ruby": (".rb", ["ruby", "-c"]),
}
INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN"}


def main():
    target = pathlib.Path(sys.argv[1]).resolve()
    alone()
    documents = [ROOT / name for name in subprocess.check_output(["git", "ls-files", "*.md"], cwd=ROOT, text=True).split()]
    faults, counts = [], {"links": 0, "outside": 0, "blocks": 0, "not tried": 0}
    for document in documents:
        if "captures" in document.parts:
            continue
        faults += links(document, counts)
        with tempfile.TemporaryDirectory() as scratch:
            for program in PROGRAMS:
                os.makedirs(f"{scratch}/.bin", exist_ok=True)
                os.symlink(target / program, f"{scratch}/.bin/{program}")
            builder(target, scratch)
            faults += blocks(document, scratch, counts)
            if document == ROOT / "README.md":
                faults += commands(document, scratch)
            if document.name == "ten-minutes.md":
                faults += handlers(document, scratch)
            if document.name == "emulator.md":
                faults += options(document, scratch)
    faults += contents(documents)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{counts['links']} links and {counts['blocks']} blocks were tried; {counts['outside']} links lead elsewhere, "
          f"and {counts['not tried']} blocks say why they are not tried")
    sys.exit(bool(faults))


def alone():
    """Enters a network namespace, where ports are ours alone, if the system lets us."""
    inside = ["unshare", "--map-root-user", "--net"]
    if "LAMBWIRE_DOCS_ALONE" not in os.environ and subprocess.run([*inside, "true"], stderr=subprocess.DEVNULL).returncode == 0:
        os.environ["LAMBWIRE_DOCS_ALONE"] = "yes"
        os.execvp(inside[0], [*inside, sys.executable, *sys.argv])
    if "LAMBWIRE_DOCS_ALONE" in os.environ:
        with socket.socket() as probe:  # SIOCSIFFLAGS: the loopback device is up and running.
            fcntl.ioctl(probe, 0x8914, struct.pack("16sH14x", b"lo", 0x41))


def links(document, counts):
    text = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.M | re.S)
    text = re.sub(r"`[^`\n]*`", "", text)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        ours = OURS.fullmatch(link)
        if "://" in link and not ours:
            counts["outside"] += 1
            continue
        counts["links"] += 1
        path, _, anchor = (ours[1] if ours else link).partition("#")
        place = (ROOT if ours else document.parent) / path if path else document
        if not place.exists():
            yield f"{name(document)}: {link} leads nowhere"
        elif anchor and anchor not in anchors(place / "README.md" if place.is_dir() else place):
            yield f"{name(document)}: {link}: there is no such heading"


def anchors(document):
    """How GitHub calls the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(document, scratch, counts):
    text = document.read_text()
    for block in BLOCK.finditer(text):
        where = f"{name(document)}:{text[: block.start('language')].count(chr(10)) + 1}"
        if (block["how"] or "").startswith("Not tried"):
            counts["not tried"] += 1
            continue
        counts["blocks"] += 1
        language, code = block["language"], block["code"]
        if block["how"] == "Kept as":
            pathlib.Path(scratch, block["what"]).write_text(code)
        if language in ("sh", "console") and not code.startswith("#!"):
            if language == "console":
                code = "".join(line[2:] + "\n" for line in code.splitlines() if line.startswith("$ "))
            fault = run(code, block["what"], scratch)
        else:
            fault = look(language, code, document, scratch)
        if fault:
            yield f"{where}: {fault}"


def builder(target, scratch):
    """The command `build NAME`: what cargo makes of a block of Rust that is kept as NAME.rs."""
    crates = " ".join(f"--extern {crate}={target}/lib{crate}.rlib" for crate in CRATES)
    script = pathlib.Path(scratch, ".bin/build")
    script.write_text(f'#!/bin/sh\nmkdir -p target/debug\nexec rustc --edition 2024 -L dependency={target}/deps {crates} -o "target/debug/$1" "$1.rs"\n')
    script.chmod(0o755)


def run(code, preparation, scratch):
    environment = os.environ | {"PATH": f"{scratch}/.bin:{os.environ['PATH']}", "REPOSITORY": str(ROOT)}
    processes = []
    try:
        for line in [preparation or "", *re.sub(r"\\\n\s*", " ", code).splitlines()]:
            process = subprocess.Popen(["bash", "-euc", line], cwd=scratch, env=environment, text=True, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
            processes.append(process)
            if serves(line):
                if not listens(process):
                    return f"`{line}` does not listen: {process.stdout.read()}"
                continue
            output, _ = process.communicate(timeout=LINE_SECONDS)
            if process.returncode != 0:
                return f"`{line}` ends with {process.returncode}: {output}"
    except subprocess.TimeoutExpired:
        return f"`{line}` takes more than {LINE_SECONDS} s"
    finally:
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(LINE_SECONDS)
            process.stdout.close()
    return None


def serves(line):
    return line.startswith("lambwire-emulator ") and " --event" not in line


def listens(process):
    until = time.monotonic() + LINE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(SERVER) == 0:
                return True
        time.sleep(0.02)
    return False


def look(language, code, document, scratch):
    """Whether a block is in its language, where it is not run."""
    try:
        if language == "json":
            json.loads(code)
        elif language == "python":
            ast.parse(code)
        elif language == "toml":
            tomllib.loads(code)
        elif language == "dockerfile":
            unknown = {line.split()[0] for line in code.splitlines() if line.strip()} - INSTRUCTIONS
            return f"no instruction: {unknown}" if unknown else None
        elif language in ("rust", "rust,no_run"):
            if "no_run" in language and "fn main() -> Result" in code:
                return "a program that prints an error by Debug, and not its words: let `main` print it by {error:#}"
            sources = [*ROOT.glob("crates/*/src/lib.rs"), *ROOT.glob("examples/*/src/lib.rs")]
            included = {(source.parent / path).resolve() for source in sources for path in re.findall(r'include_str!\("(.*?)"\)', source.read_text())}
            return None if document in included else "no doc test has this code"
        elif language in ("sh", "console"):
            return look_with(["bash", "-n"], ".sh", code, scratch)
        elif language in LOOKS:
            suffix, command = LOOKS[language]
            return look_with(command, suffix, code, scratch)
        elif language not in ("", "text"):
            return f"nothing here tries {language}"
    except (SyntaxError, ValueError) as error:
        return f"no {language}: {error}"
    return None


def look_with(command, suffix, code, scratch):
    path = pathlib.Path(scratch, f".look{suffix}")
    path.write_text(code if suffix != ".php" or "<?php" in code else f"<?php\n{code}")
    done = subprocess.run([*command, path], capture_output=True, text=True, timeout=LINE_SECONDS)
    return None if done.returncode == 0 else done.stdout + done.stderr


def handlers(document, scratch):
    """Every handler of the table, with the event that the document gives it."""
    rows = re.findall(r"^\| [^|]+ \| `(app\.\w+)` \| `(.*)` \|$", document.read_text(), re.M)
    if not rows:
        yield f"{name(document)}: there is no table of handlers"
    for file, code in rows:
        place = pathlib.Path(scratch, file.rpartition(".")[2])
        place.mkdir(exist_ok=True)
        (place / file).write_text(code.replace(r"\|", "|") + "\n")
        command = [f"{scratch}/.bin/bootstrap", "invoke", "app.handler", '{"name":"world"}']
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=LINE_SECONDS)
        if done.returncode != 0 or json.loads(done.stdout) != {"hello": "world"}:
            yield f"{name(document)}: {file} answers {done.stdout}{done.stderr}"


def commands(document, scratch):
    """Every command of the table of what is possible: it ends well, or serves, and then answers an event."""
    text = document.read_text()
    preparation = re.search(r"^<!-- Commands tried with: (.*) -->$", text, re.M)[1]
    rows = re.findall(r"^\| [^|`]+ \| `([a-z].*)` \|$", text, re.M)
    if not rows:
        yield f"{name(document)}: there is no table of commands"
    for command in rows:
        fault = run(command, preparation, scratch)
        if not fault and serves(command) and " -- " in command:
            fault = option_works(f"{scratch}/.bin/" + command.replace(" -- ", f" -- {scratch}/.bin/"), scratch)
        if fault:
            yield f"{name(document)}: {command}: {fault}"


def options(document, scratch):
    """Whether every option of the emulator has an example in the table of options, and each of these works."""
    text = document.read_text()
    program = f"{scratch}/.bin/lambwire-emulator"
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    rows = [row.rpartition(" | ") for row in re.findall(r"^\| (`--.*) \|$", text, re.M)]
    examples = [example for row in rows for example in re.findall(r"`(--[^`]*)`", row[2])]
    for option in sorted(set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", usage, re.M)) - {"--help", "--version"}):
        if not any(re.search(rf"{option}(?![a-z-])", example) for example in examples):
            yield f"{name(document)}: {option} has no example"
    preparation = re.search(r"^<!-- Options tried with: (.*) -->$", text, re.M)[1]
    subprocess.run(["bash", "-euc", preparation], cwd=scratch, check=True)
    for example in examples:
        is_whole = any(option in example for option in ("--compat", "--config", " -- "))
        fault = option_works(f"{program} {example}" + ("" if is_whole else " -- ./bootstrap app.handler"), scratch)
        if fault:
            yield f"{name(document)}: `{example}` {fault}"


def option_works(command, scratch):
    """What is wrong with an example: it is to answer an event, and to end when it is asked to."""
    once = "--event" in command
    process = subprocess.Popen(["bash", "-c", f"exec {command}"], cwd=scratch, text=True, start_new_session=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        process.stdin.write("{}")
        process.stdin.close()
        if not once:
            address = "%s:%s" % SERVER
            if "--compat" in command:
                listens(process)
            else:
                # The first line, whatever goes to standard error.
                lines = iter(process.stdout.readline, "")
                ready = next(line for line in lines if "ready" in line)
                ready = json.loads(ready.removeprefix("ready "))
                address = ready.get("record", ready)["listen"]
            event = urllib.request.Request(f"http://{address}/2015-03-31/functions/function/invocations", b'{"a":1}')
            with urllib.request.urlopen(event, timeout=LINE_SECONDS) as reply:
                if json.loads(answer := reply.read()) != {"a": 1}:
                    return f"answers {answer}"
            os.killpg(process.pid, signal.SIGTERM)
        output, status = process.stdout.read(), process.wait(LINE_SECONDS)
        return None if status == (0 if once else 143) else f"ends with {status}: {output}"
    except (OSError, ValueError, StopIteration) as error:
        return f"fails: {error!r}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(LINE_SECONDS)
        process.stdout.close()


def contents(documents):
    """Whether the table of contents has every document."""
    summary = ROOT / "docs/SUMMARY.md"
    named = {(summary.parent / link).resolve() for link in re.findall(r"\]\(([^)]+)\)", summary.read_text())}
    for document in documents:
        if document.is_relative_to(ROOT / "docs") and document != summary and document not in named:
            yield f"docs/SUMMARY.md: {name(document)} is missing"


def name(document):
    return str(document.relative_to(ROOT))


if __name__ == "__main__":
    main()
