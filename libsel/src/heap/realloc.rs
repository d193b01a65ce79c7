//! Resizing: in place wherever a neighbour allows it, by copying otherwise.

use core::alloc::Layout;
use core::ptr::NonNull;

use super::alloc::{Heap, chunk_of, chunk_size_in_use, not_a_block};
use super::chunk::{Chunk, chunk_bytes};
use super::large::Large;
use super::source::Source;

impl<S: Source> Heap<S> {
    /// Resizes a block to `new_size` bytes and keeps its alignment; the first bytes, up to the smaller size, stay as
    /// they are. `None` when out of memory: the block is then untouched.
    ///
    /// # Safety
    /// As for [`Heap::dealloc`]; `new_size`, rounded up to the alignment, fits an `isize`. After success only the
    /// returned block may be used, with the new size in its layout.
    #[inline]
    pub unsafe fn realloc(
        &mut self,
        block: NonNull<u8>,
        layout: Layout,
        new_size: usize,
    ) -> Option<NonNull<u8>> {
        let chunk = chunk_of::<S>(block);
        let tag = chunk.tag();
        let in_place = match chunk_size_in_use(tag, layout) {
            Some(bytes) => self.resize_in_area(chunk, bytes, chunk_bytes(new_size)),
            None => self.resize_mapped(chunk, tag, layout, new_size),
        };
        if in_place {
            return Some(chunk.payload());
        }
        // SAFETY: the caller's promise about `new_size`; an alignment is never zero.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let new_block = self.alloc(new_layout)?;
        // SAFETY: both blocks are at least this long, and a live block overlaps no new one.
        unsafe { new_block.copy_from_nonoverlapping(chunk.payload(), layout.size().min(new_size)) };
        // SAFETY: the caller's promise; the contents have moved.
        unsafe { self.dealloc(block, layout) };
        Some(new_block)
    }

    #[inline]
    fn resize_in_area(&mut self, chunk: Chunk, bytes: usize, new_bytes: usize) -> bool {
        if new_bytes > bytes {
            return self.area.extend_chunk(chunk, new_bytes);
        }
        self.area.shrink_chunk(chunk, new_bytes);
        self.trim_large_top();
        true
    }

    #[cold]
    #[inline(never)]
    fn resize_mapped(&mut self, chunk: Chunk, tag: usize, layout: Layout, new_size: usize) -> bool {
        if !Large::is_mapped(chunk, tag, layout.size()) {
            not_a_block::<S>(chunk, tag);
        }
        self.large.resize(&mut self.area.source, chunk, new_size)
    }
}
