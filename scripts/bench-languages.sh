#!/usr/bin/env bash
# bench-languages.sh [--once] [LANGUAGE...]: measures what the bootstrap and its workers cost beside AWS's own clients
# for Python and Node, and beside the loops that articles have for PHP and Perl, and prints a table; --once tries each
# subject briefly. Languages are Python, Node, PHP and Perl.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh php php-curl perl python3 node aws-lambda-ric
# Without packages, as in an image: those that are installed here may have every start of Python import modules.
python=$PWD/.tools/python-$(python3 -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
[ -x "$python/bin/python3" ] || python3 -m venv --without-pip "$python"
python3 scripts/bench_languages.py "$(realpath "$(scripts/image.sh x86_64 bootstrap)")" \
    "$python/bin/python3" "$(scripts/pip.sh awslambdaric awslambdaric==4.2.2)" "$(scripts/npm.sh aws-lambda-ric aws-lambda-ric@3.3.0)" "$@"
