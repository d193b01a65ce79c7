//! Replaying a stream.
use alloc::alloc::{alloc, dealloc, realloc};
use alloc::vec::Vec;
use core::alloc::Layout;
use core::hint::black_box;
use core::ptr;

use heapbench::{Action, Op, Stream};

/// What is measured.
pub trait Memory {
    /// A block, or null.
    ///
    /// # Safety
    /// The layout's size is not 0.
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8;

    /// Frees a block.
    ///
    /// # Safety
    /// It is a live one, of this layout.
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout);

    /// Resizes a block; null if it stays as it is.
    ///
    /// # Safety
    /// It is a live one, of this layout, and the new size is not 0.
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8;
}

/// The server's malloc.
pub struct Malloc;

impl Memory for Malloc {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { alloc(layout) }
    }

    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { dealloc(block, layout) }
    }

    #[inline(always)]
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { realloc(block, layout, size) }
    }
}

/// Does nothing: what the replay itself costs. Every block is the same one.
pub struct Nothing(pub *mut u8);

impl Memory for Nothing {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        black_box(layout.size());
        self.0
    }

    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        black_box((block, layout.size()));
    }

    #[inline(always)]
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        black_box((block, layout.size(), size));
        block
    }
}

#[derive(Clone, Copy)]
struct Slot {
    /// Null: empty.
    block: *mut u8,
    layout: Layout,
}

/// The blocks of a stream.
pub struct Slots(Vec<Slot>);

impl Slots {
    /// Empty ones.
    pub fn new(count: usize) -> Self {
        Self(alloc::vec![Slot { block: ptr::null_mut(), layout: Layout::new::<u8>() }; count])
    }

    /// Frees every block that is left.
    pub fn free_all(&mut self, memory: &mut impl Memory) {
        for slot in self.0.iter_mut().filter(|slot| !slot.block.is_null()) {
            // SAFETY: a live block with its layout.
            unsafe { memory.dealloc(slot.block, slot.layout) };
            slot.block = ptr::null_mut();
        }
    }
}

/// Does all operations; how many failed. After each allocation the first byte is written. A block whose allocation failed
/// has no further operations.
#[inline(never)]
pub fn replay(memory: &mut impl Memory, stream: &Stream<'_>, slots: &mut Slots) -> usize {
    stream.ops().filter(|op| !step(memory, op, &mut slots.0[op.slot as usize])).count()
}

#[inline(always)]
fn step(memory: &mut impl Memory, op: &Op, slot: &mut Slot) -> bool {
    let size = op.size as usize;
    let block = match op.action {
        Action::Free => {
            if !slot.block.is_null() {
                // SAFETY: a live block with its layout.
                unsafe { memory.dealloc(slot.block, slot.layout) };
                slot.block = ptr::null_mut();
            }
            return true;
        }
        Action::Alloc => {
            let Ok(layout) = Layout::from_size_align(size, 1 << op.align_log2) else { return false };
            slot.layout = layout;
            // SAFETY: a stream has no sizes of 0.
            slot.block = unsafe { memory.alloc(layout) };
            slot.block
        }
        Action::Realloc if slot.block.is_null() => return true,
        Action::Realloc => {
            let Ok(layout) = Layout::from_size_align(size, slot.layout.align()) else { return false };
            // SAFETY: a live block with its layout, and a stream has no sizes of 0.
            let block = unsafe { memory.realloc(slot.block, slot.layout, size) };
            if !block.is_null() {
                *slot = Slot { block, layout };
            }
            block
        }
    };
    if block.is_null() {
        return false;
    }
    // SAFETY: a block has at least one byte.
    unsafe { block.write(1) };
    true
}
