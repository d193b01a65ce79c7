//! Sorted lists of physical address ranges, of fixed capacity.
#![forbid(unsafe_code)]

/// Regions of one list at most. Firmware of large machines reports some 60 entries.
pub const CAPACITY: usize = 160;

/// The bytes from `start` up to, not including, `end`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Region {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

impl Region {
    /// Number of bytes; 0 if the region is empty or reversed.
    pub fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// True if `other` lies inside.
    pub fn contains(&self, other: Region) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The whole blocks of `align` bytes (a power of two) inside; may be empty.
    pub fn aligned_inward(&self, align: u64) -> Region {
        let start = self.start.checked_next_multiple_of(align).unwrap_or(u64::MAX);
        Region { start, end: self.end & !(align - 1) }
    }

    /// The blocks of `align` bytes (a power of two) that the region touches; the last block of the address space
    /// ends at `u64::MAX`.
    pub fn aligned_outward(&self, align: u64) -> Region {
        let end = self.end.checked_next_multiple_of(align).unwrap_or(u64::MAX);
        Region { start: self.start & !(align - 1), end }
    }
}

/// Regions in ascending order that neither overlap nor touch.
#[derive(Clone, Debug)]
pub struct RegionList {
    regions: [Region; CAPACITY],
    count: usize,
}

impl Default for RegionList {
    fn default() -> Self {
        Self::new()
    }
}

impl RegionList {
    /// The empty list.
    pub const fn new() -> Self {
        RegionList { regions: [Region { start: 0, end: 0 }; CAPACITY], count: 0 }
    }

    fn regions(&self) -> &[Region] {
        self.regions.get(..self.count).unwrap_or_default()
    }

    /// The regions in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Region> + ExactSizeIterator + '_ {
        self.regions().iter().copied()
    }

    /// Sum of all sizes.
    pub fn bytes(&self) -> u64 {
        self.iter().map(|region| region.bytes()).sum()
    }

    /// True if one region of the list contains all of `region`.
    pub fn contains(&self, region: Region) -> bool {
        self.iter().any(|candidate| candidate.contains(region))
    }

    /// Adds a range and merges it with its neighbours. False, and nothing is changed, if there is no room.
    pub fn add(&mut self, region: Region) -> bool {
        if region.bytes() == 0 {
            return true;
        }
        let first = self.regions().partition_point(|other| other.end < region.start);
        let after = self.regions().partition_point(|other| other.start <= region.end);
        if first == after {
            return self.insert(first, region);
        }
        let last_end = self.regions().get(after - 1).map_or(region.end, |last| last.end);
        if let Some(merged) = self.regions.get_mut(first) {
            merged.start = merged.start.min(region.start);
            merged.end = last_end.max(region.end);
        }
        self.delete(first + 1, after);
        true
    }

    /// Takes a range out. False if a region had to be split and there was no room for both parts: the smaller one is
    /// lost then.
    pub fn remove(&mut self, region: Region) -> bool {
        if region.bytes() == 0 {
            return true;
        }
        let first = self.regions().partition_point(|other| other.end <= region.start);
        let after = self.regions().partition_point(|other| other.start < region.end);
        let mut complete = true;
        // From the last one down, so that an index stays valid when its region goes or is split.
        for index in (first..after).rev() {
            let Some(slot) = self.regions.get_mut(index) else { continue };
            let below = Region { start: slot.start, end: region.start };
            let above = Region { start: region.end, end: slot.end };
            match (below.bytes() > 0, above.bytes() > 0) {
                (true, true) => {
                    *slot = below;
                    if !self.insert(index + 1, above) {
                        complete = false;
                        if let (true, Some(slot)) =
                            (above.bytes() > below.bytes(), self.regions.get_mut(index))
                        {
                            *slot = above;
                        }
                    }
                }
                (true, false) => *slot = below,
                (false, true) => *slot = above,
                (false, false) => self.delete(index, index + 1),
            }
        }
        complete
    }

    /// Shrinks every region to whole blocks of `align` bytes.
    pub fn align_inward(&mut self, align: u64) {
        let mut kept = RegionList::new();
        for region in self.iter() {
            // There is room: alignment makes no region two.
            kept.add(region.aligned_inward(align));
        }
        *self = kept;
    }

    fn insert(&mut self, index: usize, region: Region) -> bool {
        if self.count == CAPACITY {
            return false;
        }
        let Some(tail) = self.regions.get_mut(index..=self.count) else { return false };
        tail.rotate_right(1);
        if let Some(slot) = tail.first_mut() {
            *slot = region;
        }
        self.count += 1;
        true
    }

    fn delete(&mut self, first: usize, after: usize) {
        if let Some(tail) = self.regions.get_mut(first..self.count) {
            tail.rotate_left(after - first);
            self.count -= after - first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(regions: &[(u64, u64)]) -> RegionList {
        let mut list = RegionList::new();
        for &(start, end) in regions {
            assert!(list.add(Region { start, end }));
        }
        list
    }

    fn pairs(list: &RegionList) -> Vec<(u64, u64)> {
        list.iter().map(|region| (region.start, region.end)).collect()
    }

    #[test]
    fn neighbours_and_overlaps_merge() {
        assert_eq!(pairs(&list(&[(10, 20), (30, 40), (20, 30)])), [(10, 40)]);
        assert_eq!(pairs(&list(&[(30, 40), (10, 20)])), [(10, 20), (30, 40)]);
        assert_eq!(pairs(&list(&[(10, 20), (30, 40), (50, 60), (15, 55)])), [(10, 60)]);
        assert_eq!(pairs(&list(&[(0, u64::MAX), (5, 6)])), [(0, u64::MAX)]);
        assert_eq!(pairs(&list(&[(7, 7), (9, 3)])), []);
    }

    #[test]
    fn removal_cuts_and_splits() {
        let mut regions = list(&[(10, 20), (30, 40), (50, 60)]);
        assert!(regions.remove(Region { start: 15, end: 35 }));
        assert_eq!(pairs(&regions), [(10, 15), (35, 40), (50, 60)]);
        assert!(regions.remove(Region { start: 52, end: 53 }));
        assert_eq!(pairs(&regions), [(10, 15), (35, 40), (50, 52), (53, 60)]);
        assert!(regions.remove(Region { start: 0, end: 100 }));
        assert_eq!(pairs(&regions), []);
    }

    #[test]
    fn a_full_list_refuses_and_loses_the_smaller_part() {
        let full: Vec<_> = (0..CAPACITY as u64).map(|index| (index * 100, index * 100 + 50)).collect();
        let mut regions = list(&full);
        assert!(!regions.add(Region { start: 60, end: 70 }));
        assert_eq!(pairs(&regions), full);
        assert!(regions.add(Region { start: 40, end: 60 }), "merging needs no room");
        assert!(!regions.remove(Region { start: 110, end: 120 }));
        assert_eq!(pairs(&regions)[..3], [(0, 60), (120, 150), (200, 250)]);
        assert_eq!(regions.iter().len(), CAPACITY);
    }

    #[test]
    fn alignment_at_the_end_of_the_address_space() {
        let top = Region { start: u64::MAX - 10, end: u64::MAX };
        assert_eq!(top.aligned_inward(4096).bytes(), 0);
        assert_eq!(top.aligned_outward(4096), Region { start: u64::MAX - 4095, end: u64::MAX });
    }

    proptest! {
        /// The list behaves as a set of bytes, and stays sorted with gaps.
        #[test]
        fn it_is_a_set(operations in proptest::collection::vec((any::<bool>(), 0..256u64, 0..64u64), 0..40)) {
            let mut regions = RegionList::new();
            let mut model = [false; 512];
            for (adds, start, bytes) in operations {
                let region = Region { start, end: start + bytes };
                let complete = if adds { regions.add(region) } else { regions.remove(region) };
                prop_assert!(complete);
                model[start as usize..(start + bytes) as usize].fill(adds);
                let mut previous = None;
                for region in regions.iter() {
                    prop_assert!(region.bytes() > 0);
                    prop_assert!(previous.is_none_or(|end| end < region.start));
                    previous = Some(region.end);
                }
                for (byte, present) in model.iter().enumerate() {
                    let one = Region { start: byte as u64, end: byte as u64 + 1 };
                    prop_assert_eq!(regions.contains(one), *present);
                }
            }
            let mut aligned = regions.clone();
            aligned.align_inward(16);
            for block in 0..32 {
                let whole = Region { start: block * 16, end: block * 16 + 16 };
                prop_assert_eq!(aligned.contains(whole), regions.contains(whole));
            }
        }
    }
}
