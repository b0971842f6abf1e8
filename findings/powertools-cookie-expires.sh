#!/usr/bin/env bash
# Powertools for Python 3.37.0 writes the `expires` of a Cookie as the time of its own zone and calls it GMT: midnight at +02:00,
# which is 22:00 GMT of the day before, becomes 00:00:00 GMT. East of Greenwich cookies live longer than they were given, west of
# it they end hours early, and one of less than the difference is never kept. The field takes a `datetime`, of which werkzeug
# 3.1.3 reads the zone. Seen on 29 November 2026 with CPython 3.11.7:
#
#     meant: Tue, 20 Oct 2026 22:00:00 GMT
#     werkzeug: Tue, 20 Oct 2026 22:00:00 GMT
#     Powertools: Wed, 21 Oct 2026 00:00:00 GMT
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$root" \
    aws-lambda-powertools==3.37.0 werkzeug==3.1.3
seen=$(PYTHONPATH=$root python3 - <<'P'
import re
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.shared.cookies import Cookie
from werkzeug.http import dump_cookie

EVENT = {"version": "2.0", "rawPath": "/", "headers": {}, "requestContext": {"http": {"method": "GET"}, "stage": "$default"}}
END = datetime(2026, 10, 21, tzinfo=timezone(timedelta(hours=2)))
app = APIGatewayHttpResolver()


@app.get("/")
def answer():
    return Response(200, "text/plain", "text", cookies=[Cookie("a", "1", expires=END)])


def expires(cookie):
    return re.search("Expires=([^;]*)", cookie)[1]


print("meant:", format_datetime(END.astimezone(timezone.utc), usegmt=True))
print("werkzeug:", expires(dump_cookie("a", "1", expires=END)))
print("Powertools:", expires(app.resolve(EVENT, None)["cookies"][0]))
P
)
echo "$seen"
[ "$seen" = 'meant: Tue, 20 Oct 2026 22:00:00 GMT
werkzeug: Tue, 20 Oct 2026 22:00:00 GMT
Powertools: Wed, 21 Oct 2026 00:00:00 GMT' ] || { echo "this has changed" >&2; exit 1; }
