//! Selkie's heap. What a server asks the root task for, the source here takes from a region: the area from its lower
//! half, mapped blocks from its upper half.

use std::alloc::Layout;
use std::ptr::{self, NonNull};

use libsel::heap::{Growth, Heap, Source};

use crate::candidate::Candidate;
use crate::region::Region;

/// Memory of a region.
struct Memory {
    base: usize,
    half: usize,
    /// Bytes of the area now.
    area: usize,
    /// Where the mapped blocks start and how long they are, by address.
    blocks: Vec<(usize, usize)>,
    /// Follow how much is resident, and discard what is given back.
    tracked: bool,
    peak_bytes: usize,
}

impl Memory {
    fn resident_bytes(&self) -> usize {
        let whole = Region { base: self.base, bytes: 2 * self.half };
        let mut bytes = whole.resident_bytes(0, self.area);
        for &(start, length) in &self.blocks {
            bytes += whole.resident_bytes(start - self.base, length);
        }
        std::mem::forget(whole);
        bytes
    }

    fn give_back(&mut self, start: usize, bytes: usize) {
        if self.tracked {
            Region::discard(start, bytes);
        }
    }

    fn note_peak(&mut self) {
        if self.tracked {
            self.peak_bytes = self.peak_bytes.max(self.resident_bytes());
        }
    }
}

// SAFETY: the two halves of the region are apart, the area is one range, and blocks are placed between others.
unsafe impl Source for Memory {
    fn grow(&mut self, bytes: usize) -> Option<Growth> {
        if bytes > self.half - self.area {
            return None;
        }
        let start = NonNull::new(ptr::with_exposed_provenance_mut(self.base + self.area))?;
        self.area += bytes;
        Some(Growth { start, bytes })
    }

    unsafe fn shrink(&mut self, start: NonNull<u8>, bytes: usize) {
        self.note_peak();
        self.area -= bytes;
        self.give_back(start.addr().get(), bytes);
    }

    fn map(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        let mut start = self.base + self.half;
        let mut index = 0;
        for &(block, length) in &self.blocks {
            if block - start >= bytes {
                break;
            }
            start = block + length;
            index += 1;
        }
        if bytes > self.base + 2 * self.half - start {
            return None;
        }
        self.blocks.insert(index, (start, bytes));
        NonNull::new(ptr::with_exposed_provenance_mut(start))
    }

    unsafe fn unmap(&mut self, start: NonNull<u8>, bytes: usize) {
        self.note_peak();
        let start = start.addr().get();
        let index = self.blocks.partition_point(|&(block, _)| block <= start) - 1;
        if self.blocks[index].0 == start {
            self.blocks.remove(index);
        } else {
            self.blocks[index].1 -= bytes;
        }
        self.give_back(start, bytes);
    }

    fn secret(&mut self) -> usize {
        0x0123_4567_89ab_cdef
    }
}

/// The heap over a region.
pub struct Selkie(Heap<Memory>);

impl Selkie {
    pub fn new(region: &Region, tracked: bool) -> Self {
        let Region { base, bytes } = *region;
        // Room for a few blocks, so that the source's own list does not allocate while time is taken.
        let blocks = Vec::with_capacity(256);
        Self(Heap::new(Memory { base, half: bytes / 2, area: 0, blocks, tracked, peak_bytes: 0 }))
    }
}

// SAFETY: an allocator.
unsafe impl Candidate for Selkie {
    #[inline(always)]
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        self.0.alloc(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    #[inline(always)]
    unsafe fn dealloc(&mut self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: a block of this allocator, so not null.
        unsafe { self.0.dealloc(NonNull::new_unchecked(block), layout) }
    }

    #[inline(always)]
    unsafe fn realloc(&mut self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { self.0.realloc(NonNull::new_unchecked(block), layout, new_size) };
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    fn peak_bytes(&mut self) -> Option<usize> {
        let memory = self.0.source();
        Some(memory.peak_bytes.max(memory.resident_bytes()))
    }

    fn trim(&mut self) -> Option<(usize, usize)> {
        let calls = self.0.stats().calls;
        self.0.trim();
        let stats = self.0.stats();
        let calls = calls.grow + calls.shrink + calls.map + calls.unmap;
        Some((stats.area_bytes + stats.mapped_bytes, calls))
    }
}
