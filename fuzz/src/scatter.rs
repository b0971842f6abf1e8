//! Places to cut at, which follow from the bytes that are cut, so that an input is nothing but bytes of the wire.

/// Every place, or up to seven in order and the end.
pub(crate) fn ends(wire: &[u8]) -> Vec<usize> {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut state = wire.iter().fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let count = state % 9;
    if count == 8 {
        return (0..=wire.len()).collect();
    }
    let mut place = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % (wire.len() as u64 + 1)).expect("a place in the wire")
    };
    let mut ends: Vec<_> = (0..count).map(|_| place()).collect();
    ends.push(wire.len());
    ends.sort_unstable();
    ends
}
