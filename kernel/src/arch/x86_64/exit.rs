//! The end.
use core::arch::asm;
use core::sync::atomic::{AtomicU32, Ordering};

use super::port::port_write;

/// Exit code of a kernel that cannot go on.
pub const EXIT_PANIC: u8 = 101;
/// Added to exit codes, so that QEMU's own differ from them.
const EXIT_BASE: u32 = 0x10;
const NO_PORT: u32 = u32::MAX;

static EXIT_PORT: AtomicU32 = AtomicU32::new(NO_PORT);

/// The machine has QEMU's `isa-debug-exit` at this port.
pub fn set_exit_port(port: u16) {
    EXIT_PORT.store(u32::from(port), Ordering::Relaxed);
}

/// Stops the machine: QEMU exits with a code that stands for `code`, others stand still.
pub fn halt(code: u8) -> ! {
    if let Ok(port) = u16::try_from(EXIT_PORT.load(Ordering::Relaxed)) {
        port_write(port, 1, EXIT_BASE + u32::from(code));
    }
    loop {
        // SAFETY: nothing runs on this core from here on.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
    }
}
