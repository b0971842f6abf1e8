"""Runs PSGI applications on Plack under the bootstrap: `test_libraries_perl.py EMULATOR BOOTSTRAP`. What is answered is compared
with what the application says: AWS's own client for Perl there is none, and AWS::Lambda is on CPAN alone.
"""

import json
import os
import sys
from base64 import b64decode, b64encode
from pathlib import Path

from emulated import Emulated
from test_rie import check

HANDLERS = Path(__file__).parent / "libraries" / "perl"
PLAIN = {"Content-Type": "text/plain"}


def request(path, method="GET", body=None, query=""):
    """An event of a function URL."""
    headers = {"host": "example.com", "content-type": "application/octet-stream"}
    event = {"rawPath": path, "rawQueryString": query, "headers": headers, "requestContext": {"http": {"method": method}}}
    return json.dumps({**event, "body": body and b64encode(body).decode(), "isBase64Encoded": body is not None})


# An event, and the status, some headers and the body of its answer.
ANSWERS = [
    (request("/hello/there", query="name=Ada"), 200, {"X-Path": "/there"}, b"Hello Ada"),
    (request("/echo", "POST", b"\0\xff\n"), 201, {"Content-Type": "application/octet-stream"}, b"\0\xff\n"),
    (request("/bytes"), 200, {"Content-Type": "image/png"}, b"\0\xff\x7f"),
    (request("/none"), 404, {}, b"Not Found"),
]
STREAMED = [
    *ANSWERS,
    (request("/delayed"), 202, PLAIN, b"delayed"),
    (request("/stream"), 200, PLAIN, b"one two three\xff"),
]


def parts(handler, reply):
    body = reply["body"].encode("latin-1")
    if handler == "psgi.buffered":
        answer = json.loads(body)
        return answer["statusCode"], answer["headers"], b64decode(answer["body"])
    prelude, _, rest = body.partition(bytes(8))
    return json.loads(prelude)["statusCode"], json.loads(prelude)["headers"], rest


def main(emulator, bootstrap):
    emulator, bootstrap = map(os.path.abspath, (emulator, bootstrap))
    for handler, answers in {"psgi.buffered": ANSWERS, "psgi.streamed": STREAMED}.items():
        with Emulated(emulator, [bootstrap, handler], handler, {}, HANDLERS) as running:
            for event, status, headers, body in answers * 2:
                found, seen, rest = parts(handler, running.invoke(event, {}))
                check(f"{handler}: {event}", (found, {**seen, **headers} == seen, rest), (status, True, body))
            failed = running.invoke(request("/fails"), {})
            check(f"{handler} fails", (failed["error"], "in a route" in json.dumps(failed["body"])), (True, True))
        print(f"{handler}: {2 * len(answers) + 1} events ... as the application has it", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
