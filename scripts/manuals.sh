#!/usr/bin/env bash
# manuals.sh [DIRECTORY]: writes the manual pages and completions of the programs, by default to target/manuals, each from
# what the program itself says of its command line, and tries them.
set -euo pipefail
cd "$(dirname "$0")/.."

PROGRAMS=(bootstrap lambwire-conformance lambwire-emulator)

main() {
    directory=$(realpath -m "${1:-target/manuals}")
    rm -rf "$directory"
    mkdir -p "$directory"
    scripts/install.sh groff python3 zsh
    cargo build -q -p bootstrap -p lambwire-conformance -p lambwire-emulator
    target=$(realpath "${CARGO_TARGET_DIR:-target}")/debug
    cargo run -q -p lambwire-emulator --example manual "$directory"
    cargo run -q -p lambwire-conformance --example conformance-manual "$directory"
    python3 scripts/bootstrap_manual.py "$target/bootstrap" "$directory"
    local program
    for program in "${PROGRAMS[@]}"; do
        reads "$program"
        completes "$program"
    done
    echo "${#PROGRAMS[@]} programs have a page, and are completed in bash, fish and zsh: $directory"
}

# The page is one that groff has no word against, and names every option that --help names.
reads() {
    local warnings text option
    warnings=$(groff -man -ww -z "$directory/$1.1" 2>&1)
    [ -z "$warnings" ] || fail "$1.1: $warnings"
    text=$(groff -man -Tascii -P-cbou "$directory/$1.1")
    while read -r option; do
        grep -qE -e "$option\b" <<<"$text" || fail "$1.1 has no $option"
        grep -qF -e "$option" "$directory/$1.bash" || fail "$1.bash has no $option"
        grep -qF -e "$option" "$directory/_$1" || fail "_$1 has no $option"
        grep -qE -e "-l '?${option#--}\b" "$directory/$1.fish" || fail "$1.fish has no $option"
    done < <("$target/$1" --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -e '--[a-z-]+')
}

# As a person does who presses the tabulator.
completes() {
    local found
    found=$(bash -euc 'shopt -s progcomp; source "$1"; COMP_WORDS=("$2" --vers) COMP_CWORD=1 COMP_LINE="$2 --vers" COMP_POINT=${#COMP_LINE}
        "$(complete -p "$2" | grep -oE -e "-F [^ ]+" | cut -c4-)" "$2" --vers "$2"; echo "${COMPREPLY[*]}"' - "$directory/$1.bash" "$1")
    [[ $found == --version ]] || fail "bash completes '$1 --vers' to '$found'"
    zsh -n "$directory/_$1"
}

fail() {
    echo "manuals.sh: $*" >&2
    exit 1
}

main "$@"
