//! Files that others have named: read within a bound, and opened without waiting for anybody.

use std::collections::BTreeSet;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::OFlags;

/// All that there is to read, as text of up to `most` bytes.
///
/// # Errors
///
/// It is longer, or no text.
#[doc(hidden)]
pub fn read_text(file: impl Read, most: u64) -> io::Result<String> {
    let mut text = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut text)?;
    if u64::try_from(text.len()).map_or(true, |len| len > most) {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    String::from_utf8(text).map_err(|error| io::Error::other(error.utf8_error()))
}

/// Files that are no part of a program, of whichever function.
static KEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Says of a file that it is no part of a program: this process writes it, or looks itself whether it has changed.
#[doc(hidden)]
pub fn keep(path: &Path) {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
}

/// The files of which that was said.
pub(crate) fn kept() -> BTreeSet<PathBuf> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Opens a file where waiting would hold up everything: a pipe at whose other end nobody is cannot be written.
pub(crate) fn open_at_once(options: &OpenOptions, path: &Path) -> io::Result<File> {
    let opened = options.clone().custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path);
    let no_reader = rustix::io::Errno::NXIO.raw_os_error();
    opened.map_err(|error| {
        if error.raw_os_error() == Some(no_reader) { io::Error::other("nobody reads from it") } else { error }
    })
}

/// The same for all names of a file: its device, and its number there.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_at_the_limit_is_read_and_one_byte_more_is_not() {
        for len in [7, 8, 9] {
            assert_eq!(read_text(&*vec![b'x'; len], 8).is_ok(), len <= 8, "{len}");
        }
        assert!(read_text(io::repeat(b'x'), 8).is_err() && read_text(&b"\xff"[..], 8).is_err());
    }
}
