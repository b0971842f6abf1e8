import sys

from . import SETTINGS
from .secrets import KEY


def handler(event, context):
    import secrets

    own = [path for path in sys.path if path.endswith("pkg")]
    return [__name__, "pkg" in sys.modules, own, SETTINGS, KEY, len(secrets.token_hex(2))]
