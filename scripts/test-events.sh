#!/usr/bin/env bash
# Hands events that others have published to a handler in each language that answers with what it is given.
set -euo pipefail
cd "$(dirname "$0")/.."

AWS_LAMBDA_EVENTS=1.2.1
SAM_CLI=1.170.0

scripts/install.sh php perl python3 node ruby lua unzip
kept=$PWD/.tools/events-$AWS_LAMBDA_EVENTS-$SAM_CLI
if [ ! -d "$kept" ]; then
    work=$(mktemp -d "$kept.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/src" "$work/crate" "$work/sam"
    touch "$work/src/lib.rs"
    cat >"$work/Cargo.toml" <<END
[package]
name = "events"
edition = "2024"
[dependencies]
aws_lambda_events = { version = "=$AWS_LAMBDA_EVENTS", default-features = false }
[workspace]
END
    manifest=$(cargo metadata -q --format-version 1 --manifest-path "$work/Cargo.toml" |
        python3 -c 'import json, sys; print(*(each["manifest_path"] for each in json.load(sys.stdin)["packages"] if each["name"] == "aws_lambda_events"))')
    cp "$(dirname "$manifest")"/src/fixtures/*.json "$work/crate"
    python3 -m pip download -q --no-deps --only-binary=:all: -d "$work" "aws-sam-cli==$SAM_CLI" >&2
    unzip -q "$work"/*.whl 'samcli/lib/generated_sample_events/*' -d "$work/wheel"
    mv "$work"/wheel/samcli/lib/generated_sample_events/* "$work/sam"
    rm -rf "$work"/{src,wheel,Cargo.*,*.whl}
    mv "$work" "$kept"
fi
cargo build -q --release -p bootstrap -p lambwire-emulator
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")
python3 scripts/test_events.py "$target/lambwire-emulator" "$target/bootstrap" "$kept"
