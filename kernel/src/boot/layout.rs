//! Who gets which memory: what is free at once, what is free after the boot loader's memory is given up, and what no
//! device untyped may cover.
#![forbid(unsafe_code)]

use core::fmt;

use super::memory::{MemoryMap, PAGE};
use super::modules::{self, Modules};
use super::region::{Region, RegionList};

/// RAM with a file's bytes that is handed out to nobody, unless the boot code gives it back when the file is done with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept(Region);

impl Kept {
    /// Where it is: the exact bytes.
    pub fn region(&self) -> Region {
        self.0
    }
}

/// What must stay as it is.
#[derive(Clone, Copy, Debug)]
pub struct Occupied<'a> {
    /// The kernel image.
    pub kernel: Region,
    /// The symbols of the kernel file, and their names.
    pub symbols: Option<[Region; 2]>,
    /// The modules.
    pub modules: &'a Modules,
}

/// The layout of physical memory.
#[derive(Clone, Debug)]
pub struct Layout {
    /// RAM to build page tables in: nothing of the boot loader's.
    pub free: RegionList,
    /// RAM that is free once the boot loader's memory is not needed any more.
    pub late: RegionList,
    /// Everything that no device untyped may cover.
    pub reserved: RegionList,
    /// The root task's file.
    pub root: Kept,
    /// The kernel's symbols and their names. None if they were not given, or are not in RAM.
    pub symbols: Option<[Kept; 2]>,
    /// Bytes of the kernel image and its symbols.
    pub kernel_bytes: u64,
}

/// Memory that cannot be laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LayoutError {
    /// The memory map has more holes than there is room for.
    TooManyRegions,
    /// The root task's file is not in RAM that the kernel can reach.
    RootOutsideRam(Region),
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayoutError::TooManyRegions => {
                write!(f, "the memory map has more regions than the kernel can handle")
            }
            LayoutError::RootOutsideRam(region) => write!(
                f,
                "the root task's file at {:#x} is not in RAM, says the memory map: the boot loader contradicts itself",
                region.start
            ),
        }
    }
}

impl Layout {
    /// Lays memory out.
    pub fn new(map: &MemoryMap, occupied: &Occupied<'_>) -> Result<Layout, LayoutError> {
        let root = occupied.modules.root.aligned_outward(PAGE);
        if !map.ram.contains(root) {
            return Err(LayoutError::RootOutsideRam(root));
        }
        let symbols = occupied.symbols.filter(|parts| parts.iter().all(|part| map.ram.contains(*part)));
        let mut layout = Layout {
            free: map.usable.clone(),
            late: map.reclaimable(),
            reserved: map.ram.clone(),
            root: Kept(occupied.modules.root),
            symbols: symbols.map(|parts| parts.map(Kept)),
            kernel_bytes: 0,
        };
        let kernel =
            symbols.into_iter().flatten().chain([occupied.kernel]).map(|part| part.aligned_outward(PAGE));
        let others = occupied.modules.others().iter().map(modules::pages);
        for part in kernel.clone().chain(others.clone()).chain([root]) {
            // If there is no room to split a region, a part of it is lost, which is safe.
            layout.free.remove(part);
            layout.late.remove(part);
        }
        // Here it would not be: RAM would become a device.
        let mut complete = true;
        for part in others {
            complete &= layout.reserved.remove(part);
        }
        let mut kept = RegionList::new();
        for part in kernel {
            complete &= layout.reserved.add(part) & kept.add(part);
        }
        layout.kernel_bytes = kept.bytes();
        if complete { Ok(layout) } else { Err(LayoutError::TooManyRegions) }
    }

    /// All RAM that is free once the boot loader's memory is given up.
    pub fn into_ram(self) -> RegionList {
        let mut ram = self.free;
        for region in self.late.iter() {
            // What there is no room for is not used.
            ram.add(region);
        }
        ram
    }
}

#[cfg(test)]
mod tests {
    use super::super::memory::{LoaderEntry, MemoryKind};
    use super::super::modules::ModuleFile;
    use super::*;

    const MIB: u64 = 1 << 20;

    fn map() -> MemoryMap {
        let entries = [
            (MIB, MIB, MemoryKind::ExecutableAndModules),
            (2 * MIB, 14 * MIB, MemoryKind::Usable),
            (16 * MIB, MIB, MemoryKind::BootloaderReclaimable),
        ];
        MemoryMap::new(entries.into_iter().map(|(base, length, kind)| LoaderEntry { base, length, kind }))
    }

    fn modules(root: u64) -> Modules {
        let file = |paddr, size, string| ModuleFile { paddr, size, string };
        Modules::new([file(root, 5000, "root"), file(MIB + 0x8_0000, 1, "server x")].into_iter()).unwrap()
    }

    fn pairs(list: &RegionList) -> Vec<(u64, u64)> {
        list.iter().map(|region| (region.start, region.end)).collect()
    }

    #[test]
    fn every_byte_has_one_use() {
        let modules = modules(MIB + 0x4_0000);
        let kernel = Region { start: MIB, end: MIB + 0x3_0000 };
        let symbols = [
            Region { start: 16 * MIB + 100, end: 16 * MIB + 200 },
            Region { start: 16 * MIB, end: 16 * MIB + 1 },
        ];
        let occupied = Occupied { kernel, symbols: Some(symbols), modules: &modules };
        let layout = Layout::new(&map(), &occupied).unwrap();
        assert_eq!(pairs(&layout.free), [(2 * MIB, 16 * MIB)]);
        assert_eq!(
            pairs(&layout.late),
            [
                (MIB + 0x3_0000, MIB + 0x4_0000),
                (MIB + 0x4_2000, MIB + 0x8_0000),
                (MIB + 0x8_1000, 2 * MIB),
                (16 * MIB + 0x1000, 17 * MIB)
            ]
        );
        // The other module is a device, the root task's file is not.
        assert_eq!(pairs(&layout.reserved), [(MIB, MIB + 0x8_0000), (MIB + 0x8_1000, 17 * MIB)]);
        assert_eq!(layout.symbols.map(|parts| parts.map(|part| part.region())), Some(symbols));
        assert_eq!(layout.root.region(), Region { start: MIB + 0x4_0000, end: MIB + 0x4_0000 + 5000 });
        assert_eq!(layout.kernel_bytes, 0x3_1000, "the symbols share a page");
        assert_eq!(layout.into_ram().bytes(), 16 * MIB - 0x3_0000 - 0x2000 - 0x1000 - 0x1000);
    }

    #[test]
    fn symbols_outside_of_ram_are_left_out() {
        let modules = modules(MIB + 0x4_0000);
        let kernel = Region { start: MIB, end: MIB + 0x3_0000 };
        let symbols = [Region { start: 2 * MIB, end: 3 * MIB }, Region { start: 20 * MIB, end: 21 * MIB }];
        let layout =
            Layout::new(&map(), &Occupied { kernel, symbols: Some(symbols), modules: &modules }).unwrap();
        assert_eq!(layout.symbols, None);
        assert_eq!(pairs(&layout.free), [(2 * MIB, 16 * MIB)]);
    }

    #[test]
    fn a_root_task_outside_of_ram_is_refused() {
        let modules = modules(64 * MIB);
        let kernel = Region { start: MIB, end: MIB + 0x3_0000 };
        let refused = Layout::new(&map(), &Occupied { kernel, symbols: None, modules: &modules });
        assert!(matches!(refused, Err(LayoutError::RootOutsideRam(_))));
    }
}
