SETTINGS = {"stage": "prod"}


def handler(event, context):
    return [__name__, __package__, SETTINGS]
