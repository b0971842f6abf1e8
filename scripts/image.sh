#!/usr/bin/env bash
# image.sh ARCH PACKAGE [profiled]: builds a program to be copied into an image, for linux-musl, and prints where it is. With
# `profiled`, which the emulator for x86_64 can be, it is built by a profile of its work, in three times the time.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1-unknown-linux-musl
environment=$(scripts/musl.sh "$1")
[ "$1" != aarch64 ] || export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc
# Code that repeats becomes a function, but in the emulator, which is in no image of a function: speed before size.
outlining=-Cllvm-args=-enable-machine-outliner=always
if [ "$2" = lambwire-emulator ]; then
    outlining=
    export CARGO_PROFILE_BOOTSTRAP_OPT_LEVEL=3
fi
# A panic aborts, so that nobody unwinds. A program at a fixed address has no list of places to put right, and nothing that
# could be protected once that is done. A page saved between sections is a page that is not read in when the program starts.
# Values are not printed for debugging, an option that is not stable.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cforce-unwind-tables=no -Crelocation-model=static -Clink-args=-Wl,-z,noseparate-code,-z,norelro,--build-id=none \
    $outlining -Zfmt-debug=none"
# The places of panics are not to be named by where this machine has the sources. The bootstrap has no place for them: they
# are 6 KB.
for index in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    RUSTFLAGS+=" --remap-path-prefix=$index/="
done
[ "$2" != bootstrap ] || RUSTFLAGS+=" -Zlocation-detail=none"
if [ "${3:-}" = profiled ]; then
    flags=$(env "$environment" scripts/profile.sh "$target")
    RUSTFLAGS+=" $flags"
fi
env "$environment" cargo build -q --profile bootstrap --target "$target" -p "$2"
echo "${CARGO_TARGET_DIR:-target}/$target/bootstrap/$2"
