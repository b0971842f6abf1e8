#!/usr/bin/env bash
# Builds what a release consists of on Linux into target/dist: both static programs for x86_64 and aarch64, each with its
# manual page and completions, the wheel, and what each program is made of, as CycloneDX.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf target/dist
mkdir -p target/dist
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
scripts/install.sh musl-aarch64
scripts/manuals.sh
for arch in x86_64 aarch64; do
    for package in bootstrap lambwire-emulator; do
        profiled=()
        [ "$arch $package" != "x86_64 lambwire-emulator" ] || profiled=(profiled)
        program=$(scripts/image.sh $arch $package "${profiled[@]}")
        rm -rf "${stage:?}"/*
        mkdir "$stage/completions"
        cp "$program" target/manuals/$package.1 LICENSE-APACHE LICENSE-MIT "$stage/"
        cp target/manuals/{$package.bash,$package.fish,_$package} "$stage/completions/"
        tar -C "$stage" -czf "target/dist/$package-$arch-unknown-linux-musl.tar.gz" .
    done
done
for package in bootstrap lambwire-emulator; do
    python3 scripts/sbom.py $package >"target/dist/$package.cdx.json"
done
scripts/build-wheel.sh
cp target/wheels/*.whl target/dist/
cd target/dist
sha256sum -- * | tee SHA256SUMS
