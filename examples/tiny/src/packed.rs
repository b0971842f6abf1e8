//! A program in fewer bytes: unpacks what was packed into it to a file in memory, and becomes that, in the same process,
//! with the same arguments and environment. `LAMBWIRE_PACKED` says what that is when it is built: a file of `gzip -n`.

#![no_std]
#![no_main]

#[cfg(panic = "unwind")]
extern crate std;

#[path = "start/exec.rs"]
mod exec;
mod start;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{self, Errno, IoSlice};

use crate::exec::exec;
use crate::start::{Environment, stderr};

static PACKED: &[u8] = include_bytes!(env!("LAMBWIRE_PACKED"));

/// What `gzip -n` writes before the packed bytes (RFC 1952, 2.3).
const GZIP_HEAD_BYTES: usize = 10;

/// How far packed bytes may refer back (RFC 1951, 2).
const WINDOW_BYTES: usize = 32 * 1024;

/// No such program could be started: what shells exit with then.
const CANNOT_START: i32 = 126;

struct Memory {
    /// The last bytes that were unpacked, in a ring.
    window: [u8; WINDOW_BYTES],
}

impl Memory {
    const NEW: Self = Self { window: [0; _] };
}

fn run(environment: Environment, memory: &mut Memory) -> i32 {
    let error = match unpack(&mut memory.window) {
        Ok(program) => exec(program.as_fd(), &environment),
        Err(error) => error,
    };
    let error = error.raw_os_error();
    let digits = [error / 100, error / 10, error].map(|digit| b'0' + u8::try_from(digit % 10).unwrap_or_default());
    let line: [&[u8]; 3] = [b"cannot unpack this file in memory and run that: error ", &digits, b"\n"];
    // Where standard error is closed, nobody listens.
    let _ = io::writev(stderr(), &line.map(IoSlice::new));
    CANNOT_START
}

fn unpack(window: &mut [u8]) -> io::Result<OwnedFd> {
    let program = executable_memory()?;
    let mut decompressor = DecompressorOxide::new();
    let mut packed = PACKED.get(GZIP_HEAD_BYTES..).unwrap_or_default();
    let mut at = 0;
    loop {
        let (status, read, unpacked) = decompress(&mut decompressor, packed, window, at, 0);
        let mut rest = window.get(at..at + unpacked).unwrap_or_default();
        while !rest.is_empty() {
            let written = io::write(&program, rest)?;
            rest = rest.get(written..).unwrap_or_default();
        }
        match status {
            TINFLStatus::Done => return Ok(program),
            TINFLStatus::HasMoreOutput => {}
            _ => return Err(Errno::ILSEQ),
        }
        packed = packed.get(read..).unwrap_or_default();
        at = (at + unpacked) % WINDOW_BYTES;
    }
}

/// A file in memory that may be run, which has to be asked for where `vm.memfd_noexec` is 1. Before Linux 6.3 there was
/// nothing to ask for.
fn executable_memory() -> io::Result<OwnedFd> {
    let create = |flags| memfd_create(c"bootstrap", MemfdFlags::CLOEXEC | flags);
    match create(MemfdFlags::EXEC) {
        Err(Errno::INVAL) => create(MemfdFlags::empty()),
        created => created,
    }
}
