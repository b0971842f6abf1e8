"""Gives an emulator what it mostly has to do, that a profile of it be taken: `train_emulator.py EMULATOR ECHO`. Callers keep
their connections, alone and many at a time, and the function takes turns either way that there is."""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading

INVOCATIONS = 5000
CALLERS = [1, 16, 200]
# How ECHO may take turns: as in the plain loop, or with the next request behind each response.
HANDLERS = ["echo", "serve"]
EVENT = b'{"name":"Ada","note":"an event of sixty-four bytes, in all...."}'
REQUEST = b"POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(EVENT) + EVENT
# How long it may take for an answer, in seconds.
PATIENCE = 60


def main(emulator, echo):
    for handler in HANDLERS:
        command = [emulator, "--listen", "127.0.0.1:0", "--", echo]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "_HANDLER": handler})
        try:
            host, port = json.loads(running.stdout.readline().removeprefix(b"ready "))["listen"].split(":")
            threading.Thread(target=running.stdout.read).start()
            for callers in CALLERS:
                invoke((host, int(port)), callers)
        finally:
            running.send_signal(signal.SIGTERM)
            if running.wait(PATIENCE) != 128 + signal.SIGTERM:
                sys.exit(f"the emulator has ended with {running.returncode}")


def invoke(address, count):
    selector = selectors.DefaultSelector()
    for _ in range(count):
        caller = socket.create_connection(address)
        selector.register(caller, selectors.EVENT_READ)
        caller.sendall(REQUEST)
    sent = answered = count
    while answered < INVOCATIONS:
        ready = selector.select(PATIENCE) or sys.exit("the emulator has not answered")
        for key, _ in ready:
            answer = key.fileobj.recv(65536)
            if not answer.endswith(EVENT):
                sys.exit(f"the emulator has answered {answer}")
            answered += 1
            if sent < INVOCATIONS:
                key.fileobj.sendall(REQUEST)
                sent += 1
    for key in list(selector.get_map().values()):
        key.fileobj.close()


main(*sys.argv[1:])
