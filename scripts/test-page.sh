#!/usr/bin/env bash
# test-page.sh [SCREENSHOT]: drives the emulator's page in Debian's Chromium, and keeps a picture of it, in WebP
# (docs/emulator-page.webp is one).
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh chromium python3
cargo build -q -p lambwire-emulator
PYTHONPATH=$(scripts/pip.sh selenium selenium==4.51.0) \
    timeout 3600 python3 scripts/test_page.py "${CARGO_TARGET_DIR:-target}/debug/lambwire-emulator" "$@"
