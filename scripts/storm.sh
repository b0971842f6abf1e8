#!/usr/bin/env bash
# storm.sh [COUNT]: what the emulator bears, as it is published: functions that do every ill, silent callers, large events.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh python3
cargo build -q --release -p lambwire-emulator --example storm
# A connection is a file.
ulimit -n "$(ulimit -H -n)"
exec python3 scripts/storm.py "$(realpath "$(scripts/image.sh x86_64 lambwire-emulator)")" \
    "$(realpath "${CARGO_TARGET_DIR:-target}/release/examples/storm")" "${1:-10000}"
