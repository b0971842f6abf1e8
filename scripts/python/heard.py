"""A function whose events extensions hear of: it prints, ends, or takes too long."""

import os
import time

if "FAILS" in os.environ:
    raise RuntimeError("it fails at the start")


def handler(event, context):
    if "exit" in event:
        os._exit(event["exit"])
    if "hang" in event:
        time.sleep(1000)
    print("printed", event["n"])
    return event
