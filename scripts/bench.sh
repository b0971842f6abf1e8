#!/usr/bin/env bash
# bench.sh [--once] [PART]...: measures what a start and an invocation cost, and prints tables; --once tries each subject
# briefly, and PART is what names of subjects have, of which others are left out.
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=x86_64-unknown-linux-musl
# The most of `AT_ONCE` in bench/src/subjects.rs.
AT_ONCE=64

main() {
    scripts/install.sh strace musl
    command -v musl-gcc >/dev/null || scripts/install.sh musl-debian
    local target environment
    target=${CARGO_TARGET_DIR:-$PWD/target}
    programs=$target/bench/programs
    environment=$(scripts/musl.sh)
    mkdir -p "$programs"

    floor floor
    floor floor-pipelined -DPIPELINED
    floor floor-many -DMANY=$AT_ONCE

    cargo build -q --profile bootstrap -p tiny
    scripts/image.sh x86_64 hello >/dev/null
    env "$environment" CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_STRIP=true \
        cargo build -q --release --target $TARGET -p lambwire-mio -p lambwire-smol -p tokio-adapter --examples
    peer env "$environment" cargo build --target $TARGET --bin smol-many --bin lambda-runtime
    peer cargo build --bin bench --bin lambda-runtime

    cp "$target/bootstrap/tiny" "$target/$TARGET/bootstrap/hello" "$target/$TARGET/release/examples"/echo{,-smol,-tokio} \
        "$target/bench/$TARGET/release"/{smol-many,lambda-runtime} "$programs"
    cp "$target/bench/release/lambda-runtime" "$programs/lambda-runtime-glibc"
    exec "$target/bench/release/bench" "$programs" "$@"
}

floor() {
    musl-gcc -O2 -static -s "${@:2}" -o "$programs/$1" bench/floor.c
}

peer() {
    "$@" -q --release --locked --manifest-path bench/Cargo.toml --target-dir "$target/bench"
}

main "$@"
