"""Results, one of each kind."""

import collections
import decimal
import enum

Point = collections.namedtuple("Point", "x y")
Level = enum.IntEnum("Level", "LOW HIGH")


class Row:
    def _asdict(self):
        return {"column": 1}


def decimals(event, context):
    """What boto3 makes of DynamoDB's numbers."""
    return {name: decimal.Decimal(name) for name in ("12.50", "3", "1E+5", "-0", "NaN", "Infinity")}


def not_a_number(event, context):
    return {"mean": float("nan"), "all": [float("inf"), -float("inf")]}


def named_tuples(event, context):
    return [Point(1, Point("a", None)), (1, 2), Point(1, [Point(2, 3)])]


def named_tuple(event, context):
    return Point(1, 2)


def rows(event, context):
    return {"row": Row(), "all": [Row()]}


def whole_bytes(event, context):
    return b"\x00\xffnot JSON"


def bytes_within(event, context):
    return {"text": "é".encode(), b"key": [b"a"]}


def bytes_that_are_no_text(event, context):
    return {"text": b"\xff"}


def keys(event, context):
    return {1: "int", 2.5: "float", True: "true", None: "none", "s": "str"}


def tuple_keys(event, context):
    return {(1, 2): 3}


def subclasses(event, context):
    return [Level.HIGH, collections.OrderedDict(b=1, a=2), collections.defaultdict(int, n=1), type("Text", (str,), {})("text")]


def nothing(event, context):
    pass


def text(event, context):
    return 'é "quoted" \u2028 </script> 😀'


def text_of_json(event, context):
    return '{"a": 1}'


def long_texts(event, context):
    kinds = ["x", '"', "\\", "\n", "\0", "\x7f", "é", "\u2028", "😀"]
    texts = {f"{length} {number}": "x" * (length - 1) + kind for length in (4095, 4096, 4097) for number, kind in enumerate(kinds)}
    few = [{key: text, "more": [text, 1]} for key, text in texts.items()]
    return [*few, texts][event] if isinstance(event, int) else texts["4096 1"]


def lone_surrogate(event, context):
    return "\ud800"


def numbers(event, context):
    return [0, -0.0, 1e300, 0.1, 10**30, 2**63, True, 1.0, 1e16, 123456789012345678]


def sets(event, context):
    return {"all": {1, 2}}


def objects(event, context):
    return [object]


def circular(event, context):
    ring = {}
    ring["ring"] = ring
    return ring


def deep(event, context):
    nested = []
    for _ in range(5000):
        nested = [nested]
    return nested


def echo(event, context):
    return event


def kinds(event, context):
    return repr(event)
