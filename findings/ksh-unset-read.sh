#!/usr/bin/env bash
# ksh 93u+m 1.0.4 loses the builtin `read` when a function of that name is unset in a subshell, even if there is none: `read`
# is "not found" in the processes that the subshell starts for a pipeline. Without the subshell it is found, and in a
# subshell that is the last command, for which ksh makes none. dash, bash, mksh and zsh find it. Seen on 29 November 2026
# with the ksh93u+m of Debian 12:
#
#     ksh: in a subshell: not found
#     ksh: without one: found
#     dash: in a subshell: found
set -euo pipefail

for shell in ksh dash; do
    command -v $shell >/dev/null || { echo "please install ksh and dash" >&2; exit 2; }
done
# shellcheck disable=SC2016
subshell='(unset -f read; echo line | { read -r line 2>/dev/null && echo found || echo "not found"; }); :'
# shellcheck disable=SC2016
plain='unset -f read; echo line | { read -r line 2>/dev/null && echo found || echo "not found"; }; :'
# shellcheck disable=SC2016
ksh -c 'echo "${.sh.version}"'
seen="ksh: in a subshell: $(ksh -c "$subshell")
ksh: without one: $(ksh -c "$plain")
dash: in a subshell: $(dash -c "$subshell")"
echo "$seen"
[ "$seen" = "ksh: in a subshell: not found
ksh: without one: found
dash: in a subshell: found" ] || { echo "this has changed" >&2; exit 1; }
