# What a handler finds that looks into its context. A part of worker.py, which has it compiled when somebody needs it.
BAD_CONTEXT = "Runtime.LambdaContextUnmarshalError"
IDENTITY = {"cognitoIdentityId": "cognito_identity_id", "cognitoIdentityPoolId": "cognito_identity_pool_id"}


class ClientContext(Members):
    __slots__ = TOLD = ("custom", "env", "client")


class Client(Members):
    __slots__ = TOLD = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")


class CognitoIdentity(Members):
    __slots__ = TOLD = ("cognito_identity_id", "cognito_identity_pool_id")


def read_context(line):
    try:
        fields = decode(line)
    except Exception as error:
        raise Fault(BAD_CONTEXT, "Unable to parse Client Context JSON: %s" % error) from None
    client_context, identity = fields["client_context"], fields["identity"]
    fields["_epoch_deadline_time_in_ms"] = fields["deadline_ms"] or 0
    fields["_w3c_fields"] = {}
    if client_context is not None:
        w3c = fields_of(client_context, "Client Context").pop("w3c", None)
        if isinstance(w3c, dict):
            texts = {name: w3c.get(name) for name in ("traceparent", "tracestate", "baggage")}
            fields["_w3c_fields"] = {name: text for name, text in texts.items() if isinstance(text, str)}
        fields["client_context"] = read_members(ClientContext(), client_context)
        client = client_context.get("client")
        if client is not None:
            fields["client_context"].client = read_members(Client(), fields_of(client, "Client Context"))
    identity = {} if identity is None else fields_of(identity, "Cognito Identity")
    fields["identity"] = read_members(CognitoIdentity(), {IDENTITY.get(name): value for name, value in identity.items()})
    return fields


def read_members(members, fields):
    for name in members.TOLD:
        setattr(members, name, fields.get(name))
    return members


def fields_of(value, what):
    if isinstance(value, dict):
        return value
    message = "Unable to parse %s JSON: it is no object, but of type %s" % (what, type(value).__name__)
    raise Fault(BAD_CONTEXT, message)
