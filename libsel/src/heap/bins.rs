//! Bins of free chunks: from size to bin, a bit map of the bins that are not empty, doubly linked lists.
//!
//! Below 1 KiB every chunk size has its bin; above, each doubling has sixteen, so that a bin's sizes differ by at most
//! 1/16. No search depends on the number of chunks: a large bin is looked at up to [`PROBES`] chunks deep, and the
//! next bin's chunks all fit.

use super::chunk::{Chunk, GRANULE, Link, Mask, PREVIOUS_IN_USE};
use super::source::{Corruption, CorruptionKind, Source};

/// The smallest chunk size that shares a bin with other sizes.
pub const LARGE_MIN: usize = 1 << LARGE_MIN_LOG2;
const LARGE_MIN_LOG2: usize = 10;
/// Bins per doubling, as a power of two.
const STEPS_LOG2: usize = 4;
const STEPS: usize = 1 << STEPS_LOG2;
/// Bins with one size each.
const SMALL_BINS: usize = LARGE_MIN / GRANULE;
const WORD_BITS: usize = usize::BITS as usize;
const MAP_WORDS: usize = 8;
/// The number of bins. The last one takes everything from 240 GiB on.
pub const BINS: usize = MAP_WORDS * WORD_BITS;

/// How many chunks of one large bin are compared for the best fit.
const PROBES: usize = 4;

const _: () = assert!(SMALL_BINS == WORD_BITS);

/// The bin for a chunk of `bytes`.
#[inline]
pub const fn bin_of(bytes: usize) -> usize {
    if bytes < LARGE_MIN {
        return bytes / GRANULE;
    }
    let log2 = bytes.ilog2() as usize;
    let step = (bytes >> (log2 - STEPS_LOG2)) & (STEPS - 1);
    let bin = SMALL_BINS + (log2 - LARGE_MIN_LOG2) * STEPS + step;
    if bin < BINS { bin } else { BINS - 1 }
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
        let bin = bin_of(bytes);
        let next = self.heads[bin];
        chunk.set_link(Link::Next, self.mask, next);
        chunk.set_link(Link::Previous, self.mask, None);
        match next {
            Some(next) => next.set_link(Link::Previous, self.mask, Some(chunk)),
            None => {
                self.map[bin / WORD_BITS] |= 1 << (bin % WORD_BITS);
                self.summary |= 1 << (bin / WORD_BITS);
            }
        }
        self.heads[bin] = Some(chunk);
    }

    /// Takes a chunk out of its `bin`, wherever in the list it is.
    #[inline]
    pub fn remove<S: Source>(&mut self, chunk: Chunk, bin: usize) {
        let (previous, next) = self.neighbours::<S>(chunk, bin);
        if let Some(next) = next {
            next.set_link(Link::Previous, self.mask, previous);
        }
        match previous {
            Some(previous) => previous.set_link(Link::Next, self.mask, next),
            None => {
                self.heads[bin] = next;
                if next.is_none() {
                    self.mark_empty(bin);
                }
            }
        }
    }

    /// The chunks before and after `chunk` in the list of `bin`, after checking that they agree.
    #[inline]
    fn neighbours<S: Source>(&self, chunk: Chunk, bin: usize) -> (Option<Chunk>, Option<Chunk>) {
        let next = chunk.link(Link::Next, self.mask);
        let previous = chunk.link(Link::Previous, self.mask);
        if let Some(next) = next {
            check_link::<S>(chunk, next.link(Link::Previous, self.mask));
        }
        match previous {
            Some(previous) => check_link::<S>(chunk, previous.link(Link::Next, self.mask)),
            None => check_link::<S>(chunk, self.heads[bin]),
        }
        (previous, next)
    }

    #[inline]
    fn mark_empty(&mut self, bin: usize) {
        self.map[bin / WORD_BITS] &= !(1 << (bin % WORD_BITS));
        if self.map[bin / WORD_BITS] == 0 {
            self.summary &= !(1 << (bin / WORD_BITS));
        }
    }

    /// The best chunk found for `bytes`, with its size and its bin. It stays in the bin.
    #[inline]
    pub fn find<S: Source>(&self, bytes: usize) -> Option<(Chunk, usize, usize)> {
        let mut bin = bin_of(bytes);
        let mut found = None;
        if bytes >= LARGE_MIN {
            found = self.best_of(bin, bytes);
        }
        if found.is_none() {
            bin = self.first_from(bin + usize::from(bytes >= LARGE_MIN))?;
            found = self.best_of(bin, bytes);
        }
        let (chunk, size) = found?;
        let tag = chunk.tag();
        if tag != size | PREVIOUS_IN_USE {
            let address = chunk.payload_address();
            S::corrupted(Corruption { kind: CorruptionKind::OverwrittenTag, address, found: tag });
        }
        Some((chunk, size, bin))
    }

    /// The smallest chunk of at least `bytes` among the first few of `bin`.
    #[inline]
    fn best_of(&self, bin: usize, bytes: usize) -> Option<(Chunk, usize)> {
        if bin < SMALL_BINS {
            return self.heads[bin].map(|chunk| (chunk, bin * GRANULE));
        }
        let mut best = None;
        let mut best_size = usize::MAX;
        let mut candidate = *self.heads.get(bin)?;
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
