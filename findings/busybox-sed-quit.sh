#!/usr/bin/env bash
# busybox's sed (1.35.0) reads a line more before it ends with `q`: what reads a pipe up to a mark waits for whoever keeps the
# pipe open, though the mark has come and been printed. POSIX has `q` "quit without starting a new cycle". GNU's sed ends
# at once. Seen on 29 November 2026 with busybox of Debian 12 and GNU sed 4.9, with a pipe that stays open for a second:
#
#     GNU sed has ended before its input
#     busybox sed has waited for more
set -euo pipefail

for program in busybox sed; do
    command -v $program >/dev/null || { echo "please install busybox and GNU sed" >&2; exit 2; }
done
sed --version | head -1
busybox | head -1
# What comes first is printed first: the end of sed, or that of its input.
order() {
    local root
    root=$(mktemp -d)
    { printf 'text\nmark\nand '; sleep 1; echo input >>"$root/ended"; } | { "$@" '/^mark$/q' >/dev/null; echo sed >>"$root/ended"; }
    head -1 "$root/ended"
    rm -r "$root"
}
[ "$(order sed)" = sed ] || { echo "GNU sed has waited: this has changed" >&2; exit 1; }
echo "GNU sed has ended before its input"
[ "$(order busybox sed)" = input ] || { echo "busybox sed has ended: this has changed" >&2; exit 1; }
echo "busybox sed has waited for more"
