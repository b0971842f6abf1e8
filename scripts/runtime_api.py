"""Lambda's end of a connection that a runtime, or an extension, has opened."""

import re
import time


class Connection:
    def __init__(self, listener, patience_s):
        """Accepts one. Whatever the peer does is given up after so many seconds."""
        self.patience_s = patience_s
        listener.settimeout(patience_s)
        self.socket, _ = listener.accept()
        self.socket.settimeout(patience_s)
        self.got = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self):
        """The first line of the next request, and its body. Several may come at once."""
        while b"\r\n\r\n" not in self.got:
            self.receive()
        head, self.got = self.got.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)content-length: (\d+)", head)
        length = int(length[1]) if length else 0
        while len(self.got) < length:
            self.receive()
        body, self.got = self.got[:length], self.got[length:]
        return head.split(b"\r\n")[0].decode(), body

    def receive(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise AssertionError(f"the peer hung up, behind {self.got}")
        self.got += piece

    def give(self, request_id, event):
        """Gives out an event, once it is asked for."""
        line, _ = self.request()
        if line != "GET /2018-06-01/runtime/invocation/next HTTP/1.1":
            raise AssertionError(f"asked for {line}")
        deadline = int(time.time() * 1000) + self.patience_s * 1000
        self.reply("200 OK", [f"Lambda-Runtime-Aws-Request-Id: {request_id}", f"Lambda-Runtime-Deadline-Ms: {deadline}"], event)

    def answer(self, request_id, event):
        """What comes back of an event: the path behind `invocation/`, and the body."""
        self.give(request_id, event)
        line, body = self.request()
        self.reply("202 Accepted", [], b"")
        return line.split(" ")[1].removeprefix("/2018-06-01/runtime/invocation/"), body

    def reply(self, status, headers, body):
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        self.socket.sendall("\r\n".join(lines).encode() + body)
