#!/usr/bin/env bash
# simplejson 4.3.0 refuses to read what it writes: `dumps` with `allow_nan=True` writes NaN, and `loads`, which takes an
# `allow_nan` of its own since 4.0, raises JSONDecodeError. awslambdaric 4.2.2 writes results with it, and reads events
# without: what one function answers, another cannot be given. Python's own `json` reads what it writes. Seen on 29
# November 2026 with CPython 3.11.7:
#
#     awslambdaric writes {"mean": NaN}
#     awslambdaric reads it: Runtime.UnmarshalError
#     json reads it: {'mean': nan}
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$root" \
    awslambdaric==4.2.2 simplejson==4.3.0
seen=$(PYTHONPATH=$root python3 - <<'P'
import json

from awslambdaric.lambda_runtime_exception import FaultException
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

text, _ = LambdaMarshaller().marshal_response({"mean": float("nan")})
print("awslambdaric writes", text)
try:
    print("awslambdaric reads it:", LambdaMarshaller().unmarshal_request(text))
except FaultException as error:
    print("awslambdaric reads it:", error.exception_type)
print("json reads it:", json.loads(text))
P
)
echo "$seen"
[ "$seen" = "awslambdaric writes {\"mean\": NaN}
awslambdaric reads it: Runtime.UnmarshalError
json reads it: {'mean': nan}" ] || { echo "this has changed" >&2; exit 1; }
