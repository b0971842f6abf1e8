#!/usr/bin/env bash
# Runs handlers in every language, well and ill, on AWS's emulator and on ours.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh php perl python3 node ruby lua aws-lambda-ric
cargo build -q --release -p bootstrap -p lambwire-emulator
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")
python3 scripts/test_languages.py "$(scripts/rie.sh)" "$target/lambwire-emulator" "$target/bootstrap"
PYTHONPATH=$(scripts/pip.sh awslambdaric awslambdaric==4.2.2) \
    python3 scripts/test_python.py "$target/lambwire-emulator" "$target/bootstrap" "$(python3 -c 'import sys; print(sys.executable)')"
python3 scripts/test_node.py "$target/lambwire-emulator" "$target/bootstrap" \
    "$(scripts/npm.sh aws-lambda-ric aws-lambda-ric@3.3.0)/node_modules/aws-lambda-ric"
