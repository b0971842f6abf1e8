//! Programs that somebody else starts, and what is said where none is there.

use std::io::BufRead;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::thread;

use crate::peer::{Peer, accepted};
use crate::started::Served;
use crate::wire::{INVOKE, Wire, post};

/// The emulator without a program, with these options; and lines of its standard error, without its name.
fn serve(options: &[&str]) -> (Served, impl Iterator<Item = String> + use<>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lambwire-emulator"));
    command.args(["--listen", "127.0.0.1:0", "--runtime-api", "127.0.0.1:0"]).args(options).env_remove("RUST_LOG");
    let mut served = Served::new(command.stderr(Stdio::piped()));
    let lines = served.process.stderr().lines().map_while(Result::ok);
    (served, lines.filter_map(|line| line.strip_prefix("lambwire-emulator: ").map(str::to_owned)))
}

fn runtime_api(served: &Served) -> SocketAddr {
    served.ready["runtime_api"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_caller_who_waits_for_a_program_that_has_gone_has_it_said_how_one_is_attached() {
    let (served, mut lines) = serve(&["--timeout", "off"]);
    let (address, runtime_api) = (served.address(), runtime_api(&served));
    // None has come; one has gone that waited for the next; and one that did not ask for it.
    for asks in [true, false, true] {
        let caller = thread::spawn(move || post(address, INVOKE, &[], b"1"));
        let said = lines.next().unwrap();
        let mut peer = Peer::connect(runtime_api);
        let given = peer.next();
        let (id, how) = (&given.id, "waits, and no runtime is attached that asks for it: a runtime finds where by");
        assert_eq!(said, format!("RequestId: {id} {how} AWS_LAMBDA_RUNTIME_API={runtime_api}"));
        assert_eq!(peer.respond(&given.id, b"2"), accepted());
        assert_eq!(caller.join().unwrap().text(), "2");
        if asks {
            peer.ask_next();
        }
    }
}

#[test]
fn what_is_no_request_is_refused_and_the_log_says_what_is_wrong() {
    let (served, mut lines) = serve(&["--timeout", "off"]);
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\na: {}\r\n\r\n", "a".repeat(1024 * 1024));
    for (request, status, why) in [
        ("GET\r\n\r\n", 400, "invalid HTTP method parsed"),
        ("GET / HTTP/1.1\r\nHost localhost\r\n\r\n", 400, "invalid HTTP header parsed"),
        (&long, 431, "message head is too large"),
    ] {
        assert_eq!(Wire::connect(served.address()).exchange(request).status, status);
        assert_eq!(lines.next().unwrap(), format!("a caller sends what is no request of HTTP/1.1: {why}"));
    }
}

#[test]
fn who_tries_again_and_again_what_is_refused_has_it_said_once() {
    let (served, mut lines) = serve(&[]);
    let mut wire = Wire::connect(runtime_api(&served));
    let mut ask = |path: &str| wire.exchange(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).status;
    for _ in 0..100 {
        assert_eq!(ask("/nowhere"), 404);
    }
    assert_eq!(ask("/elsewhere"), 404);
    let unknown = "the runtime asks for something unknown: GET";
    assert_eq!(lines.next().unwrap(), format!("{unknown} /nowhere"));
    assert_eq!(lines.next().unwrap(), "last line repeated 99 times");
    assert_eq!(lines.next().unwrap(), format!("{unknown} /elsewhere"));
    // An extension that was never registered.
    for _ in 0..3 {
        let next = "GET /2020-01-01/extension/event/next HTTP/1.1\r\nHost: x\r\n\r\n";
        assert_eq!(wire.exchange(next).status, 403);
    }
    assert!(lines.next().unwrap().starts_with("a request of an extension is refused: "));
    // Nothing else comes, and it is said all the same.
    assert_eq!(lines.next().unwrap(), "last line repeated 2 times");
}
