//! A message reader collects the messages that the events give, in a buffer of any size, however the bytes are cut.

use crate::collecting::{Collector, check_reader};
use crate::scatter;
use crate::{client, server};

/// Runs it over one input: the role, the size that the buffer begins with, and what the role's own target takes.
pub fn run(data: &[u8]) {
    let [role, space, rest @ ..] = data else { return };
    let space = usize::from(*space) * 4;
    if role % 2 == 0 {
        let Some((asking, wire)) = client::asking(rest) else { return };
        check(&asking, wire, space);
    } else {
        let Some((accepting, wire)) = server::accepting(rest) else { return };
        check(&accepting, wire, space);
    }
}

fn check<P: Collector>(peer: &P, wire: &[u8], space: usize) {
    check_reader(peer, wire, &scatter::ends(wire), space);
    check_reader(peer, wire, &[wire.len()], wire.len());
}
