#!/usr/bin/env bash
# Checks that a runtime's end of lambwire cannot panic: no call to one is left in a program that consists of it.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}/panic-free
export CARGO_PROFILE_BOOTSTRAP_STRIP=none CARGO_PROFILE_BOOTSTRAP_DEBUG=1
cargo build -q --profile bootstrap -p tiny --target-dir "$target"
python3 scripts/panic_free.py "$target/bootstrap/tiny"
