#!/usr/bin/env bash
# Runs handlers in every language, well and ill, on AWS's emulator and on ours.
set -euo pipefail
cd "$(dirname "$0")/.."

# What AWS's newer client for Node runs by; npm has its program.
NODE_24=24.11.1

scripts/install.sh php perl python3 node ruby lua aws-lambda-ric
cargo build -q --release -p bootstrap -p lambwire-emulator
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")
python3 scripts/test_languages.py "$(scripts/rie.sh)" "$target/lambwire-emulator" "$target/bootstrap"
python3 scripts/test_first_process.py "$target/bootstrap"
python3 scripts/test_inherited.py "$target/bootstrap" python node php perl ruby lua sh
python3 scripts/test_sigterm.py "$target/bootstrap" 8 python node php perl ruby lua sh
PYTHONPATH=$(scripts/pip.sh awslambdaric awslambdaric==4.2.2) \
    python3 scripts/test_python.py "$target/lambwire-emulator" "$target/bootstrap" "$(python3 -c 'import sys; print(sys.executable)')"
python3 scripts/test_node.py "$target/lambwire-emulator" "$target/bootstrap" \
    "$(scripts/npm.sh aws-lambda-ric aws-lambda-ric@3.3.0)/node_modules/aws-lambda-ric/bin/index.mjs" \
    "$(scripts/npm.sh aws-lambda-ric-4 aws-lambda-ric@4.0.2)/node_modules/aws-lambda-ric/index.mjs" \
    "$(scripts/npm.sh node-24 "node@$NODE_24")/node_modules/node/bin/node"
