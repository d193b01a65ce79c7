//! Slots of the root CNode, handed out in runs.

const WORDS: usize = 1024;
/// Slots that can be managed.
pub const MAX_SLOTS: u32 = (WORDS * 64) as u32;

/// Which slots are free: one bit a slot.
pub struct Slots {
    used: [u64; WORDS],
    end: u32,
    /// No free slot lies below.
    hint: u32,
    in_use: u32,
    /// Slots that were ever free.
    total: u32,
}

impl Slots {
    /// No slot is free.
    pub const fn new() -> Self {
        Slots { used: [u64::MAX; WORDS], end: 0, hint: 0, in_use: 0, total: 0 }
    }

    /// Makes the slots `start..end` free; what lies beyond [`MAX_SLOTS`] stays unused.
    pub fn add(&mut self, start: u32, end: u32) {
        let end = end.min(MAX_SLOTS);
        for slot in start..end {
            self.set(slot, false);
        }
        self.total += end.saturating_sub(start);
        self.end = self.end.max(end);
        self.hint = self.hint.min(start);
    }

    /// Slots that are free.
    pub fn free(&self) -> u32 {
        self.total - self.in_use
    }

    /// Slots in use, of those that were ever free.
    pub fn in_use(&self) -> u32 {
        self.in_use
    }

    fn is_used(&self, slot: u32) -> bool {
        self.used.get(slot as usize / 64).is_none_or(|word| word >> (slot % 64) & 1 != 0)
    }

    fn set(&mut self, slot: u32, used: bool) {
        if let Some(word) = self.used.get_mut(slot as usize / 64) {
            let bit = 1 << (slot % 64);
            if used {
                *word |= bit;
            } else {
                *word &= !bit;
            }
        }
    }

    /// A run of `count` free slots (at least 1), the lowest there is.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        let mut start = self.hint;
        let mut found = 0;
        let mut slot = self.hint;
        while found < count {
            if slot >= self.end {
                return None;
            }
            if slot.is_multiple_of(64) && self.used.get(slot as usize / 64) == Some(&u64::MAX) {
                slot += 64;
                (start, found) = (slot, 0);
                continue;
            }
            if self.is_used(slot) {
                (start, found) = (slot + 1, 0);
            } else {
                found += 1;
            }
            slot += 1;
        }
        for slot in start..start + count {
            self.set(slot, true);
        }
        if start == self.hint {
            self.hint = start + count;
        }
        self.in_use += count;
        Some(start)
    }

    /// Gives a run back. Its capabilities are gone.
    pub fn give(&mut self, start: u32, count: u32) {
        for slot in start..start + count {
            debug_assert!(self.is_used(slot));
            self.set(slot, false);
        }
        self.hint = self.hint.min(start);
        self.in_use -= count;
    }
}

impl Default for Slots {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lowest_run_that_fits() {
        let mut slots = Slots::new();
        assert_eq!(slots.take(1), None);
        slots.add(100, 300);
        assert_eq!(slots.take(64), Some(100));
        assert_eq!(slots.take(1), Some(164));
        slots.give(100, 64);
        assert_eq!(slots.take(65), Some(165));
        assert_eq!(slots.take(64), Some(100));
        assert_eq!(slots.take(71), None);
        assert_eq!(slots.take(70), Some(230));
        assert_eq!(slots.take(1), None);
        assert_eq!((slots.in_use(), slots.free()), (200, 0));
    }

    proptest! {
        #[test]
        fn runs_never_overlap(ops in prop::collection::vec((0u32..40, any::<prop::sample::Index>()), 1..80)) {
            let mut slots = Slots::new();
            slots.add(17, 700);
            let mut held: Vec<(u32, u32)> = Vec::new();
            for (count, index) in ops {
                if count == 0 && !held.is_empty() {
                    let (start, count) = held.swap_remove(index.index(held.len()));
                    slots.give(start, count);
                } else if count > 0 && let Some(start) = slots.take(count) {
                    prop_assert!(start >= 17 && start + count <= 700);
                    prop_assert!(held.iter().all(|(s, c)| start + count <= *s || s + c <= start));
                    held.push((start, count));
                }
                prop_assert_eq!(slots.in_use(), held.iter().map(|(_, count)| count).sum::<u32>());
            }
        }
    }
}
