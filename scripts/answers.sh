#!/usr/bin/env bash
# answers.sh [RUNNER] BOOTSTRAP: checks that it hands an event to a handler, and gives the answer.
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# The shell that runs the handler is that of this machine.
echo 'handler() { echo "[$1]"; }' >"$root/app.sh"
answer=$(LAMBDA_TASK_ROOT=$root "$@" invoke app.handler '{"a":1}')
if [ "$answer" != '[{"a":1}]' ]; then
    echo "answers.sh: $* answers $answer" >&2
    exit 1
fi
