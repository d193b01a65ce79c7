//! A sorted list of disjoint physical ranges in fixed room.

/// A range of physical addresses, `end` exclusive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Region {
    /// First address.
    pub start: u64,
    /// One past the last address.
    pub end: u64,
}

impl Region {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// Regions at most; adding beyond that drops the smallest.
pub const CAPACITY: usize = 128;

/// Disjoint, not adjacent, ascending regions.
#[derive(Clone, Debug)]
pub struct RegionList {
    regions: [Region; CAPACITY],
    count: usize,
}

impl RegionList {
    /// No region.
    pub const fn new() -> Self {
        RegionList { regions: [Region { start: 0, end: 0 }; CAPACITY], count: 0 }
    }

    /// The regions, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Region> {
        self.regions.iter().take(self.count).copied()
    }

    /// Bytes of all regions.
    pub fn total(&self) -> u64 {
        self.iter().map(|region| region.size()).sum()
    }

    /// Adds a region; what it overlaps or touches becomes one with it. Empty regions are ignored.
    pub fn add(&mut self, region: Region) {
        if region.start >= region.end {
            return;
        }
        let mut merged = region;
        let mut kept = RegionList::new();
        for other in self.iter() {
            if other.end < merged.start || other.start > merged.end {
                kept.push(other);
            } else {
                merged = Region { start: merged.start.min(other.start), end: merged.end.max(other.end) };
            }
        }
        kept.insert(merged);
        *self = kept;
    }

    /// Removes a range from whatever it overlaps.
    pub fn remove(&mut self, region: Region) {
        if region.start >= region.end {
            return;
        }
        let mut kept = RegionList::new();
        for other in self.iter() {
            let below = Region { start: other.start, end: other.end.min(region.start) };
            let above = Region { start: other.start.max(region.end), end: other.end };
            for part in [below, above] {
                if part.start < part.end {
                    kept.push(part);
                }
            }
        }
        *self = kept;
    }

    /// Appends a region that lies above all others.
    fn push(&mut self, region: Region) {
        self.insert(region);
    }

    /// Inserts a region that touches no other; if the list is full, the smallest is lost.
    fn insert(&mut self, region: Region) {
        if self.count == CAPACITY {
            let sizes = self.iter().enumerate().map(|(index, region)| (region.size(), index));
            let Some((size, index)) = sizes.min() else { return };
            if size >= region.size() {
                return;
            }
            self.regions.copy_within(index + 1..CAPACITY, index);
            self.count -= 1;
        }
        let at = self.iter().take_while(|other| other.start < region.start).count();
        self.regions.copy_within(at..self.count, at + 1);
        if let Some(entry) = self.regions.get_mut(at) {
            *entry = region;
            self.count += 1;
        }
    }
}

impl Default for RegionList {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(list: &RegionList) -> [bool; 64] {
        let mut set = [false; 64];
        for region in list.iter() {
            for address in region.start..region.end {
                set[address as usize] = true;
            }
        }
        set
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(ops in prop::collection::vec((any::<bool>(), 0u64..64, 0u64..64), 0..40)) {
            let mut list = RegionList::new();
            let mut model = [false; 64];
            for (add, a, b) in ops {
                let region = Region { start: a.min(b), end: a.max(b) };
                if add { list.add(region) } else { list.remove(region) }
                for address in region.start..region.end {
                    model[address as usize] = add;
                }
                prop_assert_eq!(naive(&list), model);
                let regions: Vec<_> = list.iter().collect();
                prop_assert!(regions.windows(2).all(|pair| pair[0].end < pair[1].start));
            }
        }
    }

    #[test]
    fn a_full_list_loses_the_smallest_region() {
        let mut list = RegionList::new();
        for index in 0..CAPACITY as u64 {
            list.add(Region { start: index * 100, end: index * 100 + 10 + index });
        }
        list.add(Region { start: 1_000_000, end: 1_000_090 });
        assert_eq!(list.iter().count(), CAPACITY);
        assert!(list.iter().all(|region| region.start != 0));
        assert!(list.iter().any(|region| region.start == 1_000_000));
    }
}
