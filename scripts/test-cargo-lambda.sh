#!/usr/bin/env bash
# Runs a function on the Runtime API of `cargo lambda watch`, which PyPI has in a wheel.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build -q --release -p hello
python3 scripts/test_cargo_lambda.py "$(scripts/cargo-lambda.sh)" "$(realpath "${CARGO_TARGET_DIR:-target}/release/hello")"
