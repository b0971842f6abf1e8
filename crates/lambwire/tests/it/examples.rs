//! The examples do what they say, beside each other.

use std::net::TcpListener;
use std::thread;

#[expect(dead_code, reason = "its `main`")]
#[path = "../../examples/server.rs"]
mod server;
#[expect(dead_code, reason = "its `main`")]
#[path = "../../examples/session.rs"]
mod session;

#[test]
fn a_session_by_hand_meets_a_server_by_hand() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = listener.local_addr().expect("an address").to_string();
    let api_end = thread::spawn(move || {
        let mut log = Vec::new();
        let events = [r#""one""#, r#""fail""#, r#""two""#].map(str::to_owned);
        server::serve(&listener, events.into_iter(), &mut log).expect("a runtime that keeps to the protocol");
        String::from_utf8(log).expect("text")
    });
    let end = session::run(&api).expect("a server that keeps to the protocol");
    assert!(end.starts_with("next refused with status 500"), "{end}");
    assert_eq!(
        api_end.join().expect("no panic"),
        "event-1 returned \"ONE\"\nevent-2 failed after half of it: Function.Broken\nevent-3 returned \"TWO\"\n"
    );
}
