//! The page, and what it is sent, as bytes; `just page` drives it in a browser.

use lambwire_emulator::{Event, Outcome, limits};
use serde_json::Value;

use crate::library::{echo, invoke_with, quiet};
use crate::wire::Wire;

const LOOK: &str = "GET /page/invocations HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// The next thing that is sent.
fn message(wire: &mut Wire) -> Value {
    loop {
        if let Some(json) = wire.read_line().strip_prefix("data: ") {
            return serde_json::from_str(json).unwrap();
        }
    }
}

#[test]
fn who_looks_hears_of_invocations_as_they_happen_and_of_those_before() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let address = emulator.listens().unwrap();
    let mut wire = Wire::connect(address);
    wire.write(LOOK);
    assert_eq!(wire.read().header("content-type"), Some("text/event-stream"));
    invoke_with(&emulator, Event::new(r#"{"a":1}"#), |peer| {
        let given = peer.next();
        peer.fail(&given.id, br#"{"errorMessage":"boom"}"#);
        peer.ask_next();
    });
    let begun = message(&mut wire);
    assert_eq!((&begun["status"], &begun["event"]), (&"running".into(), &r#"{"a":1}"#.into()));
    let over = message(&mut wire);
    assert_eq!((&over["id"], &over["status"]), (&begun["id"], &"failed".into()));
    assert_eq!(over["answer"], r#"{"errorMessage":"boom"}"#);
    for part in ["queue", "init", "run", "after"] {
        assert!(over["ms"][part].is_f64(), "{over}");
    }
    let mut late = Wire::connect(address);
    late.write(LOOK);
    late.read();
    assert_eq!(message(&mut late), over);
}

#[test]
fn who_looks_and_reads_nothing_holds_nobody_up() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let look = || {
        let mut wire = Wire::connect(emulator.listens().unwrap());
        wire.write(LOOK);
        assert_eq!(wire.read().status, 200);
        wire
    };
    let _silent = look();
    let runtime = echo(&emulator);
    let invoke = || emulator.invoke_blocking(Event::new(vec![b'x'; limits::PAGE_PAYLOAD_BYTES])).unwrap();
    // More than there is room for on the way: of each, the event is shown twice and the answer once.
    for _ in 0..100 {
        assert_eq!(invoke().outcome, Outcome::Success);
    }
    assert_eq!(message(&mut look())["status"], "ok");
    drop(emulator);
    runtime.join().unwrap();
}

#[test]
fn the_page_is_for_this_machine_and_takes_nothing_from_elsewhere() {
    let emulator = quiet().listen(([127, 0, 0, 1], 0).into()).start().unwrap();
    let get = |host: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Wire::connect(emulator.listens().unwrap()).exchange(request)
    };
    let page = get("localhost");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    assert!(!page.text().contains("src=") && !page.text().contains("@import") && !page.text().contains("//cdn"));
    assert!(page.text().contains(r#"#list:empty::before { content: "No invocations as yet."#));
    assert!(page.text().contains(r#"<section id="list" aria-label="Invocations"></section>"#));
    assert_eq!(get("evil.example").status, 403);
}
