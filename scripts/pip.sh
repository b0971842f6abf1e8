#!/usr/bin/env bash
# pip.sh NAME PACKAGE==VERSION...: prints the path of a directory in .tools/ that these packages of PyPI are installed in,
# for PYTHONPATH. `-r FILE` for a list of them works, too.
set -euo pipefail
cd "$(dirname "$0")/.."

name=$1
shift
kept=$PWD/.tools/pip-$name
wanted=$(printf '%s\n' "$(python3 --version)" "$@"; for each in "$@"; do [ ! -f "$each" ] || cat "$each"; done)

if [ "$(cat "$kept/installed" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$kept"
    mkdir -p "$kept"
    python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --target "$kept" "$@" >&2
    echo "$wanted" >"$kept/installed"
fi
echo "$kept"
