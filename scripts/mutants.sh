#!/usr/bin/env bash
# Changes lambwire's framing and turn-taking in many small ways, and names the changes that no test notices.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh mutants
export PATH=$PWD/.tools/bin:$PATH
# A test that fails is not to look for a smaller failure, and all are to run fast.
export PROPTEST_MAX_SHRINK_ITERS=0 CARGO_PROFILE_TEST_OPT_LEVEL=1 CARGO_PROFILE_DEV_OPT_LEVEL=1
nice -n 19 cargo mutants -p lambwire -j1 --timeout 120 --output target \
    -f 'crates/lambwire/src/wire/*.rs' -f crates/lambwire/src/client.rs -f crates/lambwire/src/server.rs \
    -f 'crates/lambwire/src/session/*.rs' -f crates/lambwire/src/turn.rs \
    "$@" -- --lib --test it
