//! What comes before the first event: a start that fails, and a snapshot.

use std::env;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, SystemTime};

use lambwire_runtime::lambwire::Reply;
use lambwire_runtime::{Failure, remaining};

use crate::peer::{Peer, context};

/// Says that this process is to be a runtime, and what goes wrong in it.
const ROLE: &str = "LAMBWIRE_TEST_START";

#[test]
fn plays_a_runtime_that_cannot_start_when_asked() {
    let Ok(role) = env::var(ROLE) else { return };
    let mut runtime = lambwire_mio::Runtime::from_env().unwrap();
    let failure = Failure::new("Function.NoSuchThing", "nothing here");
    match role.as_str() {
        "fails" => runtime.init::<()>(|| Err(failure)),
        "panics" => runtime.init::<()>(|| panic!("nothing there")),
        _ => runtime.restore(|| Ok(()), || Err(failure)).unwrap(),
    }
}

/// Starts this binary again as such a runtime, does as `script` says, and gives the report and the exit code.
fn start(role: &str, script: impl FnOnce(&TcpListener) -> (String, Vec<u8>)) -> (String, String, Option<i32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut command = Command::new(env::current_exe().expect("this binary"));
    command.args(["--exact", "lifecycle::plays_a_runtime_that_cannot_start_when_asked"]).env(ROLE, role);
    command.env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().expect("its number").to_string());
    let mut child = command.spawn().expect("a process");
    let (said, body) = script(&listener);
    (said, String::from_utf8(body).expect("JSON"), child.wait().expect("its end").code())
}

#[test]
fn a_start_that_fails_is_reported_and_ends_the_process() {
    let (said, report, code) = start("fails", |listener| Peer::accept(listener).take_answer());
    assert_eq!((said.as_str(), code), ("init error Function.NoSuchThing", Some(1)));
    assert_eq!(report, r#"{"errorMessage":"nothing here","errorType":"Function.NoSuchThing"}"#);
    let (said, report, code) = start("panics", |listener| Peer::accept(listener).take_answer());
    assert_eq!((said.as_str(), code), ("init error Function.Panic", Some(1)));
    assert!(report.contains("nothing there") && report.contains("lifecycle.rs"), "{report}");
}

#[test]
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

#[test]
fn what_remains_of_the_time_is_counted_from_now() {
    let mut context = context();
    assert_eq!(remaining(&context), None);
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    for (deadline, least, most) in [(now + Duration::from_secs(3600), 1, 3600), (now - Duration::from_secs(1), 0, 0)] {
        context.deadline_ms = Some(u64::try_from(deadline.as_millis()).unwrap());
        let left = remaining(&context).unwrap();
        assert!((Duration::from_secs(least)..=Duration::from_secs(most)).contains(&left), "{left:?}");
    }
}
