//! Becoming another program.

#![allow(unsafe_code, reason = "rustix has no stable name for this call")]

use core::arch::asm;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::start::Environment;

/// Has the path, which is empty, mean the descriptor itself (`AT_EMPTY_PATH` of linux/fcntl.h).
const EMPTY_PATH: usize = 0x1000;

/// Becomes the program in a file, with the arguments and the environment of this one. Returns why not.
pub(crate) fn exec(program: BorrowedFd<'_>, environment: &Environment) -> Errno {
    // SAFETY: what the kernel left begins with the number of arguments.
    let arguments = unsafe { environment.stack.cast::<usize>().read() };
    let argv = environment.stack.wrapping_add(1);
    let envp = argv.wrapping_add(arguments + 1);
    let (fd, path) = (program.as_raw_fd() as isize, c"".as_ptr());
    let status: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: 322 is execveat. It reads texts and lists of them that end with a zero, as these do.
    unsafe {
        asm!("syscall", inlateout("rax") 322_isize => status, in("rdi") fd, in("rsi") path, in("rdx") argv,
            in("r10") envp, in("r8") EMPTY_PATH, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: 281 is execveat. It reads texts and lists of them that end with a zero, as these do.
    unsafe {
        asm!("svc 0", in("x8") 281_usize, inlateout("x0") fd => status, in("x1") path, in("x2") argv, in("x3") envp,
            in("x4") EMPTY_PATH, options(nostack));
    }
    Errno::from_raw_os_error(i32::try_from(-status).unwrap_or_default())
}
