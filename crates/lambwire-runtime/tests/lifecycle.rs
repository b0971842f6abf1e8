//! What comes before the first event: a start that fails, and a snapshot. Both end the process, so that this program starts
//! itself again as the runtime.

#![expect(clippy::panic, reason = "to be reported")]

use std::env;
use std::net::TcpListener;
use std::process::Command;

use lambwire_runtime::Failure;
use lambwire_runtime::lambwire::Reply;

use crate::peer::Peer;

#[allow(dead_code, clippy::unwrap_used, reason = "the other tests use the rest")]
#[path = "it/peer.rs"]
mod peer;

/// Says that this process is to be a runtime, and what goes wrong in it.
const ROLE: &str = "LAMBWIRE_TEST_START";

fn main() {
    if let Ok(role) = env::var(ROLE) {
        return play(&role);
    }
    a_start_that_fails_is_reported_and_ends_the_process();
    a_restore_that_fails_is_reported_and_ends_the_process();
}

/// Plays a runtime that cannot start, or go on.
fn play(role: &str) {
    let mut runtime = lambwire_mio::Runtime::from_env().expect("an API");
    let failure = Failure::new("Function.NoSuchThing", "nothing here");
    match role {
        "fails" => runtime.init::<()>(|| Err(failure)),
        "panics" => runtime.init::<()>(|| panic!("nothing there")),
        _ => runtime.restore(|| Ok(()), || Err(failure)).expect("an answer"),
    }
}

/// Starts this program again as such a runtime, does as `script` says, and returns the report and the exit code.
fn start(role: &str, script: impl FnOnce(&TcpListener) -> (String, Vec<u8>)) -> (String, String, Option<i32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command.env(ROLE, role);
    command.env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().expect("its number").to_string());
    let mut child = command.spawn().expect("a process");
    let (said, body) = script(&listener);
    (said, String::from_utf8(body).expect("JSON"), child.wait().expect("its end").code())
}

fn a_start_that_fails_is_reported_and_ends_the_process() {
    let (said, report, code) = start("fails", |listener| Peer::accept(listener).take_answer());
    assert_eq!((said.as_str(), code), ("init error Function.NoSuchThing", Some(1)));
    assert_eq!(report, r#"{"errorMessage":"nothing here","errorType":"Function.NoSuchThing"}"#);
    let (said, report, code) = start("panics", |listener| Peer::accept(listener).take_answer());
    assert_eq!((said.as_str(), code), ("init error Function.Panic", Some(1)));
    assert!(report.contains("nothing there") && report.contains("lifecycle.rs"), "{report}");
}

fn a_restore_that_fails_is_reported_and_ends_the_process() {
    let (said, _, code) = start("restore", |listener| {
        let mut peer = Peer::accept(listener);
        assert_eq!(peer.request().0, "restore next");
        peer.reply(&Reply::Restored, b"");
        // The connection of before the snapshot is not used again.
        Peer::accept(listener).take_answer()
    });
    assert_eq!((said.as_str(), code), ("restore error Function.NoSuchThing", Some(1)));
}
