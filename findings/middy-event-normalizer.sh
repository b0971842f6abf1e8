#!/usr/bin/env bash
# @middy/event-normalizer 6.4.5 makes a text in UTF-8 of whatever an event has in base64. Events of CloudWatch Logs are gzip in
# base64, always: what the handler gets is no gzip any more, and cannot be made one again. The same goes for records of
# Kinesis, Firehose, Kafka and MQ that are no text, such as those in Avro or Protocol Buffers. Seen on 30 November 2026 with Node
# 20.20.2:
#
#     CloudWatch Logs, from the event: DATA_MESSAGE
#     CloudWatch Logs, from what is left of it: incorrect header check
#     Kinesis, all 256 bytes: 128 are the replacement character
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" @middy/core@6.4.5 @middy/event-normalizer@6.4.5
cat >"$root/app.mjs" <<'J'
import { gunzipSync, gzipSync } from "node:zlib";
import normalizer from "@middy/event-normalizer";
import middy from "@middy/core";

const normalized = middy().use(normalizer()).handler(async (event) => event);

const kind = (bytes) => {
  try {
    return JSON.parse(gunzipSync(bytes)).messageType;
  } catch (error) {
    return error.message;
  }
};
const logs = { messageType: "DATA_MESSAGE", logGroup: "/aws/lambda/f", logStream: "s", logEvents: [{ id: "1", timestamp: 1, message: "hello" }] };
const data = gzipSync(JSON.stringify(logs)).toString("base64");
const { awslogs } = await normalized({ awslogs: { data } }, {});
console.log("CloudWatch Logs, from the event:", kind(Buffer.from(data, "base64")));
console.log("CloudWatch Logs, from what is left of it:", kind(Buffer.from(awslogs.data)));

const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index)).toString("base64");
const { Records } = await normalized({ Records: [{ eventSource: "aws:kinesis", kinesis: { data: bytes } }] }, {});
const lost = [...Records[0].kinesis.data].filter((character) => character === "\ufffd").length;
console.log(`Kinesis, all 256 bytes: ${lost} are the replacement character`);
J
seen=$(node "$root/app.mjs")
echo "$seen"
[ "$seen" = 'CloudWatch Logs, from the event: DATA_MESSAGE
CloudWatch Logs, from what is left of it: incorrect header check
Kinesis, all 256 bytes: 128 are the replacement character' ] || { echo "this has changed" >&2; exit 1; }
