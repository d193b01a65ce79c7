//! The virtual buddy system of whole groups: blocks of 2^18 bytes and up, in bitmaps only.
//!
//! Nothing here knows capabilities: splitting and merging are bit operations, at most one per order. A block of
//! order `n` is 2^n groups and is named by its index: its first group >> n. General requests are served from memory above
//! 4 GiB while there is any, then from the highest address, so that low memory, which DMA devices need, stays free; [`Buddy::take_below`] starts at the
//! lowest.

use super::bitset::BitSet;
use super::group::{GROUP_BITS, Group};

/// Orders 0 to 18: blocks of 256 KiB to 64 GiB.
pub const ORDERS: usize = 19;

/// The first group above 4 GiB: what many devices reach lies below.
const HIGH: u64 = 1 << (32 - GROUP_BITS);

/// Free blocks by order.
#[derive(Debug)]
pub struct Buddy {
    free: [BitSet; ORDERS],
    /// Bit n: there is a free block of order n.
    orders: u32,
    /// Bit n clear: no free block of order n is above 4 GiB. If it is set there was one.
    high: u32,
    /// The first group that counts as above 4 GiB; tests have less memory.
    pub(super) high_from: u64,
}

impl Buddy {
    /// Words of bitmap for `groups` groups.
    pub const fn words(groups: usize) -> usize {
        let (mut words, mut order) = (0, 0);
        while order < ORDERS {
            words += BitSet::words((groups >> order) + 1);
            order += 1;
        }
        words
    }

    /// No free block; the bitmaps begin at word `first`.
    pub fn new(first: usize, groups: usize) -> Self {
        let mut next = first;
        let free = core::array::from_fn(|order| {
            let capacity = (groups >> order) + 1;
            let set = BitSet::new(next, capacity);
            next += BitSet::words(capacity);
            set
        });
        Self { free, orders: 0, high: 0, high_from: HIGH }
    }

    /// Free blocks of `order`.
    pub fn count(&self, words: &[u64], order: usize) -> u32 {
        self.free[order].len(words)
    }

    /// Order of the largest free block.
    pub fn largest(&self) -> Option<u32> {
        self.orders.checked_ilog2()
    }

    /// Whether there is a free block of `order` or more.
    #[inline(always)]
    pub fn has(&self, order: usize) -> bool {
        self.orders >> order != 0
    }

    #[inline]
    fn insert(&mut self, words: &mut [u64], order: usize, index: u32) {
        self.free[order].insert(words, index);
        self.orders |= 1 << order;
        self.high |= u32::from(u64::from(index) << order >= self.high_from) << order;
    }

    #[inline]
    fn remove(&mut self, words: &mut [u64], order: usize, index: u32) -> bool {
        let removed = self.free[order].remove(words, index);
        self.orders &= !(u32::from(self.free[order].is_empty()) << order);
        removed
    }

    /// Whether the block is in the set of free blocks, exactly as asked (not as part of a larger one).
    pub fn is_free(&self, words: &[u64], order: usize, index: u32) -> bool {
        self.free[order].contains(words, index)
    }

    /// Takes the highest block out of the smallest sufficient free block, of those above 4 GiB first. `order` < [`ORDERS`].
    #[inline]
    pub fn take(&mut self, words: &mut [u64], order: usize) -> Option<u32> {
        let high = self.high >> order;
        let (found, index) = match high {
            0 => self.pop_smallest(words, order)?,
            _ => self.pop_high(words, order, high).or_else(|| self.pop_smallest(words, order))?,
        };
        let mut index = index;
        for level in (order..found).rev() {
            index = 2 * index + 1;
            self.insert(words, level, index - 1);
        }
        Some(index)
    }

    /// Takes out the highest of the smallest sufficient free blocks: its order and index.
    #[inline]
    fn pop_smallest(&mut self, words: &mut [u64], order: usize) -> Option<(usize, u32)> {
        let fitting = self.orders >> order;
        if fitting == 0 {
            return None;
        }
        let found = order + fitting.trailing_zeros() as usize;
        let index = self.free[found].pop_last(words)?;
        self.orders &= !(u32::from(self.free[found].is_empty()) << found);
        Some((found, index))
    }

    /// The same above 4 GiB; bit n of `orders`: there may be a block of `order` + n.
    fn pop_high(&mut self, words: &mut [u64], order: usize, mut orders: u32) -> Option<(usize, u32)> {
        while orders != 0 {
            let found = order + orders.trailing_zeros() as usize;
            if let Some(index) = self.free[found].last(words)
                && u64::from(index) << found >= self.high_from
            {
                self.remove(words, found, index);
                return Some((found, index));
            }
            self.high &= !(1 << found);
            orders &= orders - 1;
        }
        None
    }

    /// Takes a block that ends at or below group `end`: the lowest of the smallest order that has one.
    pub fn take_below(&mut self, words: &mut [u64], order: usize, end: u64) -> Option<u32> {
        for found in order..ORDERS {
            let Some(lowest) = self.free[found].first(words) else { continue };
            let index = lowest << (found - order);
            if (u64::from(index) + 1) << order <= end {
                self.remove(words, found, lowest);
                self.give_rest(words, found, order, index);
                return Some(index);
            }
        }
        None
    }

    /// Takes the block `index` of `order` if all of it is free.
    pub fn take_at(&mut self, words: &mut [u64], order: usize, index: u32, root: usize) -> bool {
        for found in order..=root {
            if self.remove(words, found, index >> (found - order)) {
                self.give_rest(words, found, order, index);
                return true;
            }
        }
        false
    }

    /// After a block of order `found` was taken of which only `index` of `order` is wanted: puts back the rest.
    fn give_rest(&mut self, words: &mut [u64], found: usize, order: usize, index: u32) {
        for level in order..found {
            self.insert(words, level, (index >> (level - order)) ^ 1);
        }
    }

    /// Puts a block back and merges it with its free buddies, up to the boot untyped that it came from.
    #[inline]
    pub fn give(&mut self, words: &mut [u64], groups: &[Group], mut order: usize, mut index: u32) {
        let root = usize::from(groups[(index as usize) << order].root);
        while order < root && self.remove(words, order, index ^ 1) {
            index /= 2;
            order += 1;
        }
        self.insert(words, order, index);
    }
}
