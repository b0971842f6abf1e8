#!/usr/bin/env bash
# Builds `lambda`, and gathers in `client` the library that it links and all that this needs, as a vendor would pack it.
set -euo pipefail
cd "$(dirname "$0")"

CGO_ENABLED=1 go build -o lambda .
rm -rf client
mkdir client
# The libraries of libc belong to the image, since its loader fits no others.
ldd lambda | awk '$2 == "=>" && $1 !~ /^lib(c|m|resolv)\.so/ { print $3 }' | xargs cp -L -t client
