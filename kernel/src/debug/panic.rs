//! The kernel's last words: what is wrong, the registers where they are known, who called, then the exit code.
use core::fmt::{Display, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use super::backtrace::{Frames, Symbol};
use crate::arch::{self, TrapFrame};
use crate::print::Console;

const EXCEPTIONS: [&str; 22] = [
    "divide error",
    "debug exception",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack fault",
    "general protection fault",
    "page fault",
    "reserved",
    "x87 error",
    "alignment check",
    "machine check",
    "SIMD error",
    "virtualisation exception",
    "control protection exception",
];

static PANICKING: AtomicBool = AtomicBool::new(false);

/// Prints what has to be said even when nothing is logged. The console cannot fail.
macro_rules! say {
    ($($text:tt)*) => { let _ = writeln!(Console, $($text)*); };
}

/// The second problem in a row ends at once: reporting it may be what fails.
fn begin() {
    if PANICKING.swap(true, Ordering::Relaxed) {
        say!("[kernel] another panic while reporting the first; halted");
        arch::halt(arch::EXIT_PANIC);
    }
    arch::take_screen_back();
}

fn finish(frames: Frames) -> ! {
    say!("[kernel] called from:");
    for address in frames {
        say!("[kernel]   {}", Symbol::After(address));
    }
    arch::halt(arch::EXIT_PANIC)
}

/// A broken invariant.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    begin();
    let message = info.message();
    match info.location() {
        Some(location) => {
            say!("[kernel] PANIC: {message} ({}:{})", location.file(), location.line());
        }
        None => {
            say!("[kernel] PANIC: {message}");
        }
    }
    finish(Frames::here())
}

/// An exception in the kernel, or one that nothing can go on from. `address` is CR2.
pub fn exception(frame: &TrapFrame, address: u64) -> ! {
    begin();
    let name = EXCEPTIONS.get(frame.vector as usize).unwrap_or(&"reserved exception");
    let mode = if frame.cs & 3 == 0 { "in the kernel" } else { "while a user ran" };
    say!(
        "[kernel] PANIC: {name} {mode}: vector {} error code {:#x} cr2 {address:#x}",
        frame.vector,
        frame.error_code
    );
    let near_guard = |reason: u64| arch::stack::guards().any(|guard| reason.wrapping_sub(guard) < 4096);
    if near_guard(address) || near_guard(frame.rsp) {
        say!("[kernel] the stack pointer ran into the page below its stack: the kernel stack is too small");
    }
    let f = frame;
    say!("[kernel] rip {}", Symbol::At(f.rip));
    say!("[kernel] cs {:#x} ss {:#x} rflags {:#x}", f.cs, f.ss, f.rflags);
    say!("[kernel] rsp {:016x} rbp {:016x} rax {:016x} rbx {:016x}", f.rsp, f.rbp, f.rax, f.rbx);
    say!("[kernel] rcx {:016x} rdx {:016x} rsi {:016x} rdi {:016x}", f.rcx, f.rdx, f.rsi, f.rdi);
    say!("[kernel] r8  {:016x} r9  {:016x} r10 {:016x} r11 {:016x}", f.r8, f.r9, f.r10, f.r11);
    say!("[kernel] r12 {:016x} r13 {:016x} r14 {:016x} r15 {:016x}", f.r12, f.r13, f.r14, f.r15);
    finish(Frames::from(f.rbp, f.rsp))
}

/// Something outside of the kernel makes it impossible to start: says so in one line and stops.
pub fn stop(reason: impl Display) -> ! {
    arch::take_screen_back();
    say!("[kernel] cannot start: {reason}");
    arch::halt(arch::EXIT_PANIC)
}
