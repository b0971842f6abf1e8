#!/usr/bin/env bash
# Powertools for Python 3.37.0 writes a Decimal as text, and as a number where it validates: one handler answers
# {"price":"1.10"} or {"price":1.1}, by `enable_validation`. Its encoder calls itself similar to the serializer that Lambda uses
# internally, and awslambdaric 4.2.2 writes the number, digit by digit. boto3 gives every number of DynamoDB as a Decimal: who
# moves such a handler to an event handler, or turns validation on, changes the type of all of them. Seen on 29 November 2026 with
# CPython 3.11.7:
#
#     awslambdaric: {"price": 1.10}
#     Powertools: {"price":"1.10"}
#     Powertools, validating: {"price":1.1}
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$root" \
    awslambdaric==4.2.2 'aws-lambda-powertools[parser]==3.37.0'
seen=$(PYTHONPATH=$root python3 - <<'P'
from decimal import Decimal

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

EVENT = {"version": "2.0", "rawPath": "/", "headers": {}, "requestContext": {"http": {"method": "GET"}, "stage": "$default"}}


def item():
    return {"price": Decimal("1.10")}


def answer(**options):
    app = APIGatewayHttpResolver(**options)
    app.get("/")(item)
    return app.resolve(EVENT, None)["body"]


print("awslambdaric:", LambdaMarshaller().marshal_response(item())[0])
print("Powertools:", answer())
print("Powertools, validating:", answer(enable_validation=True))
P
)
echo "$seen"
[ "$seen" = 'awslambdaric: {"price": 1.10}
Powertools: {"price":"1.10"}
Powertools, validating: {"price":1.1}' ] || { echo "this has changed" >&2; exit 1; }
