//! Unpacks what the build has deflated (RFC 1951). It is small before it is quick, and takes nothing for granted.

use std::iter::repeat_n;

/// Longest code of a symbol, in bits (RFC 1951, 3.2.7).
const CODE_BITS: usize = 15;

/// Symbols of distances, in the code that is fixed (RFC 1951, 3.2.6).
const DISTANCES: usize = 30;

/// Codes of so many bits or less are looked up, which nearly all are; a longer one is looked for bit by bit.
const QUICK_BITS: u32 = 9;

/// The symbol that ends a block. Those before it are literal bytes, those after it lengths.
const END: u16 = 256;

/// The longest piece that is copied has a symbol of its own (RFC 1951, 3.2.5).
const LONGEST: u16 = 285;

/// How long that piece is, in bytes.
const LONGEST_BYTES: usize = 258;

/// The order in which the lengths of the code are given that the other two codes are written in (RFC 1951, 3.2.7).
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// All that was packed; `None` if this is not how it is packed.
pub(crate) fn inflate(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bits = Bits { bytes: packed, held: 0, count: 0 };
    // Of text, this is mostly all that there will be.
    let mut out = Vec::with_capacity(packed.len() * 4);
    loop {
        let is_last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => bits.stored(&mut out)?,
            1 => {
                let lengths = [(8, 144), (9, 112), (7, 24), (8, 8)].map(|(length, count)| repeat_n(length, count));
                let lengths: Vec<u8> = lengths.into_iter().flatten().collect();
                bits.block(&Code::new(&lengths), &Code::new(&[5; DISTANCES]), &mut out)?;
            }
            2 => {
                let (literals, distances) = bits.codes()?;
                bits.block(&literals, &distances, &mut out)?;
            }
            _ => return None,
        }
        if is_last {
            return Some(out);
        }
    }
}

/// What is still to be read, from the lowest bit of each byte on.
struct Bits<'a> {
    bytes: &'a [u8],
    held: u32,
    count: usize,
}

impl Bits<'_> {
    /// So many bits, of which the first is the lowest: 16 at most.
    fn take(&mut self, count: usize) -> Option<usize> {
        self.hold(count);
        self.count = self.count.checked_sub(count)?;
        let taken = self.held & ((1 << count) - 1);
        self.held >>= count;
        Some(taken as usize)
    }

    /// Has so many bits be held, if there are as many.
    fn hold(&mut self, count: usize) {
        while self.count < count
            && let Some((&byte, rest)) = self.bytes.split_first()
        {
            self.bytes = rest;
            self.held |= u32::from(byte) << self.count;
            self.count += 8;
        }
    }

    /// The next symbol. The codes of one length are numbers in a row, which begin where those of one bit less have ended
    /// (RFC 1951, 3.2.2).
    fn symbol(&mut self, code: &Code) -> Option<u16> {
        self.hold(CODE_BITS);
        if let Some(&quick @ 1..) = code.quick.get(self.held as usize % code.quick.len()) {
            let len = usize::from(quick % 16);
            self.count = self.count.checked_sub(len)?;
            self.held >>= len;
            return Some(quick / 16);
        }
        let (mut number, mut first, mut at) = (0, 0, 0);
        for (len, &count) in (1..).zip(&code.counts) {
            number = (number << 1) | (self.held & 1);
            self.held >>= 1;
            if number.wrapping_sub(first) < count {
                self.count = self.count.checked_sub(len)?;
                return code.symbols.get((at + number - first) as usize).copied();
            }
            at += count;
            first = (first + count) << 1;
        }
        None
    }

    /// Bytes that are as they were, up to the end of their block.
    fn stored(&mut self, out: &mut Vec<u8>) -> Option<()> {
        // They begin with a byte.
        self.take(self.count % 8)?;
        let (len, complement) = (self.take(16)?, self.take(16)?);
        for _ in 0..len {
            out.push(u8::try_from(self.take(8)?).ok()?);
        }
        (len ^ complement == 0xffff).then_some(())
    }

    /// The two codes that a block begins with.
    fn codes(&mut self) -> Option<(Code, Code)> {
        let (literals, distances, count) = (self.take(5)? + 257, self.take(5)? + 1, self.take(4)? + 4);
        let mut lengths = [0; ORDER.len()];
        for &at in ORDER.iter().take(count) {
            *lengths.get_mut(usize::from(at))? = u8::try_from(self.take(3)?).ok()?;
        }
        let code = Code::new(&lengths);
        let mut lengths: Vec<u8> = Vec::new();
        while lengths.len() < literals + distances {
            let (length, count) = match self.symbol(&code)? {
                16 => (*lengths.last()?, 3 + self.take(2)?),
                17 => (0, 3 + self.take(3)?),
                18 => (0, 11 + self.take(7)?),
                length => (u8::try_from(length).ok()?, 1),
            };
            lengths.extend(repeat_n(length, count));
        }
        let (literals, distances) = lengths.split_at_checked(literals)?;
        Some((Code::new(literals), Code::new(distances)))
    }

    /// What these codes say, up to the end of their block.
    fn block(&mut self, literals: &Code, distances: &Code, out: &mut Vec<u8>) -> Option<()> {
        loop {
            match self.symbol(literals)? {
                END => return Some(()),
                LONGEST => self.copy(LONGEST_BYTES, distances, out)?,
                symbol => match u8::try_from(symbol) {
                    Ok(byte) => out.push(byte),
                    Err(_) => {
                        let len = 3 + self.number(symbol - END - 1, 4)?;
                        self.copy(len, distances, out)?;
                    }
                },
            }
        }
    }

    /// Repeats so many bytes of what is out, from as far back as is said.
    fn copy(&mut self, len: usize, distances: &Code, out: &mut Vec<u8>) -> Option<()> {
        let symbol = self.symbol(distances)?;
        let start = out.len().checked_sub(1 + self.number(symbol, 2)?)?;
        // They may reach into what they become: it repeats then.
        let mut left = len;
        while left > 0 {
            let count = left.min(out.len() - start);
            out.extend_from_within(start..start + count);
            left -= count;
        }
        Some(())
    }

    /// The number that a symbol begins, and bits that follow: one bit more for every so many symbols (the tables of RFC 1951,
    /// 3.2.5).
    fn number(&mut self, symbol: u16, step: usize) -> Option<usize> {
        let symbol = usize::from(symbol);
        let count = (symbol / step).saturating_sub(1);
        let start = symbol - count * step;
        Some((start << count) + self.take(count)?)
    }
}

/// A code, as the lengths of its symbols' codes say it.
struct Code {
    /// By the bits that are read next, of which a code is the lowest: its symbol, and in the lowest four bits its length. There
    /// is none where this is 0.
    quick: [u16; 1 << QUICK_BITS],
    /// How many codes have one bit, two bits, and so on.
    counts: [u32; CODE_BITS],
    /// From the shortest code on, and among those of the same length in their own order.
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; CODE_BITS];
        // A symbol without a code has length 0.
        let place = |length: u8| usize::from(length).wrapping_sub(1);
        for &length in lengths {
            if let Some(count) = counts.get_mut(place(length)) {
                *count += 1;
            }
        }
        // Of each length, the place of the next symbol, and its code.
        let (mut next, mut len, mut number) = ([(0, 0); CODE_BITS], 0, 0_u32);
        for (next, count) in next.iter_mut().zip(counts) {
            number <<= 1;
            *next = (len, number);
            len += count as usize;
            number += count;
        }
        let (mut symbols, mut quick) = (vec![0; len], [0; 1 << QUICK_BITS]);
        for (symbol, &length) in (0..).zip(lengths) {
            if let Some((at, number)) = next.get_mut(place(length))
                && let Some(free) = symbols.get_mut(*at)
            {
                *free = symbol;
                let bits = u32::from(length);
                if bits <= QUICK_BITS {
                    // Its first bit is the lowest of those that are read, and the highest of the number.
                    let first = (number.reverse_bits() >> (u32::BITS - bits)) as usize;
                    quick
                        .iter_mut()
                        .skip(first)
                        .step_by(1 << bits)
                        .for_each(|quick| *quick = symbol * 16 + u16::from(length));
                }
                *at += 1;
                *number += 1;
            }
        }
        Self { quick, counts, symbols }
    }
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;
    use miniz_oxide::inflate::decompress_to_vec;
    use zopfli::{Format, Options, compress};

    use super::*;

    /// Numbers that are the same each time (xorshift64).
    fn numbers(seed: u64) -> impl Iterator<Item = u8> {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
    }

    fn texts() -> Vec<Vec<u8>> {
        let long: Vec<u8> = numbers(1).take(70_000).map(|number| b' ' + number % 4).collect();
        vec![
            Vec::new(),
            b"a".to_vec(),
            b"abcabcabcabcabcabcabcabcabcabcabcabcabd".to_vec(),
            vec![b'x'; 70_000],
            numbers(2).take(70_000).collect(),
            [long.clone(), long.clone()].concat(),
            include_bytes!("../workers/python/worker.py").to_vec(),
        ]
    }

    #[test]
    fn what_was_deflated_is_inflated() {
        for text in texts() {
            for level in 0..=10 {
                assert_eq!(inflate(&compress_to_vec(&text, level)).as_ref(), Some(&text), "{level}");
            }
            let mut packed = Vec::new();
            compress(Options::default(), Format::Deflate, &*text, &mut packed).unwrap();
            assert_eq!(inflate(&packed), Some(text));
        }
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let packed = compress_to_vec(include_bytes!("../workers/lua/json.lua"), 9);
        for len in 0..packed.len() {
            assert_eq!(inflate(&packed[..len]), None, "{len}");
        }
    }

    #[test]
    fn damage_is_no_panic_and_what_another_inflates_is_inflated_to_the_same() {
        for text in [&b"abcabcabcabcabcabcabd"[..], &include_bytes!("../workers/python/worker.py")[..4_000]] {
            for level in [0, 1, 9] {
                let packed = compress_to_vec(text, level);
                for at in 0..packed.len() {
                    let mut damaged = packed.clone();
                    damaged[at] ^= 1 << (at % 8);
                    let inflated = inflate(&damaged);
                    if let Ok(expected) = decompress_to_vec(&damaged) {
                        assert_eq!(inflated, Some(expected), "{level} {at}");
                    }
                }
            }
        }
        for seed in 1..20_000 {
            let bytes: Vec<u8> = numbers(seed * 0x9e37_79b9).take(64).collect();
            if let Ok(expected) = decompress_to_vec(&bytes) {
                assert_eq!(inflate(&bytes), Some(expected), "{seed}");
            } else {
                inflate(&bytes);
            }
        }
    }
}
