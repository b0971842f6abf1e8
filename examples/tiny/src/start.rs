//! What libc does for other programs: the first instruction, the environment, the memory, and what a compiler calls.

#![allow(unsafe_code, reason = "below this module there is only the kernel")]

mod bytes;

use core::arch::naked_asm;
use core::ffi::{CStr, c_char};

use rustix::fd::BorrowedFd;

use crate::{Memory, run};

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("tiny is for Linux on x86_64 and aarch64, whose first instructions and calls it has");

/// Where the program begins: calls [`begin`] with the address of the stack, and exits with what that returns.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // 231 is exit_group.
    naked_asm!("mov rdi, rsp", "xor ebp, ebp", "call {}", "mov edi, eax", "mov eax, 231", "syscall", "ud2", sym begin)
}

/// As the one above.
#[cfg(target_arch = "aarch64")]
#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    // 94 is exit_group.
    naked_asm!("mov x0, sp", "mov x29, xzr", "bl {}", "mov x8, 94", "svc 0", "brk 1", sym begin)
}

/// The kernel leaves on the stack: the number of arguments, the arguments, a null pointer, the variables of the
/// environment, a null pointer (System V ABI, "Initial Stack and Register State").
extern "C" fn begin(stack: *const usize) -> i32 {
    // SAFETY: `stack` is what the kernel left.
    let arguments = unsafe { stack.read() };
    let environment = Environment { stack: stack.cast(), at: 1 + arguments + 1 };
    static mut MEMORY: Memory = Memory::NEW;
    let memory = &raw mut MEMORY;
    // SAFETY: this function runs once, in the only thread, and nothing else knows the name.
    run(environment, unsafe { &mut *memory })
}

/// The variables, as `NAME=value`.
pub(crate) struct Environment {
    /// What the kernel left.
    pub(crate) stack: *const *const c_char,
    /// Where the next variable is, in words from there.
    at: usize,
}

impl Iterator for Environment {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<&'static [u8]> {
        // SAFETY: `at` begins behind the arguments and their null pointer, and does not pass the one that ends the
        // environment.
        let variable = unsafe { self.stack.add(self.at).read() };
        if variable.is_null() {
            return None;
        }
        self.at += 1;
        // SAFETY: the kernel ends every variable with a zero, and nothing here changes one.
        Some(unsafe { CStr::from_ptr(variable) }.to_bytes())
    }
}

pub(crate) fn stderr() -> BorrowedFd<'static> {
    // SAFETY: nothing here closes the descriptor. If it was closed at the start, writes to it fail.
    unsafe { BorrowedFd::borrow_raw(2) }
}

#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instruction ends the process, with SIGILL.
    unsafe {
        core::arch::asm!("ud2", options(noreturn))
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the instruction ends the process, with SIGTRAP.
    unsafe {
        core::arch::asm!("brk 1", options(noreturn))
    }
}

/// What unwinds for the parts of `core` that were compiled to unwind. Nothing ever calls it.
#[cfg(panic = "abort")]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Beside std there are libraries, which have to be loaded.
#[cfg(panic = "unwind")]
#[used]
#[unsafe(link_section = ".interp")]
static DYNAMIC_LINKER: [u8; DYNAMIC_LINKER_PATH.len()] = *DYNAMIC_LINKER_PATH;
#[cfg(all(panic = "unwind", target_arch = "x86_64"))]
const DYNAMIC_LINKER_PATH: &[u8; 28] = b"/lib64/ld-linux-x86-64.so.2\0";
#[cfg(all(panic = "unwind", target_arch = "aarch64"))]
const DYNAMIC_LINKER_PATH: &[u8; 27] = b"/lib/ld-linux-aarch64.so.1\0";
