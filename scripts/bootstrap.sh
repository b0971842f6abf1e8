#!/usr/bin/env bash
# bootstrap.sh BYTES: builds the bootstrap for x86_64 and aarch64, checks that each is static and no larger, starts alone,
# and answers.
set -euo pipefail
cd "$(dirname "$0")/.."

# It uses more of the standard library of rustup than others do.
export RUSTUP_BYTES=388000
scripts/static.sh "bootstrap:$1"
scripts/answers.sh "$(scripts/image.sh x86_64 bootstrap)"

scripts/install.sh musl-aarch64
foreign=$(scripts/image.sh aarch64 bootstrap)
RUNNER=$(command -v qemu-aarch64-static)
export RUNNER
scripts/static.sh "$foreign:$1"
scripts/answers.sh "$foreign"
