//! Bodies as people read them.

use core::fmt::{self, Write};

use crate::limits;

/// A body for a line of `Debug`: its beginning as text, in quotes, where what is no UTF-8 is replaced; and its length, if it is
/// longer.
///
/// ```
/// use lambwire::Excerpt;
///
/// assert_eq!(format!("{:?}", Excerpt(b"it's \"a\"\n\xff")), "\"it's \\\"a\\\"\\n\u{fffd}\"");
/// assert!(format!("{:?}", Excerpt(&[b'x'; 5000])).ends_with("x\"... (5000 bytes)"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Excerpt<'b>(pub &'b [u8]);

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..limits::EXCERPT_BYTES).unwrap_or(self.0);
        f.write_char('"')?;
        for chunk in shown.utf8_chunks() {
            for char in chunk.valid().chars() {
                // What delimits no text.
                match char {
                    '\'' => f.write_char(char)?,
                    char => write!(f, "{}", char.escape_debug())?,
                }
            }
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        f.write_char('"')?;
        if shown.len() < self.0.len() { write!(f, "... ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}
