//! The area: cutting chunks from bins and the top chunk, merging freed ones with their neighbours.
//!
//! Invariants between calls:
//! * no two free chunks are neighbours, and none is directly before the top chunk;
//! * every free chunk but the top chunk is in exactly one bin, the one of its size;
//! * the top chunk has no tag; whatever is cut from it begins a chunk whose predecessor is in use.

use super::bins::{Bins, bin_of};
use super::chunk::{Chunk, FLAGS, IN_USE, MIN_CHUNK, Mask, PREVIOUS_IN_USE};
use super::source::{Corruption, CorruptionKind, Source};
use super::stats::SourceCalls;

/// The area of a heap: chunks, bins and top.
pub struct Area<S: Source> {
    pub(super) source: S,
    pub(super) bins: Bins,
    /// Where the top chunk begins; zero before the first growth.
    pub(super) top: usize,
    /// Where the closing tag of the current segment is, and so the end of the top chunk.
    pub(super) top_end: usize,
    /// The base of the current segment; zero before the first growth.
    pub(super) segment: usize,
    /// The lowest address that was ever part of the area.
    pub(super) lowest: usize,
    /// The highest end that any segment ever had.
    pub(super) highest: usize,
    /// Bytes taken from the source by growth and not given back.
    pub(super) area_bytes: usize,
    /// The most that `area_bytes` was.
    pub(super) area_peak_bytes: usize,
    pub(super) mask: Mask,
    pub(super) calls: SourceCalls,
}

impl<S: Source> Area<S> {
    /// An area without memory.
    pub const fn new(source: S) -> Self {
        Self {
            source,
            bins: Bins::new(),
            top: 0,
            top_end: 0,
            segment: 0,
            lowest: usize::MAX,
            highest: 0,
            area_bytes: 0,
            area_peak_bytes: 0,
            mask: Mask::new(0),
            calls: SourceCalls::NONE,
        }
    }

    /// Bytes in the top chunk.
    #[inline]
    pub fn top_bytes(&self) -> usize {
        self.top_end - self.top
    }

    /// Cuts a chunk of `bytes` (a chunk size), or of 16 more where the rest would be too small to be a chunk.
    #[inline]
    pub fn allocate(&mut self, bytes: usize) -> Option<Chunk> {
        if let Some((chunk, found, bin)) = self.bins.find::<S>(bytes) {
            self.bins.remove::<S>(chunk, bin);
            let rest = found - bytes;
            if rest >= MIN_CHUNK {
                let rest_chunk = chunk.after(bytes);
                rest_chunk.set_free(rest);
                self.bins.insert(rest_chunk, rest);
                chunk.set_tag(bytes | IN_USE | PREVIOUS_IN_USE);
            } else {
                chunk.set_tag(found | IN_USE | PREVIOUS_IN_USE);
                let next = chunk.after(found);
                next.set_tag(next.tag() | PREVIOUS_IN_USE);
            }
            return Some(chunk);
        }
        if bytes > self.top_bytes() && !self.grow(bytes) {
            return None;
        }
        Some(self.cut_top(bytes))
    }

    /// Cuts a chunk from the top chunk, which is large enough.
    #[inline]
    fn cut_top(&mut self, bytes: usize) -> Chunk {
        // SAFETY: the top chunk begins at `top`, in memory of the current segment.
        let chunk = unsafe { Chunk::at(self.top) };
        chunk.set_tag(bytes | IN_USE | PREVIOUS_IN_USE);
        self.top += bytes;
        chunk
    }

    /// Frees a chunk in use: merges it with its free neighbours, into the top chunk or a bin. `tag` is its tag.
    #[inline]
    pub fn release(&mut self, chunk: Chunk, tag: usize) {
        let mut start = chunk;
        let mut size = tag & !FLAGS;
        let mut binned = 0;
        let next = chunk.after(size);
        if tag & PREVIOUS_IN_USE == 0 {
            binned = chunk.size_before();
            start = self.free_chunk_before(chunk, binned);
            size += binned;
            // The old tag now lies inside a free chunk; clearing it makes a second free of the block fail.
            chunk.set_tag(0);
        }
        if next.address() == self.top {
            if binned != 0 {
                self.bins.remove::<S>(start, bin_of(binned));
            }
            start.set_tag(0);
            self.top = start.address();
            return;
        }
        let next_tag = next.tag();
        if next_tag & PREVIOUS_IN_USE == 0 {
            damaged_tag::<S>(next, next_tag);
        }
        if next_tag & IN_USE == 0 {
            size += self.take_free_next(next, next_tag);
        } else {
            next.set_tag(next_tag ^ PREVIOUS_IN_USE);
        }
        start.set_free(size);
        // A free chunk that grows at its end often belongs in the bin that it is in.
        if bin_of(binned) != bin_of(size) {
            if binned != 0 {
                self.bins.remove::<S>(start, bin_of(binned));
            }
            self.bins.insert(start, size);
        }
    }

    /// The free chunk that ends where `chunk` begins, `before` bytes long, after checking that both its tags agree.
    #[inline]
    fn free_chunk_before(&self, chunk: Chunk, before: usize) -> Chunk {
        if before & FLAGS != 0 || before >= chunk.address() - self.lowest {
            damaged_tag::<S>(chunk, before);
        }
        // SAFETY: just checked: the address is above the area's lowest.
        let previous = unsafe { chunk.before(before) };
        if previous.tag() != before | PREVIOUS_IN_USE {
            damaged_tag::<S>(previous, previous.tag());
        }
        previous
    }

    /// Takes the free chunk `next`, which follows a chunk that is going to absorb it, out of its bin; its size.
    #[inline]
    fn take_free_next(&mut self, next: Chunk, next_tag: usize) -> usize {
        let size = next_tag & !FLAGS;
        if size < MIN_CHUNK || size > self.highest - next.address() || next.after(size).size_before() != size
        {
            damaged_tag::<S>(next, next_tag);
        }
        self.bins.remove::<S>(next, bin_of(size));
        size
    }

    /// Cuts what a chunk in use has beyond `bytes` (a chunk size) off its end and frees it.
    pub fn shrink_chunk(&mut self, chunk: Chunk, bytes: usize) {
        let tag = chunk.tag();
        let rest = (tag & !FLAGS) - bytes;
        if rest < MIN_CHUNK {
            return;
        }
        chunk.set_tag(bytes | (tag & FLAGS));
        self.release(chunk.after(bytes), rest | IN_USE | PREVIOUS_IN_USE);
    }

    /// Grows a chunk in use to `bytes` (a chunk size) where it is; false if that is not possible, then nothing has
    /// changed but perhaps the size of the top chunk.
    pub fn extend_chunk(&mut self, chunk: Chunk, bytes: usize) -> bool {
        let tag = chunk.tag();
        let size = tag & !FLAGS;
        let next = chunk.after(size);
        let missing = bytes - size;
        if next.address() == self.top {
            if missing > self.top_bytes() && !self.grow_contiguous(missing) {
                return false;
            }
            chunk.set_tag(bytes | (tag & FLAGS));
            self.top += missing;
            return true;
        }
        let next_tag = next.tag();
        if next_tag & IN_USE != 0 || (next_tag & !FLAGS) < missing {
            return false;
        }
        let found = self.take_free_next(next, next_tag);
        let rest = found - missing;
        if rest >= MIN_CHUNK {
            chunk.set_tag(bytes | (tag & FLAGS));
            let rest_chunk = chunk.after(bytes);
            rest_chunk.set_free(rest);
            self.bins.insert(rest_chunk, rest);
        } else {
            chunk.set_tag((size + found) | (tag & FLAGS));
            let following = chunk.after(size + found);
            following.set_tag(following.tag() | PREVIOUS_IN_USE);
        }
        true
    }
}

/// Reports a boundary tag that does not fit its neighbours.
#[cold]
#[inline(never)]
pub fn damaged_tag<S: Source>(chunk: Chunk, found: usize) -> ! {
    let address = chunk.payload_address();
    S::corrupted(Corruption { kind: CorruptionKind::OverwrittenTag, address, found })
}
