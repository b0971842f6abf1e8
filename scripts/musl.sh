#!/usr/bin/env bash
# musl.sh [x86_64|aarch64]: sees to it that this architecture's linux-musl can be built for, and prints the environment
# to run cargo in as NAME=value.
#
# Where rustup has the target, that is all. Elsewhere Debian's rustc gets a standard library built from Debian's
# source package, laid out as rustup's is: the libraries, and beside them in self-contained/ what a static program
# is linked with.
set -euo pipefail
cd "$(dirname "$0")/.."

ARCH=${1:-x86_64}
TARGET=$ARCH-unknown-linux-musl
RUSTC=/usr/bin/rustc
CARGO=/usr/bin/cargo
MUSL=/usr/lib/x86_64-linux-musl
HEADERS=/usr/include/x86_64-linux-musl
CC=gcc
UNWINDER=libunwind-14-dev

main() {
    if has_std "$(libraries rustc)"; then
        echo RUSTC=rustc
        return
    fi
    if [ "$(id -u)" -ne 0 ]; then
        echo "musl.sh: either 'rustup target add $TARGET', or run this as root" >&2
        exit 1
    fi
    scripts/install.sh musl-debian
    [ "$ARCH" != aarch64 ] || scripts/install.sh musl-aarch64
    local to version
    to=$(libraries $RUSTC)
    version=$($RUSTC --version)
    if [ "$(cat "$to/built-by" 2>/dev/null)" != "$version" ]; then
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        [ "$ARCH" != aarch64 ] || cross
        start_files
        unwinder
        standard_library
        rm -rf "$to"
        mkdir -p "$(dirname "$to")"
        mv "$work/lib" "$to"
        echo "$version" >"$to/built-by"
    fi
    echo "RUSTC=$RUSTC"
}

# Debian has the packages of other architectures in lists of their own, so that this machine's stay as they are.
cross() {
    local lists=(-o APT::Architectures::=amd64 -o APT::Architectures::=arm64
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")
    CC=aarch64-linux-gnu-gcc
    UNWINDER=libunwind-14-dev:arm64
    MUSL=$work/musl/usr/lib/aarch64-linux-musl
    HEADERS=$work/musl/usr/include/aarch64-linux-musl
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    (
        cd "$work"
        apt-get -q "${lists[@]}" update >&2
        apt-get -q "${lists[@]}" download "$UNWINDER" musl-dev:arm64 >&2
        dpkg-deb -x musl-dev_*.deb musl
    )
}

libraries() {
    "$1" --print target-libdir --target $TARGET
}

has_std() {
    compgen -G "$1/libstd-*.rlib" >/dev/null
}

# musl's start files and libc.a, and the ends of the tables of constructors, which gcc brings.
start_files() {
    local object
    mkdir -p "$work/lib/self-contained"
    cp "$MUSL"/{crt1,rcrt1,Scrt1,crti,crtn}.o "$MUSL/libc.a" "$work/lib/self-contained/"
    for object in crtbegin.o crtbeginS.o crtend.o crtendS.o; do
        cp "$($CC -print-file-name=$object)" "$work/lib/self-contained/"
    done
}

# std links to LLVM's unwinder. Debian compiles it against glibc, and it asks for one name that musl does not have.
unwinder() {
    cat >"$work/fprintf_chk.c" <<'C'
#include <stdarg.h>
#include <stdio.h>

int __fprintf_chk(FILE *to, int flag, const char *format, ...) {
    va_list arguments;
    (void)flag;
    va_start(arguments, format);
    int written = vfprintf(to, format, arguments);
    va_end(arguments);
    return written;
}
C
    (
        cd "$work"
        compgen -G 'libunwind-14-dev_*.deb' >/dev/null || apt-get -q download "$UNWINDER" >&2
        dpkg-deb --fsys-tarfile libunwind-14-dev_*.deb | tar -xO ./usr/lib/llvm-14/lib/libunwind.a >libunwind.a
        $CC -nostdinc -isystem "$HEADERS" -isystem "$($CC -print-file-name=include)" \
            -U_FORTIFY_SOURCE -fno-stack-protector -Os -fPIC -c fprintf_chk.c
        ar r libunwind.a fprintf_chk.o 2>/dev/null
        mv libunwind.a lib/self-contained/
    )
}

# panic_abort is the only crate that has to be compiled with panic=abort, as in Rust's own build.
standard_library() {
    cat >"$work/rustc" <<SH
#!/bin/sh
case " \$* " in *" --crate-name panic_abort "*) set -- "\$@" -Cpanic=abort ;; esac
exec $RUSTC "\$@"
SH
    chmod +x "$work/rustc"
    mkdir "$work/src"
    printf '#![no_std]\n' >"$work/src/lib.rs"
    printf '[package]\nname = "only_std"\nedition = "2024"\n[workspace]\n' >"$work/Cargo.toml"
    env -u RUSTUP_TOOLCHAIN -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER \
        RUSTC="$work/rustc" RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR="$work/target" \
        $CARGO build -q --release -Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test --target $TARGET \
        --manifest-path "$work/Cargo.toml" >&2
    rm "$work/target/$TARGET/release/deps"/libonly_std-*.rlib
    mv "$work/target/$TARGET/release/deps"/*.rlib "$work/lib/"
}

main "$@"
