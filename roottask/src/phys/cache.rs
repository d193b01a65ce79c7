//! Blocks just freed, whole and with their capabilities, by size: the next request of the size gets the last one.
//!
//! Neither bitmaps nor capabilities are touched on this way, which most requests take. A cached block counts as used
//! for the layers below, so it is merged later, a few at a time: the oldest ones when a cache is full, all of them
//! when memory is short.

/// Sizes that are cached: 4 KiB to 4 MiB.
pub const CACHED_SIZES: usize = 11;
/// Blocks in one cache at most.
pub const CACHE_DEPTH: usize = 32;
/// Blocks of a full cache that are merged at once: bounds the work of one request.
pub const FLUSH_BATCH: usize = 2;

/// The blocks of one size in a ring, each by the page that it begins with.
#[derive(Clone, Copy, Debug)]
pub struct Cache {
    pages: [u32; CACHE_DEPTH],
    /// Place of the oldest.
    oldest: u32,
    count: u32,
    /// Most blocks that are kept.
    limit: u32,
}

impl Cache {
    /// An empty cache that keeps nothing.
    pub const EMPTY: Cache = Cache { pages: [0; CACHE_DEPTH], oldest: 0, count: 0, limit: 0 };

    /// From now on at most `limit` blocks are kept. The cache must be empty.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.min(CACHE_DEPTH) as u32;
    }

    /// Blocks in it.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether it never takes any.
    pub fn is_off(&self) -> bool {
        self.limit == 0
    }

    /// Adds a block; false if it is full.
    #[inline(always)]
    pub fn push(&mut self, page: u32) -> bool {
        if self.count >= self.limit {
            return false;
        }
        self.pages[(self.oldest + self.count) as usize % CACHE_DEPTH] = page;
        self.count += 1;
        true
    }

    /// The newest block.
    #[inline(always)]
    pub fn pop(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        Some(self.pages[(self.oldest + self.count) as usize % CACHE_DEPTH])
    }

    /// The oldest block.
    pub fn pop_oldest(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        let page = self.pages[self.oldest as usize % CACHE_DEPTH];
        self.oldest = (self.oldest + 1) % CACHE_DEPTH as u32;
        Some(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_first_and_oldest_first() {
        let mut cache = Cache::EMPTY;
        assert!(cache.is_off() && cache.pop().is_none() && !cache.push(1));
        cache.set_limit(CACHE_DEPTH + 1);
        for round in 0..50 {
            while cache.push(round * 100 + cache.count()) {}
            assert_eq!(cache.count() as usize, CACHE_DEPTH);
            assert_eq!(cache.pop(), Some(round * 100 + CACHE_DEPTH as u32 - 1));
            for _ in 0..FLUSH_BATCH {
                cache.pop_oldest().unwrap();
            }
        }
        let rest: Vec<u32> = std::iter::from_fn(|| cache.pop_oldest()).collect();
        assert!(rest.is_sorted());
        assert_eq!((rest.len(), cache.count()), (CACHE_DEPTH - 1 - FLUSH_BATCH, 0));
    }
}
