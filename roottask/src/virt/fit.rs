//! Choosing the free chunk that a request is cut from.
//!
//! The shortest list that can hold the request is looked through for a few steps, then any chunk of the next list
//! that has one will do: nearly the best fit, which packs well, at a cost that does not depend on how many chunks
//! there are. Requests aligned to large pages have lists of their own. Others look for a chunk that happens to be
//! aligned, then for length + alignment, which fits anywhere; only when there is none either, a bounded number of the shorter ones is tried exactly.

use super::bins::{LARGE_BYTES, bin};
use super::nodes::{NIL, Node, NodeId, NodePool};
use super::{AddressSpace, PAGE_BYTES};

/// Alignments up to this one are met by chance often enough.
const SMALL_ALIGN: u64 = 64 * PAGE_BYTES;
/// Chunks looked at in the list that may hold the request.
const FIRST_TRIES: usize = 8;
/// Chunks tried for an aligned request that are nearly as long as length + alignment.
const BELOW_TRIES: usize = 8;
/// Chunks tried exactly for an aligned request when no chunk holds it at any alignment.
const EXACT_TRIES: usize = 512;

impl AddressSpace {
    /// A free chunk, and the address in it.
    #[inline]
    pub(super) fn find_fit(&self, pool: &NodePool, len: u64, align: u64) -> Option<(NodeId, u64)> {
        if align == PAGE_BYTES {
            return self.fit_anywhere(pool, len);
        }
        if align > SMALL_ALIGN
            && align <= LARGE_BYTES
            && let Some(id) = self.large_bins.fit(pool, len, FIRST_TRIES)
        {
            let node = pool.at(id);
            return Some((id, node.end() - node.large_len()));
        }
        if let Some(found) = self.try_list(pool, bin(len), FIRST_TRIES, len, align) {
            return Some(found);
        }
        let Some(padded) = len.checked_add(align - PAGE_BYTES) else {
            return self.fit_exactly(pool, len, align);
        };
        if let Some(found) = self.fit_below(pool, bin(padded), len, align) {
            return Some(found);
        }
        match self.fit_anywhere(pool, padded) {
            Some((id, start)) => Some((id, (start + (align - 1)) & !(align - 1))),
            None => self.fit_exactly(pool, len, align),
        }
    }

    /// An aligned place in one of the longest chunks that are below the list `end`: most of those have one, and the
    /// chunks in which every request has its place stay whole.
    fn fit_below(&self, pool: &NodePool, end: usize, len: u64, align: u64) -> Option<(NodeId, u64)> {
        let mut list = end;
        let mut tries = 0;
        while tries < BELOW_TRIES {
            list = self.bins.last_filled_below(list).filter(|list| *list > bin(len))?;
            let id = self.bins.head(list);
            if let Some(addr) = aligned_in(pool.at(id), len, align) {
                return Some((id, addr));
            }
            tries += 1;
        }
        None
    }

    /// A chunk of at least `len` bytes, and its start.
    #[inline(always)]
    fn fit_anywhere(&self, pool: &NodePool, len: u64) -> Option<(NodeId, u64)> {
        match self.bins.fit(pool, len, FIRST_TRIES) {
            Some(id) => Some((id, pool.at(id).start)),
            // Nothing longer: one of the others of about this length.
            None => self.try_list(pool, bin(len), EXACT_TRIES, len, PAGE_BYTES),
        }
    }

    /// The first chunk of a list that holds an aligned request.
    fn try_list(
        &self,
        pool: &NodePool,
        list: usize,
        tries: usize,
        len: u64,
        align: u64,
    ) -> Option<(NodeId, u64)> {
        let mut id = self.bins.head(list);
        for _ in 0..tries {
            if id == NIL {
                return None;
            }
            let node = pool.at(id);
            if let Some(addr) = aligned_in(node, len, align) {
                return Some((id, addr));
            }
            id = node.bin[1];
        }
        None
    }

    #[cold]
    fn fit_exactly(&self, pool: &NodePool, len: u64, align: u64) -> Option<(NodeId, u64)> {
        let mut list = bin(len);
        let mut tries = 0;
        while tries < EXACT_TRIES {
            list = self.bins.next_filled(list)?;
            let mut id = self.bins.head(list);
            while id != NIL && tries < EXACT_TRIES {
                let node = pool.at(id);
                if let Some(addr) = aligned_in(node, len, align) {
                    return Some((id, addr));
                }
                id = node.bin[1];
                tries += 1;
            }
            list += 1;
        }
        None
    }

    /// Bytes of the longest free chunk.
    pub(super) fn longest(&self, pool: &NodePool) -> u64 {
        let mut longest = 0;
        let mut id = self.bins.last_filled_below(usize::MAX).map_or(NIL, |list| self.bins.head(list));
        while id != NIL {
            let node = pool.at(id);
            longest = longest.max(node.len);
            id = node.bin[1];
        }
        longest
    }
}

/// The lowest multiple of `align` in the chunk with `len` bytes behind it.
#[inline]
fn aligned_in(chunk: &Node, len: u64, align: u64) -> Option<u64> {
    let addr = chunk.start.checked_add(align - 1)? & !(align - 1);
    let end = addr.checked_add(len)?;
    (end <= chunk.end()).then_some(addr)
}
