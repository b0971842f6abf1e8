//! Whatever bytes come: no panic, no byte used that was not given, and one reading of them.

use std::sync::LazyLock;

use lambwire::{Client, RequestKind, Server};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::captures::{self, Capture};
use crate::collecting::{Collector, check_reader};
use crate::cuts::{Accepting, Asking, Peer, hear};
use crate::strategies::{config, cuts, ends};

pub(crate) static CAPTURES: LazyLock<Vec<(String, Capture)>> = LazyLock::new(captures::all);

/// Checks that `wire` has one reading, however it is cut and collected.
#[track_caller]
fn check<P: Peer + Collector>(peer: &P, wire: &[u8], cuts: &[Vec<Index>; 2], space: usize) {
    let first = hear(peer, wire, ends(&cuts[0], wire.len()));
    assert_eq!(hear(peer, wire, ends(&cuts[1], wire.len())), first);
    check_reader(peer, wire, &ends(&cuts[0], wire.len()), space);
}

/// A change of one byte or a few.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    Repeat(Index, usize),
}

pub(crate) fn change() -> impl Strategy<Value = Change> {
    const ODD: [&[u8]; 13] = [
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b":",
        b"\r\n\r\n",
        b"0\r\n\r\n",
        b"Content-Length: 1\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Expect: 100-continue\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ];
    let odd = prop::sample::select(&ODD[..]);
    prop_oneof![
        (any::<Index>(), 1u8..).prop_map(|(at, bits)| Change::Flip(at, bits)),
        (any::<Index>(), odd).prop_map(|(at, bytes)| Change::Insert(at, bytes.to_vec())),
        (any::<Index>(), 1..20usize).prop_map(|(at, len)| Change::Delete(at, len)),
        (any::<Index>(), 1..200usize).prop_map(|(at, len)| Change::Repeat(at, len)),
    ]
}

pub(crate) fn changed(wire: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut wire = wire.to_vec();
    for change in changes {
        let (Change::Flip(at, _) | Change::Insert(at, _) | Change::Delete(at, _) | Change::Repeat(at, _)) = change;
        let at = at.index(wire.len() + 1);
        match change {
            Change::Flip(_, bits) => {
                if let Some(byte) = wire.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Change::Insert(_, bytes) => drop(wire.splice(at..at, bytes.iter().copied())),
            Change::Delete(_, len) => drop(wire.drain(at..(at + len).min(wire.len()))),
            Change::Repeat(_, len) => {
                let again = wire[at..(at + len).min(wire.len())].to_vec();
                drop(wire.splice(at..at, again));
            }
        }
    }
    wire
}

/// Bytes of which many mean something.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(
        &[
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 202 Accepted\r\n",
            "HTTP/1.0 204 \r\n",
            "HTTP/1.1 100\r\n\r\n",
            "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n",
            "POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: x\r\n",
            "Lambda-Runtime-Aws-Request-Id: x\r\n",
            "Content-Length: 3\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Connection: close\r\n",
            "\r\n",
            "3\r\nabc\r\n",
            "0\r\n",
            "A: b\r\n",
        ][..],
    );
    let part = prop_oneof![
        4 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..8),
    ];
    vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn asking() -> Asking {
    Asking::new(&[RequestKind::Next, RequestKind::Response, RequestKind::Next, RequestKind::RestoreNext])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..config() })]

    #[test]
    fn any_bytes_have_one_reading(wire in soup(), cuts in [cuts(), cuts()], space in 0..200usize) {
        check(&asking(), &wire, &cuts, space);
        check(&Accepting::default(), &wire, &cuts, space);
        check(&Server::new(), &wire, &cuts, space);
        check(&Client::new("h:1").unwrap(), &wire, &cuts, space);
    }

    #[test]
    fn changed_captures_have_one_reading(
        capture: Index,
        changes in vec(change(), 1..4),
        cuts in [cuts(), cuts()],
        space in 0..600usize,
    ) {
        match &capture.get(&CAPTURES).1 {
            Capture::Requests(server, bytes) => check(server, &changed(bytes, &changes), &cuts, space),
            Capture::Replies(client, _, bytes) => check(client, &changed(bytes, &changes), &cuts, space),
        }
    }
}
