//! Free chunks by length: lists of about equal lengths, and bitmaps of the lists that are not empty.
//!
//! Below 32 pages each length has a list of its own; above, a doubling is cut into 16 steps. So the list to look in is
//! computed, and the next one that certainly fits is found with two bit operations, whatever the address space holds.
//!
//! Chunks in which a large page can begin are in a second set of lists, by their length from that address on: so
//! requests aligned to large pages find what fits as quickly as others, and leave the longest chunks whole.

use core::hint::select_unpredictable;

use super::PAGE_BYTES;
use super::nodes::{NIL, Node, NodeId, NodePool};

/// Lengths below this many pages have lists of their own.
const EXACT: u64 = 2 << STEP_BITS;
/// log2 of the lists for one doubling above that.
const STEP_BITS: u32 = 4;
/// Lists: the last is for the longest that 64-bit addresses allow.
const BINS: usize = EXACT as usize + ((52 - EXACT.ilog2()) << STEP_BITS) as usize;
const WORDS: usize = BINS.div_ceil(64);

/// Bytes of a large page.
pub const LARGE_BYTES: u64 = 512 * PAGE_BYTES;

/// The lists of all free chunks by their length, or (`LARGE`) of those in which a large page can begin.
#[derive(Debug)]
pub struct Bins<const LARGE: bool> {
    heads: [NodeId; BINS],
    /// Bit n of word w: list 64 w + n has a chunk.
    filled: [u64; WORDS],
    /// Bit w: word w is not zero.
    words: u32,
}

/// The list for chunks of this length, which may hold shorter ones too, but only longer ones than lower lists.
#[inline(always)]
pub fn bin(len: u64) -> usize {
    let pages = len / PAGE_BYTES;
    // Without a branch: lengths come in no order that a processor could foresee. Lists 16 to 31 are the first doubling.
    let doublings = (pages | (1 << STEP_BITS)).ilog2() - STEP_BITS;
    ((doublings as usize) << STEP_BITS) + (pages >> doublings) as usize
}

impl<const LARGE: bool> Bins<LARGE> {
    /// No chunk.
    pub const fn new() -> Self {
        Self { heads: [NIL; BINS], filled: [0; WORDS], words: 0 }
    }

    /// The chunk that was put into a list last; [`NIL`] if the list is empty.
    #[inline(always)]
    pub fn head(&self, bin: usize) -> NodeId {
        self.heads[bin]
    }

    /// The lowest list at or above `bin` that has a chunk.
    #[inline(always)]
    pub fn next_filled(&self, bin: usize) -> Option<usize> {
        let word = bin / 64;
        let here = self.filled.get(word)? & (u64::MAX << (bin % 64));
        if here != 0 {
            return Some(word * 64 + here.trailing_zeros() as usize);
        }
        let above = self.words & (u32::MAX << word << 1);
        if above == 0 {
            return None;
        }
        let word = above.trailing_zeros() as usize;
        Some(word * 64 + self.filled[word].trailing_zeros() as usize)
    }

    /// The highest list below `end` that has a chunk.
    pub fn last_filled_below(&self, end: usize) -> Option<usize> {
        let (word, bit) = (end / 64, end % 64);
        if let Some(here) = self.filled.get(word).map(|filled| filled & ((1 << bit) - 1))
            && here != 0
        {
            return Some(word * 64 + here.ilog2() as usize);
        }
        let below = if word < 32 { self.words & ((1 << word) - 1) } else { self.words };
        let word = below.checked_ilog2()? as usize;
        Some(word * 64 + self.filled[word].checked_ilog2()? as usize)
    }

    /// Bytes that count for the lists, 0 if the chunk is in none.
    #[inline(always)]
    pub fn length(node: &Node) -> u64 {
        if LARGE { node.large_len() } else { node.len }
    }

    /// Neighbours of a chunk in its list.
    #[inline(always)]
    pub fn links(node: &Node) -> [NodeId; 2] {
        if LARGE { node.child } else { node.bin }
    }

    #[inline(always)]
    fn links_mut(node: &mut Node) -> &mut [NodeId; 2] {
        if LARGE { &mut node.child } else { &mut node.bin }
    }

    /// Makes a chunk of a length, not zero, the head of its list.
    #[inline(always)]
    pub fn push(&mut self, pool: &mut NodePool, id: NodeId, length: u64) {
        let bin = bin(length);
        self.filled[bin / 64] |= 1 << (bin % 64);
        self.words |= 1 << (bin / 64);
        let next = core::mem::replace(&mut self.heads[bin], id);
        Self::links_mut(pool.at_mut(select_unpredictable(next == NIL, id, next)))[0] = id;
        *Self::links_mut(pool.at_mut(id)) = [NIL, next];
    }

    /// Takes a chunk of a length, not zero, and with these neighbours out of its list. Without branches: where in its list
    /// a chunk is cannot be foreseen. What would be written to a neighbour that does not exist goes to the chunk itself.
    #[inline(always)]
    pub fn remove(&mut self, pool: &mut NodePool, id: NodeId, length: u64, [prev, next]: [NodeId; 2]) {
        Self::links_mut(pool.at_mut(select_unpredictable(next == NIL, id, next)))[0] = prev;
        Self::links_mut(pool.at_mut(select_unpredictable(prev == NIL, id, prev)))[1] = next;
        let bin = bin(length);
        let head = select_unpredictable(prev == NIL, next, self.heads[bin]);
        self.heads[bin] = head;
        let word = &mut self.filled[bin / 64];
        *word &= !(u64::from(head == NIL) << (bin % 64));
        self.words &= !(u32::from(*word == 0) << (bin / 64));
    }

    /// A chunk whose length in these lists is at least `len`: out of the list that may hold shorter ones, within a
    /// few tries, or the next one in any list above.
    #[inline(always)]
    pub fn fit(&self, pool: &NodePool, len: u64, tries: usize) -> Option<NodeId> {
        let first = bin(len);
        let mut id = self.heads[first];
        for _ in 0..tries {
            if id == NIL {
                break;
            }
            let node = pool.at(id);
            if Self::length(node) >= len {
                return Some(id);
            }
            id = Self::links(node)[1];
        }
        self.next_filled(first + 1).map(|above| self.heads[above])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_chunks_are_in_higher_lists() {
        let mut last = 0;
        for pages in (1..5000).chain((5000..1 << 30).step_by(99_991)) {
            let bin = bin(pages * PAGE_BYTES);
            assert!(bin == last || bin == last + 1 || pages > 5000 && bin > last, "{pages}");
            last = bin;
        }
        assert!(bin(u64::MAX) == BINS - 1 && bin(PAGE_BYTES) == 1 && WORDS <= 32);
    }
}
