//! What subscribers of AWS's Runtime Interface Emulator hear in its mode for managed instances: its captures, replayed. What
//! they are sent has times of its own and comes in other pieces: `telemetry.rs` looks at that.

use std::net::TcpListener;
use std::thread;

use lambwire_emulator::Emulator;

use crate::patience::AMPLE;
use crate::peer::Peer;
use crate::rie_replay::{compare, id, of, request, start, wire, with};
use crate::wire::{INVOKE, post};

const REGISTER: &str = "POST /2020-01-01/extension/register HTTP/1.1\r\nHost: x\r\nLambda-Extension-Name: NAME\r\n\
                        Content-Length: 2\r\n\r\n{}";

#[test]
fn subscriptions_are_taken_and_refused_as_by_rie() {
    let emulator = start(Emulator::without_program().as_rie().timeout(AMPLE).concurrency(1));
    let address = emulator.listens().unwrap();
    let mut extension = wire(&emulator);
    let own = id(&extension.exchange(REGISTER));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    for name in [
        "tel-sub-ok",
        "tel-sub-again-500",
        "tel-sub-no-buffering",
        "tel-sub-badjson",
        "tel-sub-schema-2022-07-01",
        "tel-sub-schema-2022-12-13",
        "tel-sub-noschema",
        "tel-sub-types-empty",
        "tel-sub-types-bogus",
        "tel-sub-items-999",
        "tel-sub-items-10001",
        "tel-sub-bytes-262143",
        "tel-sub-bytes-1048577",
        "tel-sub-timeout-24",
        "tel-sub-timeout-30001",
        "tel-sub-proto-lower",
        "tel-sub-uri-localhost",
        "tel-sub-uri-noport",
        "tel-sub-uri-https",
        "tel-sub-uri-reserved",
        "tel-sub-tcp-80",
        "tel-sub-tcp-noport",
        "tel-sub-tcp-ok",
        "tel-sub-encoding",
    ] {
        let asked = of(&request(name), &own);
        let asked = if name == "tel-sub-tcp-ok" {
            let port = listener.local_addr().unwrap().port().to_string();
            let (head, body) = asked.split_once("\r\n\r\n").unwrap();
            let body = body.replace("4300", &port);
            with(&format!("{head}\r\n\r\n"), "Content-Length", &body.len().to_string()) + &body
        } else {
            asked
        };
        compare(name, &extension.exchange(asked));
    }
    thread::scope(|scope| {
        scope.spawn(|| post(address, INVOKE, &[], b"{}"));
        let mut runtime = Peer::connect(emulator.runtime_api());
        let given = runtime.next();
        compare("tel-sub-late-403", &extension.exchange(of(&request("tel-sub-late-403"), &own)));
        runtime.respond(&given.id, b"");
    });
}
