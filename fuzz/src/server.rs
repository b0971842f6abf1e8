//! Request bytes say the same however they are cut, an error is final, and what is taken is what hyper reads.

use lambwire::Server;

use crate::cuts::{Accepting, hear};
use crate::oracle::{self, Said};
use crate::scatter;

/// Runs it over one input.
pub fn run(data: &[u8]) {
    let Some((accepting, wire)) = accepting(data) else { return };
    check(&accepting, wire);
}

/// Checks that `wire` has one reading.
pub(crate) fn check(accepting: &Accepting, wire: &[u8]) {
    let heard = hear(accepting, wire, [wire.len()]);
    assert_eq!(hear(accepting, wire, scatter::ends(wire)), heard);
    let ours: Vec<_> = heard.messages.iter().filter_map(Said::request).collect();
    oracle::check(&ours, heard.stop, &oracle::requests(wire), wire);
}

/// A server, with a prefix or without as the first byte has it, and what it is to be sent.
pub(crate) fn accepting(data: &[u8]) -> Option<(Accepting, &[u8])> {
    let (choice, wire) = data.split_first()?;
    let server = if choice % 2 == 0 { Server::new() } else { Server::at("http://127.0.0.1:9001/.rt").unwrap() };
    Some((Accepting { server }, wire))
}
