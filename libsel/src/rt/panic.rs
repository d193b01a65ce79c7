//! A panic: its text to the console and to the supervisor, then a fault.

use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use super::{entry, print, start};

/// Bytes of a panic's text; the rest is cut.
const TEXT_BYTES: usize = 1024;

/// A text that is cut when it is full.
struct Bounded {
    length: usize,
    bytes: [u8; TEXT_BYTES],
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let cut = text.floor_char_boundary(room.len());
        for (to, from) in room.iter_mut().zip(text.bytes().take(cut)) {
            *to = from;
        }
        self.length += cut;
        Ok(())
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    static PANICKING: AtomicBool = AtomicBool::new(false);
    if PANICKING.swap(true, Ordering::Relaxed) {
        print::kernel_print(format_args!("panic while reporting a panic: {}\n", info.message()));
        entry::fault();
    }
    let mut text = Bounded { length: 0, bytes: [0; TEXT_BYTES] };
    let _ = match info.location() {
        Some(location) => write!(text, "panic at {location}: {}", info.message()),
        None => write!(text, "panic: {}", info.message()),
    };
    let text = text.bytes.get(..text.length).unwrap_or_default();
    start::leave_panic_note(text);
    match core::str::from_utf8(text) {
        Ok(text) => print::print(format_args!("{text}\n")),
        Err(_) => print::kernel(text),
    }
    entry::fault()
}
