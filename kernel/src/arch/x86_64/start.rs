//! The first instructions.
use core::arch::naked_asm;

use super::stack::{BOOT_STACK_TOP, STACKS};

unsafe extern "C" {
    fn kernel_main() -> !;
}

/// Where the boot loader jumps to: leaves its stack, which is in memory that becomes free, for the kernel's.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "lea rsp, [rip + {stacks} + {top}]",
        // The end of every backtrace.
        "xor ebp, ebp",
        "call {main}",
        stacks = sym STACKS,
        top = const BOOT_STACK_TOP,
        main = sym kernel_main,
    )
}
