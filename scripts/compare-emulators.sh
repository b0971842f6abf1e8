#!/usr/bin/env bash
# compare-emulators.sh [--write]: asks our emulator, AWS's, cargo-lambda and SAM the same, and compares the answers with the
# table of docs/emulator.md; or writes it.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh curl python3
cargo build -q -p lambwire-emulator -p bootstrap
target=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
timeout 1800 python3 scripts/compare_emulators.py "$target/lambwire-emulator" "$target/bootstrap" "$(scripts/rie.sh)" \
    "$(scripts/cargo-lambda.sh)" "$(scripts/pip.sh sam aws-sam-cli==1.170.0)" "$@"
