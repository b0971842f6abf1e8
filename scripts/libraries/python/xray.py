"""AWS's X-Ray SDK, with its patches of libraries."""

import sqlite3

from aws_xray_sdk.core import patch, xray_recorder
from aws_xray_sdk.core.lambda_launcher import LambdaContext

patch(["sqlite3"])
database = sqlite3.connect(":memory:")


def handler(event, context):
    kind = isinstance(xray_recorder.context, LambdaContext)
    with xray_recorder.in_subsegment("work") as subsegment:
        subsegment.put_annotation("order", 7)
        found = database.execute("select 1 + 1").fetchone()
        parent = xray_recorder.current_segment()
        return [kind, list(found), parent.trace_id, parent.id, bool(parent.sampled), subsegment.name]


@xray_recorder.capture("decorated")
def captured(event, context):
    return xray_recorder.current_subsegment().name
