#!/usr/bin/env bash
# Packs every crate that is published, looks at what is in the packages, builds a stranger's project against them alone,
# and compares the public API with that of the last tag.
set -euo pipefail
cd "$(dirname "$0")/.."

# Largest compressed package of the core, in bytes.
CORE_BYTES=102400

main() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # Publishing checks the manifests as the registry does. Tests stay behind, of which cargo warns.
    cargo publish --quiet --workspace --dry-run --no-verify --allow-dirty --target-dir "$work/target" 2>&1 |
        { grep -v 'ignoring test\|aborting upload due to dry run' || true; } >&2
    mkdir "$work/packages"
    local package
    for package in "$work"/target/package/tmp-crate/*.crate; do
        tar -C "$work/packages" -xzf "$package"
        look "$package" "$work/packages/$(basename "$package" .crate)"
    done
    stranger
    semver
}

look() {
    local name file
    name=$(basename "$1" .crate)
    echo "$name: $(stat -c %s "$1") bytes, $(find "$2" -type f | wc -l) files"
    for file in README.md LICENSE-APACHE LICENSE-MIT; do
        [ -s "$2/$file" ] || fail "$name has no $file"
    done
    ! find "$2" -path '*captures*' -o -path '*tests/it*' | grep . >&2 || fail "$name carries tests along"
    ! grep -nE '^# ' <(sed -n '/^```rust/,/^```$/p' "$2/README.md") >&2 || fail "$name: README.md shows hidden lines"
    ! grep -nE '\]\([^)h#]' "$2/README.md" | grep -v '](http' >&2 || fail "$name: README.md has links that lead nowhere on crates.io"
    [[ $name != lambwire-[0-9]* ]] || [ "$(stat -c %s "$1")" -le $CORE_BYTES ] || fail "$name is larger than $CORE_BYTES bytes"
}

# A project that has nothing but the packages: the function of the README.
stranger() {
    mkdir -p "$work/stranger/src"
    sed -n '/^```rust/,/^```$/{//d;p}' README.md >"$work/stranger/src/main.rs"
    {
        printf '[package]\nname = "stranger"\nedition = "2024"\n\n[dependencies]\n'
        local package name
        for package in "$work"/packages/*; do
            name=$(basename "$package" | sed 's/-[0-9][0-9.]*$//')
            echo "$name = \"*\""
        done
        printf '\n[patch.crates-io]\n'
        for package in "$work"/packages/*; do
            name=$(basename "$package" | sed 's/-[0-9][0-9.]*$//')
            echo "$name = { path = \"$package\" }"
        done
    } >"$work/stranger/Cargo.toml"
    cargo check --quiet --manifest-path "$work/stranger/Cargo.toml" --target-dir "$work/target"
    echo "a stranger's project builds against the packages alone"
}

semver() {
    local tag
    if ! tag=$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); then
        echo "no version is tagged as yet: there is no API to be compared with"
        return
    fi
    scripts/install.sh semver-checks
    PATH=$PWD/.tools/bin:$PATH cargo semver-checks --workspace --baseline-rev "$tag"
}

fail() {
    echo "publishable.sh: $*" >&2
    exit 1
}

main "$@"
