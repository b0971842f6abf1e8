#!/usr/bin/env bash
# static.sh PACKAGE[:BYTES]...: builds programs for images, checks that each is static, small enough and starts alone.
# One that is named by a path has been built already. What it starts with may be said in RUNNER: qemu, for instance.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the standard library of rustup adds: it writes backtraces, and reads DWARF for that. Ours does not (musl.sh).
RUSTUP_BYTES=${RUSTUP_BYTES:-336000}

main() {
    local wanted program bytes
    for wanted in "$@"; do
        program=${wanted%%:*}
        bytes=${wanted#"$program"}
        bytes=${bytes#:}
        if [[ $program != */* ]]; then
            if [ "$(scripts/musl.sh)" = RUSTC=rustc ]; then
                echo "$program: with the standard library of rustup"
                bytes=${bytes:+$((bytes + RUSTUP_BYTES))}
            else
                echo "$program: with a standard library from Debian's source, without backtraces"
            fi
            program=$(scripts/image.sh x86_64 "$program")
        fi
        is_static "$program"
        asks_no_processor "$program"
        [[ $program != *-linux-musl/* ]] || is_of_musl "$program"
        names_no_machine "$program"
        is_within "$program" "$bytes"
        starts_alone "$program"
    done
}

is_static() {
    if readelf --wide --program-headers --dynamic "$1" | grep -E 'INTERP|NEEDED' >&2; then
        fail "$1 is not static"
    fi
}

# What asks the processor what it can do traps in a virtual machine: microseconds, each time. Only this kind has such an
# instruction.
asks_no_processor() {
    local code
    readelf --file-header "$1" | grep -F X86-64 >/dev/null || return 0
    code=$(objdump --disassemble "$1")
    ! grep -w cpuid <<<"$code" >&2 || fail "$1 asks for the processor's features"
}

# Nothing is left of symbols. But whoever uses errno links its texts, and those of the two libraries differ for 0; glibc
# has the names of its versions in every program besides.
is_of_musl() {
    grep -qaF 'No error information' "$1" || fail "$1 has nothing of musl in it"
    ! grep -qaE 'GLIBC_[0-9]|GNU C Library' "$1" || fail "$1 has something of glibc in it"
}

# The place of a panic is a name of a file, which is not to be that of this machine.
names_no_machine() {
    ! grep -qaF "${CARGO_HOME:-$HOME/.cargo}/" "$1" || fail "$1 names places of this machine"
}

is_within() {
    local size
    size=$(stat -c %s "$1")
    echo "$(basename "$1"): $size bytes${2:+ of $2}"
    [ -z "$2" ] || [ "$size" -le "$2" ] || fail "$1 is too large"
}

# In a root that holds nothing else, a runtime gets as far as asking where its API is.
starts_alone() {
    local said status=0
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    cp "$1" "$root/bootstrap"
    [ -z "${RUNNER:-}" ] || cp "$RUNNER" "$root/runner"
    said=$(enter "$root" 2>&1) || status=$?
    rm -rf "$root"
    [ "$status" -ne 0 ] || fail "$1 without AWS_LAMBDA_RUNTIME_API exits with 0, saying: $said"
    [ "$status" -lt 124 ] || fail "$1 does not start ($status): $said"
    [[ $said == *AWS_LAMBDA_RUNTIME_API* ]] || fail "$1 does not name AWS_LAMBDA_RUNTIME_API ($status): $said"
}

enter() {
    local chroot=(chroot "$1")
    [ "$(id -u)" -eq 0 ] || chroot=(unshare --map-root-user --root="$1")
    env -i PATH="$PATH" timeout 120 "${chroot[@]}" ${RUNNER:+/runner} /bootstrap </dev/null
}

fail() {
    echo "static.sh: $*" >&2
    exit 1
}

main "$@"
