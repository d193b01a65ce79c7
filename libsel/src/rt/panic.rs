//! A panic: its text to the console and to the supervisor, then a fault.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{Bounded, entry, print, start};

/// Bytes of a panic's text; the rest is cut.
const TEXT_BYTES: usize = 1024;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    if PANICKING.swap(true, Ordering::Relaxed) {
        print::kernel_print(format_args!("panic while reporting a panic: {}\n", info.message()));
        entry::fault();
    }
    let mut text = Bounded::<TEXT_BYTES>::new();
    let _ = match info.location() {
        Some(location) => write!(text, "panic at {location}: {}", info.message()),
        None => write!(text, "panic: {}", info.message()),
    };
    let text = text.as_bytes();
    start::leave_panic_note(text);
    match core::str::from_utf8(text) {
        Ok(text) => print::print(format_args!("{text}\n")),
        Err(_) => print::kernel(text),
    }
    entry::fault()
}
