#!/usr/bin/env bash
# Builds what a release consists of on Linux into target/dist: both static programs for x86_64 and aarch64, the wheel, and
# what each program is made of, as CycloneDX.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf target/dist
mkdir -p target/dist
scripts/install.sh musl-aarch64
for arch in x86_64 aarch64; do
    for package in bootstrap lambwire-emulator; do
        program=$(scripts/image.sh $arch $package)
        tar -C "$(dirname "$program")" -czf "target/dist/$package-$arch-unknown-linux-musl.tar.gz" "$package"
    done
done
for package in bootstrap lambwire-emulator; do
    python3 scripts/sbom.py $package >"target/dist/$package.cdx.json"
done
scripts/build-wheel.sh
cp target/wheels/*.whl target/dist/
(cd target/dist && sha256sum -- *)
