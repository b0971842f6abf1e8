//! Log lines as Lambda takes them where it gives a descriptor for them: each in a frame, so that one of several lines is
//! one event in CloudWatch.

use std::env;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::console::Level;
use crate::log;
use crate::text;

/// Where the descriptor's number stands. A program that runs a handler does not see it, unless its worker knows frames: what
/// it logs goes through here.
pub(crate) const VARIABLE: &str = "_LAMBDA_TELEMETRY_LOG_FD";

/// What a frame of text begins with, where its level is not known; that stands above the lowest two bits otherwise
/// (awslambdaric 4.2.2, `lambda_runtime_log_utils.py`).
const TEXT: u32 = 0xa55a_0003;

/// What a frame of JSON begins with.
const JSON: u32 = 0xa55a_0002;

/// Writes a line without its line feed as a frame; `false` if Lambda has given no descriptor.
pub(crate) fn write(is_json: bool, level: Option<Level>, line: &[u8]) -> bool {
    let Some(sink) = sink() else { return false };
    let micros = SystemTime::UNIX_EPOCH.elapsed().map(|now| now.as_micros()).unwrap_or_default();
    let frame = frame(is_json, level, u64::try_from(micros).unwrap_or(u64::MAX), line);
    // There is no other place to say so if that does not go out, either.
    let _ = log::write_all(sink.as_fd(), &frame);
    true
}

/// Whether lines are to be frames.
pub(crate) fn is_on() -> bool {
    sink().is_some()
}

/// What `VARIABLE` says, for a worker that writes frames itself.
pub(crate) fn descriptor() -> Option<OsString> {
    env::var_os(VARIABLE).filter(|_| is_on())
}

fn sink() -> Option<&'static File> {
    static SINK: OnceLock<Option<File>> = OnceLock::new();
    SINK.get_or_init(|| {
        let number: u32 = text::number(&env::var(VARIABLE).ok()?)?;
        OpenOptions::new().write(true).open(format!("/proc/self/fd/{number}")).ok()
    })
    .as_ref()
}

fn frame(is_json: bool, level: Option<Level>, micros: u64, line: &[u8]) -> Vec<u8> {
    let kind = if is_json { JSON } else { TEXT } | level.map_or(0, |level| (level as u32 + 1) << 2);
    let len = u32::try_from(line.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(16 + line.len());
    frame.extend_from_slice(&kind.to_be_bytes());
    frame.extend_from_slice(&len.to_be_bytes());
    frame.extend_from_slice(&micros.to_be_bytes());
    frame.extend_from_slice(line);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_awss_clients_write_it() {
        assert_eq!(frame(false, None, 1, b"ab"), b"\xa5\x5a\x00\x03\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01ab");
        assert_eq!(frame(false, Some(Level::Error), 0, b"")[..4], *b"\xa5\x5a\x00\x17");
        assert_eq!(frame(true, Some(Level::Debug), 0, b"")[..4], *b"\xa5\x5a\x00\x0a");
    }
}
