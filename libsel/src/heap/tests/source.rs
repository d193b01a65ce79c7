//! A source over one large host allocation.

use super::std::alloc::{Layout, alloc, dealloc};
use super::std::collections::BTreeMap;
use super::std::ptr::NonNull;
use super::std::vec::Vec;

use crate::heap::{Growth, PAGE_BYTES, Source};

/// How an [`Arena`] grows an area.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// Always at its end.
    Contiguous,
    /// Never at its end: a page is left out before each growth.
    Scattered,
}

/// One host allocation: the lower half for the area, the upper half for mapped blocks.
pub struct Arena {
    base: NonNull<u8>,
    bytes: usize,
    placement: Placement,
    /// Offset of the end of the area, or of its last segment.
    pub area_end: usize,
    /// The most that `area_end` was.
    pub area_peak: usize,
    /// Bytes of the area that are in use.
    pub area_held: usize,
    /// Offsets and sizes of mapped blocks.
    pub maps: BTreeMap<usize, usize>,
    /// Offsets and sizes of growths that are in use.
    segments: Vec<(usize, usize)>,
}

impl Arena {
    /// An arena of `bytes` for the area and as much for mapped blocks.
    pub fn new(bytes: usize, placement: Placement) -> Self {
        let bytes = bytes.next_multiple_of(PAGE_BYTES);
        // SAFETY: the size is not zero.
        let base = unsafe { alloc(Self::layout(bytes)) };
        Self {
            base: NonNull::new(base).unwrap(),
            bytes,
            placement,
            area_end: 0,
            area_peak: 0,
            area_held: 0,
            maps: BTreeMap::new(),
            segments: Vec::new(),
        }
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(2 * bytes, PAGE_BYTES).unwrap()
    }

    /// Fills memory that changes hands, so that nobody relies on what it held.
    fn hand_over(&self, offset: usize, bytes: usize, fill: u8) -> NonNull<u8> {
        assert!(offset.is_multiple_of(PAGE_BYTES) && bytes.is_multiple_of(PAGE_BYTES));
        assert!(offset + bytes <= 2 * self.bytes);
        // SAFETY: just checked to be inside the allocation.
        unsafe {
            let start = self.base.add(offset);
            start.write_bytes(fill, bytes);
            start
        }
    }

    fn offset(&self, start: NonNull<u8>) -> usize {
        start.addr().get() - self.base.addr().get()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with the same layout.
        unsafe { dealloc(self.base.as_ptr(), Self::layout(self.bytes)) }
    }
}

// SAFETY: ranges are disjoint parts of one allocation, page aligned; `hand_over` checks it.
unsafe impl Source for Arena {
    fn grow(&mut self, bytes: usize) -> Option<Growth> {
        let offset = match self.placement {
            Placement::Contiguous => self.area_end,
            Placement::Scattered => self.area_end + PAGE_BYTES,
        };
        if offset + bytes > self.bytes {
            return None;
        }
        self.area_end = offset + bytes;
        self.area_peak = self.area_peak.max(self.area_end);
        self.area_held += bytes;
        self.segments.push((offset, bytes));
        Some(Growth { start: self.hand_over(offset, bytes, 0xa5), bytes })
    }

    unsafe fn shrink(&mut self, start: NonNull<u8>, bytes: usize) {
        let offset = self.offset(start);
        self.hand_over(offset, bytes, 0xdd);
        self.area_held -= bytes;
        if offset + bytes == self.area_end {
            self.area_end = offset;
            while let Some(last) = self.segments.pop() {
                if last.0 < offset {
                    self.segments.push((last.0, last.1.min(offset - last.0)));
                    break;
                }
            }
        } else {
            assert_eq!(self.placement, Placement::Scattered, "not the end of the area");
            let index = self.segments.iter().position(|&segment| segment == (offset, bytes));
            self.segments.remove(index.expect("neither the end nor a whole segment"));
        }
    }

    fn map(&mut self, bytes: usize) -> Option<NonNull<u8>> {
        let mut offset = self.bytes;
        for (&start, &length) in &self.maps {
            if start - offset >= bytes {
                break;
            }
            offset = start + length;
        }
        if offset + bytes > 2 * self.bytes {
            return None;
        }
        self.maps.insert(offset, bytes);
        Some(self.hand_over(offset, bytes, 0xa5))
    }

    unsafe fn unmap(&mut self, start: NonNull<u8>, bytes: usize) {
        let offset = self.offset(start);
        self.hand_over(offset, bytes, 0xdd);
        let (&block, &length) = self.maps.range(..=offset).next_back().expect("not mapped");
        assert_eq!(block + length, offset + bytes, "not the end of a mapped block");
        self.maps.remove(&block);
        if offset > block {
            self.maps.insert(block, offset - block);
        }
    }

    fn secret(&mut self) -> usize {
        0x9e37_79b9_7f4a_7c15
    }
}
