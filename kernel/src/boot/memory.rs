//! From the boot loader's memory map to lists of RAM. The map is not believed: entries may overlap, be unsorted, empty,
//! or wrap around.
#![forbid(unsafe_code)]

use super::region::{Region, RegionList};
use super::{MAX_MEMORY_MAP, MemoryMapEntry};
use crate::addr::KERNEL_WINDOW_BITS;

/// Size of a page.
pub const PAGE: u64 = 1 << sel_abi::PAGE_BITS;
/// RAM below is left to firmware and users as device memory (abi.md 8.5).
pub const LOW_MEMORY_END: u64 = 1 << 20;

/// What a range of physical addresses is (Limine boot protocol, "Memory Map Feature").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryKind {
    /// Free RAM.
    Usable,
    /// RAM that the boot loader used.
    BootloaderReclaimable,
    /// RAM that holds the kernel and the modules.
    ExecutableAndModules,
    /// ACPI tables.
    AcpiReclaimable,
    /// Firmware state that survives sleep.
    AcpiNvs,
    /// RAM with errors.
    Bad,
    /// Anything else: firmware, devices, framebuffers, kinds that are not known yet.
    Reserved,
}

impl MemoryKind {
    /// True if the range is RAM that the kernel may have once the boot loader is done.
    fn is_ram(self) -> bool {
        matches!(self, Self::Usable | Self::BootloaderReclaimable | Self::ExecutableAndModules)
    }

    /// The BIOS's number for it (abi.md 8.6).
    fn e820(self) -> u32 {
        match self {
            Self::Usable | Self::BootloaderReclaimable | Self::ExecutableAndModules => 1,
            Self::Reserved => 2,
            Self::AcpiReclaimable => 3,
            Self::AcpiNvs => 4,
            Self::Bad => 5,
        }
    }
}

/// An entry as the boot loader gives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoaderEntry {
    /// Physical address.
    pub base: u64,
    /// Bytes.
    pub length: u64,
    /// What it is.
    pub kind: MemoryKind,
}

impl LoaderEntry {
    /// None for entries that are empty or wrap around.
    fn region(&self) -> Option<Region> {
        let end = self.base.checked_add(self.length)?;
        (self.length > 0).then_some(Region { start: self.base, end })
    }
}

/// What the memory map says, once it was checked.
#[derive(Clone, Debug)]
pub struct MemoryMap {
    /// RAM from 1 MiB to the end of the direct map, in whole pages.
    pub ram: RegionList,
    /// The part of it that is free while the boot loader's answers and page tables are still needed.
    pub usable: RegionList,
    /// All RAM in bytes.
    pub ram_bytes: u64,
    /// Entries that were empty or wrapped around, or that no list had room for.
    pub ignored: usize,
    /// The entries for the root task: those of the boot loader, neighbours of one kind merged.
    pub entries: [MemoryMapEntry; MAX_MEMORY_MAP],
    /// How many of them.
    pub entry_count: usize,
}

impl MemoryMap {
    /// Reads a memory map. Where entries overlap, the one that is not RAM wins, then the one that is not free.
    pub fn new(entries: impl Iterator<Item = LoaderEntry> + Clone) -> Self {
        let mut map = MemoryMap {
            ram: RegionList::new(),
            usable: RegionList::new(),
            ram_bytes: 0,
            ignored: 0,
            entries: [MemoryMapEntry::default(); MAX_MEMORY_MAP],
            entry_count: 0,
        };
        for entry in entries.clone() {
            map.record(&entry);
            let Some(region) = entry.region() else {
                map.ignored += 1;
                continue;
            };
            let has_room = !entry.kind.is_ram() || map.ram.add(region);
            let has_room = has_room && (entry.kind != MemoryKind::Usable || map.usable.add(region));
            map.ignored += usize::from(!has_room);
        }
        for entry in entries {
            let Some(region) = entry.region() else { continue };
            // A list without room for both sides of a hole loses one of them, which is safe.
            if !entry.kind.is_ram() {
                map.ram.remove(region);
            }
            if entry.kind != MemoryKind::Usable {
                map.usable.remove(region);
            }
        }
        map.ram_bytes = map.ram.bytes();
        for list in [&mut map.ram, &mut map.usable] {
            list.remove(Region { start: 0, end: LOW_MEMORY_END });
            list.remove(Region { start: 1 << KERNEL_WINDOW_BITS, end: u64::MAX });
            list.align_inward(PAGE);
        }
        map
    }

    /// RAM that becomes free when the boot loader's memory is given up.
    pub fn reclaimable(&self) -> RegionList {
        let mut list = self.ram.clone();
        for region in self.usable.iter() {
            list.remove(region);
        }
        list
    }

    fn record(&mut self, entry: &LoaderEntry) {
        let kind = entry.kind.e820();
        if let Some(last) = self.entry_count.checked_sub(1).and_then(|last| self.entries.get_mut(last))
            && last.kind == kind
            && last.base.checked_add(last.length) == Some(entry.base)
        {
            last.length = last.length.saturating_add(entry.length);
        } else if let Some(slot) = self.entries.get_mut(self.entry_count) {
            *slot = MemoryMapEntry { base: entry.base, length: entry.length, kind };
            self.entry_count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: u64 = 1 << 20;

    fn map(entries: &[(u64, u64, MemoryKind)]) -> MemoryMap {
        let entries = entries.iter().map(|&(base, length, kind)| LoaderEntry { base, length, kind });
        MemoryMap::new(entries)
    }

    fn entries(map: &MemoryMap) -> &[MemoryMapEntry] {
        &map.entries[..map.entry_count]
    }

    fn pairs(list: &RegionList) -> Vec<(u64, u64)> {
        list.iter().map(|region| (region.start, region.end)).collect()
    }

    use MemoryKind::*;

    #[test]
    fn an_honest_map() {
        let map = map(&[
            (0, 0x9_fc00, Usable),
            (0x9_fc00, 0x400, Reserved),
            (MIB, MIB, ExecutableAndModules),
            (2 * MIB, 5 * MIB, Usable),
            (7 * MIB, MIB, BootloaderReclaimable),
            (8 * MIB, 0x8000, AcpiReclaimable),
            (0xb000_0000, 0x1000_0000, Reserved),
        ]);
        assert_eq!(pairs(&map.ram), [(MIB, 8 * MIB)]);
        assert_eq!(pairs(&map.usable), [(2 * MIB, 7 * MIB)]);
        assert_eq!(pairs(&map.reclaimable()), [(MIB, 2 * MIB), (7 * MIB, 8 * MIB)]);
        assert_eq!(map.ram_bytes, 7 * MIB + 0x9_fc00);
        assert_eq!(map.ignored, 0);
        let kinds: Vec<_> =
            entries(&map).iter().map(|entry| (entry.base, entry.length, entry.kind)).collect();
        assert_eq!(
            kinds,
            [
                (0, 0x9_fc00, 1),
                (0x9_fc00, 0x400, 2),
                (MIB, 7 * MIB, 1),
                (8 * MIB, 0x8000, 3),
                (0xb000_0000, 0x1000_0000, 2)
            ]
        );
    }

    #[test]
    fn a_lying_map() {
        let map = map(&[
            (5 * MIB, 0, Usable),
            (u64::MAX - 100, 200, Usable),
            (6 * MIB, 4 * MIB, Usable),
            (2 * MIB, 6 * MIB, Usable),
            (3 * MIB + 100, 100, Bad),
            (4 * MIB, MIB, BootloaderReclaimable),
            (1 << 39, MIB, Usable),
        ]);
        assert_eq!(pairs(&map.ram), [(2 * MIB, 3 * MIB), (3 * MIB + 4096, 10 * MIB)]);
        assert_eq!(pairs(&map.usable), [(2 * MIB, 3 * MIB), (3 * MIB + 4096, 4 * MIB), (5 * MIB, 10 * MIB)]);
        assert_eq!(map.ignored, 2);
    }

    #[test]
    fn more_entries_than_the_root_task_is_told_of() {
        let many: Vec<_> = (0..400).map(|index| (index * 2 * MIB, MIB, Usable)).collect();
        let map = map(&many);
        assert_eq!(entries(&map).len(), MAX_MEMORY_MAP);
        assert_eq!(map.ram.iter().len(), super::super::region::CAPACITY - 1, "the first is low memory");
        assert!(map.ignored > 0);
    }

    fn kind() -> impl Strategy<Value = MemoryKind> {
        let kinds =
            [Usable, BootloaderReclaimable, ExecutableAndModules, AcpiReclaimable, AcpiNvs, Bad, Reserved];
        proptest::sample::select(kinds.to_vec())
    }

    proptest! {
        /// Whatever the map says, RAM lies in entries that say RAM and in none that say otherwise.
        #[test]
        fn ram_is_ram(
            entries in proptest::collection::vec((0..600u64, 0..80u64, kind(), any::<bool>()), 0..30),
        ) {
            // In units of half a page, some of them far up.
            let unit = PAGE / 2;
            let far = (1 << KERNEL_WINDOW_BITS) - 300 * unit;
            let list: Vec<_> = entries.iter().map(|&(start, length, kind, is_far)| {
                (if is_far { far } else { 0 } + start * unit, length * unit, kind)
            }).collect();
            let map = map(&list);
            let covers = |page: u64, wanted: fn(MemoryKind) -> bool| list.iter().any(|&(base, length, kind)| {
                wanted(kind) && length > 0 && base < page + PAGE && page < base + length
            });
            for region in map.ram.iter() {
                prop_assert!(region.start >= LOW_MEMORY_END && region.end <= 1 << KERNEL_WINDOW_BITS);
                for page in (region.start..region.end).step_by(PAGE as usize) {
                    prop_assert!(covers(page, MemoryKind::is_ram));
                    prop_assert!(!covers(page, |kind| !kind.is_ram()));
                }
            }
            for region in map.usable.iter() {
                prop_assert!(map.ram.contains(region));
                for page in (region.start..region.end).step_by(PAGE as usize) {
                    prop_assert!(!covers(page, |kind| kind != Usable));
                }
            }
        }
    }
}
