#!/usr/bin/env bash
# answers.sh BOOTSTRAP: checks that it hands an event to a handler, and gives the answer, in a root that holds nothing but
# it, the handler and a shell with four of its tools: no devices, no processes, no libraries. What it runs with may be said in RUNNER.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh busybox
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir "$root/bin"
cp "$(command -v busybox)" "$root/bin/sh"
# What a worker for a shell cannot do itself.
for tool in head sed tr wc; do ln -s sh "$root/bin/$tool"; done
cp "$1" "$root/bootstrap"
[ -z "${RUNNER:-}" ] || cp "$RUNNER" "$root/runner"
echo 'handler() { echo "[$1]"; }' >"$root/app.sh"
chroot=(chroot "$root")
[ "$(id -u)" -eq 0 ] || chroot=(unshare --map-root-user --root="$root")
answer=$(env -i PATH="$PATH" "${chroot[@]}" ${RUNNER:+/runner} /bootstrap invoke app.handler '{"a":1}')
if [ "$answer" != '[{"a":1}]' ]; then
    echo "answers.sh: $1 answers $answer" >&2
    exit 1
fi
