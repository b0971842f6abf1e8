#!/usr/bin/env bash
# bench-languages.sh [--once]: measures what an invocation of a handler in PHP and Perl costs, and prints a table;
# --once tries each subject briefly.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh php php-curl perl
python3 scripts/bench_languages.py "$(realpath "$(scripts/image.sh x86_64 bootstrap)")" "$@"
