//! Reply bytes say the same however they are cut, an error is final, and what is taken is what hyper reads.

use lambwire::RequestKind;

use crate::cuts::{Asking, hear};
use crate::oracle::{self, Said};
use crate::scatter;

/// What is asked for, by the first byte of the input; the others are the wire.
const ASKED: [&[RequestKind]; 5] = [
    &[RequestKind::Next, RequestKind::Response, RequestKind::Next],
    &[RequestKind::Response, RequestKind::Next, RequestKind::Error],
    &[RequestKind::InitError],
    &[RequestKind::RestoreNext, RequestKind::RestoreError],
    &[RequestKind::Register, RequestKind::ExtensionNext],
];

/// Runs it over one input.
pub fn run(data: &[u8]) {
    let Some((asking, wire)) = asking(data) else { return };
    let heard = hear(&asking, wire, [wire.len()]);
    assert_eq!(hear(&asking, wire, scatter::ends(wire)), heard);
    // hyper asks once.
    let ours: Vec<_> = heard.messages.iter().filter_map(Said::reply).take(1).collect();
    let stop = if ours.is_empty() { heard.stop } else { Ok(crate::cuts::Stop::Paused) };
    oracle::check(&ours, stop, &oracle::replies(wire), wire);
}

/// A client that has asked, and what it is to be sent.
pub(crate) fn asking(data: &[u8]) -> Option<(Asking, &[u8])> {
    let (choice, wire) = data.split_first()?;
    Some((Asking::new(ASKED[usize::from(*choice) % ASKED.len()]), wire))
}
