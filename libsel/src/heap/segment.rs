//! Growth and trim of the area.
//!
//! A segment is a run of memory without gaps. There is one as long as the source grows the area at its end; each
//! growth elsewhere opens another and closes the one before, whose top chunk becomes an ordinary free chunk.
//!
//! ```text
//!   base ─► base of the segment before | its own closing tag's address, once closed | unused | first chunk …
//!           … last chunk | (top chunk) | closing tag: size 0, in use
//! ```

use core::ptr::{self, NonNull};

use super::area::Area;
use super::bins::CHUNK_LIMIT;
use super::chunk::{Chunk, FLAGS, IN_USE, MIN_CHUNK, Mask, PREVIOUS_IN_USE, WORD_BYTES};
use super::source::{PAGE_BYTES, Source};

/// What a segment holds before its first chunk.
pub const SEGMENT_HEADER: usize = 3 * WORD_BYTES;
/// Size of the closing tag.
const CLOSING_BYTES: usize = WORD_BYTES;
/// The step in which the area grows: fewer, larger calls.
const GROWTH_STEP: usize = 64 * 1024;

/// A segment's header.
#[derive(Clone, Copy)]
pub struct Segment(usize);

impl Segment {
    /// The segment at `base`, or `None` for zero: no segment.
    ///
    /// # Safety
    /// A `base` other than zero is that of a segment of this heap (or of memory about to become one).
    pub unsafe fn at(base: usize) -> Option<Self> {
        (base != 0).then_some(Self(base))
    }

    fn word(self, index: usize) -> *mut usize {
        ptr::with_exposed_provenance_mut(self.0 + index * WORD_BYTES)
    }

    /// The base of the segment opened before this one; zero if none.
    pub fn previous(self) -> usize {
        // SAFETY: the header is the first part of a segment's memory.
        unsafe { *self.word(0) }
    }

    /// The address of the closing tag. Only of a closed segment; the current one's is known to the area.
    pub fn end(self) -> usize {
        // SAFETY: as in `previous`.
        unsafe { *self.word(1) }
    }

    fn set_previous(self, base: usize) {
        // SAFETY: as in `previous`.
        unsafe { *self.word(0) = base }
    }

    fn set_end(self, end: usize) {
        // SAFETY: as in `previous`.
        unsafe { *self.word(1) = end }
    }

    /// The first chunk (or the top chunk's place).
    pub fn first_chunk(self) -> Chunk {
        // SAFETY: directly behind the header, still in the segment's memory.
        unsafe { Chunk::at(self.0 + SEGMENT_HEADER) }
    }
}

fn pages(bytes: usize) -> Option<usize> {
    bytes.checked_next_multiple_of(PAGE_BYTES)
}

impl<S: Source> Area<S> {
    /// Takes memory from the source until the top chunk has at least `bytes`; false when out of memory.
    #[cold]
    #[inline(never)]
    pub fn grow(&mut self, bytes: usize) -> bool {
        // If the source adds memory elsewhere than at the end, what the old top chunk had does not count: a second
        // request then asks for the whole.
        let grown = self.grow_once(bytes - self.top_bytes());
        grown && (self.top_bytes() >= bytes || self.grow_once(bytes + SEGMENT_HEADER + CLOSING_BYTES))
    }

    /// Takes `missing` more bytes for the top chunk; false if it is not where it was, or the source has no more.
    #[cold]
    #[inline(never)]
    pub fn grow_contiguous(&mut self, missing: usize) -> bool {
        let top = self.top;
        self.grow_once(missing - self.top_bytes()) && self.top == top && self.top_bytes() >= missing
    }

    fn grow_once(&mut self, missing: usize) -> bool {
        let overhead = if self.segment == 0 { SEGMENT_HEADER + CLOSING_BYTES } else { 0 };
        let Some(least) = missing.checked_add(overhead).and_then(pages) else { return false };
        let wanted = least.checked_next_multiple_of(GROWTH_STEP).unwrap_or(least);
        self.calls.grow += 1;
        if self.area_bytes.saturating_add(wanted) >= CHUNK_LIMIT {
            return false;
        }
        let growth = match self.source.grow(wanted) {
            None if wanted != least => {
                self.calls.grow += 1;
                self.source.grow(least)
            }
            answer => answer,
        };
        let Some(growth) = growth else { return false };
        let base = growth.start.as_ptr().expose_provenance();
        self.area_bytes += growth.bytes;
        self.area_peak_bytes = self.area_peak_bytes.max(self.area_bytes);
        self.lowest = self.lowest.min(base);
        self.highest = self.highest.max(base + growth.bytes);
        if self.segment == 0 {
            self.set_mask();
        }
        if self.segment == 0 || base != self.top_end + CLOSING_BYTES {
            self.close_segment();
            self.open_segment(base);
        }
        self.set_top_end(base + growth.bytes - CLOSING_BYTES);
        true
    }

    /// Chooses the mask for links, before the first chunk exists.
    fn set_mask(&mut self) {
        self.mask = Mask::new(self.source.secret());
        self.bins.set_mask(self.mask);
    }

    fn set_top_end(&mut self, end: usize) {
        // SAFETY: `end` is the last word of the current segment.
        unsafe { Chunk::at(end) }.set_tag(IN_USE | PREVIOUS_IN_USE);
        self.top_end = end;
    }

    fn open_segment(&mut self, base: usize) {
        // SAFETY: `base` is the start of memory that the source just gave.
        if let Some(segment) = unsafe { Segment::at(base) } {
            segment.set_previous(self.segment);
            self.top = segment.first_chunk().address();
        }
        self.segment = base;
    }

    /// Ends the current segment: what is left of the top chunk becomes a free chunk.
    fn close_segment(&mut self) {
        // SAFETY: `segment` is zero or the base of the current segment.
        let Some(segment) = (unsafe { Segment::at(self.segment) }) else { return };
        // SAFETY: the top chunk begins at `top`, in memory of the current segment.
        let chunk = unsafe { Chunk::at(self.top) };
        let rest = self.top_bytes();
        if rest < MIN_CHUNK {
            // Too small for links: the segment ends here, a few bytes before its last page does.
            chunk.set_tag(IN_USE | PREVIOUS_IN_USE);
            segment.set_end(self.top);
            return;
        }
        segment.set_end(self.top_end);
        chunk.set_free(rest);
        let closing = chunk.after(rest);
        closing.set_tag(closing.tag() & !PREVIOUS_IN_USE);
        self.bins.insert(chunk, rest);
    }

    /// Gives the pages of the top chunk beyond its first `keep` bytes back to the source.
    #[cold]
    #[inline(never)]
    pub fn trim_top(&mut self, keep: usize) {
        let old_end = self.top_end + CLOSING_BYTES;
        let Some(new_end) = pages(self.top + keep + CLOSING_BYTES) else { return };
        if self.segment == 0 || new_end >= old_end {
            return;
        }
        self.set_top_end(new_end - CLOSING_BYTES);
        self.give_back(new_end, old_end);
    }

    /// Gives every closed segment that holds nothing but one free chunk back to the source.
    pub fn trim_segments(&mut self) {
        self.bin_spare();
        // SAFETY: `segment` is zero or the base of the current segment; so are the bases that headers name.
        let mut newer = unsafe { Segment::at(self.segment) };
        while let Some(segment) = newer {
            let base = segment.previous();
            // SAFETY: as above.
            let Some(older) = (unsafe { Segment::at(base) }) else { return };
            let chunk = older.first_chunk();
            let size = older.end() - chunk.address();
            if chunk.tag() & IN_USE == 0 && chunk.tag() & !FLAGS == size {
                self.bins.remove::<S>(chunk, size);
                segment.set_previous(older.previous());
                // The segment's last page holds its closing tag.
                self.give_back(base, (older.end() + CLOSING_BYTES).next_multiple_of(PAGE_BYTES));
            } else {
                newer = Some(older);
            }
        }
    }

    /// Bytes that segments use for themselves.
    pub fn overhead_bytes(&self) -> usize {
        self.segments().count() * (SEGMENT_HEADER + CLOSING_BYTES)
    }

    /// All segments, the current one first.
    pub fn segments(&self) -> impl Iterator<Item = Segment> {
        // SAFETY: `segment` is zero or the base of the current segment; so are the bases that headers name.
        let at = |base| unsafe { Segment::at(base) };
        core::iter::successors(at(self.segment), move |segment| at(segment.previous()))
    }

    fn give_back(&mut self, start: usize, end: usize) {
        self.calls.shrink += 1;
        self.area_bytes -= end - start;
        if let Some(start_pointer) = NonNull::new(ptr::with_exposed_provenance_mut(start)) {
            // SAFETY: the pages came from `grow` and hold no chunk any more.
            unsafe { self.source.shrink(start_pointer, end - start) };
        }
    }
}
