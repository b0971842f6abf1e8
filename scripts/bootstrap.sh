#!/usr/bin/env bash
# Builds the bootstrap for x86_64 and aarch64, checks that each is static and small enough, starts alone, and answers.
set -euo pipefail
cd "$(dirname "$0")/.."

BYTES=$1

main() {
    scripts/static.sh "bootstrap:$BYTES"
    answers "$(scripts/image.sh x86_64 bootstrap)"

    scripts/install.sh musl-aarch64
    local foreign
    foreign=$(scripts/image.sh aarch64 bootstrap)
    RUNNER=$(command -v qemu-aarch64-static) scripts/static.sh "$foreign:$BYTES"
    answers qemu-aarch64-static "$foreign"
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
