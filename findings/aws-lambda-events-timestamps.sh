#!/usr/bin/env bash
# aws_lambda_events 1.2.1 reads every other time in milliseconds as one less: it divides by 1000 as a floating-point number, and cuts
# off what comes out. And it writes them as text, where AWS sends numbers. Hit is who compares or stores the times of Kafka's or
# Firehose's records, and who hands such an event on: the schema of Powertools for TypeScript 2.35.0 refuses it. Seen on 29
# November 2026 with Rust 1.95 and Node 20.20.2:
#
#     as sent: 1545084650987, read
#     by aws_lambda_events: "1545084650986", refused: expected number, received string
#     496 of the 1000 milliseconds of that second are one less
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
npm install --silent --no-audit --no-fund --prefix "$root" @aws-lambda-powertools/parser@2.35.0 zod@4.4.3
mkdir "$root/src"
cat >"$root/Cargo.toml" <<'T'
[package]
name = "pass"
version = "0.1.0"
edition = "2021"
[dependencies]
aws_lambda_events = { version = "=1.2.1", default-features = false, features = ["kafka"] }
serde_json = "=1.0.145"
T
cat >"$root/src/main.rs" <<'R'
use aws_lambda_events::kafka::KafkaEvent;

fn main() -> Result<(), serde_json::Error> {
    let text = std::io::read_to_string(std::io::stdin()).unwrap();
    let pass = |text: &str| serde_json::to_string(&serde_json::from_str::<KafkaEvent>(text)?);
    println!("{}", pass(&text)?);
    let mut less = 0;
    for millis in 0..1000 {
        let event = pass(&text.replace("1545084650987", &format!("1545084650{millis:03}")))?;
        if !event.contains(&format!("1545084650{millis:03}")) {
            assert!(event.contains(&(1545084650000_i64 + millis - 1).to_string()));
            less += 1;
        }
    }
    eprintln!("{less} of the 1000 milliseconds of that second are one less");
    Ok(())
}
R
cat >"$root/event.json" <<'J'
{
  "eventSource": "aws:kafka", "eventSourceArn": "arn:aws:kafka:us-east-1:123456789012:cluster/c/1", "bootstrapServers": "b:9092",
  "records": {"topic-0": [{"topic": "topic", "partition": 0, "offset": 15, "timestamp": 1545084650987, "timestampType": "CREATE_TIME",
    "key": "a2V5", "value": "dmFsdWU=", "headers": []}]}
}
J
cat >"$root/read.mjs" <<'J'
import { readFileSync } from "node:fs";
import { KafkaMskEventSchema } from "@aws-lambda-powertools/parser/schemas/kafka";

const event = JSON.parse(readFileSync(0, "utf8"));
const { success, error } = KafkaMskEventSchema.safeParse(event);
const sent = JSON.stringify(event.records["topic-0"][0].timestamp);
console.log(`${sent}, ${success ? "read" : `refused: ${error.issues[0].message.replace("Invalid input: ", "")}`}`);
J
cargo build -q --manifest-path "$root/Cargo.toml" --target-dir "$root/target"
seen="as sent: $(node "$root/read.mjs" <"$root/event.json")
by aws_lambda_events: $("$root/target/debug/pass" <"$root/event.json" 2>"$root/less" | node "$root/read.mjs")
$(cat "$root/less")"
echo "$seen"
[ "$seen" = 'as sent: 1545084650987, read
by aws_lambda_events: "1545084650986", refused: expected number, received string
496 of the 1000 milliseconds of that second are one less' ] || { echo "this has changed" >&2; exit 1; }
