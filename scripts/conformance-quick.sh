#!/usr/bin/env bash
# Our runtimes and our emulator hold every must of the conformance kit.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh python3
cargo build -q -p lambwire-conformance -p lambwire-emulator -p proxy -p hello --bins
cargo build -q -p lambwire-conformance --examples
target=$(realpath "${CARGO_TARGET_DIR:-target}/debug")
kit=$target/lambwire-conformance

"$kit" runtime --timeout 60 --name lambwire-mio -- "$target/examples/echo_mio"
"$kit" runtime --timeout 60 --name lambwire-smol --with concurrency -- "$target/examples/echo_smol"
"$kit" server --timeout 60 --name lambwire-emulator -- \
    "$target/lambwire-emulator" --listen '127.0.0.1:{port}' --timeout '{timeout}' -- '{bootstrap}'
"$kit" server --timeout 60 --name "lambwire-emulator, SnapStart" --with restore --only 27 -- \
    "$target/lambwire-emulator" --snap-start --listen '127.0.0.1:{port}' --timeout '{timeout}' -- '{bootstrap}'
"$kit" server --timeout 60 --name "lambwire-emulator, concurrent" --with concurrency --only 28 -- \
    "$target/lambwire-emulator" --concurrency 2 --listen '127.0.0.1:{port}' --timeout '{timeout}' -- '{bootstrap}'
python3 scripts/conformance_proxy.py "$target" hello
