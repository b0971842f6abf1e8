//! A snapshot before the first event.

use std::cell::RefCell;

use lambwire_runtime::lambwire::{ApiError, ErrorReport, Reply};

use super::with_peer;
use crate::peer::Peer;

#[test]
fn a_snapshot_is_waited_for_on_as_many_connections_as_it_takes() {
    let (mut runtime, peer) = with_peer(|listener| {
        assert_eq!(Peer::accept(listener).request().0, "restore next");
        let mut peer = Peer::accept(listener);
        assert_eq!(peer.request().0, "restore next");
        peer.reply(&Reply::Restored, b"");
        Peer::accept(listener).invoke(b"{}");
    });
    let steps = RefCell::new(Vec::new());
    let step = |number| {
        steps.borrow_mut().push(number);
        Ok(())
    };
    wait!(runtime.restore(step!(step(1)), step!(step(2)))).unwrap();
    assert_eq!(steps.into_inner(), [1, 2]);
    assert_eq!(wait!(runtime.next(&mut Vec::new())).unwrap().payload, b"{}");
    peer.join().unwrap();
}

#[test]
fn a_snapshot_that_is_refused_is_an_error() {
    let (mut runtime, peer) = with_peer(|listener| Peer::accept(listener).refuse(ApiError::NotFound));
    let refused = wait!(runtime.restore(step!(Ok(())), step!(panic!("not restored")))).unwrap_err();
    assert!(refused.to_string().starts_with("restore next refused with status 404"), "{refused}");
    peer.join().unwrap();
}

#[test]
fn what_fails_after_a_snapshot_can_be_reported() {
    let (mut runtime, peer) = with_peer(|listener| {
        let mut peer = Peer::accept(listener);
        let (kind, body) = peer.request();
        assert_eq!(
            (kind.as_str(), &body[..]),
            ("restore error Runtime.AfterRestoreError", &br#"{"errorType":"OSError"}"#[..])
        );
        peer.reply(&Reply::Accepted, b"");
    });
    let written = Some(r#"{"errorType":"OSError"}"#);
    let report = ErrorReport { written, ..ErrorReport::new("Runtime.AfterRestoreError", "no network") };
    wait!(runtime.restore_error(&report)).unwrap();
    peer.join().unwrap();
}
