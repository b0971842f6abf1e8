"""Errors, one of each kind."""

import os
import signal
import sys


class OwnError(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code

    def __str__(self):
        return f"own code {self.code}"


class Interruption(BaseException):
    pass


def raised(event, context):
    raise ValueError("on purpose, é")


def without_message(event, context):
    raise LookupError


def key(event, context):
    return event["none"]


def own_class(event, context):
    raise OwnError(7)


def two_arguments(event, context):
    raise OSError(2, "No such file", "a/b")


def nested(event, context):
    def inner():
        return [1 // each for each in [0]][0]

    return (lambda: inner())()


def with_cause(event, context):
    try:
        {}["inner"]
    except KeyError as error:
        raise RuntimeError("outer") from error


def recursive(event, context):
    return recursive(event, context)


def evaluated(event, context):
    return eval("1 +")


def compiled(event, context):
    exec("def f():\n    raise ZeroDivisionError('in text')\nf()")


def in_library(event, context):
    import json

    return json.loads("{")


def wrong_parameters():
    pass


not_callable = 7


def exits(event, context):
    sys.exit(3)


def exits_at_once(event, context):
    os._exit(4)


def interrupted(event, context):
    raise KeyboardInterrupt


def killed(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def base_exception(event, context):
    raise Interruption("no Exception")


def unspeakable(event, context):
    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    raise Unspeakable
