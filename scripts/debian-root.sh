#!/usr/bin/env bash
# debian-root.sh DIRECTORY PACKAGE...: unpacks Debian packages, and all that they depend on, into a root for an image.
#
# No script of a package runs, so that it takes seconds, and the root has nothing in it that was not asked for.
set -euo pipefail

main() {
    local root=$1 archive
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    shift
    mkdir -p "$root" "$work/archives/partial"
    # Where no package is said to be installed, all of them are fetched.
    touch "$work/status"
    apt-get -qq -o Dir::State::Status="$work/status" -o Dir::Cache::Archives="$work/archives" \
        -o APT::Sandbox::User=root install --download-only -y --no-install-recommends "$@" >&2
    for archive in "$work"/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$archive" |
            tar -x -C "$root" --exclude ./usr/share/doc --exclude ./usr/share/man --exclude ./usr/share/locale
    done
}

main "$@"
