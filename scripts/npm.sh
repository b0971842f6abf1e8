#!/usr/bin/env bash
# npm.sh NAME PACKAGE@VERSION...: prints the path of a directory in .tools/ that has these packages of npm in its
# node_modules/.
set -euo pipefail
cd "$(dirname "$0")/.."

name=$1
shift
kept=$PWD/.tools/npm-$name
wanted=$(printf '%s\n' "$(node --version)" "$@")

if [ "$(cat "$kept/installed" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$kept"
    mkdir -p "$kept"
    npm install --silent --no-audit --no-fund --no-package-lock --prefix "$kept" "$@" >&2
    echo "$wanted" >"$kept/installed"
fi
echo "$kept"
