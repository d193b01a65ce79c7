//! Where blocks of one size are taken from first, and where they go when they are freed.
//!
//! Three places, looked at in this order:
//!
//! * for single pages the **hand**: the page that is freed while no other one is cached. So a page that goes back and forth
//!   costs next to nothing. When a second block comes, the hand goes into the ring and rests until that is empty: where
//!   many blocks come and go, it would be full and empty by chance, which no processor foresees;
//! * a **ring** of blocks just freed, whole and with their capabilities: the next request of the size gets the last one;
//! * for page classes the **open** blocks: the free ones of the current group (`pages.rs`).
//!
//! Neither bitmaps nor capabilities are touched on these ways, which most requests take. Blocks in ring and hand
//! count as used for the layers below: they are merged when memory is short, and what finds the ring full is merged
//! at once. In the groups' records a block in the ring is not marked as handed out, but
//! one in the hand or open is, so that nothing is written there: who takes a block back has to look here too.

use super::group::{NO_GROUP, all_free};

/// Sizes that have a front: 4 KiB to 4 MiB.
pub const FRONTS: usize = 11;
/// Blocks in one ring at most.
pub const RING: usize = 32;

/// A page that is free and marked as handed out, by its number, or one of the numbers below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hand(u32);

impl Hand {
    /// No page; it takes one.
    pub const READY: Hand = Hand(u32::MAX);
    /// No page; it takes none until the ring is empty.
    pub const RESTING: Hand = Hand(u32::MAX - 1);
    /// No page: nothing is cached. A page that would be put here becomes an open one.
    pub const OPENING: Hand = Hand(u32::MAX - 2);
    /// No page: not in use.
    pub const OFF: Hand = Hand(u32::MAX - 3);

    /// Holds a page.
    #[inline(always)]
    pub const fn of(page: u32) -> Hand {
        Hand(page)
    }

    /// Whether there is a page in it.
    #[inline(always)]
    pub const fn is_full(self) -> bool {
        self.0 < Self::OFF.0
    }

    /// The page in it.
    #[inline(always)]
    pub const fn page(self) -> Option<u32> {
        if self.is_full() { Some(self.0) } else { None }
    }
}

/// The front of one size; each block is named by the page that it begins with.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    ring: [u32; RING],
    /// Place of the oldest in the ring.
    oldest: u32,
    /// Blocks in the ring.
    count: u32,
    /// Most blocks that the ring keeps.
    limit: u32,
    /// The group that blocks come from.
    pub(super) current: u32,
    /// Bit n: the block that begins with page n of the current group is free.
    pub(super) open: u64,
}

impl Front {
    /// An empty front that keeps nothing.
    pub const NEW: Front =
        Front { ring: [0; RING], oldest: 0, count: 0, limit: 0, current: NO_GROUP, open: 0 };

    /// From now on at most `limit` blocks are in the ring, which must be empty.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(RING) as u32;
    }

    /// Blocks in the ring.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether the ring never takes any.
    pub fn is_off(&self) -> bool {
        self.limit == 0
    }

    /// Whether a block is open.
    #[inline(always)]
    pub fn has_open(&self, page: u32) -> bool {
        page / 64 == self.current && self.open >> (page % 64) & 1 != 0
    }

    /// Whether the current group, one of page class `class`, is wholly free.
    pub fn has_spare(&self, class: usize) -> bool {
        self.open == all_free(class)
    }

    /// Takes the newest block in the ring: it is to be marked.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        Some(self.ring[(self.oldest + self.count) as usize % RING])
    }

    /// Takes the lowest open block.
    #[inline(always)]
    pub fn take_open(&mut self) -> Option<u32> {
        if self.open == 0 {
            return None;
        }
        let page = self.current * 64 + self.open.trailing_zeros();
        self.open &= self.open - 1;
        Some(page)
    }

    /// Makes the block that begins with `page` the only open one; there was none.
    #[inline(always)]
    pub fn reopen(&mut self, page: u32) {
        self.current = page / 64;
        self.open = 1 << (page % 64);
    }

    /// Adds a block to the ring; false if that is full.
    #[inline(always)]
    pub fn push(&mut self, page: u32) -> bool {
        if self.count >= self.limit {
            return false;
        }
        self.ring[(self.oldest + self.count) as usize % RING] = page;
        self.count += 1;
        true
    }

    /// Takes the oldest block in the ring.
    pub fn pop_oldest(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        let page = self.ring[self.oldest as usize % RING];
        self.oldest = (self.oldest + 1) % RING as u32;
        Some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_first_and_oldest_first() {
        let mut front = Front::NEW;
        assert!(front.is_off() && front.pop().is_none() && !front.push(1));
        front.set_limit(RING + 1);
        for round in 0..50 {
            while front.push(round * 100 + front.count()) {}
            assert_eq!(front.count() as usize, RING);
            assert_eq!(front.pop(), Some(round * 100 + RING as u32 - 1));
            front.pop_oldest().unwrap();
        }
        let rest: Vec<u32> = std::iter::from_fn(|| front.pop_oldest()).collect();
        assert!(rest.is_sorted());
        assert_eq!((rest.len(), front.count()), (RING - 2, 0));
    }
}
