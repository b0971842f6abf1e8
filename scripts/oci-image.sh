#!/usr/bin/env bash
# Builds the image that other images take the bootstrap from: it and the emulator, and nothing else, as an OCI layout.
# Tries it, and prints where it is.
set -euo pipefail
cd "$(dirname "$0")/.."

bootstrap=$(scripts/image.sh x86_64 bootstrap)
emulator=$(scripts/image.sh x86_64 lambwire-emulator profiled)
layout=${CARGO_TARGET_DIR:-target}/bootstrap-image
rm -rf "$layout"
python3 scripts/oci_image.py "$layout" lambwire/bootstrap "amd64=$bootstrap,$emulator"
python3 scripts/test_oci_image.py "$layout" "$bootstrap" "$emulator" >&2
echo "$layout"
