//! What stands in files.

use std::fs::{File, metadata, read_link};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl};

/// Reads the first `limit` bytes of a file. What is none, such as a FIFO, may have no end, and nobody who writes to it.
pub(crate) fn read(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    if !metadata(&path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
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

/// The path of a file without symbolic links, as the kernel has it. That of the C library is 2 KB.
pub(crate) fn real_path(path: &Path) -> Option<PathBuf> {
    let file = File::open(path).ok()?;
    read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

/// Whether a standard descriptor was closed: Rust has opened /dev/null in its place then, for reading and writing, which a
/// shell does not do for `>/dev/null`.
pub(crate) fn was_closed(descriptor: BorrowedFd<'_>) -> bool {
    let device = |path: &str| metadata(path).ok().map(|metadata| metadata.rdev());
    let own = device(&format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
    let is_for_both = fcntl_getfl(descriptor).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR);
    own.is_some() && own == device("/dev/null") && is_for_both
}
