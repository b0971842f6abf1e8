#!/usr/bin/env bash
# Runs the conformance kit on every runtime and server that there is, ours and others', and writes the results into
# docs/conformance.md. Of others' only suites of valid protocol are run.
set -euo pipefail
cd "$(dirname "$0")/.."

AWSLAMBDARIC=4.2.2
AWS_LAMBDA_RIC=3.3.0

main() {
    scripts/install.sh php perl python3 node ruby lua curl
    cargo build -q -p lambwire-conformance -p lambwire-emulator -p bootstrap -p hello -p tokio-adapter --bins
    cargo build -q -p lambwire-conformance --examples
    cargo build -q --profile bootstrap -p tiny
    cargo build -q --manifest-path conformance/peers/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/peers"
    python_client
    node_client
    RIE=$(scripts/rie.sh) CARGO_LAMBDA=$(scripts/cargo-lambda.sh) python3 scripts/conformance.py \
        "$AWSLAMBDARIC" "$AWS_LAMBDA_RIC" "$@"
}

# AWS's client for Python, in an environment of its own.
python_client() {
    local place=.tools/awslambdaric-$AWSLAMBDARIC
    [ -e "$place/done" ] && return
    rm -rf "$place"
    python3 -m venv "$place"
    "$place/bin/pip" install -q "awslambdaric==$AWSLAMBDARIC" >&2
    touch "$place/done"
}

# AWS's client for Node, which is compiled when it is installed.
node_client() {
    local place=.tools/aws-lambda-ric-$AWS_LAMBDA_RIC
    [ -e "$place/done" ] && return
    rm -rf "$place"
    mkdir -p "$place"
    (cd "$place" && npm install --silent --foreground-scripts "aws-lambda-ric@$AWS_LAMBDA_RIC" && npm rebuild --silent aws-lambda-ric) >&2
    touch "$place/done"
}

main "$@"
