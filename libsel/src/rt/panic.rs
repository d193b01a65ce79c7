//! A panic: its text to the console and to the supervisor, then a fault, which ends the program with all its threads.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU32, Ordering};

use super::{Bounded, block, entry, print, start};

/// Bytes of a panic's text; the rest is cut.
const TEXT_BYTES: usize = 1024;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    /// Number of the thread that panics, and 1; 0: none.
    static PANICKING: AtomicU32 = AtomicU32::new(0);
    let me = block::current().number() + 1;
    match PANICKING.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {}
        Err(other) if other == me => {
            print::kernel_print(format_args!("panic while reporting a panic: {}\n", info.message()));
            entry::fault();
        }
        // The first panic is the one to be told.
        Err(_) => entry::fault(),
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
