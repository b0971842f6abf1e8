#!/usr/bin/env bash
# bash 5.2 ends a here-document within $(...) at a line that begins with its delimiter and has a `)` further on: "Eat (this)" ends
# one that is delimited by E, and what follows is read as commands. POSIX has it end at a line that holds the delimiter alone, and
# so do dash, ksh, mksh, zsh, yash and busybox, and bash itself without $(...). Hit are delimiters of a letter or two before
# text, JSON and programs: these scripts were. Seen on 29 November 2026 with bash 5.2.15 and dash of Debian 12:
#
#     bash, in $(...): a syntax error
#     bash, without: Eat (this)
#     dash, in $(...): Eat (this)
set -euo pipefail

for shell in bash dash; do
    command -v $shell >/dev/null || { echo "please install bash and dash" >&2; exit 2; }
done
bash --version | head -1
document='cat <<E
Eat (this)
E'
within="text=\$($document
)
echo \"\$text\""
seen="bash, in \$(...): $(bash -c "$within" 2>&1 | grep -o 'syntax error' | sed 's/^/a /')
bash, without: $(bash -c "$document")
dash, in \$(...): $(dash -c "$within")"
echo "$seen"
# shellcheck disable=SC2016
[ "$seen" = 'bash, in $(...): a syntax error
bash, without: Eat (this)
dash, in $(...): Eat (this)' ] || { echo "this has changed" >&2; exit 1; }
