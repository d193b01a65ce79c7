//! Bins of free chunks: from size to bin, a bit map of the bins that are not empty, doubly linked lists.
//!
//! Below 1 KiB every chunk size has its bin; above, each doubling has thirty-two, so that a bin's sizes differ by at most
//! 1/32. No search depends on the number of chunks: the large bin of a request is looked at up to [`PROBES`] chunks
//! deep; of the next bin that is not empty all chunks fit, and the first is taken.

use super::chunk::{Chunk, GRANULE, Link, Mask, PREVIOUS_IN_USE};
use super::source::{Corruption, CorruptionKind, Source, damaged_tag};

/// The smallest chunk size that shares a bin with other sizes.
pub const LARGE_MIN: usize = 1 << LARGE_MIN_LOG2;
const LARGE_MIN_LOG2: usize = 10;
/// Bins per doubling, as a power of two.
const STEPS_LOG2: usize = 5;
const STEPS: usize = 1 << STEPS_LOG2;
/// Bins with one size each.
const SMALL_BINS: usize = LARGE_MIN / GRANULE;
const WORD_BITS: usize = usize::BITS as usize;
const MAP_WORDS: usize = 16;
/// The number of bins: for chunks up to [`CHUNK_LIMIT`].
pub const BINS: usize = MAP_WORDS * WORD_BITS;

/// How many chunks of one large bin are compared for the best fit.
const PROBES: usize = 2;

/// No chunk is this long: an area does not grow to it.
pub const CHUNK_LIMIT: usize = 1 << ((BINS - SMALL_BINS) / STEPS + LARGE_MIN_LOG2);

const _: () = assert!(SMALL_BINS == WORD_BITS && BINS.is_power_of_two());

/// The bin for a chunk of `bytes`.
#[inline]
pub const fn bin_of(bytes: usize) -> usize {
    if bytes < LARGE_MIN {
        return bytes / GRANULE;
    }
    let log2 = (usize::BITS - 1 - bytes.leading_zeros()) as usize;
    // The steps count from `STEPS` on in each doubling, which moves the first bin down by one doubling.
    let bin = (log2 << STEPS_LOG2) + (bytes >> (log2 - STEPS_LOG2));
    bin.wrapping_sub((LARGE_MIN_LOG2 + 1) * STEPS - SMALL_BINS) % BINS
}

/// The smallest chunk size of `bin`.
pub const fn bin_floor(bin: usize) -> usize {
    if bin < SMALL_BINS {
        return bin * GRANULE;
    }
    let (doubling, step) = ((bin - SMALL_BINS) / STEPS, (bin - SMALL_BINS) % STEPS);
    (STEPS + step) << (doubling + LARGE_MIN_LOG2 - STEPS_LOG2)
}

/// All free chunks of an area but the top chunk.
pub struct Bins {
    heads: [Option<Chunk>; BINS],
    /// Bit `b % 64` of word `b / 64`: bin `b` is not empty.
    map: [usize; MAP_WORDS],
    /// Bit `w`: word `w` of `map` is not zero.
    summary: usize,
    mask: Mask,
}

impl Bins {
    /// No chunks.
    pub const fn new() -> Self {
        Self { heads: [None; BINS], map: [0; MAP_WORDS], summary: 0, mask: Mask::new(0) }
    }

    /// Sets the mask for links. Only while all bins are empty.
    pub fn set_mask(&mut self, mask: Mask) {
        self.mask = mask;
    }

    /// Puts a free chunk of `bytes` first in its bin.
    #[inline]
    pub fn insert(&mut self, chunk: Chunk, bytes: usize) {
        let (bin, mask) = (bin_of(bytes), self.mask);
        let next = self.heads[bin];
        chunk.set_link(Link::Next, mask, next);
        chunk.set_link(Link::Previous, mask, None);
        match next {
            Some(next) => next.set_link(Link::Previous, mask, Some(chunk)),
            None => {
                self.map[bin / WORD_BITS] |= 1 << (bin % WORD_BITS);
                self.summary |= 1 << (bin / WORD_BITS);
            }
        }
        self.heads[bin] = Some(chunk);
    }

    /// Takes a chunk of `bytes` out of its bin, wherever in the list it is, after checking that its neighbours name it.
    #[inline(always)]
    pub fn remove<S: Source>(&mut self, chunk: Chunk, bytes: usize) {
        let mask = self.mask;
        let next = chunk.link(Link::Next, mask);
        let previous = chunk.link(Link::Previous, mask);
        if let Some(next) = next {
            check_link::<S>(chunk, next.link(Link::Previous, mask));
            next.set_link(Link::Previous, mask, previous);
        }
        if let Some(previous) = previous {
            check_link::<S>(chunk, previous.link(Link::Next, mask));
            previous.set_link(Link::Next, mask, next);
            return;
        }
        let bin = bin_of(bytes);
        check_link::<S>(chunk, self.heads[bin]);
        self.heads[bin] = next;
        if next.is_none() {
            self.mark_empty(bin);
        }
    }

    #[inline]
    fn mark_empty(&mut self, bin: usize) {
        self.map[bin / WORD_BITS] &= !(1 << (bin % WORD_BITS));
        if self.map[bin / WORD_BITS] == 0 {
            self.summary &= !(1 << (bin / WORD_BITS));
        }
    }

    /// Takes the first chunk of a bin of one size out of it.
    #[inline]
    pub fn pop<S: Source>(&mut self, bytes: usize) -> Option<Chunk> {
        let bin = (bytes / GRANULE) % SMALL_BINS;
        let chunk = self.heads[bin]?;
        check_free::<S>(chunk, bytes);
        self.remove_head::<S>(chunk, bin);
        Some(chunk)
    }

    /// Takes the first chunk of a bin out of it.
    #[inline]
    fn remove_head<S: Source>(&mut self, chunk: Chunk, bin: usize) {
        let next = chunk.link(Link::Next, self.mask);
        self.heads[bin] = next;
        match next {
            Some(next) => {
                check_link::<S>(chunk, next.link(Link::Previous, self.mask));
                next.set_link(Link::Previous, self.mask, None);
            }
            None => self.mark_empty(bin),
        }
    }

    /// Takes the best chunk found of at least `bytes` and at most `limit` bytes out of its bin; with its size. The bin of
    /// exactly `bytes`, if there is one, is empty.
    #[inline(always)]
    pub fn take_best<S: Source>(&mut self, bytes: usize, limit: usize) -> Option<(Chunk, usize)> {
        let bin = bin_of(bytes);
        if bytes >= LARGE_MIN
            && let Some((chunk, size)) = self.best_of(bin, bytes)
        {
            check_free::<S>(chunk, size);
            if size > limit {
                return None;
            }
            self.remove::<S>(chunk, size);
            return Some((chunk, size));
        }
        let bin = self.first_from(bin + 1)?;
        let chunk = self.heads[bin]?;
        let size = chunk.size();
        check_free::<S>(chunk, size);
        if size > limit {
            return None;
        }
        self.remove_head::<S>(chunk, bin);
        Some((chunk, size))
    }

    /// Whether there is a chunk of at least `bytes`, as far as a search would find it.
    pub fn has(&self, bytes: usize) -> bool {
        let bin = bin_of(bytes);
        (bytes < LARGE_MIN && self.heads[bin].is_some())
            || self.best_of(bin, bytes).is_some()
            || self.first_from(bin + 1).is_some()
    }

    /// The smallest chunk of at least `bytes` among the first few of a `bin` of several sizes.
    #[inline]
    fn best_of(&self, bin: usize, bytes: usize) -> Option<(Chunk, usize)> {
        let mut best = None;
        let mut best_size = usize::MAX;
        let mut candidate = self.heads[bin];
        for _ in 0..PROBES {
            let Some(chunk) = candidate else { break };
            let size = chunk.size();
            if size >= bytes && size < best_size {
                best = Some(chunk);
                best_size = size;
            }
            candidate = chunk.link(Link::Next, self.mask);
        }
        best.map(|chunk| (chunk, best_size))
    }

    /// The first bin from `bin` on that is not empty.
    #[inline]
    fn first_from(&self, bin: usize) -> Option<usize> {
        let word = bin / WORD_BITS;
        let here = self.map.get(word)? & (usize::MAX << (bin % WORD_BITS));
        if here != 0 {
            return Some(word * WORD_BITS + here.trailing_zeros() as usize);
        }
        let words = self.summary & (usize::MAX << (word + 1));
        if words == 0 {
            return None;
        }
        let word = words.trailing_zeros() as usize % MAP_WORDS;
        Some(word * WORD_BITS + self.map[word].trailing_zeros() as usize)
    }

    /// Every free chunk, bin by bin, as (bin, chunk).
    pub fn iter(&self) -> impl Iterator<Item = (usize, Chunk)> {
        self.heads.iter().enumerate().flat_map(|(bin, &head)| {
            core::iter::successors(head, |chunk| chunk.link(Link::Next, self.mask))
                .map(move |chunk| (bin, chunk))
        })
    }

    /// Whether the bit map says that `bin` holds chunks.
    #[cfg(test)]
    pub fn is_marked(&self, bin: usize) -> bool {
        let word = self.map[bin / WORD_BITS];
        assert_eq!(word != 0, self.summary & (1 << (bin / WORD_BITS)) != 0);
        word & (1 << (bin % WORD_BITS)) != 0
    }
}

/// A chunk that comes out of a bin has to have the tag of a free chunk.
#[inline]
fn check_free<S: Source>(chunk: Chunk, bytes: usize) {
    let tag = chunk.tag();
    if tag != bytes | PREVIOUS_IN_USE {
        damaged_tag::<S>(chunk, tag);
    }
}

/// A chunk's neighbours in its list have to name it: `back` is the link that leads back to it.
#[inline]
fn check_link<S: Source>(chunk: Chunk, back: Option<Chunk>) {
    if back != Some(chunk) {
        bad_link::<S>(chunk, back);
    }
}

#[cold]
#[inline(never)]
fn bad_link<S: Source>(chunk: Chunk, found: Option<Chunk>) -> ! {
    S::corrupted(Corruption {
        kind: CorruptionKind::OverwrittenLink,
        address: chunk.payload_address(),
        found: found.map_or(0, Chunk::address),
    })
}
