"""Runs handlers that are written with libraries under the bootstrap and under AWS's own client, and compares what they
answer, log, and tell X-Ray: `test_libraries_python.py EMULATOR BOOTSTRAP PYTHON [NAME...]`, where PYTHON has what
scripts/libraries/python/requirements.txt lists. Names are those of rows, to run these alone.
"""

import json
import os
import socket
import sys
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from emulated import TRACE_ID, Row, without_secrets
from test_python import compare
from test_rie import check

HANDLERS = Path(__file__).parent / "libraries" / "python"


@dataclass
class LibraryRow(Row):
    root: Path = HANDLERS
    # What must stand in the first answer, lest both fail alike.
    answers: str = ""
    segments: int = 0


def rest(method, path, body=None, query=None, **headers):
    return json.dumps({
        "resource": "/{proxy+}", "path": path, "httpMethod": method, "body": body, "isBase64Encoded": False,
        "headers": {"Host": "example.com", "X-Forwarded-Proto": "https", **headers},
        "multiValueHeaders": {"Host": ["example.com"], **{name: [value] for name, value in headers.items()}},
        "queryStringParameters": query, "multiValueQueryStringParameters": query and {name: [value] for name, value in query.items()},
        "pathParameters": {"proxy": path[1:]}, "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "stage": "prod", "path": f"/prod{path}", "httpMethod": method,
            "requestId": "the-request", "identity": {"sourceIp": "192.0.2.1", "userAgent": "test"}, "resourcePath": "/{proxy+}",
        },
    })  # fmt: skip


def http(method, path, body=None, query="", base64=False, **headers):
    return json.dumps({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "cookies": ["a=b"],
        "headers": {"host": "example.com", "x-forwarded-proto": "https", **headers}, "isBase64Encoded": base64,
        "queryStringParameters": dict(each.split("=") for each in query.split("&") if each), "body": body,
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "example.com", "stage": "$default", "requestId": "the-request",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
        },
    })  # fmt: skip


def sqs(*bodies):
    record = {"receiptHandle": "r", "attributes": {}, "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-west-1"}
    return json.dumps({"Records": [{**record, "messageId": str(number), "body": body} for number, body in enumerate(bodies)]})


JSON_TYPE = {"Content-Type": "application/json"}
TRACED = {"X-Amzn-Trace-Id": TRACE_ID}
WEB = [
    *(each("GET", "/hello/Ada") for each in (rest, http)),
    rest("GET", "/hello/é", query={"q": "a b"}),
    http("GET", "/hello/Ada", query="q=1"),
    rest("POST", "/items", '{"name":"a","price":1.5}', **JSON_TYPE),
    http("POST", "/items", b64encode(b'{"name":"a","price":1.5}').decode(), base64=True, **{"content-type": "application/json"}),
    http("POST", "/items", '{"name":1}', **{"content-type": "application/json"}),
    rest("GET", "/bytes"),
    rest("GET", "/missing"),
    http("GET", "/nowhere"),
]
WSGI = [event for event in WEB if '"GET", "/missing"' not in event]
ROWS = [
    LibraryRow("powertools.logs", events=[rest("GET", "/a"), rest("GET", "/b")], headers=TRACED, compares_log=True, answers="the-request"),
    LibraryRow("powertools.counts", events=["{}", "{}"], compares_log=True, answers="counted"),
    LibraryRow("powertools.traces", headers=TRACED, answers="42", segments=1),
    LibraryRow("powertools.rest", events=[rest("GET", "/hello/Ada", query={"q": "x"}), *(event for event in WEB if "/{proxy+}" in event)], answers="Ada"),
    LibraryRow("powertools.url", events=[http("GET", "/double/21"), http("GET", "/double/x"), http("GET", "/none")], answers="42"),
    LibraryRow("powertools.batch", events=[sqs('{"a":1}', '{"bad":1}', "{}"), sqs('{"bad":1}')], answers='"itemIdentifier": "1"'),
    LibraryRow("powertools.async_batch", events=[sqs('{"a":1}', '{"bad":1}', "{}"), sqs("{}")], answers='"itemIdentifier": "1"'),
    LibraryRow("powertools.parsed", events=['{"id":1,"items":["a"]}', '{"id":"x"}'], answers='"id": 1'),
    LibraryRow("powertools.data_class", events=[rest("GET", "/a", **{"x-a": "b"})], answers='"/a"'),
    LibraryRow("powertools.decorated", answers="middleware"),
    LibraryRow("powertools.fails", headers=TRACED, compares_log=True, answers="on purpose", segments=1),
    LibraryRow("xray.handler", events=["1", "2"], headers=TRACED, answers="1-5bef4de7-ad49b0e87f6ef6c87fc2e700", segments=2),
    LibraryRow("xray.captured", headers=TRACED, answers="decorated", segments=1),
    LibraryRow("asgi.handler", events=[*WEB, rest("GET", "/sync")], answers="Ada"),
    LibraryRow("asgi.without_lifespan", events=[*WEB, http("GET", "/sync"), http("GET", "/hello/again")], answers="Ada"),
    LibraryRow("asgi.failing", "asgi.without_lifespan", [http("GET", "/fails"), http("GET", "/hello/after")], answers="500"),
    LibraryRow("wsgi.apig", events=[*WSGI, rest("GET", "/fails")], answers="Ada"),
    LibraryRow("wsgi.serverless", events=[*WSGI, http("GET", "/fails")], answers="Ada"),
]


class Daemon:
    """What X-Ray's daemon would be sent."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)

    def take(self):
        """Trees of names, annotations and errors; ids and times are never the same. What was sent has come by then."""
        sent = []
        while True:
            try:
                sent.append(self.socket.recv(65536))
            except BlockingIOError:
                return sorted(json.dumps(tree(json.loads(each.split(b"\n", 1)[1]))) for each in sent)


def tree(segment):
    kept = {name: segment[name] for name in ("name", "annotations", "metadata", "fault", "trace_id") if name in segment}
    kept["is_outer"] = segment.get("parent_id", "") in TRACE_ID
    return without_secrets(json.dumps(kept, sort_keys=True)), [tree(each) for each in segment.get("subsegments", [])]


def main(emulator, bootstrap, python, *names):
    daemon = Daemon()
    os.environ["AWS_XRAY_DAEMON_ADDRESS"] = "127.0.0.1:%d" % daemon.socket.getsockname()[1]
    os.environ["AWS_REGION"] = "eu-west-1"
    rows = [row for row in ROWS if not names or row.name in names]
    for row in rows:
        replies = compare(emulator, bootstrap, python, row)
        check(f"{row.name}: {row.answers} in {replies[0]}", row.answers in json.dumps(replies[0]).replace("\\", ""), True)
        sent = daemon.take()
        half = len(sent) // 2
        check(f"{row.name}: segments", (half >= row.segments, sorted(sent[::2])), (True, sorted(sent[1::2])))
    print(f"{len(rows)} passed, 0 failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
