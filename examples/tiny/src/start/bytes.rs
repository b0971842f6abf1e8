//! The routines for bytes that a compiler calls without being asked to, and that libc has otherwise.
//!
//! A compiler also knows such a routine when it sees one, and would turn it into a call of itself: hence the assembly
//! where speed matters, and volatile accesses where it does not.

use core::arch::asm;

#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: the caller promises both regions, and that they do not overlap.
    unsafe { copy_up(to, from, len) };
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= len {
        // SAFETY: the caller promises both regions; no byte is overwritten before it is read.
        unsafe { copy_up(to, from, len) };
    } else {
        for at in (0..len).rev() {
            // SAFETY: the caller promises both regions; no byte is overwritten before it is read.
            unsafe { to.add(at).write_volatile(from.add(at).read()) };
        }
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, len: usize) -> *mut u8 {
    let [byte, ..] = byte.to_le_bytes();
    for at in 0..len {
        // SAFETY: the caller promises the region.
        unsafe { to.add(at).write_volatile(byte) };
    }
    to
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    for at in 0..len {
        // SAFETY: the caller promises both regions.
        let (left, right) = unsafe { (left.add(at).read_volatile(), right.add(at).read_volatile()) };
        if left != right {
            return i32::from(left) - i32::from(right);
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(left: *const u8, right: *const u8, len: usize) -> i32 {
    // SAFETY: the caller promises the same.
    unsafe { memcmp(left, right, len) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut len = 0;
    // SAFETY: the caller promises a zero, and that all before it can be read.
    while unsafe { text.add(len).read_volatile() } != 0 {
        len += 1;
    }
    len
}

/// Copies sixteen bytes at a time, then the rest, from the first to the last. As quick as `rep movsb`, and twelve times
/// as quick where the regions overlap by all but a few bytes, as when the chunks of an event are closed up.
///
/// # Safety
///
/// Both regions can be accessed, and `to` does not begin inside the other.
#[cfg(target_arch = "x86_64")]
unsafe fn copy_up(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: as promised by the caller; nothing is accessed but the two regions.
    unsafe {
        asm!(
            "sub {len}, 16",
            "jb 3f",
            "2:",
            "movups {word}, [{from}]",
            "movups [{to}], {word}",
            "add {from}, 16",
            "add {to}, 16",
            "sub {len}, 16",
            "jae 2b",
            "3:",
            "add {len}, 16",
            "jz 5f",
            "4:",
            "mov {byte}, [{from}]",
            "mov [{to}], {byte}",
            "inc {from}",
            "inc {to}",
            "dec {len}",
            "jnz 4b",
            "5:",
            to = inout(reg) to => _, from = inout(reg) from => _, len = inout(reg) len => _,
            word = out(xmm_reg) _, byte = out(reg_byte) _, options(nostack),
        );
    }
}

/// As the one above.
///
/// # Safety
///
/// Both regions can be accessed, and `to` does not begin inside the other.
#[cfg(target_arch = "aarch64")]
unsafe fn copy_up(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: as promised by the caller; nothing is accessed but the two regions.
    unsafe {
        asm!(
            "subs {len}, {len}, #16",
            "b.lo 3f",
            "2:",
            "ldp {low}, {high}, [{from}], #16",
            "stp {low}, {high}, [{to}], #16",
            "subs {len}, {len}, #16",
            "b.hs 2b",
            "3:",
            "adds {len}, {len}, #16",
            "b.eq 5f",
            "4:",
            "ldrb {low:w}, [{from}], #1",
            "strb {low:w}, [{to}], #1",
            "subs {len}, {len}, #1",
            "b.ne 4b",
            "5:",
            to = inout(reg) to => _, from = inout(reg) from => _, len = inout(reg) len => _,
            low = out(reg) _, high = out(reg) _, options(nostack),
        );
    }
}
