//! The area: cutting chunks from bins and the top chunk, merging freed ones with their neighbours.
//!
//! Invariants between calls:
//! * no two free chunks are neighbours, and none is directly before the top chunk;
//! * every free chunk but the top chunk and the spare chunk is in exactly one bin, the one of its size;
//! * the top chunk has no tag; whatever is cut from it begins a chunk whose predecessor is in use.

use super::bins::{Bins, LARGE_MIN, bin_of};
use super::chunk::{Chunk, FLAGS, IN_USE, MIN_CHUNK, Mask, PREVIOUS_IN_USE};
use super::source::{Source, damaged_tag};
use super::stats::SourceCalls;

/// The area of a heap: chunks, bins, spare chunk and top.
pub struct Area<S: Source> {
    pub(super) source: S,
    pub(super) bins: Bins,
    /// The free chunk that was cut or merged last, in no bin: programs that allocate or free in a row cut from it and
    /// merge with it again and again, without touching a bin. (Doug Lea's "designated victim".)
    pub(super) spare: Option<Chunk>,
    /// Its size; zero if there is none.
    pub(super) spare_bytes: usize,
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
            spare: None,
            spare_bytes: 0,
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
        self.allocate_run(bytes, 1).map(|(chunk, _)| chunk)
    }

    /// Cuts up to `most` chunks of `bytes` that follow each other: as many as there is room for in the first free chunk
    /// that one fits in. Returns the first, and the number. Only the first has a tag. One alone may be 16 bytes longer.
    ///
    /// A free chunk of exactly the size comes first, then the smallest of the bins and the spare chunk, the top chunk last.
    #[inline(always)]
    pub fn allocate_run(&mut self, bytes: usize, most: usize) -> Option<(Chunk, usize)> {
        if bytes < LARGE_MIN
            && let Some(chunk) = self.bins.pop::<S>(bytes)
        {
            chunk.set_tag(bytes | IN_USE | PREVIOUS_IN_USE);
            let next = chunk.after(bytes);
            next.set_tag(next.tag() | PREVIOUS_IN_USE);
            return Some((chunk, 1));
        }
        // The spare chunk, where it is large enough, is as good as a larger one of the bins.
        let limit = if bytes <= self.spare_bytes { self.spare_bytes } else { usize::MAX };
        if let Some((chunk, found)) = self.bins.take_best::<S>(bytes, limit) {
            return Some(self.cut(chunk, found, bytes, most));
        }
        if bytes <= self.spare_bytes {
            return self.cut_spare(bytes, most);
        }
        if bytes > self.top_bytes() && !self.grow(bytes) {
            return None;
        }
        let count = count_in(self.top_bytes(), bytes, most);
        // SAFETY: the top chunk begins at `top`, in memory of the current segment.
        let first = unsafe { Chunk::at(self.top) };
        self.top += count * bytes;
        first.set_tag(bytes | IN_USE | PREVIOUS_IN_USE);
        Some((first, count))
    }

    /// Whether there is a free chunk of at least `bytes`, so that the area need not grow.
    pub fn has(&self, bytes: usize) -> bool {
        bytes <= self.top_bytes() || bytes <= self.spare_bytes || self.bins.has(bytes)
    }

    /// Cuts chunks of `bytes` from the spare chunk, which is large enough.
    #[inline(always)]
    fn cut_spare(&mut self, bytes: usize, most: usize) -> Option<(Chunk, usize)> {
        let spare = self.spare.take()?;
        let found = core::mem::take(&mut self.spare_bytes);
        if spare.tag() != found | PREVIOUS_IN_USE {
            damaged_tag::<S>(spare, spare.tag());
        }
        Some(self.cut(spare, found, bytes, most))
    }

    /// Cuts chunks of `bytes` from a free chunk of `found` that is in no bin; the rest becomes the spare chunk.
    #[inline(always)]
    fn cut(&mut self, chunk: Chunk, found: usize, bytes: usize, most: usize) -> (Chunk, usize) {
        let mut count = count_in(found, bytes, most);
        let mut rest = found - count * bytes;
        if rest != 0 && rest < MIN_CHUNK && count > 1 {
            count -= 1;
            rest += bytes;
        }
        chunk.set_tag(bytes | IN_USE | PREVIOUS_IN_USE);
        if rest >= MIN_CHUNK {
            let rest_chunk = chunk.after(count * bytes);
            rest_chunk.set_free(rest);
            self.keep(rest_chunk, rest);
        } else {
            if rest != 0 {
                chunk.set_tag((bytes + rest) | IN_USE | PREVIOUS_IN_USE);
            }
            let next = chunk.after(found);
            next.set_tag(next.tag() | PREVIOUS_IN_USE);
        }
        (chunk, count)
    }

    /// Makes a free chunk of `bytes`, which is in no bin, the spare chunk.
    #[inline]
    fn keep(&mut self, chunk: Chunk, bytes: usize) {
        if let Some(spare) = self.spare.replace(chunk) {
            self.bins.insert(spare, self.spare_bytes);
        }
        self.spare_bytes = bytes;
    }

    /// Puts the spare chunk into its bin.
    pub fn bin_spare(&mut self) {
        if let Some(spare) = self.spare.take() {
            self.bins.insert(spare, core::mem::take(&mut self.spare_bytes));
        }
    }

    /// Takes a free chunk of `bytes` out of its bin, or from being the spare chunk.
    #[inline]
    fn take_free(&mut self, chunk: Chunk, bytes: usize) {
        if self.spare == Some(chunk) {
            self.spare = None;
            self.spare_bytes = 0;
        } else {
            self.bins.remove::<S>(chunk, bytes);
        }
    }

    /// Frees a chunk in use: merges it with its free neighbours, into the top chunk or a free chunk. `tag` is its tag.
    /// True if the top chunk grew.
    #[inline(never)]
    pub fn release(&mut self, chunk: Chunk, tag: usize) -> bool {
        self.release_inline(chunk, tag)
    }

    /// As [`release`](Self::release), where its cost counts.
    #[inline(always)]
    pub fn release_inline(&mut self, chunk: Chunk, tag: usize) -> bool {
        let size = tag & !FLAGS;
        let next = chunk.after(size);
        if tag & PREVIOUS_IN_USE == 0 {
            return self.release_to_previous(chunk, size, next);
        }
        if next.address() == self.top {
            chunk.set_tag(0);
            self.top = chunk.address();
            return true;
        }
        let next_tag = next.tag();
        if next_tag & PREVIOUS_IN_USE == 0 {
            damaged_tag::<S>(next, next_tag);
        }
        if next_tag & IN_USE != 0 {
            next.set_tag(next_tag ^ PREVIOUS_IN_USE);
            chunk.set_free(size);
            self.bins.insert(chunk, size);
            return false;
        }
        let after = self.checked_size(next, next_tag);
        chunk.set_free(size + after);
        if self.spare == Some(next) {
            self.spare = Some(chunk);
            self.spare_bytes = size + after;
        } else {
            self.bins.remove::<S>(next, after);
            self.keep(chunk, size + after);
        }
        false
    }

    /// Frees a chunk of `size` bytes whose predecessor is free. `next` is the chunk behind it.
    #[inline(always)]
    fn release_to_previous(&mut self, chunk: Chunk, size: usize, next: Chunk) -> bool {
        let before = chunk.size_before();
        let start = self.free_chunk_before(chunk, before);
        // The old tag now lies inside a free chunk; clearing it makes a second free of the block fail.
        chunk.set_tag(0);
        if next.address() == self.top {
            self.take_free(start, before);
            start.set_tag(0);
            self.top = start.address();
            return true;
        }
        let next_tag = next.tag();
        if next_tag & PREVIOUS_IN_USE == 0 {
            damaged_tag::<S>(next, next_tag);
        }
        let mut whole = before + size;
        if next_tag & IN_USE != 0 {
            next.set_tag(next_tag ^ PREVIOUS_IN_USE);
        } else {
            let after = self.checked_size(next, next_tag);
            whole += after;
            self.take_free(next, after);
        }
        start.set_free(whole);
        if self.spare == Some(start) {
            self.spare_bytes = whole;
        } else if before < LARGE_MIN || bin_of(before) != bin_of(whole) {
            // A large chunk that grows at its end often stays in the bin that it is in.
            self.bins.remove::<S>(start, before);
            self.keep(start, whole);
        }
        false
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

    /// The size of the free chunk `next` behind another chunk, after checking that both its tags agree.
    #[inline]
    fn checked_size(&self, next: Chunk, next_tag: usize) -> usize {
        let size = next_tag & !FLAGS;
        if size < MIN_CHUNK || size > self.highest - next.address() || next.after(size).size_before() != size
        {
            damaged_tag::<S>(next, next_tag);
        }
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
        let found = self.checked_size(next, next_tag);
        self.take_free(next, found);
        let rest = found - missing;
        if rest >= MIN_CHUNK {
            chunk.set_tag(bytes | (tag & FLAGS));
            let rest_chunk = chunk.after(bytes);
            rest_chunk.set_free(rest);
            self.keep(rest_chunk, rest);
        } else {
            chunk.set_tag((size + found) | (tag & FLAGS));
            let following = chunk.after(size + found);
            following.set_tag(following.tag() | PREVIOUS_IN_USE);
        }
        true
    }
}

/// How many chunks of `bytes` to cut from `found` bytes, in which one fits: at most `most`.
#[inline]
fn count_in(found: usize, bytes: usize, most: usize) -> usize {
    // What is divided is less than the few bytes of a run: a short division does.
    if most * bytes <= found { most } else { (found as u32 / bytes as u32) as usize }
}
