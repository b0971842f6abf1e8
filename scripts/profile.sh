#!/usr/bin/env bash
# profile.sh TARGET: has the emulator, built for TARGET with the compiler and the flags of the environment, count what it does
# while it works, and prints the flags that build it by the profile that comes of it. What counts is Debian's libclang_rt, of
# the LLVM that the compiler has; its linker puts together what calls each other.
set -euo pipefail
cd "$(dirname "$0")/.."

# Beside what else is built for TARGET, which ends when the standard library for it is another.
directory=$(realpath -m "${CARGO_TARGET_DIR:-target}/$1/profile")
profile=$directory/emulator.profdata
llvm=$("$RUSTC" -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tools=/usr/lib/llvm-$llvm
scripts/install.sh "llvm-$llvm" "libclang-rt-$llvm-dev" "lld-$llvm"

# It is made for glibc, and its headers. Nothing unwinds: what is not resolved is never called.
mkdir -p "$directory"
cc -x c -ffreestanding -fno-stack-protector -O -c -o "$directory/glibc.o" - <<'C'
int vsnprintf(char *, unsigned long, const char *, __builtin_va_list);
int vfprintf(void *, const char *, __builtin_va_list);

int __snprintf_chk(char *to, unsigned long room, int flag, unsigned long size, const char *format, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    return vsnprintf(to, room, format, arguments);
}

int __fprintf_chk(void *to, int flag, const char *format, ...) {
    __builtin_va_list arguments;
    __builtin_va_start(arguments, format);
    return vfprintf(to, format, arguments);
}
C
counting="-Cprofile-generate=$directory/counts -Zno-profiler-runtime -Clink-arg=-u__llvm_profile_runtime
    -Clink-arg=$tools/lib/clang/$llvm/lib/linux/libclang_rt.profile-${1%%-*}.a -Clink-arg=$directory/glibc.o -Clink-arg=-lc
    -Clink-arg=-Wl,--unresolved-symbols=ignore-all"
RUSTFLAGS+=" $counting" cargo build -q --profile bootstrap --target "$1" --target-dir "$directory" -p lambwire-emulator
emulator=$directory/$1/bootstrap/lambwire-emulator
if [ ! "$profile" -nt "$emulator" ]; then
    env -u RUSTC -u RUSTFLAGS cargo build -q --release -p lambwire-mio --example echo
    rm -rf "$directory/counts"
    python3 scripts/train_emulator.py "$emulator" "${CARGO_TARGET_DIR:-target}/release/examples/echo" >&2
    "$tools/bin/llvm-profdata" merge -o "$profile" "$directory/counts"
fi
# What a function seldom does lies apart from the rest of it.
echo "-Cprofile-use=$profile -Cllvm-args=-enable-split-machine-functions -Cllvm-args=-enable-ext-tsp-block-placement" \
    "-Clink-arg=-B$tools/bin -Clink-arg=-fuse-ld=lld"
