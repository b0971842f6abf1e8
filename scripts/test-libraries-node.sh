#!/usr/bin/env bash
# test-libraries-node.sh [HANDLER...]: runs libraries that make handlers in JavaScript, unchanged, under the bootstrap and
# under AWS's client. What is installed for it is kept in .tools/.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh node aws-lambda-ric
client=$(scripts/npm.sh aws-lambda-ric aws-lambda-ric@3.3.0)/node_modules/aws-lambda-ric
cargo build -q --release -p bootstrap -p lambwire-emulator
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")

place=.tools/libraries-node
mkdir -p "$place"
if ! cmp -s scripts/libraries/node/package-lock.json "$place/installed"; then
    cp scripts/libraries/node/package.json scripts/libraries/node/package-lock.json "$place"
    npm ci --silent --no-audit --no-fund --ignore-scripts --prefix "$place" >&2
    cp scripts/libraries/node/package-lock.json "$place/installed"
fi
cp scripts/libraries/node/handlers/* "$place"
python3 scripts/test_libraries_node.py "$target/lambwire-emulator" "$target/bootstrap" "$client" "$place" "$@"
