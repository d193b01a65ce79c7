//! Page-aligned memory of the image that other threads use: stacks and IPC buffers.

use core::cell::UnsafeCell;

use libsel::abi::Word;

/// `N` bytes in pages of their own. `N` is a multiple of 4096.
#[repr(C, align(4096))]
pub struct Pages<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: only addresses are handed out; whoever reads or writes through one says why it may.
unsafe impl<const N: usize> Sync for Pages<N> {}

impl<const N: usize> Pages<N> {
    /// Zeroed pages.
    pub const fn new() -> Self {
        const { assert!(N.is_multiple_of(4096)) };
        Pages(UnsafeCell::new([0; N]))
    }

    /// Address of the first byte.
    pub fn start(&self) -> Word {
        self.0.get().addr() as Word
    }

    /// Address behind the last byte.
    pub fn end(&self) -> Word {
        self.start() + N as Word
    }
}
