#!/usr/bin/env bash
# bench-languages.sh [--once] [LANGUAGE...]: measures what the bootstrap and its workers cost beside AWS's own clients
# for Python and Node, and beside the loops that articles have for PHP and Perl, and prints a table; --once tries each
# subject briefly. Languages are Python, Node, PHP and Perl.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh php php-curl perl python3 node aws-lambda-ric
python3 scripts/bench_languages.py "$(realpath "$(scripts/image.sh x86_64 bootstrap)")" \
    "$(scripts/pip.sh awslambdaric awslambdaric==4.2.2)" "$(scripts/npm.sh aws-lambda-ric aws-lambda-ric@3.3.0)" "$@"
