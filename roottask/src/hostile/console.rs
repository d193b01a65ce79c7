//! Lines on the kernel's console.

use core::fmt;

use libsel::rt::print;

/// Prints one line.
pub fn line(text: fmt::Arguments<'_>) {
    print::kernel_print(format_args!("{text}\n"));
}
