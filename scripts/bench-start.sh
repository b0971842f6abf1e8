#!/usr/bin/env bash
# Measures how soon an emulator answers its first event: as it was built, as pip has installed it, and AWS's.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/build-wheel.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q target/wheels/*.whl
python3 scripts/bench_start.py "$(scripts/image.sh x86_64 lambwire-emulator profiled)" "$work/venv/bin/lambwire-emulator" \
    "$(scripts/rie.sh)" "$(scripts/image.sh x86_64 hello)"
