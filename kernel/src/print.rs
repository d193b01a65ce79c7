//! Text for people on the kernel's console (serial), for the debug calls and for reports of faults nobody handles.
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch;

/// Something was printed since this was last asked.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// Whether something was printed since the last call.
pub fn take_printed() -> bool {
    PRINTED.swap(false, Ordering::Relaxed)
}

/// The console; `\n` becomes `\r\n` (abi.md 2.4).
pub struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put_char);
        Ok(())
    }
}

/// Prints one character.
pub fn put_char(byte: u8) {
    PRINTED.store(true, Ordering::Relaxed);
    if byte == b'\n' {
        arch::put_char(b'\r');
    }
    arch::put_char(byte);
}

/// Prints a line, where the build prints.
pub fn line(text: fmt::Arguments<'_>) {
    if cfg!(feature = "debug") {
        // The console cannot fail.
        let _ = writeln!(Console, "{text}");
    }
}
