#!/usr/bin/env bash
# Builds the libraries with the oldest compiler that the workspace states, and runs the tests of the core. The compiler is
# taken from Debian's packages into .tools/ without being installed.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=1.85.0+dfsg3-1~deb12u3
PACKAGES=("rustc-web=$VERSION" "cargo-web=$VERSION" "libstd-rust-web-dev=$VERSION" "libstd-rust-web-1.85=$VERSION" libllvm19 libpcre3)

stated=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
[[ $VERSION == "$stated".* ]] || { echo "msrv.sh: Cargo.toml states Rust $stated, and this builds with ${VERSION%%+*}" >&2; exit 1; }

root=$PWD/.tools/rust-$stated
if [ ! -x "$root/usr/bin/cargo" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    chmod 755 "$work"
    (cd "$work" && apt-get -q update >&2 && apt-get -q download "${PACKAGES[@]}" >&2)
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
    mkdir -p .tools
    mv "$work/root" "$root"
fi
triple=$(uname -m)-linux-gnu
libraries=$root/usr/lib/$triple:$root/lib/$triple
export LD_LIBRARY_PATH=$libraries:$root/usr/lib/llvm-19/lib RUSTC=$root/usr/bin/rustc RUSTDOC=$root/usr/bin/rustdoc
"$RUSTC" --version
# The published crates in a workspace of their own, with the newest dependencies that this compiler takes: whoever has it
# would get those.
copy=$(mktemp -d)
trap 'rm -rf "$copy" "${work:-}"' EXIT
git ls-files crates docs | tar -c --files-from=- | tar -x -C "$copy"
sed 's/^members = .*/members = ["crates\/*"]/; /^default-members/d; /^exclude/d' Cargo.toml >"$copy/Cargo.toml"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/msrv
cd "$copy"
export CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS=fallback
# heapless 0.9.1 says that it can be built with Rust 1.82, and cannot with less than 1.87.
"$root/usr/bin/cargo" update --quiet heapless --precise 0.8.0
"$root/usr/bin/cargo" check --quiet --target-dir "$target" -p lambwire -p lambwire-runtime -p lambwire-mio -p lambwire-smol -p lambwire-testing
"$root/usr/bin/cargo" test --quiet --target-dir "$target" -p lambwire
echo "the core and the transports build with Rust $stated, and the tests of the core pass"
