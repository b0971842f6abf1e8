"""The context, looked at in every way."""

import os
import copy
import json

MEMBERS = """aws_request_id log_group_name log_stream_name function_name memory_limit_in_mb function_version
invoked_function_arn tenant_id""".split()


def members(event, context):
    return {name: getattr(context, name) for name in MEMBERS}


def types(event, context):
    return {name: type(getattr(context, name)).__name__ for name in MEMBERS}


def text(event, context):
    return repr(context)


def client_context(event, context):
    sent = context.client_context
    if sent is None:
        return None
    client = sent.client
    names = "installation_id app_title app_version_name app_version_code app_package_name".split()
    client = client and {name: getattr(client, name) for name in names}
    return {"custom": sent.custom, "env": sent.env, "client": client, "text": repr(sent), "w3c": context.w3c()}


def identity(event, context):
    who = context.identity
    return [type(who).__name__, who.cognito_identity_id, who.cognito_identity_pool_id, repr(who)]


def remaining_time(event, context):
    left_ms = context.get_remaining_time_in_millis()
    return [type(left_ms).__name__, 0 < left_ms <= 30000, context._epoch_deadline_time_in_ms > 1.7e12]


def absent(event, context):
    return [hasattr(context, "nothing"), getattr(context, "nothing", "default"), type(context).__name__]


def missing(event, context):
    return context.nothing


def own_members(event, context):
    """What middleware does."""
    context.user = {"name": "Ada"}
    context.function_name = "changed"
    return [context.user, context.function_name, "user" in vars(context), sorted(set(MEMBERS) - set(vars(context)))]


def trace_id(event, context):
    return os.environ.get("_X_AMZN_TRACE_ID")


def log(event, context):
    context.log("a line of its own\n")
    context.log({"not": "text"})
    context.log("\n")


def subscripts(event, context):
    sent = context.client_context
    return [context["function_name"], "nothing" in context, "tenant_id" in context, sent["custom"], context.trace_id == context["x_amzn_trace_id"]]


def copies(event, context):
    copied = copy.deepcopy(context)
    return [copied.aws_request_id == context.aws_request_id, json.dumps(vars(copied), default=repr) == json.dumps(vars(context), default=repr)]
