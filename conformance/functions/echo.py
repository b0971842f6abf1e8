"""The kit's function in Python: for awslambdaric, and for the bootstrap."""

import os
import signal
import sys

if os.environ.get("CONFORMANCE_INIT") == "fail":
    raise RuntimeError("asked to fail at the start")
if os.environ.get("CONFORMANCE_SIGTERM") == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def handler(event, context):
    order = event if isinstance(event, dict) else {}
    if "stream" in order:
        return pieces(order)
    if "fail" in order:
        raise RuntimeError(order["fail"])
    if "size" in order:
        return "x" * (order["size"] - 2)
    if "context" in order:
        return described(context)
    return event


def pieces(order):
    for piece in order["stream"]:
        yield piece
    if "fail" in order:
        raise RuntimeError(order["fail"])


def described(context):
    client = getattr(context, "client_context", None)
    custom = client.get("custom") if isinstance(client, dict) else getattr(client, "custom", None)
    identity = getattr(context, "identity", None)
    if not isinstance(identity, dict):
        identity = {"cognitoIdentityId": getattr(identity, "cognito_identity_id", None)}
    return {
        "requestId": context.aws_request_id,
        "functionArn": context.invoked_function_arn,
        "remainingMs": context.get_remaining_time_in_millis(),
        "traceId": os.environ.get("_X_AMZN_TRACE_ID"),
        "custom": custom,
        "cognitoIdentityId": identity.get("cognitoIdentityId"),
        "tenantId": getattr(context, "tenant_id", None),
    }
