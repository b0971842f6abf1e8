#!/usr/bin/env bash
# Runs PSGI applications on Plack under the bootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh perl plack python3
cargo build -q --release -p bootstrap -p lambwire-emulator
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")
python3 scripts/test_libraries_perl.py "$target/lambwire-emulator" "$target/bootstrap"
