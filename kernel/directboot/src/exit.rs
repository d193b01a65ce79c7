//! The end of a boot that failed.
use crate::cpu;
use core::sync::atomic::{AtomicU16, Ordering};
use directboot::command_line;

/// The guest exit code of a boot that failed.
const BOOT_FAILED: u8 = 102;
/// What the exit device is told for exit code 0; lower values are left to QEMU's own exit statuses.
const FIRST_CODE: u8 = 0x10;

/// The port of QEMU's `isa-debug-exit` device; 0: none.
static EXIT_PORT: AtomicU16 = AtomicU16::new(0);

/// Takes the exit port from `command_line`, if it gives one and none is known yet.
pub fn configure(command_line: &str) {
    if EXIT_PORT.load(Ordering::Relaxed) == 0
        && let Some(port) = command_line::debug_exit_port(command_line)
    {
        EXIT_PORT.store(port, Ordering::Relaxed);
    }
}

/// Ends QEMU with the exit code of a failed boot if there is an exit port, else halts.
pub fn fail() -> ! {
    let port = EXIT_PORT.load(Ordering::Relaxed);
    if port != 0 {
        cpu::write_port(port, FIRST_CODE + BOOT_FAILED);
    }
    cpu::halt()
}
