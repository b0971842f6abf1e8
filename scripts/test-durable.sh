#!/usr/bin/env bash
# A durable function in our bootstrap, run by AWS's local runner against our emulator.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh python3
cargo build -q -p lambwire-emulator -p bootstrap
target=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
PYTHONPATH=$(scripts/pip.sh durable aws-durable-execution-sdk-python-testing==1.4.0 aws-durable-execution-sdk-python==3.0.0 \
    boto3==1.44.8) timeout 3600 python3 scripts/test_durable.py "$target/lambwire-emulator" "$target/bootstrap"
