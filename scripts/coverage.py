"""Judges what llvm-cov measured, and names the lines that no test reaches: `coverage.py JSON`."""

import json
import os
import sys

# Per cent that the tests have to reach at least.
LEAST = {"lines": 98, "branches": 96}


def main(path):
    with open(path) as file:
        measured = json.load(file)["data"][0]
    for file in measured["files"]:
        if missed := missed_lines(file):
            print(f"coverage: {os.path.relpath(file['filename'])}: not reached: {', '.join(map(str, missed))}")
    low = 0
    for what, least in LEAST.items():
        total = measured["totals"][what]
        is_low = total["percent"] < least
        low += is_low
        print(f"coverage: {total['covered']} of {total['count']} {what}: {total['percent']:.2f} % of {least} % ... "
              f"{'TOO LOW' if is_low else 'ok'}")
    print(f"{len(LEAST) - low} passed, {low} failed")
    sys.exit(low > 0)


def missed_lines(file):
    """Lines on which code begins that was not run in any instance of it."""
    reached = {}
    for line, _, count, has_count, is_entry, is_gap in file["segments"]:
        if has_count and is_entry and not is_gap:
            reached[line] = max(count, reached.get(line, 0))
    return sorted(line for line, count in reached.items() if count == 0)


if __name__ == "__main__":
    main(sys.argv[1])
