"""What is there to import, and from where."""

import os
import sys


def path(event, context):
    return [sys.path[0] == os.environ["LAMBDA_TASK_ROOT"], sys.path.count(sys.path[0]), "" in sys.path, __name__, __file__]


def modules_of_ours(event, context):
    """There is none, and `__main__` is what Python makes it."""
    return [name for name in sys.modules if "lambwire" in name]


def environment(event, context):
    return [name for name in os.environ if name.startswith("LAMBWIRE")]


def working_directory(event, context):
    return os.getcwd() == os.environ["LAMBDA_TASK_ROOT"]


def standard_library(event, context):
    import json, logging, asyncio, decimal, traceback, inspect

    return [json.loads("1"), logging.WARNING, asyncio.run(asyncio.sleep(0, "slept")), str(decimal.Decimal("1.0"))]
