//! What goes out to a program: the bytes of an event, and how far they have come.

/// Bytes on their way to a program, in two parts.
pub(crate) struct Outgoing<'a> {
    pub(crate) parts: [&'a [u8]; 2],
    /// How many bytes went before these.
    pub(crate) sent: usize,
}

impl<'a> Outgoing<'a> {
    pub(crate) fn new(parts: [&'a [u8]; 2]) -> Self {
        Self { parts, sent: 0 }
    }

    pub(crate) fn nothing() -> Self {
        Self::new([b"", b""])
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }

    /// So many more bytes have gone.
    pub(crate) fn advance(&mut self, mut len: usize) {
        self.sent += len;
        for part in &mut self.parts {
            let sent = len.min(part.len());
            *part = part.get(sent..).unwrap_or_default();
            len -= sent;
        }
    }
}
