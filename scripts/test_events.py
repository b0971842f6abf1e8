"""Hands events that others have published to a handler in each language that answers with what it is given, and compares
value for value: `test_events.py EMULATOR BOOTSTRAP EVENTS`, where EVENTS has the fixtures of the crate aws_lambda_events in
`crate` and the sample events of aws-sam-cli in `sam`.

A value that cannot survive in a language is said in LOST, and in docs/languages.md.
"""

import base64
import json
import os
import re
import sys
import tempfile
import threading
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from test_languages import Emulator
from test_rie import check

HANDLERS = {
    "php": "<?php\nfunction handler($event) { return $event; }\n",
    "php_objects.php": "<?php\nfunction handler(stdClass|array|string|int|float|bool|null $event) { return $event; }\n",
    "perl.pl": "sub handler { return shift }\n1;\n",
    "python.py": "def handler(event, context): return event\n",
    "node.mjs": "export const handler = async (event) => event;\n",
    "ruby.rb": "def handler(event:, context:) = event\n",
    "lua.lua": "function handler(event) return event end\n",
    "sh.sh": "handler() { printf '%s' \"$1\"; }\n",
}
HANDLERS["php.php"] = HANDLERS.pop("php")

# Values that none of the published events has, and every language meets.
OWN = {
    "empty": '{"object":{},"array":[],"text":"","null":null,"nested":{"a":[{},[],[[]],[{}]]}}',
    "numbers": '[0,-1,2147483648,9007199254740991,9007199254740993,9223372036854775807,-9223372036854775808,1.5,0.1,1e21,1.0,-0.0]',
    "digits": "[123456789012345678901234567890,0.1234567890123456789,3.141592653589793238]",
    "texts": json.dumps(["é", "😀", "\u2028", "\0", "\x7f", "\x01", "\ud7ff", "\ufeff", "a/b", "\\", '"', "</script>", "1", "true", "null"]),
    "escapes": r'["\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\"]',
    "keys": '{"":1,"0":2,"1":3,"a b":4,"é":5,"__proto__":6,"constructor":7,"-1":8,"01":9,"1.0":10,"true":11}',
    "list_of_keys": '{"0":"a","1":"b","2":"c"}',
    "order": '{"b":1,"a":2,"c":3}',
    "scalars": '[true,false,null,[true],[false],[null],"true",0,"0",""]',
    "holes": "[null,1,null,null,2,null]",
}

DOUBLE = (r"own digits: ", "a fraction is a double, which has 17 digits")
# For each language, differences that are expected, as `main` prints them, and why.
LOST = {
    "php": [
        (r": \[\] for {}$", "an event is of arrays, and an empty one is a list"),
        (r"own list_of_keys: ", "an array with the keys 0 to n is a list"),
        DOUBLE,
    ],
    "php_objects": [DOUBLE],
    "perl": [(r"own numbers: .*\"-9223372036854775808\"", "JSON::XS, where it is installed, makes it text"), DOUBLE],
    "python": [DOUBLE],
    "node": [(r"own numbers: ", "every number is a double: integers have 53 bits"), DOUBLE],
    "ruby": [DOUBLE],
    "lua": [DOUBLE],
}


def crate_events(place):
    return {f"crate {path.stem}": path.read_text() for path in sorted((place / "crate").glob("*.json"))}


def sam_events(place):
    """Its templates, with what they are given by default."""
    mapping = json.loads((place / "sam" / "event-mapping.json").read_text())
    events = {}
    for service, kinds in mapping.items():
        for kind, entry in kinds.items():
            if isinstance(entry, dict):
                text = (place / "sam" / "events" / service / f"{entry['filename']}.json").read_text()
                values = dict(values_of(entry.get("tags", {})))
                for name, tag in entry.get("tags", {}).items():
                    if tag.get("type") == "dict":
                        text = text.replace(f'"{{{{{{{name}}}}}}}"', tag["default"])
                events[f"sam {service} {kind}"] = re.sub(r"\{\{\{?&?(\w+)\}?\}\}", lambda tag: values.get(tag[1], tag[1]), text)
    return events


def values_of(tags, inherited=""):
    for name, entry in tags.items():
        value = entry.get("default", inherited)
        encoded = {"url": quote, "base64": lambda text: base64.b64encode(text.encode()).decode()}.get(entry.get("encoding"), str)
        yield name, encoded(value)
        yield from values_of(entry.get("children", {}), value)


def value(text):
    return json.loads(text, parse_float=Decimal)


def differences(sent, got, where="$"):
    """Places at which a value is not the one that was sent. Numbers are equal by value: 1.0 is 1."""
    is_number = [isinstance(each, (int, Decimal)) and not isinstance(each, bool) for each in (sent, got)]
    if all(is_number):
        return [] if sent == got else [f"{where}: {got} for {sent}"]
    if type(sent) is not type(got):
        return [f"{where}: {json.dumps(got, default=str)[:60]} for {json.dumps(sent, default=str)[:60]}"]
    if isinstance(sent, dict):
        missing = [f"{where}: {name!r} is not there" for name in sent if name not in got]
        added = [f"{where}: {name!r} is new" for name in got if name not in sent]
        both = (differences(sent[name], got[name], f"{where}.{name}") for name in sent if name in got)
        return [*missing, *added, *(each for some in both for each in some)]
    if isinstance(sent, list):
        counts = [] if len(sent) == len(got) else [f"{where}: {len(got)} elements for {len(sent)}"]
        both = (differences(each, other, f"{where}[{at}]") for at, (each, other) in enumerate(zip(sent, got)))
        return [*counts, *(each for some in both for each in some)]
    return [] if sent == got else [f"{where}: {got!r:.60} for {sent!r:.60}"]


def main(emulator, bootstrap, place, *languages):
    events = {**crate_events(Path(place)), **sam_events(Path(place))}
    published = len(events)
    events.update((f"own {name}", text) for name, text in OWN.items())
    with tempfile.TemporaryDirectory() as root:
        os.environ["LAMBDA_TASK_ROOT"] = root
        for name, text in HANDLERS.items():
            Path(root, name).write_text(text)
        for name in HANDLERS:
            language = name.split(".")[0]
            if languages and language not in languages:
                continue
            known = 0
            with Emulator(emulator, bootstrap, f"{language}.handler") as running:
                # A pipe does not hold what the emulator prints of so many.
                threading.Thread(target=running.process.stdout.read, daemon=True).start()
                for event, text in events.items():
                    status, body = running.invoke(text.encode())
                    lost = [f"{event}: {each}" for each in differences(value(text), value(body))]
                    unexpected = [each for each in lost if not is_expected(language, each)]
                    known += len(lost) - len(unexpected)
                    check(f"{language}: differs from what was sent", unexpected, [])
            print(f"{language}: {published} published events and {len(OWN)} of our own ... ok, {known} values differ as documented", flush=True)
    print(f"{len(events) * len(languages or HANDLERS)} passed, 0 failed")


def is_expected(language, difference):
    return any(re.search(pattern, difference) for pattern, _ in LOST.get(language, []))


if __name__ == "__main__":
    main(*sys.argv[1:])
