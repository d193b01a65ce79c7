//! Tests of the heap on the host: parts, model, exhaustion, give-back, corruption.

extern crate std;

mod behaviour;
mod caches;
mod check;
mod corruption;
mod model;
mod parts;
mod source;
mod threads;

use core::alloc::Layout;
use core::ptr::NonNull;

use source::Arena;

use super::Heap;

type TestHeap = Heap<Arena>;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Allocates `size` bytes aligned to 8 and fills them.
fn alloc(heap: &mut TestHeap, size: usize) -> Option<NonNull<u8>> {
    let block = heap.alloc(layout(size, 8))?;
    // SAFETY: the block has `size` bytes.
    unsafe { block.write_bytes(0x5a, size) };
    Some(block)
}

/// Frees a block from [`alloc`].
fn free(heap: &mut TestHeap, block: NonNull<u8>, size: usize) {
    // SAFETY: tests call this with a block of this heap; where it is not, the heap has to find out.
    unsafe { heap.dealloc(block, layout(size, 8)) }
}
