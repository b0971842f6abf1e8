#!/usr/bin/env bash
# AWS's runtime clients, extensions and SDKs, from their registries, on the emulator. Debian 12 has no aws-lambda-go.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh curl python3 node aws-lambda-ric
target=$(realpath "${CARGO_TARGET_DIR:-target}")
cargo build -q -p lambwire-emulator
cargo build -q --locked --manifest-path conformance/peers/Cargo.toml --target-dir "$target/peers" --bin lambda_runtime
cargo build -q --locked --manifest-path scripts/clients/Cargo.toml --target-dir "$target/clients"
sdk=$(scripts/pip.sh boto3 boto3==1.44.8)
client=$(scripts/pip.sh awslambdaric awslambdaric==4.2.2)
PYTHONPATH=$sdk:$client timeout 3600 python3 scripts/test_clients.py "$target/debug/lambwire-emulator" \
    "$(scripts/pip.sh awscli awscli==1.45.11)" \
    "$(scripts/npm.sh clients aws-lambda-ric@4.0.2 @aws-sdk/client-lambda@3.1164.0)/node_modules" \
    "$target/peers/debug/lambda_runtime" "$target/clients/debug"
