"""`terminal_session.py PROGRAMS OUTPUT`: runs the commands of a session in a terminal, and draws what it shows as SVG."""

import html
import os
import pathlib
import pty
import re
import select
import signal
import sys
import tempfile
import time

from docs_test import alone

FILES = {
    "app.py": 'def handler(event, context):\n    return {"hello": event["name"]}\n',
}
CALL = "curl -s -d '{\"name\":\"Ada\"}' http://127.0.0.1:8080/2015-03-31/functions/function/invocations"
# A command that ends in & serves; it goes on until the session is over.
COMMANDS = [
    "cat app.py",
    "bootstrap invoke app.handler '{\"name\":\"world\"}'",
    "bootstrap app.handler &",
    f"{CALL}; echo",
    "bootstrap invoke app.handler '{}'",
]
COLUMNS, FONT, LINE = 134, 13, 18
PATIENCE_S = 300
COLORS = {31: "#e5534b", 32: "#57ab5a", 33: "#c69026", 34: "#539bf5", 35: "#b083f0", 36: "#39c5cf", 90: "#768390"}
SGR = re.compile(r"\x1b\[([\d;]*)m")


def main(programs, output):
    alone()
    with tempfile.TemporaryDirectory() as directory:
        for name, text in FILES.items():
            pathlib.Path(directory, name).write_text(text)
        shown = session(pathlib.Path(programs).resolve(), directory).replace(directory, "/tmp/hello")
    for wanted in ('{"hello": "world"}', '{"hello": "Ada"}', "KeyError"):
        if wanted not in SGR.sub("", shown):
            sys.exit(f"terminal_session.py: the session does not show {wanted}:\n{shown}")
    pathlib.Path(output).write_text(svg(shown))


def session(programs, directory):
    """What a terminal shows of the commands, each in a shell of its own."""
    shown, servers = "", []
    try:
        for command in COMMANDS:
            serves = command.endswith("&")
            process, terminal = start(command.rstrip("& "), programs, directory)
            shown += f"\x1b[32m$\x1b[0m {command}\n"
            if serves:
                servers.append((process, terminal))
                shown += read(terminal, until="ready ")
                continue
            shown += read(terminal)
            os.waitpid(process, 0)
            os.close(terminal)
            # What a server has to say of it.
            shown += "".join(read(terminal, until="REPORT ") for _, terminal in servers if CALL in command)
    finally:
        for process, terminal in servers:
            os.kill(process, signal.SIGINT)
            os.waitpid(process, 0)
            os.close(terminal)
    return shown


def start(command, programs, directory):
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(directory)
        os.environ |= {"PATH": f"{programs}:{os.environ['PATH']}", "TERM": "xterm", "COLUMNS": str(COLUMNS)}
        os.execvp("bash", ["bash", "-c", f"exec {command}" if ";" not in command else command])
    return process, terminal


def read(terminal, until=None):
    """What it shows until the program has ended, or has shown a line that begins so."""
    shown, end = "", time.monotonic() + PATIENCE_S
    while not (until and re.search(rf"^(\x1b\[[\d;]*m)*{until}.*\n", shown, re.M)):
        if not select.select([terminal], [], [], max(0, end - time.monotonic()))[0]:
            sys.exit(f"terminal_session.py: waited {PATIENCE_S} s for '{until}' after:\n{shown}")
        try:
            data = os.read(terminal, 65536)
        except OSError:  # Linux says so when nobody has the other end any more.
            break
        if not data:
            break
        shown += data.decode(errors="replace").replace("\r\n", "\n")
    return shown


def svg(shown):
    rows = [row for line in shown.rstrip("\n").expandtabs(8).split("\n") for row in wrap(line)]
    height = len(rows) * LINE + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {COLUMNS * FONT * 0.6 + 32:.0f} {height}" role="img">',
        "<title>A function in Python, invoked once, served, called, and failing</title>",
        f'<rect width="100%" height="{height}" rx="6" fill="#22272e"/>',
        f'<g font-family="monospace" font-size="{FONT}" fill="#cdd9e5" style="white-space: pre">',
    ]
    for number, row in enumerate(rows):
        parts.append(f'<text x="16" y="{number * LINE + 26}">{row}</text>')
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"


def wrap(line):
    """Rows of a line, with spans for its colours."""
    rows, width, color = [""], 0, None
    for piece in re.split(r"(\x1b\[[\d;]*m)", line):
        code = SGR.fullmatch(piece)
        if code:
            color = next((COLORS[int(each)] for each in code[1].split(";") if each.isdigit() and int(each) in COLORS), None)
            continue
        while piece:
            if width == COLUMNS:
                rows.append("")
                width = 0
            part, piece = piece[: COLUMNS - width], piece[COLUMNS - width :]
            width += len(part)
            text = html.escape(part, quote=False)
            rows[-1] += f'<tspan fill="{color}">{text}</tspan>' if color else text
    return rows


if __name__ == "__main__":
    main(*sys.argv[1:])
