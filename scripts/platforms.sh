#!/usr/bin/env bash
# platforms.sh [WHAT...]: where the crates can be used besides Linux with glibc, as far as a Linux machine can show it:
#   types     they type-check for macOS, and what is without connections for WebAssembly, a Cortex-M and Windows
#   x86_64    their tests pass with musl on x86_64
#   aarch64   and on aarch64, run by qemu
# All of it without arguments. The compiler is Debian's, which has the source of the standard library.
set -euo pipefail
cd "$(dirname "$0")/.."

CORE=(-p lambwire)
ADAPTERS=(-p lambwire-runtime -p lambwire-smol)
PUBLISHED=(-p 'lambwire*')
# What asks Unix for processes and sockets.
UNIX=(lambwire-mio lambwire-emulator lambwire-conformance lambwire-testing)
EXAMPLES=(-p hello -p tokio-adapter)

main() {
    [ $# -gt 0 ] || set -- types x86_64 aarch64
    export RUSTC_BOOTSTRAP=1
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/platforms
    local what
    for what in "$@"; do
        case $what in
        types) types ;;
        x86_64) tests x86_64 gcc ;;
        aarch64) tests aarch64 aarch64-linux-gnu-gcc ;;
        *) fail "'$what' is none of types, x86_64 and aarch64" ;;
        esac
    done
}

# A build of std takes nothing that is there of it, and one of core is all that has no system.
types() {
    scripts/install.sh musl-debian mingw-binutils
    check aarch64-apple-darwin std,panic_abort --all-targets "${PUBLISHED[@]}" "${EXAMPLES[@]}"
    check aarch64-apple-darwin std,panic_abort -p bootstrap
    check wasm32-unknown-unknown core "${CORE[@]}"
    check thumbv7em-none-eabi core "${CORE[@]}"
    check x86_64-pc-windows-gnu std,panic_abort "${CORE[@]}" "${ADAPTERS[@]}"
    local package
    for package in "${UNIX[@]}"; do
        ! check x86_64-pc-windows-gnu std,panic_abort -p "$package" >"$work/log" 2>&1 || fail "$package type-checks for Windows"
        grep -q "error: $package is for Unix" "$work/log" || { cat "$work/log" >&2; fail "$package does not say that it is not for Windows"; }
        echo "x86_64-pc-windows-gnu: $package says that it is for Unix"
    done
}

check() {
    local triple=$1 std=$2
    shift 2
    RUSTC=/usr/bin/rustc /usr/bin/cargo check --quiet -Zbuild-std="$std" --target "$triple" --target-dir "$target" "$@" &&
        echo "$triple: $* type-check"
}

# Tests unwind, and the standard library of musl.sh does not: a second one is built along, with the unwinder of gcc.
tests() {
    local arch=$1 cc=$2 triple=$1-unknown-linux-musl environment
    environment=$(scripts/musl.sh "$arch")
    scripts/install.sh musl-debian
    [ "$arch" != aarch64 ] || scripts/install.sh musl-aarch64
    local run=() std=()
    if [ "$environment" != RUSTC=rustc ]; then
        unwinder "$cc" "$target/unwinder/$arch"
        # Not by the script that musl.sh makes: `sh` passes no variable on whose name has a hyphen, and cargo has such.
        environment=RUSTC=/usr/bin/rustc
        export RUSTFLAGS="--sysroot=$PWD/.tools/musl -Lnative=$target/unwinder/$arch"
        export RUSTDOCFLAGS=$RUSTFLAGS
        std=(-Zbuild-std=std,panic_unwind,test)
        PATH=/usr/bin:$PATH
    fi
    if [ "$arch" = aarch64 ]; then
        export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=$cc
        # qemu handles SIGHUP itself, and so hides from a program that it is ignored.
        export SKIPPED=program::a_server_outlives_its_terminal_if_it_is_to
        # qemu makes up for what this takes.
        export CARGO_PROFILE_DEV_OPT_LEVEL=1
        run=(unshare --user --map-root-user --mount bash -euc "$(declare -f with_qemu); with_qemu \"\$@\"" -)
    fi
    { echo '#!/usr/bin/env bash'; declare -f timed; echo 'timed "$@"'; } >"$work/timed"
    chmod +x "$work/timed"
    local runner=CARGO_TARGET_${arch^^}_UNKNOWN_LINUX_MUSL_RUNNER=$work/timed
    local test=(cargo test --quiet "${std[@]}" --target "$triple" --target-dir "$target" "${PUBLISHED[@]}" "${EXAMPLES[@]}")
    env "$environment" "${test[@]}" --no-run
    "${run[@]}" env "$environment" "$runner" "${test[@]}" --no-fail-fast --lib --bins --tests
    # With a runner, those of the documentation would share a process.
    "${run[@]}" env "$environment" "${test[@]}" --no-fail-fast --doc
    echo "$triple: the tests pass"
}

# How cargo runs a program of tests: it says how long that has taken. One that hangs is to be named, not waited for.
timed() {
    local start=$SECONDS status=0 skip=()
    [[ -z ${SKIPPED:-} || $(basename "$1") != it-* ]] || skip=(--skip "$SKIPPED")
    timeout 3600 "$@" "${skip[@]}" || status=$?
    echo "$(basename "$1"): $((SECONDS - start)) s, exit status $status"
    exit $status
}

# gcc's asks glibc where the tables of an address are, and nobody else; a static program has those of one file. And it
# takes for granted that these functions are there, without asking for them to be linked.
unwinder() {
    cat >"$work/find.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stddef.h>

__attribute__((used)) static const void *const needed[] = {
    pthread_getspecific, pthread_key_create, pthread_mutex_lock, pthread_mutex_unlock, pthread_once, pthread_setspecific,
};

static int tables(struct dl_phdr_info *file, size_t size, void *found) {
    struct dl_find_object *object = found;
    (void)size;
    for (int i = 0; i < file->dlpi_phnum; i++) {
        if (file->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME) {
            object->dlfo_eh_frame = (void *)(file->dlpi_addr + file->dlpi_phdr[i].p_vaddr);
        }
    }
    return object->dlfo_eh_frame == NULL;
}

int _dl_find_object(void *at, struct dl_find_object *found) {
    (void)at;
    found->dlfo_eh_frame = NULL;
    return dl_iterate_phdr(tables, found);
}
C
    mkdir -p "$2"
    "$1" -fno-stack-protector -Os -fPIC -c "$work/find.c" -o "$work/find.o"
    cp "$("$1" -print-file-name=libgcc_eh.a)" "$2/libunwind.a"
    ar r "$2/libunwind.a" "$work/find.o"
}

# Programs of aarch64 start others of their kind: the kernel is to run them by qemu, in this namespace and nowhere else.
with_qemu() {
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    local magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    # The file is open from here on, whatever root a program has.
    printf '%s' ":aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" >/proc/sys/fs/binfmt_misc/register
    exec "$@"
}

fail() {
    echo "platforms.sh: $*" >&2
    exit 1
}

main "$@"
