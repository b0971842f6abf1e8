#!/usr/bin/env bash
# Builds the smallest hello and the smallest bootstrap, plain and packed: with std built along for size, a panic that ends
# the process without a word, values that are not printed for debugging, and no look-up of host names. Checks that each is
# static and small enough, and that it starts alone.
set -euo pipefail
cd "$(dirname "$0")/.."

TARGET=x86_64-unknown-linux-musl

main() {
    environment=$(scripts/musl.sh)
    # Building std is not stable; Debian's rustc has its source, and rustup's may.
    [ -e "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ] || environment=$(scripts/musl.sh x86_64 own)
    [ "$environment" = RUSTC=rustc ] || PATH=/usr/bin:$PATH
    export RUSTC_BOOTSTRAP=1
    min=${CARGO_TARGET_DIR:-target}/min

    # Each by itself, for together they would have each other's features.
    build hello 110000
    build bootstrap 314000
    pack hello 77000
    pack bootstrap 213000
    scripts/answers.sh "$min/packed/bootstrap"
    knows_itself "$min/packed/bootstrap"
    runs_under_memfd_noexec "$min/packed/bootstrap"
}

build() {
    RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort -Cforce-unwind-tables=no -Crelocation-model=static \
        -Cllvm-args=-enable-machine-outliner=always -Zfmt-debug=none -Zlocation-detail=none \
        -Clink-args=-Wl,-z,noseparate-code,-z,norelro,--build-id=none" \
        env "$environment" cargo build -q --profile bootstrap --target $TARGET -p "$1" --no-default-features \
        --target-dir "$min" -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
    scripts/static.sh "$min/$TARGET/bootstrap/$1:$2"
}

# Has a program become one that unpacks it when it is started.
pack() {
    mkdir -p "$min/packed"
    gzip -9nc "$min/$TARGET/bootstrap/$1" >"$min/packed/$1.gz"
    LAMBWIRE_PACKED=$(realpath "$min/packed/$1.gz") RUSTFLAGS=-Clink-args=-Wl,-z,norelro \
        cargo build -q --profile bootstrap -p tiny --bin packed --features packed --target-dir "$min"
    cp "$min/bootstrap/packed" "$min/packed/$1"
    rm "$min/packed/$1.gz"
    scripts/static.sh "$min/packed/$1:$2"
}

# Elsewhere than on Lambda it names itself to the emulator, by the path of the file that was started.
knows_itself() {
    local said
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    cp "$1" "$root/bootstrap"
    printf '#!/bin/sh\necho "$@"\n' >"$root/lambwire-emulator"
    chmod +x "$root/lambwire-emulator"
    said=$(env -u AWS_LAMBDA_RUNTIME_API PATH="$root:$PATH" bootstrap app.handler)
    if [ "$said" != "-- $root/bootstrap app.handler" ]; then
        echo "bootstrap-min.sh: $1 has the emulator run: $said" >&2
        exit 1
    fi
}

# Where a file in memory cannot be run unless that was asked for, which a namespace of processes can have for itself.
runs_under_memfd_noexec() {
    if [ "$(id -u)" -ne 0 ] || [ ! -e /proc/sys/vm/memfd_noexec ]; then
        echo "bootstrap-min.sh: not tried under vm.memfd_noexec, which takes root and Linux 6.3" >&2
        return
    fi
    unshare --pid --fork --mount-proc \
        sh -c 'echo 1 >/proc/sys/vm/memfd_noexec && exec "$0" --version' "$(realpath "$1")" >/dev/null
}

main "$@"
