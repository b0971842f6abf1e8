#!/usr/bin/env bash
# Prints the path of the cargo-lambda executable, out of its wheel.
set -euo pipefail
exec "$(dirname "$0")/wheel.sh" cargo-lambda==1.9.2 cargo_lambda-1.9.2.data/scripts/cargo-lambda \
    1e1ec19ded407865a1491db3f5e7ef8a1f3b0ac9a78b199e743384ca8916b53b
