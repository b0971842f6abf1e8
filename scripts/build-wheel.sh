#!/usr/bin/env bash
# Builds the PyPI wheel that carries both static programs, into target/wheels, and tries it in a fresh environment.
set -euo pipefail
cd "$(dirname "$0")/.."

# Largest wheel, in bytes.
WHEEL_BYTES=2097152
# Static programs, which run on every Linux of this architecture.
PLATFORMS=(manylinux_2_17_x86_64 musllinux_1_1_x86_64)
WHEEL=0.48.0

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    local version bootstrap emulator
    version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
    bootstrap=$(scripts/image.sh x86_64 bootstrap)
    emulator=$(scripts/image.sh x86_64 lambwire-emulator profiled)
    tree "$work/lambwire-$version" "$version" "$bootstrap" "$emulator"
    python3 -m venv "$work/tools"
    "$work/tools/bin/pip" install -q "wheel==$WHEEL"
    rm -rf target/wheels
    mkdir -p target/wheels
    "$work/tools/bin/python" -m wheel pack --dest-dir target/wheels "$work/lambwire-$version" >&2
    wheel=$(echo target/wheels/*.whl)
    local size
    size=$(stat -c %s "$wheel")
    echo "$wheel: $size bytes of $WHEEL_BYTES"
    [ "$size" -le $WHEEL_BYTES ]
    try "$wheel"
}

# What `wheel pack` makes a wheel of: it lists the files and their sums itself.
tree() {
    local info=$1/lambwire-$2.dist-info scripts=$1/lambwire-$2.data/scripts
    mkdir -p "$info/licenses" "$scripts"
    cp "$3" "$4" "$scripts/"
    cp LICENSE-APACHE LICENSE-MIT "$info/licenses/"
    printf 'Wheel-Version: 1.0\nGenerator: lambwire\nRoot-Is-Purelib: false\n' >"$info/WHEEL"
    local platform
    for platform in "${PLATFORMS[@]}"; do echo "Tag: py3-none-$platform" >>"$info/WHEEL"; done
    {
        printf 'Metadata-Version: 2.4\nName: lambwire\nVersion: %s\n' "$2"
        printf 'Summary: AWS Lambda on this machine, and handlers in any language: lambwire-emulator and bootstrap\n'
        printf 'License-Expression: MIT OR Apache-2.0\nLicense-File: LICENSE-APACHE\nLicense-File: LICENSE-MIT\n'
        printf 'Project-URL: Source, https://github.com/lambwire/lambwire\nKeywords: aws,lambda,emulator,runtime\n'
        printf 'Description-Content-Type: text/markdown\n\n'
        cat packaging/wheel.md
    } >"$info/METADATA"
}

# As somebody does who has read three lines.
try() {
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -q "$1"
    mkdir "$work/function"
    printf 'def handler(event, context):\n    return {"hello": event["name"]}\n' >"$work/function/app.py"
    local answer
    answer=$(cd "$work/function" && PATH=$work/venv/bin:$PATH lambwire-emulator --event-json '{"name":"wheel"}' -- bootstrap app.handler 2>"$work/log" | tail -n 1)
    [[ $answer == *'{"hello": "wheel"}'* || $answer == *'{"hello":"wheel"}'* ]] || { cat "$work/log" >&2; echo "build-wheel.sh: the wheel's programs answer $answer" >&2; exit 1; }
    echo "installed in a fresh environment, it answers: $answer"
}

main "$@"
