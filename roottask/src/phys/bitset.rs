//! A set of small integers as a three-level bitmap: 64 leaf bits per summary bit, 64 summary bits per top bit.
//!
//! Insert, remove, lowest, highest and test take at most three word operations each, whatever the set holds. The
//! words live in memory that the caller owns and that many sets share; a set itself is only its place in it.

/// One set; its words are passed to every operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct BitSet {
    /// Index of the first leaf word.
    leaf: u32,
    /// Index of the first summary word.
    summary: u32,
    /// Bit `n`: summary word `n` is not zero.
    top: u64,
}

impl BitSet {
    /// Most members one set can have: three levels of 64.
    pub const MAX_CAPACITY: usize = 64 * 64 * 64;

    /// Words that a set for the integers below `capacity` takes.
    pub const fn words(capacity: usize) -> usize {
        let leaves = capacity.div_ceil(64);
        leaves + leaves.div_ceil(64)
    }

    /// An empty set for the integers below `capacity`, placed at word `first`. The words must be zero.
    pub const fn new(first: usize, capacity: usize) -> Self {
        Self { leaf: first as u32, summary: (first + capacity.div_ceil(64)) as u32, top: 0 }
    }

    /// Number of members; looks at every word.
    pub fn len(&self, words: &[u64]) -> u32 {
        words[self.leaf as usize..self.summary as usize].iter().map(|word| word.count_ones()).sum()
    }

    /// Whether there is no member.
    pub const fn is_empty(&self) -> bool {
        self.top == 0
    }

    /// Whether `member` is in the set.
    pub fn contains(&self, words: &[u64], member: u32) -> bool {
        words[(self.leaf + member / 64) as usize] >> (member % 64) & 1 != 0
    }

    /// Adds `member`. The upper levels are written always: cheaper than a branch that cannot be foreseen.
    #[inline]
    pub fn insert(&mut self, words: &mut [u64], member: u32) {
        words[(self.leaf + member / 64) as usize] |= 1 << (member % 64);
        words[(self.summary + member / 4096) as usize] |= 1 << (member / 64 % 64);
        self.top |= 1 << (member / 4096);
    }

    /// Removes `member`; false if it was not in the set.
    #[inline]
    pub fn remove(&mut self, words: &mut [u64], member: u32) -> bool {
        let leaf = &mut words[(self.leaf + member / 64) as usize];
        let bit = 1 << (member % 64);
        if *leaf & bit == 0 {
            return false;
        }
        *leaf &= !bit;
        let empty = *leaf == 0;
        self.clear_above(words, member, empty);
        true
    }

    /// Brings the upper levels up to date after the leaf word of `member` lost a bit, without branches.
    #[inline(always)]
    fn clear_above(&mut self, words: &mut [u64], member: u32, empty: bool) {
        let summary = &mut words[(self.summary + member / 4096) as usize];
        *summary &= !(u64::from(empty) << (member / 64 % 64));
        self.top &= !(u64::from(*summary == 0) << (member / 4096));
    }

    /// Takes out the highest member.
    #[inline]
    pub fn pop_last(&mut self, words: &mut [u64]) -> Option<u32> {
        let top = self.top.checked_ilog2()?;
        let summary = top * 64 + words[(self.summary + top) as usize].checked_ilog2()?;
        let leaf = &mut words[(self.leaf + summary) as usize];
        let bit = leaf.checked_ilog2()?;
        *leaf ^= 1 << bit;
        let (member, empty) = (summary * 64 + bit, *leaf == 0);
        self.clear_above(words, member, empty);
        Some(member)
    }

    /// The lowest member.
    pub fn first(&self, words: &[u64]) -> Option<u32> {
        if self.top == 0 {
            return None;
        }
        let top = self.top.trailing_zeros();
        let summary = top * 64 + words[(self.summary + top) as usize].trailing_zeros();
        Some(summary * 64 + words[(self.leaf + summary) as usize].trailing_zeros())
    }

    /// The highest member.
    pub fn last(&self, words: &[u64]) -> Option<u32> {
        if self.top == 0 {
            return None;
        }
        let top = self.top.ilog2();
        let summary = top * 64 + words[(self.summary + top) as usize].checked_ilog2()?;
        Some(summary * 64 + words[(self.leaf + summary) as usize].checked_ilog2()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 2 } else { 256 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn agrees_with_a_btree_set(ops in proptest::collection::vec((any::<bool>(), 0u32..9000), 1..300)) {
            const CAPACITY: usize = 9000;
            let mut words = vec![0u64; 3 + BitSet::words(CAPACITY)];
            let mut set = BitSet::new(3, CAPACITY);
            let mut model = BTreeSet::new();
            for (step, (add, member)) in ops.into_iter().enumerate() {
                if step % 7 == 6 {
                    prop_assert_eq!(set.pop_last(&mut words), model.pop_last());
                } else if add && model.insert(member) {
                    set.insert(&mut words, member);
                } else if !add {
                    prop_assert_eq!(set.remove(&mut words, member), model.remove(&member));
                }
                prop_assert_eq!(set.contains(&words, member), model.contains(&member));
                prop_assert_eq!(set.first(&words), model.first().copied());
                prop_assert_eq!(set.last(&words), model.last().copied());
                prop_assert_eq!(set.len(&words) as usize, model.len());
                prop_assert_eq!(set.is_empty(), model.is_empty());
            }
        }
    }

    #[test]
    fn reaches_the_last_member_of_the_largest_set() {
        let mut words = vec![0u64; BitSet::words(BitSet::MAX_CAPACITY)];
        let mut set = BitSet::new(0, BitSet::MAX_CAPACITY);
        let last = BitSet::MAX_CAPACITY as u32 - 1;
        set.insert(&mut words, last);
        assert_eq!(set.first(&words), Some(last));
        assert!(set.remove(&mut words, last));
        assert!(set.is_empty() && words.iter().all(|&word| word == 0));
    }
}
