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
    /// Members.
    len: u32,
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
        Self { leaf: first as u32, summary: (first + capacity.div_ceil(64)) as u32, top: 0, len: 0 }
    }

    /// Number of members.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no member.
    pub const fn is_empty(&self) -> bool {
        self.top == 0
    }

    /// Whether `member` is in the set.
    pub fn contains(&self, words: &[u64], member: u32) -> bool {
        words[(self.leaf + member / 64) as usize] >> (member % 64) & 1 != 0
    }

    /// Adds `member`, which must not be in the set.
    pub fn insert(&mut self, words: &mut [u64], member: u32) {
        let leaf = &mut words[(self.leaf + member / 64) as usize];
        let was_empty = *leaf == 0;
        *leaf |= 1 << (member % 64);
        self.len += 1;
        if was_empty {
            words[(self.summary + member / 4096) as usize] |= 1 << (member / 64 % 64);
            self.top |= 1 << (member / 4096);
        }
    }

    /// Removes `member`; false if it was not in the set.
    pub fn remove(&mut self, words: &mut [u64], member: u32) -> bool {
        let leaf = &mut words[(self.leaf + member / 64) as usize];
        let bit = 1 << (member % 64);
        if *leaf & bit == 0 {
            return false;
        }
        *leaf &= !bit;
        self.len -= 1;
        if *leaf == 0 {
            let summary = &mut words[(self.summary + member / 4096) as usize];
            *summary &= !(1 << (member / 64 % 64));
            if *summary == 0 {
                self.top &= !(1 << (member / 4096));
            }
        }
        true
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
            for (add, member) in ops {
                if add && model.insert(member) {
                    set.insert(&mut words, member);
                } else if !add {
                    prop_assert_eq!(set.remove(&mut words, member), model.remove(&member));
                }
                prop_assert_eq!(set.contains(&words, member), model.contains(&member));
                prop_assert_eq!(set.first(&words), model.first().copied());
                prop_assert_eq!(set.last(&words), model.last().copied());
                prop_assert_eq!(set.len() as usize, model.len());
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
