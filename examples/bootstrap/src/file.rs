//! What stands in files.

use std::fs::{File, metadata};
use std::io::{self, Read};
use std::path::Path;

/// Reads the first `limit` bytes of a file. What is none, such as a FIFO, may have no end, and nobody who writes to it.
pub(crate) fn read(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    if !metadata(&path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    read_open(File::open(path)?, limit)
}

/// Reads on in a file, up to `limit` bytes.
pub(crate) fn read_open(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    file.take(limit).read_to_end(&mut read)?;
    Ok(read)
}

/// Reads a text. One that cannot be had is empty.
pub(crate) fn read_text(path: impl AsRef<Path>) -> String {
    let read = read(path, u64::MAX).unwrap_or_default();
    String::from_utf8_lossy(&read).into_owned()
}
