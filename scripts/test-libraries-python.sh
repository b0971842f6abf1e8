#!/usr/bin/env bash
# Runs handlers that are written with libraries of Python under the bootstrap and under AWS's own client.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh python3
cargo build -q --release -p bootstrap -p lambwire-emulator
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")
PYTHONPATH=$(scripts/pip.sh libraries -r "$PWD/scripts/libraries/python/requirements.txt") \
    python3 scripts/test_libraries_python.py "$target/lambwire-emulator" "$target/bootstrap" \
    "$(python3 -c 'import sys; print(sys.executable)')"
