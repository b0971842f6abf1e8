#!/usr/bin/env bash
# fuzz.sh TARGET SECONDS: fuzzes one target, from its seeds and from what earlier runs have found.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1 seconds=$2
dictionary=http
case $target in headers | prelude) dictionary=json ;; esac

scripts/install.sh fuzz
mkdir -p "fuzz/corpus/$target"
cd fuzz
# Sanitizers watch over unsafe code, of which there is none: without them it runs several times as fast. The flags of
# coverage are unstable, and a stable compiler has to be made to take them.
RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
    -dict="dictionaries/$dictionary.dict" -max_len=512 -max_total_time="$seconds" -print_final_stats=1
