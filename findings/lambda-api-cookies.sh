#!/usr/bin/env bash
# lambda-api 1.5.1 reads back another cookie than it wrote: each value that is JSON is parsed, text or not. The text
# "9007199254740993" comes back as the number 9007199254740992, so that ids of 17 digits and more are those of others, "1e5" as
# 100000, and "null" as nothing. Its README has values serialized "if an object, array, etc."; a text is not, and so cannot be told
# from a number. Seen on 29 November 2026 with Node 20.20.2:
#
#     wrote "9007199254740993", read 9007199254740992
#     wrote "1e5", read 100000
#     wrote "null", read null
#     wrote "007", read "007"
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" lambda-api@1.5.1
cat >"$root/cookies.js" <<'J'
const api = require("lambda-api")();
api.get("/write", (request, response) => response.cookie("id", request.query.id).send(""));
api.get("/read", (request) => request.cookies);
const call = (rawPath, rest) =>
  api.run({ version: "2.0", rawPath, headers: {}, requestContext: { http: { method: "GET", path: rawPath } }, ...rest }, {});
(async () => {
  for (const id of ["9007199254740993", "1e5", "null", "007"]) {
    const { cookies } = await call("/write", { rawQueryString: `id=${id}`, queryStringParameters: { id } });
    const { body } = await call("/read", { rawQueryString: "", cookies: cookies.map((cookie) => cookie.split(";")[0]) });
    console.log(`wrote ${JSON.stringify(id)}, read ${JSON.stringify(JSON.parse(body).id)}`);
  }
})();
J
seen=$(node "$root/cookies.js")
echo "$seen"
[ "$seen" = 'wrote "9007199254740993", read 9007199254740992
wrote "1e5", read 100000
wrote "null", read null
wrote "007", read "007"' ] || { echo "this has changed" >&2; exit 1; }
