#!/usr/bin/env bash
# Builds the bootstrap for x86_64 and aarch64, checks that each is static and small enough, starts alone, and answers.
set -euo pipefail
cd "$(dirname "$0")/.."

BYTES=$1
TARGET=aarch64-unknown-linux-musl

main() {
    local target=${CARGO_TARGET_DIR:-target}
    scripts/static.sh "bootstrap:$BYTES"
    answers "$target/x86_64-unknown-linux-musl/bootstrap/bootstrap"

    local environment
    environment=$(scripts/musl.sh aarch64)
    scripts/install.sh musl-aarch64
    env "$environment" CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER=aarch64-linux-gnu-gcc \
        cargo build -q --profile bootstrap --target $TARGET -p bootstrap
    RUNNER=$(command -v qemu-aarch64-static) scripts/static.sh "$target/$TARGET/bootstrap/bootstrap:$BYTES"
    answers qemu-aarch64-static "$target/$TARGET/bootstrap/bootstrap"
}

# The shell that runs the handler is that of this machine in both cases.
answers() {
    local answer
    root=$(mktemp -d)
    trap 'rm -rf "$root"' EXIT
    echo 'handler() { echo "[$1]"; }' >"$root/app.sh"
    answer=$(LAMBDA_TASK_ROOT=$root "$@" invoke app.handler '{"a":1}')
    rm -rf "$root"
    [ "$answer" = '[{"a":1}]' ] || fail "$* answers $answer"
}

fail() {
    echo "bootstrap.sh: $*" >&2
    exit 1
}

main "$@"
