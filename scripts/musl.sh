#!/usr/bin/env bash
# musl.sh [x86_64|aarch64] [own]: sees to it that this architecture's linux-musl can be built for, and prints the
# environment to run cargo in as NAME=value.
#
# Where rustup has the target, that is all. Elsewhere, or for `own`, Debian's rustc gets a standard library built from
# Debian's source package, in .tools/musl: the libraries, and beside them in self-contained/ what a static program is
# linked with. It is one for programs that abort when they panic, and without tables to unwind by, it has no backtraces and
# needs none of what reads them. It is made for size: its values are not printed for debugging (`{:?}`), the places of
# its panics are named by short paths or not at all, and a stack that overflows ends a program by SIGSEGV without a word.
set -euo pipefail
cd "$(dirname "$0")/.."

ARCH=${1:-x86_64}
OWN=${2:-}
TARGET=$ARCH-unknown-linux-musl
HOST=x86_64-unknown-linux-gnu
RUSTC=/usr/bin/rustc
CARGO=/usr/bin/cargo
SYSROOT=$PWD/.tools/musl
SOURCE=/usr/lib/rustlib/src/rust/library
MUSL=/usr/lib/x86_64-linux-musl
CC=gcc

main() {
    if [ "$OWN" != own ] && has_std "$(rustc --print target-libdir --target $TARGET)"; then
        echo RUSTC=rustc
        return
    fi
    scripts/install.sh musl-debian
    [ "$ARCH" != aarch64 ] || scripts/install.sh musl-aarch64
    local to=$SYSROOT/lib/rustlib/$TARGET/lib made_by
    made_by="$($RUSTC --version), $(cksum <scripts/musl.sh)"
    if [ "$(cat "$to/made-by" 2>/dev/null)" != "$made_by" ]; then
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        [ "$ARCH" != aarch64 ] || cross
        start_files
        unwinder
        standard_library
        echo "$made_by" >"$work/lib/made-by"
        # What was built with the last one does not fit this one, and cargo would not know.
        rm -rf "$to" "${CARGO_TARGET_DIR:-target}/$TARGET"
        mkdir -p "$(dirname "$to")"
        mv "$work/lib" "$to"
    fi
    compiler
    echo "RUSTC=$SYSROOT/rustc"
}

has_std() {
    compgen -G "$1/libstd-*.rlib" >/dev/null
}

# Debian has the packages of other architectures in lists of their own, so that this machine's stay as they are.
cross() {
    local lists=(-o APT::Architectures::=amd64 -o APT::Architectures::=arm64
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")
    CC=aarch64-linux-gnu-gcc
    MUSL=$work/musl/usr/lib/aarch64-linux-musl
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    (
        cd "$work"
        apt-get -q "${lists[@]}" update >&2
        apt-get -q "${lists[@]}" download musl-dev:arm64 >&2
        dpkg-deb -x musl-dev_*.deb musl
    )
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

# std asks an unwinder for the frames of the stack. Where there are no tables of them, this is all that it can say.
unwinder() {
    cat >"$work/unwind.c" <<'C'
enum { URC_END_OF_STACK = 5 };

int _Unwind_Backtrace(int (*frame)(void *, void *), void *data) {
    (void)frame;
    (void)data;
    return URC_END_OF_STACK;
}

unsigned long _Unwind_GetIP(void *frame) {
    (void)frame;
    return 0;
}

unsigned long _Unwind_GetIPInfo(void *frame, int *is_before) {
    (void)frame;
    *is_before = 0;
    return 0;
}

unsigned long _Unwind_GetCFA(void *frame) {
    (void)frame;
    return 0;
}

void *_Unwind_FindEnclosingFunction(void *at) {
    return at;
}
C
    thread_names
    (
        cd "$work"
        $CC -ffreestanding -fno-asynchronous-unwind-tables -fno-stack-protector -Os -fPIC -c unwind.c names.c
        ar rc lib/self-contained/libunwind.a unwind.o names.o
    )
}

# std names its threads by this. That of musl brings all of printf, some 11 KB, to name others than the one that calls.
thread_names() {
    cat >"$work/names.c" <<'C'
enum { PR_SET_NAME = 15, ENOSYS = 38 };

int prctl(int, ...);
void *pthread_self(void);

int pthread_setname_np(void *thread, const char *name) {
    return thread == pthread_self() && prctl(PR_SET_NAME, name, 0L, 0L, 0L) == 0 ? 0 : ENOSYS;
}
C
}

standard_library() {
    source_for_size
    mkdir "$work/src"
    printf '#![no_std]\n' >"$work/src/lib.rs"
    printf '[package]\nname = "only_std"\nedition = "2024"\n[workspace]\n' >"$work/Cargo.toml"
    env -u RUSTUP_TOOLCHAIN -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTC_WORKSPACE_WRAPPER \
        RUSTC="$work/rustc" RUSTC_BOOTSTRAP=1 \
        RUSTFLAGS="-Cembed-bitcode=yes -Cforce-unwind-tables=no -Zfmt-debug=none -Zlocation-detail=none \
            --remap-path-prefix=sysroot/lib/rustlib/src/rust/library/= --remap-path-prefix=$work/sysroot/lib/rustlib/src/rust/library/=" \
        CARGO_PROFILE_RELEASE_PANIC=abort CARGO_PROFILE_RELEASE_OPT_LEVEL=z CARGO_TARGET_DIR="$work/target" \
        $CARGO build -q --release -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size --target $TARGET \
        --manifest-path "$work/Cargo.toml" >&2
    rm "$work/target/$TARGET/release/deps"/libonly_std-*.rlib
    mv "$work/target/$TARGET/release/deps"/*.rlib "$work/lib/"
}

# The source without what no flag leaves out of it: what looks where a stack has overflowed, which std does without under Miri,
# and is 8 KB and some system calls of each start; and how texts and errors of I/O are printed for debugging.
source_for_size() {
    mkdir -p "$work/sysroot/lib/rustlib/src/rust"
    cp -r $SOURCE "$work/sysroot/lib/rustlib/src/rust/"
    change std/src/sys/pal/unix/stack_overflow.rs '\|//|!s/\<miri\>/all()/'
    change core/src/fmt/mod.rs '/^impl Debug for str {$/,/^}$/s/fn fmt(.*{$/& return Ok(());/'
    change std/src/io/error.rs '/^impl fmt::Debug for Error {$/,/^}$/s/fn fmt(.*{$/& return Ok(());/'
    ln -s /usr/lib/rustlib/$HOST "$work/sysroot/lib/rustlib/"
    compiler_of "$work/sysroot" "$work/rustc"
}

change() {
    sed -i "$2" "$work/sysroot/lib/rustlib/src/rust/library/$1"
    if cmp -s "$SOURCE/$1" "$work/sysroot/lib/rustlib/src/rust/library/$1"; then
        echo "musl.sh: nothing in $SOURCE/$1 is $2" >&2
        return 1
    fi
}

# Build scripts and procedural macros are for this machine, whose library is Debian's.
compiler() {
    ln -sfn /usr/lib/rustlib/{$HOST,src} "$SYSROOT/lib/rustlib/"
    compiler_of "$SYSROOT" "$SYSROOT/rustc"
}

# Makes the compiler that has its libraries in a place. Another build may be running it: a program that is written to cannot be
# started.
compiler_of() {
    printf '#!/bin/sh\nexec %s --sysroot "%s" "$@"\n' $RUSTC "$1" >"$2.$$"
    chmod +x "$2.$$"
    mv "$2.$$" "$2"
}

main "$@"
