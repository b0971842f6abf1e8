#!/usr/bin/env bash
# Builds the runtime in Go that stands in docs/ten-minutes.md, with the kit's function for a handler, and runs the
# conformance kit on it.
set -euo pipefail
cd "$(dirname "$0")/.."

HANDLER='\tif fields, ok := event.(map[string]any); ok \&\& fields["fail"] != nil {\n\t\treturn nil, fmt.Errorf("%v", fields["fail"])\n\t}\n\treturn event, nil'

scripts/install.sh go
cargo build -q -p lambwire-conformance --bins
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
sed -n '/^<!-- Kept as: main.go -->$/,/^```$/p' docs/ten-minutes.md | sed '1,/^```go$/d; /^```$/d' >"$place/main.go"
sed -i "/^type event struct {\$/,/^}\$/c type event = any
s/^\treturn map.*/$HANDLER/" "$place/main.go"
(cd "$place" && CGO_ENABLED=0 go build -o echo main.go)
"${CARGO_TARGET_DIR:-target}/debug/lambwire-conformance" runtime -- "$place/echo"
