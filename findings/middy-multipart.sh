#!/usr/bin/env bash
# @middy/http-multipart-body-parser 6.4.5 keeps the last of several fields of a form that have one name, such as the choices of a
# <select multiple> or the files of one input, which its parser for urlencoded forms hands on as a list. It answers 415 to a
# boundary in quotes, or with one of the other characters that RFC 2046 allows (an underscore here), and to a media type
# without a space before `boundary`. The parser beneath it, @fastify/busboy, reads all of these. 7.9.2 does the same. Seen on
# 30 November 2026 with Node 20.20.2:
#
#     multipart/form-data; boundary=abc: {"color":"blue"}; busboy: red, blue
#     multipart/form-data; boundary="abc": 415; busboy: red, blue
#     multipart/form-data; boundary=a_c: 415; busboy: red, blue
#     multipart/form-data;boundary=abc: 415; busboy: red, blue
#     urlencoded: {"color":["red","blue"]}
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" @middy/core@6.4.5 @middy/util@6.4.5 @middy/http-multipart-body-parser@6.4.5 \
    @middy/http-urlencode-body-parser@6.4.5
cat >"$root/app.mjs" <<'J'
import BusBoy from "@fastify/busboy";
import middy from "@middy/core";
import multipart from "@middy/http-multipart-body-parser";
import urlencoded from "@middy/http-urlencode-body-parser";

const parse = (parser, type, body) =>
  middy().use(parser()).handler(async (event) => JSON.stringify(event.body))({ headers: { "content-type": type }, body }, {})
    .catch((error) => error.statusCode);

const fields = (type, body) => new Promise((resolve) => {
  const values = [];
  const busboy = BusBoy({ headers: { "content-type": type } });
  busboy.on("field", (name, value) => values.push(value)).on("finish", () => resolve(values.join(", ")));
  busboy.end(body);
});

for (const [rest, boundary] of [["; boundary=abc", "abc"], ['; boundary="abc"', "abc"], ["; boundary=a_c", "a_c"], [";boundary=abc", "abc"]]) {
  const type = `multipart/form-data${rest}`;
  const part = (value) => `--${boundary}\r\nContent-Disposition: form-data; name="color"\r\n\r\n${value}\r\n`;
  const body = `${part("red")}${part("blue")}--${boundary}--\r\n`;
  console.log(`${type}: ${await parse(multipart, type, body)}; busboy: ${await fields(type, body)}`);
}
console.log(`urlencoded: ${await parse(urlencoded, "application/x-www-form-urlencoded", "color=red&color=blue")}`);
J
seen=$(node "$root/app.mjs")
echo "$seen"
[ "$seen" = 'multipart/form-data; boundary=abc: {"color":"blue"}; busboy: red, blue
multipart/form-data; boundary="abc": 415; busboy: red, blue
multipart/form-data; boundary=a_c: 415; busboy: red, blue
multipart/form-data;boundary=abc: 415; busboy: red, blue
urlencoded: {"color":["red","blue"]}' ] || { echo "this has changed" >&2; exit 1; }
