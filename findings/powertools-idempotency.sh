#!/usr/bin/env bash
# A function that is idempotent by Powertools for Python 3.37.0 answers a repeated event with null where its first answer was
# false, 0, "", [] or {}: what counts as false in Python is stored as None. A Decimal comes back as text, and a named tuple, which
# awslambdaric 4.2.2 writes as an object, as an array. Its documentation has idempotent operations return the same result when they
# are called again. Who retries after a lost answer reads another one. Seen on 29 November 2026 with CPython 3.11.7:
#
#     false, then null
#     0, then null
#     [], then null
#     5, then "5"
#     {"x": 1, "y": 2}, then [1, 2]
#     "text", then "text"
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$root" \
    awslambdaric==4.2.2 aws-lambda-powertools==3.37.0 boto3==1.44.8 'moto[dynamodb]==5.2.5'
export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x
seen=$(PYTHONPATH=$root python3 -W ignore - <<'P'
from collections import namedtuple
from decimal import Decimal

import boto3
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, idempotent
from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller
from moto import mock_aws

Spot = namedtuple("Spot", "x y")


class Context:
    function_name = "f"

    def get_remaining_time_in_millis(self):
        return 10_000


with mock_aws():
    boto3.client("dynamodb").create_table(
        TableName="answers",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for value in [False, 0, [], Decimal("5"), Spot(1, 2), "text"]:

        @idempotent(persistence_store=DynamoDBPersistenceLayer(table_name="answers"))
        def handler(event, context):
            return value

        answers = [LambdaMarshaller().marshal_response(handler(repr(value), Context()))[0] for _ in range(2)]
        print(", then ".join(answers))
P
)
echo "$seen"
[ "$seen" = 'false, then null
0, then null
[], then null
5, then "5"
{"x": 1, "y": 2}, then [1, 2]
"text", then "text"' ] || { echo "this has changed" >&2; exit 1; }
