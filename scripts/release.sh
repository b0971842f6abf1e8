#!/usr/bin/env bash
# release.sh VERSION: gives the workspace this version, makes a section of what CHANGELOG.md has as unreleased, commits, and
# tags. It pushes nothing; what a tag builds is in .github/workflows/release.yml.
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?usage: release.sh VERSION}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { echo "release.sh: '$version' is no version such as 0.2.0" >&2; exit 2; }
[ -z "$(git status --porcelain)" ] || { echo "release.sh: there are changes that are not committed" >&2; exit 1; }
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || { echo "release.sh: v$version is there already" >&2; exit 1; }
notes=$(sed -n '/^## \[Unreleased\]/,/^## /{/^## /!{/^\[.*\]: /!p}}' CHANGELOG.md)
[ -n "${notes//[[:space:]]/}" ] || { echo "release.sh: CHANGELOG.md has nothing under '## [Unreleased]'" >&2; exit 1; }

sed -i "0,/^version = \".*\"/s//version = \"$version\"/; s/\(path = \"crates\/[a-z-]*\", version = \)\"[^\"]*\"/\1\"$version\"/" Cargo.toml
sed -i "s/^## \[Unreleased\]$/## [Unreleased]\n\n## [$version] - $(date +%F)/" CHANGELOG.md
cargo update --quiet --workspace
git commit --quiet --all --message "Release $version"
# Headings begin with what git takes for the sign of a comment.
git tag --annotate --cleanup=whitespace "v$version" --message "Lambwire $version" --message "$notes"
echo "v$version is tagged: git push origin main v$version"
