//! Lines on the kernel's console.

use core::fmt;

use libsel::rt::print;

/// Prints one line, without the buffer of `println!`: the watch prints from a thread of its own, which may have stopped
/// a test that prints.
pub fn line(text: fmt::Arguments<'_>) {
    print::kernel_print(format_args!("{text}\n"));
}

/// The console, for text in pieces.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        print::kernel_print(format_args!("{text}"));
        Ok(())
    }
}
