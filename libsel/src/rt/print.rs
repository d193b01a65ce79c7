//! `print!` and `println!`: text goes through a buffer, so that a line is handed on whole, to the print hook. Each thread
//! has a buffer of its own: lines of several threads do not mix, and none waits for another one that prints.
//!
//! The hook is the kernel's console at first. A server's runtime puts the console server there; a program can put
//! anything else.

use core::fmt::{self, Write};
use core::mem;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

use super::block;

/// Receives what is printed: a line with its newline, or part of one that is longer than [`LINE_BYTES`] or was flushed.
pub type Hook = fn(&[u8]);

/// Bytes that are collected before they are handed on without a newline.
pub const LINE_BYTES: usize = 512;

/// A line that grows until its end is printed.
pub(crate) struct Line {
    length: usize,
    bytes: [u8; LINE_BYTES],
}

/// The hook, a [`Hook`]; null: [`kernel`].
static HOOK: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

fn hook() -> Hook {
    let hook = HOOK.load(Ordering::Relaxed);
    if hook.is_null() {
        return kernel;
    }
    // SAFETY: only `set_hook` writes it, and it writes a `Hook`.
    unsafe { mem::transmute::<*mut (), Hook>(hook) }
}

impl Line {
    /// Nothing printed.
    pub const fn new() -> Self {
        Line { length: 0, bytes: [0; LINE_BYTES] }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
        if byte == b'\n' || self.length == LINE_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some(bytes) = self.bytes.get(..self.length)
            && !bytes.is_empty()
        {
            hook()(bytes);
        }
        self.length = 0;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.push(byte);
        }
        Ok(())
    }
}

/// The kernel prints characters. One that says nothing of it may be a debug build of seL4.
static KERNEL_PRINTS: AtomicBool = AtomicBool::new(true);

/// Says whether the kernel has the debug call that prints.
pub fn set_kernel_prints(prints: bool) {
    KERNEL_PRINTS.store(prints, Ordering::Relaxed);
}

/// The first hook: the kernel's console. Prints nothing on a kernel that has none, and on the host.
pub fn kernel(bytes: &[u8]) {
    if cfg!(target_os = "none") && KERNEL_PRINTS.load(Ordering::Relaxed) {
        for byte in bytes {
            crate::sys::debug_put_char(*byte);
        }
    }
}

/// Sends what is printed from now on, by all threads, to `hook`, after flushing the caller's line. Returns false from
/// within a hook, where nothing can be changed.
pub fn set_hook(hook: Hook) -> bool {
    let changed = block::current().line.try_with(|line| {
        line.flush();
        HOOK.store(hook as *mut (), Ordering::Relaxed);
    });
    changed.is_some()
}

/// Hands on what the calling thread printed without a newline.
pub fn flush() {
    block::current().line.try_with(Line::flush);
}

/// Prints formatted text; the macros call this. Text printed from within a hook goes to the kernel's console.
pub fn print(text: fmt::Arguments<'_>) {
    if block::current().line.try_with(|line| line.write_fmt(text)).is_none() {
        kernel_print(text);
    }
}

/// Prints formatted text on the kernel's console, past buffer and hook.
pub fn kernel_print(text: fmt::Arguments<'_>) {
    struct Kernel;
    impl Write for Kernel {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            kernel(text.as_bytes());
            Ok(())
        }
    }
    let _ = Kernel.write_fmt(text);
}

/// Prints to the program's console without a newline; shown when the line ends or [`rt::print::flush`] is called.
///
/// [`rt::print::flush`]: crate::rt::print::flush
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => { $crate::rt::print::print(::core::format_args!($($text)*)) };
}

/// Prints a line to the program's console. Sends a message: words of a received [`ipc::Message`] beyond the fourth
/// are gone afterwards.
///
/// [`ipc::Message`]: crate::ipc::Message
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($format:literal $($arguments:tt)*) => {
        $crate::rt::print::print(::core::format_args!("{}\n", ::core::format_args!($format $($arguments)*)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::sync::Mutex;
    use std::vec::Vec;

    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

    fn record(bytes: &[u8]) {
        SEEN.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        // What a hook prints must not come back to it.
        crate::println!("nested");
    }

    #[test]
    fn lines_are_handed_on_whole() {
        let _process = crate::rt::tests::PROCESS.lock().unwrap();
        assert!(set_hook(record));
        crate::print!("a{}", 1);
        crate::print!("b");
        assert!(SEEN.lock().unwrap().is_empty(), "nothing before the line ends");
        crate::println!(" end {x}", x = 5);
        crate::println!();
        crate::print!("two\nand");
        flush();
        flush();
        crate::print!("{}", "x".repeat(LINE_BYTES + 3));
        assert!(set_hook(kernel));
        let seen = SEEN.lock().unwrap();
        let long = "x".repeat(LINE_BYTES);
        assert_eq!(*seen, ["a1b end 5\n", "\n", "two\n", "and", long.as_str(), "xxx"]);
    }
}
