#!/usr/bin/env bash
# moto 5.2.5 matches event patterns in another way than EventBridge: `true` and 1 are the same to it, as they are in Python, where
# AWS compares exactly; and no pattern sees into an object within an array, where AWS has an array match if one of its values
# does, and its published matcher, event-ruler, looks into such objects. A rule that is tested with moto takes other events in
# the cloud. Seen on 29 November 2026 with CPython 3.11.7, by the count of an archive, which takes what its pattern matches:
#
#     {"on": [true]} of {"on": true}: matched
#     {"on": [true]} of {"on": 1}: matched
#     {"items": {"id": ["b"]}} of {"items": {"id": ["a", "b"]}}: matched
#     {"items": {"id": ["b"]}} of {"items": [{"id": "a"}, {"id": "b"}]}: not matched
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$root" boto3==1.44.8 'moto[events]==5.2.5'
export AWS_DEFAULT_REGION=us-east-1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x
seen=$(PYTHONPATH=$root python3 -W ignore - <<'P'
import json

import boto3
from moto import mock_aws

CASES = [
    ({"on": [True]}, {"on": True}),
    ({"on": [True]}, {"on": 1}),
    ({"items": {"id": ["b"]}}, {"items": {"id": ["a", "b"]}}),
    ({"items": {"id": ["b"]}}, {"items": [{"id": "a"}, {"id": "b"}]}),
]
with mock_aws():
    events = boto3.client("events")
    bus = events.describe_event_bus()["Arn"]
    for number, (pattern, detail) in enumerate(CASES):
        archive = f"archive-{number}"
        events.create_archive(ArchiveName=archive, EventSourceArn=bus, EventPattern=json.dumps({"detail": pattern}))
        events.put_events(Entries=[{"Source": "test", "DetailType": "test", "Detail": json.dumps(detail)}])
        matched = events.describe_archive(ArchiveName=archive)["EventCount"]
        print(f"{json.dumps(pattern)} of {json.dumps(detail)}: {'matched' if matched else 'not matched'}")
P
)
echo "$seen"
[ "$seen" = '{"on": [true]} of {"on": true}: matched
{"on": [true]} of {"on": 1}: matched
{"items": {"id": ["b"]}} of {"items": {"id": ["a", "b"]}}: matched
{"items": {"id": ["b"]}} of {"items": [{"id": "a"}, {"id": "b"}]}: not matched' ] || { echo "this has changed" >&2; exit 1; }
