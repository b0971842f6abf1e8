#!/usr/bin/env bash
# Measures what the tests of lambwire reach of it, names what they do not, and fails when that is too much.
set -euo pipefail
cd "$(dirname "$0")/.."

LLVM=22

scripts/install.sh coverage "llvm-$LLVM"
export PATH=$PWD/.tools/bin:$PATH
# Debian's LLVM reads what rustc's writes; the flags of branches are unstable, and a stable compiler has to be made to
# take them.
export CARGO_LLVM_COV_SETUP=no RUSTC_BOOTSTRAP=1
export LLVM_COV=/usr/bin/llvm-cov-$LLVM LLVM_PROFDATA=/usr/bin/llvm-profdata-$LLVM
json=${CARGO_TARGET_DIR:-target}/coverage.json
cargo llvm-cov --quiet --branch -p lambwire --lib --test it --json --output-path "$json"
python3 scripts/coverage.py "$json"
