#!/usr/bin/env bash
# awslambdaric 4.2.2 changes the level of a log record while it writes it as JSON: one of 25, such as the NOTICE or SUCCESS that many
# programs add, becomes 20, INFO, both in the line and in the record itself, which handlers share: one behind it that takes 25
# and more is not called. What `stack_info` has asked for is not in the line. The formatter of the standard library leaves a
# record's level alone. Seen on 29 November 2026 with CPython 3.11.7, a handler of one's own behind the one that the client sets up:
#
#     JSON: NOTICE is INFO, without a stack
#     a handler of 25 and more behind it: nothing
#     the same handler alone: 25 NOTICE
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$root" awslambdaric==4.2.2
seen=$(PYTHONPATH=$root python3 - <<'P'
import io
import json
import logging

from awslambdaric.lambda_runtime_log_utils import JsonFormatter


def handler(formatter, level=logging.NOTSET):
    made = logging.StreamHandler(io.StringIO())
    made.setFormatter(formatter)
    made.setLevel(level)
    return made


def log(*handlers):
    logger = logging.Logger("app")
    for one in handlers:
        logger.addHandler(one)
    logger.log(25, "note", stack_info=True)
    return [one.stream.getvalue() for one in handlers]


logging.addLevelName(25, "NOTICE")
own = logging.Formatter("%(levelno)s %(levelname)s")
line, behind = log(handler(JsonFormatter()), handler(own, 25))
(alone,) = log(handler(own, 25))
stack = "with" if "Stack" in line else "without"
print(f"JSON: NOTICE is {json.loads(line)['level']}, {stack} a stack")
print("a handler of 25 and more behind it:", behind or "nothing")
print("the same handler alone:", alone.splitlines()[0])
P
)
echo "$seen"
[ "$seen" = 'JSON: NOTICE is INFO, without a stack
a handler of 25 and more behind it: nothing
the same handler alone: 25 NOTICE' ] || { echo "this has changed" >&2; exit 1; }
