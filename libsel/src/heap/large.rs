//! Large blocks: each a mapping of its own, obtained from the source and given back when freed.
//!
//! ```text
//!   start of the mapping ─► … | offset of the block | size of the mapping, MAPPED, IN_USE | the program's bytes …
//! ```
//! The offset is the block's alignment (at least 16), so alignments up to a page cost no search.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use super::chunk::{Chunk, FLAGS, GRANULE, IN_USE, MAPPED};
use super::source::{PAGE_BYTES, Source};

/// Where the threshold starts.
const FIRST_THRESHOLD: usize = 128 * 1024;
/// How far it can rise.
const LAST_THRESHOLD: usize = 4 * 1024 * 1024;

/// When to map, and what is mapped.
pub struct Large {
    /// Requests from this size on get a mapping.
    threshold: usize,
    /// Bytes mapped now.
    pub mapped_bytes: usize,
    /// Mappings now.
    pub blocks: usize,
}

/// Bytes of the mapping for `size` bytes at `offset`; `None` if that is more than there are addresses.
fn mapping_bytes(size: usize, offset: usize) -> Option<usize> {
    size.checked_add(offset)?.checked_next_multiple_of(PAGE_BYTES)
}

impl Large {
    /// Nothing mapped.
    pub const fn new() -> Self {
        Self { threshold: FIRST_THRESHOLD, mapped_bytes: 0, blocks: 0 }
    }

    /// The size of a request from which on it gets a mapping.
    #[inline]
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// Whether a block of this layout should be a mapping.
    #[inline]
    pub fn wants(&self, layout: Layout) -> bool {
        layout.size() >= self.threshold && layout.align() <= PAGE_BYTES
    }

    /// Maps a block.
    pub fn map<S: Source>(&mut self, source: &mut S, layout: Layout) -> Option<NonNull<u8>> {
        let offset = layout.align().max(GRANULE);
        let bytes = mapping_bytes(layout.size(), offset)?;
        let start = source.map(bytes)?.as_ptr().expose_provenance();
        // SAFETY: the mapping belongs to the heap; the offset leaves two words before the block.
        let chunk = unsafe { Chunk::of_payload(start + offset) };
        chunk.set_size_before(offset);
        chunk.set_tag(bytes | MAPPED | IN_USE);
        self.mapped_bytes += bytes;
        self.blocks += 1;
        Some(chunk.payload())
    }

    /// Whether `tag`, found before a block that a program says is `size` bytes long, is that of a mapped block.
    pub fn is_mapped(chunk: Chunk, tag: usize, size: usize) -> bool {
        if tag & FLAGS != MAPPED | IN_USE || !chunk.payload_address().is_multiple_of(GRANULE) {
            return false;
        }
        let offset = chunk.size_before();
        let plausible = offset.is_power_of_two() && (GRANULE..=PAGE_BYTES).contains(&offset);
        plausible
            && (chunk.payload_address() - offset).is_multiple_of(PAGE_BYTES)
            && mapping_bytes(size, offset) == Some(tag & !FLAGS)
    }

    /// Gives a mapped block back, and lets the next one of its size come from the area.
    pub fn unmap<S: Source>(&mut self, source: &mut S, chunk: Chunk) {
        let bytes = chunk.size();
        let start = chunk.payload_address() - chunk.size_before();
        self.raise_threshold(bytes);
        self.blocks -= 1;
        self.give_back(source, start, bytes);
    }

    /// Changes the size of a mapped block where it is; false if it must move. A block that must move because it grows
    /// is likely to grow again: it goes to the area, where the next step may need no copy.
    pub fn resize<S: Source>(&mut self, source: &mut S, chunk: Chunk, new_size: usize) -> bool {
        let (old_bytes, offset) = (chunk.size(), chunk.size_before());
        let Some(bytes) = mapping_bytes(new_size, offset) else { return false };
        if bytes > old_bytes {
            self.raise_threshold(bytes);
            return false;
        }
        if new_size < FIRST_THRESHOLD / 2 {
            return false;
        }
        if bytes < old_bytes {
            chunk.set_tag(bytes | MAPPED | IN_USE);
            self.give_back(source, chunk.payload_address() - offset + bytes, old_bytes - bytes);
        }
        true
    }

    fn raise_threshold(&mut self, bytes: usize) {
        if bytes <= LAST_THRESHOLD {
            self.threshold = self.threshold.max(bytes);
        }
    }

    fn give_back<S: Source>(&mut self, source: &mut S, start: usize, bytes: usize) {
        self.mapped_bytes -= bytes;
        if let Some(start) = NonNull::new(ptr::with_exposed_provenance_mut(start)) {
            // SAFETY: whole pages of one mapping, which hold no byte of a live block.
            unsafe { source.unmap(start, bytes) };
        }
    }
}
