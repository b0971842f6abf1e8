//! Writing into a lent buffer, all or nothing.

use crate::error::SendError;

/// A buffer that is filled from its front, and counts on when it is full, so that the caller learns what it takes.
pub(crate) struct Writer<'o> {
    /// What is free of the buffer; nothing once a piece had no room.
    free: &'o mut [u8],
    space: usize,
    len: usize,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut [u8]) -> Self {
        Self { space: out.len(), free: out, len: 0 }
    }

    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let free = core::mem::take(&mut self.free);
        if let Some((room, rest)) = free.split_at_mut_checked(bytes.len()) {
            room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            self.free = rest;
        }
        self.len = self.len.saturating_add(bytes.len());
    }

    pub(crate) fn decimal(&mut self, number: u64) {
        let mut digits = [0; 20];
        let start = in_base(10, number, &mut digits);
        self.put(digits.get(start..).unwrap_or_default());
    }

    #[inline]
    pub(crate) fn header(&mut self, name: &str, value: &[u8]) {
        self.put(name.as_bytes());
        self.put(b": ");
        self.put(value);
        self.put(b"\r\n");
    }

    /// Bytes written, if they are at most `limit` and all of them had room.
    pub(crate) fn finish(self, limit: usize) -> Result<usize, SendError> {
        if self.len > limit {
            return Err(SendError::HeadTooLong { bytes: self.len, limit });
        }
        if self.len > self.space {
            return Err(SendError::BufferTooSmall { needed: self.len });
        }
        Ok(self.len)
    }
}

/// Writes the digits of a number into the back of a buffer with room for them, and says where they begin.
pub(crate) fn in_base(base: u64, number: u64, room: &mut [u8]) -> usize {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut rest = number;
    let mut start = room.len();
    for slot in room.iter_mut().rev() {
        *slot = DIGITS[((rest % base) & 15) as usize];
        start -= 1;
        rest /= base;
        if rest == 0 {
            break;
        }
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        let written = |base, number| {
            let mut room = [0; 20];
            let start = in_base(base, number, &mut room);
            room[start..].to_vec()
        };
        assert_eq!(written(10, 0), b"0");
        assert_eq!(written(10, u64::MAX), b"18446744073709551615");
        assert_eq!(written(16, u64::MAX), b"ffffffffffffffff");
        assert_eq!(written(16, 0x1a4), b"1a4");
    }

    #[test]
    fn what_does_not_fit_says_what_it_takes() {
        let write = |out: &mut [u8]| {
            let mut writer = Writer::new(out);
            writer.header("a", b"b");
            writer.finish(7)
        };
        assert_eq!(write(&mut [0; 6]), Ok(6));
        assert_eq!(write(&mut [0; 5]), Err(SendError::BufferTooSmall { needed: 6 }));
    }

    #[test]
    fn what_is_longer_than_the_limit_is_not_written() {
        for (limit, expected) in [(7, Ok(6)), (6, Ok(6)), (5, Err(SendError::HeadTooLong { bytes: 6, limit: 5 }))] {
            let mut out = [0; 10];
            let mut writer = Writer::new(&mut out);
            writer.put(b"abcdef");
            assert_eq!(writer.finish(limit), expected);
        }
    }
}
